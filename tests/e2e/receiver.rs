//! A receiver of webhooks that answers as a test says, or does not answer.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a receiver does with a webhook.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// Answers with a status and further header lines.
    Status(u16, &'static str),
    /// Closes the connection.
    Close,
    /// Reads and does not answer until the other side leaves.
    Hang,
    /// Sends its answer a byte at a time.
    Drip,
    /// Announces a body that never comes.
    LieInLength,
}

/// A webhook as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    head: String,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found
            .unwrap_or_else(|| panic!("no {name} in {}", self.head))
            .1
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A receiver on a port of its own, until the end of the test process.
pub(crate) struct Receiver {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// The n-th webhook, from 0, is answered in the n-th manner; the last manner repeats.
    pub(crate) fn start(manners: &[Manner]) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), manners)
    }

    pub(crate) fn on(listener: TcpListener, manners: &[Manner]) -> Self {
        let url = format!(
            "http://{}/hook?token=secret",
            listener.local_addr().unwrap()
        );
        let received = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&received);
        let manners = manners.to_vec();
        thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let manner = manners[index.min(manners.len() - 1)];
                let (stream, seen) = (stream.unwrap(), Arc::clone(&seen));
                thread::spawn(move || answer(stream, manner, &seen));
            }
        });
        Self { url, received }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, manner: Manner, seen: &Mutex<Vec<Received>>) {
    let Some(received) = read(&mut stream) else {
        return;
    };
    seen.lock().unwrap().push(received);
    let wait = |stream: &mut TcpStream| while stream.read(&mut [0]).is_ok_and(|read| read > 0) {};
    // The other side may leave at any time.
    let _ = match manner {
        Manner::Status(status, headers) => stream.write_all(
            format!("HTTP/1.1 {status} X\r\n{headers}content-length: 0\r\n\r\n").as_bytes(),
        ),
        Manner::Close => Ok(()),
        Manner::Hang => {
            wait(&mut stream);
            Ok(())
        }
        Manner::Drip => "HTTP/1.1 200 OK\r\nx-slow: "
            .bytes()
            .chain(std::iter::repeat(b'a'))
            .try_for_each(|byte| {
                thread::sleep(Duration::from_millis(100));
                stream.write_all(&[byte])
            }),
        Manner::LieInLength => {
            let sent = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
            wait(&mut stream);
            sent
        }
    };
}

fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lines = head.lines().map(str::to_lowercase);
            let length = lines.filter_map(|line| {
                Some(
                    line.strip_prefix("content-length: ")?
                        .parse::<usize>()
                        .unwrap(),
                )
            });
            if body.len() >= length.sum() {
                return Some(Received {
                    head: head.to_owned(),
                    body: body.to_owned(),
                });
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

//! A web server with recordings that answers as a test says, byte by byte.

use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a server does next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes in pieces of so many, with this pause after each.
    Drip(Vec<u8>, usize, Duration),
    /// Sends these bytes again and again.
    Endless(Vec<u8>),
    /// Does nothing until the test has dropped the sender.
    WaitFor(Arc<Mutex<Receiver<()>>>),
    /// Does nothing until the other side leaves.
    Hang,
}

/// A request: which it is, from 0, and its head.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) index: usize,
    pub(crate) head: String,
}

impl Request {
    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }
}

/// A running server, until the end of the test process.
pub(crate) struct Origin {
    base: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Origin {
    /// Answers each request, on a connection of its own, with the steps of `script`.
    pub(crate) fn start(script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1", script)
    }

    /// The same on another address of this machine.
    pub(crate) fn on(
        ip: &str,
        script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let script = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                thread::spawn(move || serve(&mut stream, &*script, &seen));
            }
        });
        Self { base, requests }
    }

    /// Serves every request with the same bytes.
    pub(crate) fn of(body: Vec<u8>) -> Self {
        Self::start(move |_| answer("200 OK", &body))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// A complete answer. `head` is the status, and further header lines after it.
pub(crate) fn answer(head: &str, body: &[u8]) -> Vec<Step> {
    vec![Step::Send(
        [head_of(head, body.len()), body.to_vec()].concat(),
    )]
}

/// Status line, headers and an announced length.
pub(crate) fn head_of(head: &str, length: usize) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n").into_bytes()
}

/// Reads a request from any stream and answers it.
pub(crate) fn serve(
    stream: &mut (impl std::io::Read + Write),
    script: &(impl Fn(&Request) -> Vec<Step> + ?Sized),
    seen: &Mutex<Vec<Request>>,
) {
    let Some(head) = read_head(stream) else {
        return;
    };
    let request = {
        let mut seen = seen.lock().unwrap();
        let index = seen.len();
        seen.push(Request { index, head });
        seen[index].clone()
    };

    for step in script(&request) {
        // The other side may leave at any time.
        let sent = match step {
            Step::Send(bytes) => stream.write_all(&bytes),
            Step::Drip(bytes, size, pause) => bytes.chunks(size).try_for_each(|piece| {
                stream.write_all(piece)?;
                stream.flush()?;
                thread::sleep(pause);
                Ok(())
            }),
            Step::Endless(bytes) => loop {
                if let Err(error) = stream.write_all(&bytes) {
                    break Err(error);
                }
            },
            Step::WaitFor(released) => {
                let _ = released.lock().unwrap().recv();
                Ok(())
            }
            Step::Hang => {
                while stream.read(&mut [0]).is_ok_and(|read| read > 0) {}
                Ok(())
            }
        };
        if sent.and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

/// Reads a request, and returns its head. A body is read and dropped.
fn read_head(stream: &mut impl std::io::Read) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lengths = head.lines().filter_map(|line| {
                let line = line.to_lowercase();
                line.strip_prefix("content-length: ")?.parse::<usize>().ok()
            });
            if body.len() >= lengths.sum() {
                return Some(head.to_owned());
            }
        }
        let mut piece = [0; 1024];
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

//! A server on a loopback address of its own that behaves as a test says, byte by byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Where the tests' servers listen: the policy permits this address, and no other of 127.0.0.0/8.
pub(crate) const PERMITTED: &str = "127.0.0.2";

/// What a server does next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes again and again, with this pause between.
    Repeat(Vec<u8>, Duration),
    /// Does nothing until the other side leaves.
    Wait,
}

pub(crate) fn send(text: impl AsRef<[u8]>) -> Step {
    Step::Send(text.as_ref().to_vec())
}

/// A complete answer with a body.
pub(crate) fn answer(head: &str, body: &[u8]) -> Vec<Step> {
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len());
    vec![send([head.as_bytes(), body].concat())]
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Every request so far, head and body.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers the n-th connection (from 0) with the steps that `script` gives for n and its request.
    pub(crate) async fn start(
        script: impl Fn(usize, &str) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((PERMITTED, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let script = Arc::new(script);
        tokio::spawn(async move {
            for index in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                tokio::spawn(async move { serve(stream, index, &*script, &seen).await });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    index: usize,
    script: &(impl Fn(usize, &str) -> Vec<Step> + ?Sized),
    seen: &Mutex<Vec<String>>,
) {
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    seen.lock().unwrap().push(request.clone());
    for step in script(index, &request) {
        match step {
            Step::Send(bytes) => drop(stream.write_all(&bytes).await),
            Step::Repeat(bytes, pause) => {
                while stream.write_all(&bytes).await.is_ok() {
                    tokio::time::sleep(pause).await;
                }
            }
            Step::Wait => while stream.read(&mut [0]).await.is_ok_and(|read| read > 0) {},
        }
    }
}

/// Head and, where a length is announced, body. None if the client left before.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                break;
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
        }
    }
    String::from_utf8(bytes).ok()
}

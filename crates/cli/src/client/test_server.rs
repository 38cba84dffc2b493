//! A server for tests: answers each connection with the next answer of a script and notes what was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

/// What to do with a connection.
pub(crate) enum Answer {
    /// Status line, further header lines (each ending in CRLF), body.
    Send(&'static str, &'static str, String),
    /// End the connection without a word.
    HangUp,
}

/// A call as it arrived.
#[derive(Debug)]
pub(crate) struct Call {
    /// Method and target, as `GET /transcribe/ID?wait=30`.
    pub(crate) line: String,
    /// The header lines, names in lower case.
    pub(crate) headers: Vec<String>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// A server that ends with its script.
pub(crate) struct TestServer {
    /// Its address.
    pub(crate) url: String,
    thread: JoinHandle<(TcpListener, Vec<Call>)>,
}

impl TestServer {
    pub(crate) fn start(script: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let thread = thread::spawn(move || {
            let calls = script.into_iter().map(|answer| serve(listener.accept().unwrap().0, answer)).collect();
            (listener, calls)
        });
        Self { url, thread }
    }

    /// The calls, once the whole script was played. There must have been no others.
    pub(crate) fn calls(self) -> Vec<Call> {
        let (listener, calls) = self.thread.join().unwrap();
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "there was one more call than in the script");
        calls
    }
}

fn serve(mut stream: TcpStream, answer: Answer) -> Call {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.remove(0).trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<_> = lines.iter().map(|line| line.to_ascii_lowercase()).collect();
    let length = headers.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    if let Answer::Send(status, more, text) = answer {
        let length = text.len();
        let head = format!("HTTP/1.1 {status}\r\n{more}Connection: close\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(format!("{head}{text}").as_bytes()).unwrap();
    }
    Call { line, headers, body }
}

//! A local HTTP server with one file, which can misbehave. Used by the pull tests.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// How the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As it should, ranges included.
    Good,
    /// Ranges work, but every answer breaks off after so many bytes.
    BreaksAfter(usize),
    /// Always sends the whole file.
    IgnoresRanges,
    /// 503.
    Unavailable,
}

/// A server on a port of its own, until the end of the test process.
pub(crate) struct HttpServer {
    pub(crate) url: &'static str,
    /// The `Range` of each request so far, `-` for none.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

pub(crate) fn serve(content: Vec<u8>, manner: Manner) -> HttpServer {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://{}/ggml-tiny-test.bin",
        listener.local_addr().unwrap()
    )
    .leak();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that leaves early is no failure of the test.
            let _ = answer(&stream.unwrap(), &content, manner, &seen);
        }
    });
    HttpServer { url, requests }
}

fn answer(
    stream: &TcpStream,
    content: &[u8],
    manner: Manner,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut range = "-".to_owned();
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: ") {
            value.clone_into(&mut range);
        }
        if line.is_empty() {
            break;
        }
    }
    seen.lock().unwrap().push(range.clone());

    let asked = range
        .strip_prefix("bytes=")
        .and_then(|range| range.strip_suffix('-')?.parse::<usize>().ok());
    let start = if manner == Manner::IgnoresRanges {
        0
    } else {
        asked.unwrap_or(0)
    };
    let (status, body) = match manner {
        Manner::Unavailable => ("503 Service Unavailable", &b""[..]),
        _ if start > 0 => ("206 Partial Content", &content[start..]),
        _ => ("200 OK", content),
    };
    let mut out = stream;
    write!(
        out,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n",
        body.len()
    )?;
    if start > 0 {
        write!(
            out,
            "Content-Range: bytes {start}-{}/{}\r\n",
            content.len() - 1,
            content.len()
        )?;
    }
    write!(out, "\r\n")?;
    let sent = match manner {
        Manner::BreaksAfter(bytes) => bytes.min(body.len()),
        _ => body.len(),
    };
    out.write_all(&body[..sent])
}

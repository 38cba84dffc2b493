//! Requests in progress while an api stops.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use steno_e2e::{Service, Settings, eventually, fixture};

use crate::limits::connect;

/// Begins an upload and sends half of it. Returns the connection and the rest.
fn begin_upload(service: &Service) -> (TcpStream, Vec<u8>) {
    let clip = fs::read(fixture("clip.opus")).unwrap();
    let (first, rest) = clip.split_at(clip.len() / 2);
    let head = format!(
        "POST /transcribe HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/ogg\r\nContent-Length: {}\r\n\r\n",
        clip.len()
    );
    let mut stream = connect(service);
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(first).unwrap();
    eventually("the upload has begun", || {
        let is_there = service.files().iter().any(|file| file.contains(".part"));
        is_there.then_some(())
    });
    (stream, rest.to_vec())
}

#[test]
fn an_upload_in_progress_is_accepted_after_a_stop() {
    let mut service = Settings::with_workers(0)
        .set("STENO_DRAIN_TIMEOUT", "300s")
        .start();
    let (mut stream, rest) = begin_upload(&service);
    let address = service.environment()["STENO_BIND"].clone();
    let mut api = service.api.take().unwrap();
    api.signal(Signal::TERM);
    eventually("the api accepts no more connections", || {
        TcpStream::connect(&address).is_err().then_some(())
    });
    stream.write_all(&rest).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();

    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert!(api.wait().success());
}

#[test]
fn an_upload_that_does_not_end_is_cut_off_after_the_drain() {
    let mut service = Settings::with_workers(0)
        .set("STENO_DRAIN_TIMEOUT", "1s")
        .start();
    let (_stream, _rest) = begin_upload(&service);
    let mut api = service.api.take().unwrap();
    let began = Instant::now();

    assert!(api.terminate().success());
    assert!(began.elapsed() < Duration::from_secs(12));
}

//! Transfers that break off and go on, and what a request says about its sender.

use hyper::header::HeaderValue;
use steno_courier::{Beginning, Download};

use crate::server::{Server, answer, send};
use crate::support::{Memory, Names, PATIENT, client, code, fetch};

const RECORDING: &[u8] = b"a recording of some length";

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let lines = request.lines();
    lines
        .filter_map(|line| line.split_once(": "))
        .find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
}

/// The first answer breaks off after 10 bytes.
fn broken(validator: &str) -> Vec<crate::server::Step> {
    let length = RECORDING.len();
    let head = format!("HTTP/1.1 200 OK\r\n{validator}content-length: {length}\r\n\r\n");
    vec![send([head.as_bytes(), &RECORDING[..10]].concat())]
}

fn remainder(from: usize) -> Vec<crate::server::Step> {
    let length = RECORDING.len();
    let head = format!(
        "206 Partial Content\r\ncontent-range: bytes {from}-{}/{length}",
        length - 1
    );
    answer(&head, &RECORDING[from..])
}

#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_was() {
    let server = Server::start(|index, _| match index {
        0 => broken("etag: \"one\"\r\n"),
        _ => remainder(10),
    })
    .await;
    let (outcome, memory) = fetch(&client(Names::of(&[])), &server.url("/"), PATIENT).await;

    let downloaded = outcome.unwrap();
    assert_eq!(
        (downloaded.bytes, downloaded.broken),
        (RECORDING.len() as u64, 1)
    );
    assert_eq!((memory.bytes.as_slice(), memory.restarts), (RECORDING, 0));
    let second = &server.requests()[1];
    assert_eq!(header(second, "range"), Some("bytes=10-"));
    assert_eq!(header(second, "if-range"), Some("\"one\""));
    assert_eq!(
        memory.reports.last(),
        Some(&(RECORDING.len() as u64, Some(RECORDING.len() as u64)))
    );
}

#[tokio::test]
async fn a_recording_that_changed_meanwhile_is_fetched_from_its_start() {
    let server = Server::start(|index, _| match index {
        0 => broken("etag: \"one\"\r\n"),
        _ => answer("200 OK\r\netag: \"two\"", b"another recording"),
    })
    .await;
    let (outcome, memory) = fetch(&client(Names::of(&[])), &server.url("/"), PATIENT).await;

    assert_eq!(code(&outcome), "ok");
    assert_eq!(
        (memory.bytes.as_slice(), memory.restarts),
        (&b"another recording"[..], 1)
    );
}

#[tokio::test]
async fn a_recording_that_changed_is_continued_by_its_own_validator() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let other = b"another recording";
    let server = Server::start(move |index, _| match index {
        0 => broken("etag: \"one\"\r\n"),
        1 => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nlast-modified: {date}\r\ncontent-length: {}\r\n\r\n",
                other.len()
            );
            vec![send([head.as_bytes(), &other[..4]].concat())]
        }
        _ => {
            let head = format!(
                "206 Partial Content\r\ncontent-range: bytes 4-{}/{}",
                other.len() - 1,
                other.len()
            );
            answer(&head, &other[4..])
        }
    })
    .await;
    let (outcome, memory) = fetch(&client(Names::of(&[])), &server.url("/"), PATIENT).await;

    assert_eq!(code(&outcome), "ok");
    assert_eq!((memory.bytes.as_slice(), memory.restarts), (&other[..], 1));
    let third = &server.requests()[2];
    assert_eq!(header(third, "range"), Some("bytes=4-"));
    assert_eq!(header(third, "if-range"), Some(date));
}

/// Downloads from `server` behind the first 10 bytes of the recording.
async fn continued(server: &Server, total: usize) -> Memory {
    let mut memory = Memory {
        bytes: RECORDING[..total.min(10)].to_vec(),
        ..Memory::default()
    };
    let client = client(Names::of(&[]));
    let beginning = Beginning {
        bytes: memory.bytes.len() as u64,
        total: Some(total as u64),
        validator: HeaderValue::from_static("\"one\""),
    };
    let outcome = Download::new(&client, PATIENT, &mut memory)
        .behind(beginning)
        .run(&server.url("/").parse().unwrap())
        .await;

    assert_eq!(code(&outcome), "ok");
    memory
}

#[tokio::test]
async fn a_later_process_asks_for_the_remainder() {
    let server = Server::start(|_, _| remainder(10)).await;
    let memory = continued(&server, RECORDING.len()).await;

    assert_eq!((memory.bytes.as_slice(), memory.restarts), (RECORDING, 0));
    let request = &server.requests()[0];
    assert_eq!(header(request, "range"), Some("bytes=10-"));
    assert_eq!(header(request, "if-range"), Some("\"one\""));
}

#[tokio::test]
async fn a_later_process_begins_again_if_the_recording_has_changed() {
    let server = Server::start(|_, _| answer("200 OK", b"another recording")).await;
    let memory = continued(&server, RECORDING.len()).await;

    assert_eq!(
        (memory.bytes.as_slice(), memory.restarts),
        (&b"another recording"[..], 1)
    );
}

#[tokio::test]
async fn a_recording_that_is_complete_is_not_requested_again() {
    let server = Server::start(|_, _| answer("200 OK", b"another recording")).await;
    let memory = continued(&server, 10).await;

    assert_eq!(memory.bytes, &RECORDING[..10]);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn without_a_validator_nothing_is_joined() {
    for validator in ["", "etag: W/\"weak\"\r\n"] {
        let server = Server::start(move |index, request| {
            assert_eq!(header(request, "range"), None);
            if index == 0 {
                broken(validator)
            } else {
                answer("200 OK", RECORDING)
            }
        })
        .await;
        let (outcome, memory) = fetch(&client(Names::of(&[])), &server.url("/"), PATIENT).await;

        assert_eq!(code(&outcome), "ok");
        assert_eq!((memory.bytes.as_slice(), memory.restarts), (RECORDING, 1));
    }
}

#[tokio::test]
async fn a_remainder_that_does_not_fit_is_not_joined() {
    for (from, total) in [
        (11, RECORDING.len()),
        (0, RECORDING.len()),
        (10, RECORDING.len() + 1),
    ] {
        let server = Server::start(move |index, _| match index {
            0 => broken("etag: \"one\"\r\n"),
            1 => {
                let head = format!(
                    "206 Partial Content\r\ncontent-range: bytes {from}-{}/{total}",
                    total - 1
                );
                answer(&head, b"something else")
            }
            _ => answer("200 OK", RECORDING),
        })
        .await;
        let (outcome, memory) = fetch(&client(Names::of(&[])), &server.url("/"), PATIENT).await;

        assert_eq!(code(&outcome), "ok", "{from} of {total}");
        assert_eq!(memory.bytes, RECORDING, "{from} of {total}");
    }
}

#[tokio::test]
async fn a_server_that_fails_for_a_moment_is_asked_again_and_one_that_always_fails_is_not() {
    let server = Server::start(|index, _| match index {
        0 | 1 => answer("503 Service Unavailable", b""),
        _ => answer("200 OK", RECORDING),
    })
    .await;
    let (outcome, _) = fetch(&client(Names::of(&[])), &server.url("/"), PATIENT).await;
    assert_eq!(code(&outcome), "ok");

    let server = Server::start(|_, _| answer("503 Service Unavailable", b"")).await;
    let (outcome, _) = fetch(&client(Names::of(&[])), &server.url("/"), PATIENT).await;
    assert_eq!(code(&outcome), "http_status");
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn five_redirects_are_followed_and_carry_nothing_along() {
    let server = Server::start(|index, _| match index {
        0..5 => answer(
            "302 Found\r\nset-cookie: a=b\r\nlocation: /next?token=secret",
            b"",
        ),
        _ => answer("200 OK\r\ncontent-type: text/html", RECORDING),
    })
    .await;
    let (outcome, memory) = fetch(&client(Names::of(&[])), &server.url("/"), PATIENT).await;

    assert_eq!(code(&outcome), "ok");
    assert_eq!(memory.bytes, RECORDING);
    for request in server.requests() {
        for name in ["cookie", "referer", "authorization"] {
            assert_eq!(header(&request, name), None);
        }
        assert_eq!(header(&request, "accept-encoding"), Some("identity"));
        assert!(
            header(&request, "user-agent")
                .unwrap()
                .starts_with("steno/")
        );
    }
}

#[tokio::test]
async fn a_sink_that_wants_no_more_stops_the_download() {
    struct Unwilling;

    impl steno_courier::Sink for Unwilling {
        fn append(&mut self, _: &[u8]) -> std::io::Result<()> {
            Err(std::io::ErrorKind::StorageFull.into())
        }

        fn restart(&mut self) -> std::io::Result<()> {
            Ok(())
        }

        fn announce(&mut self, _: Option<u64>, _: Option<&HeaderValue>) -> bool {
            true
        }

        fn report(&mut self, received: u64, _: Option<u64>) -> bool {
            received == 0
        }
    }

    let server = Server::start(|_, _| answer("200 OK", RECORDING)).await;
    let client = client(Names::of(&[]));
    let outcome = Download::new(&client, PATIENT, &mut Unwilling)
        .run(&server.url("/").parse().unwrap())
        .await;

    assert_eq!(code(&outcome), "not_stored");
    assert_eq!(server.requests().len(), 1);
}

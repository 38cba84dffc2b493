//! Calls to a server that answers from a list.

use std::io::Write as _;
use std::net::TcpListener;

use super::*;

/// Answers one connection after the other with the given answers, then ends.
fn server(answers: Vec<String>) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4096];
            let mut request = String::new();
            while !request.contains("\r\n\r\n") {
                let length = stream.read(&mut buffer).unwrap();
                request.push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
            stream.write_all(answer.as_bytes()).unwrap();
            requests.push(request);
        }
        requests
    });
    (base, thread)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

fn job_json(status: &str) -> String {
    let job = JobId::random();
    format!(
        r#"{{"job_id":"{job}","status":"{status}","progress":0,"created_at":"2026-01-01T00:00:00Z","attempts":1,
            "ttl_deadline":"2026-01-02T00:00:00Z","position":1}}"#
    )
}

#[test]
fn an_upload_that_is_put_off_is_sent_again_whole() {
    let full = answer("503 Service Unavailable", "retry-after: 0\r\n", "{}");
    let (base, server) = server(vec![full, answer("202 Accepted", "", &job_json("pending"))]);
    let mut opened = 0;
    let accepted = Client::new(&base, None).submit(&[("prompt", "a b&c".to_owned())], 2, || {
        opened += 1;
        Ok(&b"hi"[..])
    });
    assert_eq!(accepted.unwrap().status, Status::Pending);
    assert_eq!(opened, 2);
    let requests = server.join().unwrap();
    assert!(
        requests[1].starts_with("POST /transcribe?prompt=a%20b%26c ")
            && requests[1].contains("content-length: 2")
    );
    let key = |request: &str| {
        request
            .lines()
            .find(|line| line.starts_with("idempotency-key: "))
            .map(ToOwned::to_owned)
    };
    assert!(
        key(&requests[0]).is_some() && key(&requests[0]) == key(&requests[1]),
        "it stays one job"
    );
}

#[test]
fn a_job_is_waited_for_until_it_ends() {
    let answers = vec![
        answer("200 OK", "", &job_json("processing")),
        answer("200 OK", "", &job_json("failed")),
    ];
    let (base, server) = server(answers);
    let mut seen = Vec::new();
    let ended = Client::new(&base, None)
        .wait(&JobId::random(), true, |job| seen.push(job.status))
        .unwrap();
    assert_eq!(
        (ended.status, seen),
        (Status::Failed, vec![Status::Processing, Status::Failed])
    );
    assert_eq!(server.join().unwrap().len(), 2);
}

#[test]
fn a_stream_that_breaks_off_goes_on_where_it_was() {
    let event = |id: &str| format!("event: segment\nid: {id}\ndata: {{}}\n\n");
    let stream = |events: String| answer("200 OK", "content-type: text/event-stream\r\n", &events);
    let (base, server) = server(vec![stream(event("2-1")), stream(event("2-2"))]);
    let mut seen = Vec::new();
    let followed = Client::new(&base, None).follow(&JobId::random(), |message| {
        seen.push(message.id);
        seen.len() == 2
    });
    assert!(followed.is_ok());
    assert_eq!(seen, ["2-1", "2-2"]);
    assert!(server.join().unwrap()[1].contains("last-event-id: 2-1"));
}

#[test]
fn a_server_that_is_not_ready_is_waited_for() {
    let problem = r#"{"type":"t","title":"t","status":503,"detail":"d","instance":"/","request_id":"1","code":"not_ready"}"#;
    let answers = vec![
        answer("503 Service Unavailable", "", problem),
        answer("200 OK", "", &job_json("completed")),
    ];
    let (base, _server) = server(answers);
    assert_eq!(
        Client::new(&base, None)
            .wait(&JobId::random(), true, |_| ())
            .unwrap()
            .status,
        Status::Completed
    );
}

#[test]
fn problems_are_shown_with_the_flags_of_the_command_line() {
    let problem = r#"{"type":"t","title":"t","status":422,"detail":"not valid: task","instance":"/","request_id":"1",
        "code":"invalid_options","errors":[{"pointer":"/task","detail":"wrong"},{"pointer":"/word_timestamps","detail":"no"}]}"#;
    let (base, _server) = server(vec![answer("422 Unprocessable Entity", "", problem)]);
    let shown = Client::new(&base, None)
        .status(&JobId::random())
        .unwrap_err()
        .to_string();
    assert_eq!(
        shown,
        "the server does not accept these options (invalid_options)\n  --task: wrong\n  --words: no"
    );
}

#[test]
fn a_server_that_answered_before_is_waited_for() {
    let (base, server) = server(vec![
        answer("200 OK", "", &job_json("processing")),
        String::new(),
        answer("200 OK", "", &job_json("completed")),
    ]);
    let ended = Client::new(&base, None)
        .wait(&JobId::random(), true, |_| ())
        .unwrap();
    assert_eq!(ended.status, Status::Completed);
    assert_eq!(
        server.join().unwrap().len(),
        3,
        "the connection that broke was made again"
    );
}

#[test]
fn a_server_that_never_answered_is_not_waited_for() {
    // A second call would succeed.
    let (base, _server) = server(vec![String::new(), answer("204 No Content", "", "")]);
    assert!(matches!(
        Client::new(&base, None).delete(&JobId::random()),
        Err(CallError::Unreachable(_))
    ));
}

#[test]
fn a_server_that_is_not_there_is_said_to_be_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let shown = Client::new(&base, None)
        .status(&JobId::random())
        .unwrap_err()
        .to_string();
    assert!(shown.starts_with("cannot reach the server"), "{shown}");
}

#[test]
fn an_address_is_completed() {
    for (given, expected) in [
        ("localhost:8080", "http://localhost:8080"),
        (" steno.example/ ", "http://steno.example"),
        ("//steno.example", "http://steno.example"),
        ("https://steno.example/a/", "https://steno.example/a"),
        ("[::1]:8080", "http://[::1]:8080"),
    ] {
        assert_eq!(complete(given), expected);
    }
}

#[test]
fn answers_of_proxies_and_other_servers_are_explained() {
    let check = |status: &str, headers: &str, body: &str, expected: &str| {
        let (base, _server) = server(vec![answer(status, headers, body)]);
        let error = Client::new(&base, None)
            .status(&JobId::random())
            .unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains(expected), "{status} {body}: {shown}");
        error
    };
    let nginx = "server: nginx\r\n";
    check(
        "413 Content Too Large",
        nginx,
        "<html>",
        "takes no recordings of this size (status 413 from nginx)",
    );
    check(
        "502 Bad Gateway",
        nginx,
        "<html>",
        "cannot reach it (status 502 from nginx)",
    );
    check(
        "504 Gateway Time-out",
        "",
        "<html>",
        "did not wait long enough",
    );
    check("200 OK", "", "<html>", "no Steno server");
    check(
        "400 Bad Request",
        "",
        r#"{"error":{"message":"too long","code":"x"}}"#,
        "too long (status 400)",
    );
    check(
        "500 Internal Server Error",
        "",
        r#"{"detail":"it broke"}"#,
        "it broke (status 500)",
    );

    let openai = r#"{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}"#;
    let error = check(
        "401 Unauthorized",
        "www-authenticate: Bearer\r\n",
        openai,
        "set STENO_API_KEY",
    );
    assert!(error.wants_key() && error.concerns_all_calls());
    let error = check(
        "401 Unauthorized",
        "www-authenticate: Basic realm=x\r\n",
        "<html>",
        "user name and password",
    );
    assert!(!error.wants_key());
}

#[test]
fn a_refusal_that_breaks_the_upload_of_a_large_recording_is_read() {
    let refusal = answer("413 Content Too Large", "", "<html>");
    let (base, server) = server(vec![refusal.clone(), refusal]);
    let length = 64 << 20;
    let accepted =
        Client::new(&base, None).submit(&[], length, || Ok(std::io::repeat(0).take(length)));
    let shown = accepted.unwrap_err().to_string();
    assert!(
        shown.contains("takes no recordings of this size"),
        "{shown}"
    );
    let requests = server.join().unwrap();
    assert!(!requests[0].contains("expect: ") && requests[1].contains("expect: 100-continue"));
}

#[test]
fn a_proxy_whose_server_restarts_is_waited_for() {
    let away = answer("502 Bad Gateway", "", "<html>");
    let answers = vec![
        answer("200 OK", "", &job_json("processing")),
        away.clone(),
        answer("200 OK", "", &job_json("completed")),
        away,
    ];
    let (base, _server) = server(answers);
    let client = Client::new(&base, None);
    assert_eq!(
        client.wait(&JobId::random(), true, |_| ()).unwrap().status,
        Status::Completed
    );
    assert!(
        matches!(
            Client::new(&base, None).delete(&JobId::random()),
            Err(CallError::Foreign(_))
        ),
        "never answered"
    );
}

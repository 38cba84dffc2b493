//! Addresses that lead into the operator's network, in every spelling.

use std::net::TcpListener;

use steno_models::WebAddress;

use crate::server::{PERMITTED, Server, answer};
use crate::support::{IMPATIENT, Names, PATIENT, client, code, fetch};

/// Name servers under an attacker's control.
fn hostile_names() -> std::sync::Arc<Names> {
    Names::of(&[
        ("localhost", &[&["127.0.0.1", "::1"]]),
        ("metadata.example", &[&["169.254.169.254"]]),
        ("mapped.example", &[&["::ffff:10.0.0.1"]]),
        ("mixed.example", &[&[PERMITTED, "127.0.0.1"]]),
        ("nothing.example", &[&[]]),
    ])
}

#[tokio::test]
async fn no_spelling_of_an_address_leads_into_the_network_of_the_server() {
    // Only the policy protects this port.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = client(hostile_names());
    for host in [
        "127.0.0.1",
        "127.0.0.3",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0x7f.0.0.1",
        "①②⑦.0.0.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "[::]",
        "0.0.0.0",
        "0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "localhost",
        "LOCALHOST",
        "metadata.example",
        "mapped.example",
        "mixed.example",
    ] {
        let url = format!("http://{host}:{port}/latest/meta-data/");
        let (outcome, memory) = fetch(&client, &url, PATIENT).await;

        assert_eq!(code(&outcome), "address_refused", "{url}");
        assert!(memory.bytes.is_empty());
    }
    assert!(listener.accept().is_err(), "a connection was made");
}

#[tokio::test]
async fn what_is_no_address_for_the_web_is_refused_before_anything_is_resolved() {
    for text in [
        "file:///etc/passwd",
        "gopher://example.org/",
        "ftp://example.org/",
        "dict://127.0.0.1:11211/",
        "https://user:password@example.org/",
        "https://example.org@127.0.0.1/",
        "https://example.org/\r\nHost: internal",
        "//example.org/",
        "http://exa mple.org/",
        "http://[::1/",
        "http://256.1.1.1/",
    ] {
        assert!(text.parse::<WebAddress>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn ports_of_other_services_and_unknown_names_are_refused() {
    let client = client(hostile_names());
    for (url, expected) in [
        ("http://1.1.1.1:25/", "port_refused"),
        ("http://[2606:4700::1111]:6379/", "port_refused"),
        ("http://unknown.example/", "name_not_resolved"),
        ("http://nothing.example/", "name_not_resolved"),
    ] {
        let (outcome, _) = fetch(&client, url, PATIENT).await;

        assert_eq!(code(&outcome), expected, "{url}");
    }
}

#[tokio::test]
async fn a_name_that_changes_after_the_check_is_called_where_it_was_checked() {
    let server = Server::start(|_, _| answer("200 OK", b"sound")).await;
    let names = Names::of(&[("rebinding.example", &[&[PERMITTED], &["127.0.0.1"]])]);
    let client = client(names.clone());
    let url = format!("http://rebinding.example:{}/", server.address.port());
    let (outcome, memory) = fetch(&client, &url, PATIENT).await;

    assert_eq!(code(&outcome), "ok");
    assert_eq!(memory.bytes, b"sound");
    assert_eq!(names.lookups("rebinding.example"), 1);
}

#[tokio::test]
async fn a_name_that_changes_between_two_hops_is_refused_at_the_second() {
    let server = Server::start(|_, _| answer("302 Found\r\nlocation: /again", b"")).await;
    let names = Names::of(&[("rebinding.example", &[&[PERMITTED], &["127.0.0.1"]])]);
    let client = client(names.clone());
    let url = format!("http://rebinding.example:{}/", server.address.port());
    let (outcome, _) = fetch(&client, &url, PATIENT).await;

    assert_eq!(code(&outcome), "address_refused");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_leads_nowhere_that_the_address_itself_could_not() {
    for (location, expected) in [
        (
            "http://169.254.169.254/latest/meta-data/",
            "address_refused",
        ),
        ("http://127.0.0.1/", "address_refused"),
        ("http://[::ffff:169.254.169.254]/", "address_refused"),
        ("//2130706433/", "address_refused"),
        ("http://1.1.1.1:22/", "port_refused"),
        ("file:///etc/passwd", "invalid_redirect"),
        ("http://user:password@example.org/", "invalid_redirect"),
        ("http://[", "invalid_redirect"),
    ] {
        let head = format!("302 Found\r\nlocation: {location}");
        let server = Server::start(move |_, _| answer(&head, b"")).await;
        let client = client(hostile_names());
        let (outcome, _) = fetch(&client, &server.url("/"), PATIENT).await;

        assert_eq!(code(&outcome), expected, "{location}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_and_one_without_tls_have_their_codes() {
    let server = Server::start(|_, _| answer("200 OK", b"sound")).await;
    let client = client(hostile_names());
    let url = server.url("/").replace("http:", "https:");
    let (outcome, _) = fetch(&client, &url, IMPATIENT).await;
    assert!(
        matches!(code(&outcome), "tls_failed" | "timed_out"),
        "{outcome:?}"
    );

    let (outcome, _) = fetch(&client, &format!("http://{PERMITTED}:9/"), PATIENT).await;
    assert_eq!(code(&outcome), "connection_failed");
}

//! Everything between a client and the server: browsers, proxies, old protocols and mistyped addresses.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use steno_e2e::{Service, Settings, eventually, fixture, form};
use steno_models::Status;

use crate::limits::connect;

/// Sends a request as it is and returns the whole answer, which ends with the connection.
fn raw(service: &Service, request: &str) -> String {
    let mut stream = connect(service);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn head_is_answered_wherever_get_is_and_extra_slashes_do_no_harm() {
    let service = Settings::with_workers(0).start();
    let job = service.client.submit(&fixture("clip.opus"), "");
    let events = format!("/transcribe/{job}/events");
    let status = format!("/transcribe/{job}");
    for path in [
        "/transcribe",
        &status,
        &events,
        "/v1/models",
        "/v1/models/base",
        "/metrics",
        "/openapi.json",
        "/docs/",
        "/health",
        "/healthz",
        "/readyz",
        "//transcribe//",
        "/healthz/",
        "/v1//models/",
    ] {
        let head = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = raw(&service, &head);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{path} has a body: {answer}");
    }
    assert!(service.client.status(job).retrieved_at.is_none());
}

#[test]
fn an_old_client_gets_no_chunks_and_the_end_of_the_connection() {
    let service = Settings::with_workers(1).start();
    let job = service.client.submit(&fixture("clip.opus"), "language=en");
    let answer = raw(
        &service,
        &format!("GET /transcribe/{job}/events HTTP/1.0\r\nHost: localhost\r\n\r\n"),
    );
    assert!(
        !answer.to_lowercase().contains("transfer-encoding"),
        "{answer}"
    );
    assert!(answer.contains("\r\n\r\nevent: status\n"), "{answer}");
    assert!(answer.contains("event: completed"), "{answer}");
    let keep = "GET /healthz HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
    assert!(raw(&service, keep).ends_with("{\"status\":\"ok\"}"));
}

#[test]
fn addresses_in_answers_have_the_prefix_of_the_proxy() {
    let service = Settings::with_workers(0).start();
    let clip = fs::read(fixture("clip.opus")).unwrap();
    let submit = |prefix: &str| {
        let headers = [
            ("content-type", "application/ogg"),
            ("x-forwarded-prefix", prefix),
        ];
        let answer = service.client.post_with("/transcribe", &headers, &clip);
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.header("location").unwrap().to_owned()
    };
    assert!(submit("/steno/").starts_with("/steno/transcribe/"));
    assert!(submit("//evil.example").starts_with("/transcribe/"));
    let docs = raw(&service, "GET /docs HTTP/1.0\r\nHost: localhost\r\n\r\n").to_lowercase();
    assert!(docs.contains("\r\nlocation: docs/\r\n"), "{docs}");
    assert_eq!(
        service.client.get("/openapi.json").json()["servers"][0]["url"],
        "."
    );
}

#[test]
fn wrong_addresses_and_fields_get_a_hint() {
    let service = Settings::with_workers(0).start();
    assert!(
        service.client.get("/v1/v1/models").json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("twice")
    );

    assert!(
        service
            .client
            .get("/audio/transcriptions")
            .problem()
            .detail
            .contains("/v1")
    );

    assert!(
        service
            .client
            .get("/inference")
            .problem()
            .detail
            .contains("whisper.cpp")
    );

    let (content_type, body) = form(&fixture("clip.opus"), &[]);
    let body = String::from_utf8_lossy(&body).replace("name=\"file\"", "name=\"audio_file\"");
    let problem = service
        .client
        .post("/transcribe", &content_type, body.as_bytes())
        .problem();

    assert!(
        problem
            .errors
            .iter()
            .any(|error| error.detail.contains("the field file")),
        "{problem:?}"
    );
}

#[test]
fn pages_of_apps_and_invited_origins_may_call_and_others_learn_the_setting() {
    let service = Settings::with_workers(0)
        .set(
            "STENO_CORS_ORIGINS",
            "chrome-extension://abc,https://a.example",
        )
        .start();

    let preflight = |origin: &str| {
        raw(
            &service,
            &format!(
                "OPTIONS /v1/audio/transcriptions HTTP/1.0\r\nHost: localhost\r\nOrigin: {origin}\r\n\
                 Access-Control-Request-Method: POST\r\n\
                 Access-Control-Request-Headers: authorization,x-stainless-os,prefer\r\n\r\n"
            ),
        )
        .to_lowercase()
    };

    for origin in [
        "app://obsidian.md",
        "tauri://localhost",
        "chrome-extension://abc",
        "https://a.example",
    ] {
        let answer = preflight(origin);
        assert!(
            answer.contains(&format!("access-control-allow-origin: {origin}\r\n")),
            "{answer}"
        );
        assert!(
            answer.contains("access-control-allow-headers: authorization,x-stainless-os,prefer"),
            "{answer}"
        );
    }

    assert!(!preflight("https://b.example").contains("access-control-allow-origin"));
    let clip = fs::read(fixture("clip.opus")).unwrap();
    let post = |origin: &str| {
        let headers = [
            ("content-type", "audio/ogg"),
            ("origin", origin),
            ("sec-fetch-site", "cross-site"),
        ];
        service.client.post_with("/transcribe", &headers, &clip)
    };

    assert_eq!(post("app://obsidian.md").status, 202);
    let refused = post("https://b.example");
    assert_eq!(refused.status, 403);

    assert!(refused.problem().detail.contains("STENO_CORS_ORIGINS"));
}

/// A proxy from the distribution. Stopped when dropped.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        // Killed, nginx would leave its workers behind.
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

/// The configuration of a proxy in docs/PROXIES.md, for these ports.
fn configuration(language: &str, service: &Service, port: u16) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/PROXIES.md"))
        .unwrap();
    let block = page
        .split(&format!("```{language}\n"))
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    block
        .replace("127.0.0.1:8080", service.address())
        .replace("127.0.0.1:8000", &format!("127.0.0.1:{port}"))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A service behind a proxy. Without keys, calls that a proxy marks as passed on are refused unless that is wanted.
fn service_for_proxy() -> Service {
    Settings::with_workers(1)
        .set("STENO_ALLOW_PUBLIC", "true")
        .start()
}

/// Starts a proxy with its documented configuration. Returns its address, too.
fn start_proxy(
    service: &Service,
    language: &str,
    program: &str,
    arguments: &[&str],
    wrap: impl Fn(String) -> String,
) -> (Proxy, String) {
    let port = free_port();
    let folder = service.scratch().join(language);
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("config"),
        wrap(configuration(language, service, port)),
    )
    .unwrap();

    let log = fs::File::create(folder.join("log")).unwrap();
    let child = Command::new(program)
        .args(arguments)
        .current_dir(&folder)
        .env("HOME", &folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{program}: {error}; scripts/ensure-clients.sh installs it")
        });

    let address = format!("http://127.0.0.1:{port}");
    let client = steno_e2e::Client::new(&address);
    let proxy = Proxy(child);
    eventually("the proxy answers", || {
        client
            .try_get("/healthz")
            .filter(|answer| answer.status == 200)
    });

    (proxy, address)
}

/// Transcribes 3 MB that are no recording with the command line, through a proxy. Returns what it prints to standard error.
fn transcribe_large(service: &Service, address: &str) -> String {
    let large = service.scratch().join("large.wav");
    fs::write(&large, vec![0; 3_000_000]).unwrap();
    let (_, _, log) = service.cli(&["transcribe", large.to_str().unwrap(), "--url", address]);
    log
}

/// Calls through a proxy with its documented configuration.
fn check_proxy(language: &str, program: &str, arguments: &[&str], wrap: impl Fn(String) -> String) {
    let service = service_for_proxy();
    let (proxy, address) = start_proxy(&service, language, program, arguments, wrap);
    let client = steno_e2e::Client::new(&address);
    let log = transcribe_large(&service, &address);
    assert!(
        log.contains("unsupported_media"),
        "the upload has come through: {log}"
    );

    // Larger than what nginx takes if nothing is said, and than what it keeps in memory.
    let large = vec![0; 3_000_000];
    let refused = client.post("/transcribe?language=klingon", "audio/wav", &large);
    assert_eq!(refused.status, 422, "{}", refused.text());
    let large = client.post("/transcribe", "audio/wav", &large);
    assert_eq!(large.status, 202, "{}", large.text());

    let fields = [("language", "en"), ("stream", "true")];
    let streamed = client.post_form("/v1/audio/transcriptions", &fixture("clip.opus"), &fields);
    assert!(
        streamed.text().ends_with("data: [DONE]\n\n"),
        "{}",
        streamed.text()
    );
    let job = client.submit(&fixture("clip.opus"), "language=en");
    let events = client.get(&format!("/transcribe/{job}/events")).text();
    assert!(events.contains("event: completed"), "{events}");
    assert_eq!(client.wait(job).status, Status::Completed);
    drop(proxy);
}

const NGINX: [&str; 7] = ["-p", ".", "-c", "config", "-e", "error.log", "-g"];
const NGINX_GLOBALS: &str = "daemon off; pid nginx.pid;";

/// A configuration of nginx around the documented server.
fn nginx(server: &str) -> String {
    format!(
        "worker_processes 1;\nevents {{}}\nhttp {{\naccess_log off;\nclient_body_temp_path body;\n\
         proxy_temp_path proxy;\nfastcgi_temp_path f;\nuwsgi_temp_path u;\nscgi_temp_path s;\n{server}\n}}\n"
    )
}

#[test]
fn nginx_passes_everything_with_its_documented_configuration() {
    let arguments = [&NGINX[..], &[NGINX_GLOBALS]].concat();
    check_proxy("nginx", "nginx", &arguments, |server| nginx(&server));
}

#[test]
fn the_command_line_explains_what_a_proxy_answers() {
    let mut service = service_for_proxy();
    let arguments = [&NGINX[..], &[NGINX_GLOBALS]].concat();
    let (proxy, address) = start_proxy(&service, "nginx", "nginx", &arguments, |server| {
        let limited = server.replace("client_max_body_size", "client_max_body_size 1m; #");
        assert_ne!(limited, server);
        nginx(&limited)
    });
    let log = transcribe_large(&service, &address);
    assert!(
        log.contains("takes no recordings of this size (status 413 from nginx"),
        "{log}"
    );

    assert!(service.api.take().unwrap().terminate().success());
    let (code, _, log) = service.cli(&["jobs", "--url", &address]);
    assert_eq!(code, Some(3));
    assert!(
        log.contains("cannot reach it (status 502 from nginx"),
        "{log}"
    );
    drop(proxy);
}

#[test]
fn haproxy_passes_everything_with_its_documented_configuration() {
    check_proxy("haproxy", "haproxy", &["-f", "config"], |config| config);
}

#[test]
fn caddy_passes_everything_with_its_documented_configuration() {
    check_proxy(
        "caddy",
        "caddy",
        &["run", "--config", "config", "--adapter", "caddyfile"],
        |config| format!("{{\n\tadmin off\n\tauto_https off\n}}\n{config}"),
    );
}

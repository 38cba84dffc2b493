//! The proxies of the distribution with their configurations from docs/PROXIES.md.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use steno_e2e::{Service, Settings, eventually, fixture, free_port};
use steno_models::Status;

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

/// A service behind a proxy. Without API keys, calls with a proxy's headers are refused unless
/// `STENO_ALLOW_PUBLIC` is set.
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

    // Larger than the default limit of nginx, and than what it buffers in memory.
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

/// Submits a recording below a path of nginx. Returns its `Location`, and the api's log line of a refused request.
fn submit_below_a_path(trusted: Option<&str>) -> (String, String) {
    let mut settings = Settings::with_workers(0).set("STENO_ALLOW_PUBLIC", "true");
    if let Some(trusted) = trusted {
        settings = settings.set("STENO_TRUSTED_PROXIES", trusted);
    }
    let service = settings.start();
    let arguments = [&NGINX[..], &[NGINX_GLOBALS]].concat();
    let prefix = configuration("nginx-prefix", &service, 0);
    let (proxy, address) = start_proxy(&service, "nginx", "nginx", &arguments, |server| {
        let (head, rest) = server.split_once("    location / {").unwrap();
        let (_, options) = rest.split_once(";\n").unwrap();
        let health = format!(
            "    location /healthz {{\n proxy_pass http://{};\n }}\n",
            service.address()
        );
        nginx(&format!("{head}{health}{prefix}{options}"))
    });
    let client = steno_e2e::Client::new(&format!("{address}/steno"));
    let accepted = client.post(
        "/transcribe",
        "audio/ogg",
        &fs::read(fixture("clip.opus")).unwrap(),
    );
    assert_eq!(accepted.status, 202, "{}", accepted.text());

    let headers = [
        ("origin", "https://evil.example"),
        ("x-forwarded-for", "203.0.113.7"),
    ];
    assert_eq!(client.post_with("/transcribe", &headers, b"x").status, 403);
    let log = service.api.as_ref().unwrap().log();
    let line = log.lines().rfind(|line| line.contains("answered 403"));
    let location = accepted.header("location").unwrap().to_owned();
    drop(proxy);
    (location, line.unwrap().to_owned())
}

#[test]
fn headers_of_trusted_proxies_are_used_and_those_of_others_are_not() {
    // nginx appends its client, this machine, which is a trusted proxy as well.
    let (location, line) = submit_below_a_path(None);
    assert!(location.starts_with("/steno/transcribe/"), "{location}");
    assert!(line.contains("203.0.113.7"), "{line}");

    let (location, line) = submit_below_a_path(Some("192.0.2.1"));
    assert!(location.starts_with("/transcribe/"), "{location}");
    assert!(
        line.contains("127.0.0.1") && !line.contains("203.0.113.7"),
        "{line}"
    );
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

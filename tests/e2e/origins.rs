//! Who may call: foreign web pages, proxies without keys, other machines.

use std::process::Command;

use steno_e2e::{Settings, fixture};
use steno_models::ProblemCode;

use crate::keys::service_for;

#[test]
fn a_misspelt_setting_in_the_environment_is_refused() {
    let mut service = Settings::with_workers(0).start_nothing();
    for binary in ["steno-api", "steno-worker", "steno"] {
        let mut process =
            service.start_process_with(binary, &[("STENO_API_KEY_FILE", "/etc/steno/api-keys")]);
        assert_eq!(process.wait().code(), Some(2));
        assert!(
            process.log().contains("did you mean STENO_API_KEYS_FILE?"),
            "{}",
            process.log()
        );
    }
}

#[test]
fn without_keys_forwarded_requests_are_refused_unless_allowed() {
    let forwarded = [("x-forwarded-for", "203.0.113.7")];
    let service = Settings::with_workers(0).start();
    let refused = service.client.get_with("/transcribe", &forwarded);
    assert_eq!(
        (refused.status, refused.problem().code),
        (403, ProblemCode::Forbidden)
    );
    assert!(refused.problem().detail.contains("STENO_API_KEYS_FILE"));
    assert_eq!(service.client.get("/transcribe").status, 200);

    let service = Settings::with_workers(0)
        .set("STENO_ALLOW_PUBLIC", "true")
        .start();
    assert_eq!(
        service.client.get_with("/transcribe", &forwarded).status,
        200
    );
    let (service, _folder, keys) = service_for(0, &["alice"]);
    assert_eq!(
        service
            .client
            .with_key(&keys[0])
            .get_with("/transcribe", &forwarded)
            .status,
        200
    );
}

#[test]
fn without_keys_the_api_listens_on_loopback_only() {
    let mut service = Settings::with_workers(0)
        .set("STENO_BIND", "0.0.0.0:0")
        .start_nothing();
    let mut api = service.start_process("steno-api");
    assert_eq!(api.wait().code(), Some(78));
    assert!(
        api.log().contains("STENO_API_KEYS_FILE") && api.log().contains("STENO_ALLOW_PUBLIC"),
        "{}",
        api.log()
    );
    let mut service = Settings::with_workers(0)
        .set("STENO_BIND", "0.0.0.0:0")
        .set("STENO_ALLOW_PUBLIC", "true")
        .start_nothing();
    service
        .start_process("steno-api")
        .wait_for_log("listening on http://");
}

#[test]
fn foreign_pages_can_neither_read_nor_change_anything() {
    let service = Settings::with_workers(0)
        .set("STENO_ALLOWED_HOSTS", "steno.example.com")
        .start();
    let job = service.client.submit(&fixture("clip.opus"), "");
    let path = format!("/transcribe/{job}");
    let get = |host| service.client.get_with(&path, &[("host", host)]);
    assert_eq!(
        (
            get("evil.example").status,
            get("evil.example").problem().code
        ),
        (403, ProblemCode::Forbidden)
    );

    assert_eq!(
        (get("steno.example.com").status, get("localhost:1").status),
        (200, 200)
    );
    let clip = std::fs::read(fixture("clip.opus")).unwrap();
    let post = |origin: &str| {
        service
            .client
            .post_with(
                "/transcribe",
                &[("content-type", "audio/ogg"), ("origin", origin)],
                &clip,
            )
            .status
    };

    assert_eq!((post("https://evil.example"), post("null")), (403, 403));
    assert_eq!(post(&format!("http://{}", service.address())), 202);
    assert_eq!(
        service
            .client
            .get("/healthz")
            .header("content-security-policy"),
        Some("default-src 'none'; frame-ancestors 'none'")
    );

    let page = service.client.get("/docs/");
    assert!(
        page.status == 200
            && page
                .header("content-security-policy")
                .unwrap()
                .contains("default-src 'self'")
    );

    assert!(
        !page.text().contains("<script>"),
        "a script in the page itself would be refused"
    );
}

#[test]
fn invited_pages_may_call() {
    let service = Settings::with_workers(0)
        .set("STENO_CORS_ORIGINS", "https://app.example.com")
        .start();
    let url = format!("http://{}/transcribe", service.address());
    let curl = |arguments: &[&str]| {
        let output = Command::new("curl")
            .args(["-sS", "-i", &url])
            .args(arguments)
            .env("no_proxy", "*")
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().to_lowercase()
    };

    let asks = [
        "-X",
        "OPTIONS",
        "-H",
        "Access-Control-Request-Method: POST",
        "-H",
    ];

    let invited = curl(&[&asks[..], &["Origin: https://app.example.com"]].concat());
    assert!(
        invited.contains("access-control-allow-origin: https://app.example.com"),
        "{invited}"
    );
    let foreign = curl(&[&asks[..], &["Origin: https://evil.example"]].concat());
    assert!(
        !foreign.contains("access-control-allow-origin"),
        "{foreign}"
    );
    let form = format!("file=@{}", fixture("clip.opus").display());
    let post = |origin: &str| {
        curl(&[
            "-F",
            &form,
            "-H",
            origin,
            "-H",
            "Sec-Fetch-Site: cross-site",
        ])
    };

    let accepted = post("Origin: https://app.example.com");
    assert!(
        accepted.starts_with("http/1.1 202") && accepted.contains("access-control-expose-headers"),
        "{accepted}"
    );
    let refused = post("Origin: https://evil.example");

    assert!(refused.starts_with("http/1.1 403"), "{refused}");
}

//! Addresses as clients and proxies write them: extra slashes, a prefix that a proxy cuts off, and hints for wrong ones.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;

/// Longest prefix of a proxy that is believed.
const MAX_PREFIX_BYTES: usize = 200;

/// Merges doubled slashes, and drops those at the end.
pub(crate) fn normalise(request: &mut ServiceRequest) {
    if let Some(uri) = without_extra_slashes(request.uri()) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

/// The address to use instead; `None` if it is fine. The pages below `/docs/` keep their slash, on which their links rest.
fn without_extra_slashes(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let mut merged = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !merged.ends_with('/') {
            merged.push(character);
        }
    }
    if merged.len() > 1 && merged.ends_with('/') && merged != "/docs/" {
        merged.pop();
    }
    if merged == path {
        return None;
    }

    let mut parts = uri.clone().into_parts();
    let query = uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    parts.path_and_query = Some(format!("{merged}{query}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// What a proxy on this machine or in its network cuts off addresses (`X-Forwarded-Prefix`), without a slash at its end.
pub(crate) fn prefix(request: &HttpRequest) -> &str {
    let is_near = request
        .peer_addr()
        .is_some_and(|peer| is_private(peer.ip()));
    let prefix = request
        .headers()
        .get("x-forwarded-prefix")
        .and_then(|value| value.to_str().ok());
    prefix
        .filter(|prefix| is_near && is_prefix(prefix))
        .map_or("", |prefix| prefix.trim_end_matches('/'))
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// Whether it is a path on this server. What begins with two slashes would be another server's address.
fn is_prefix(text: &str) -> bool {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte));
    text.len() <= MAX_PREFIX_BYTES && text.starts_with('/') && !text.contains("//") && is_plain
}

/// What to say about an address where nothing is.
pub(crate) fn hint(path: &str) -> &'static str {
    let begins = |start: &str| {
        path == start
            || path
                .strip_prefix(start)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    if begins("/api/transcribe") {
        "the synchronous endpoint was removed: submit with POST /transcribe, then ask GET /transcribe/{job_id}?wait=50"
    } else if begins("/v1/v1") {
        "/v1 is in the address twice: the client adds it, so leave it out of the base address"
    } else if begins("/audio") || begins("/models") {
        "OpenAI's calls are below /v1: end the base address of the client with /v1"
    } else if begins("/v1/transcribe") {
        "native calls are not below /v1: submit recordings with POST /transcribe"
    } else if begins("/inference") {
        "this is not whisper.cpp's server: use POST /v1/audio/transcriptions, which takes the same recordings"
    } else if begins("/v1/audio/speech")
        || begins("/v1/realtime")
        || begins("/v1/chat")
        || begins("/v1/responses")
    {
        "this server only transcribes: of OpenAI's calls it has audio/transcriptions, audio/translations and models"
    } else {
        "there is nothing at this address; recordings are submitted with POST /transcribe"
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn extra_slashes_are_dropped_and_queries_kept() {
        for (uri, expected) in [
            ("/transcribe/", Some("/transcribe")),
            (
                "//v1//audio/transcriptions?a=//b/",
                Some("/v1/audio/transcriptions?a=//b/"),
            ),
            ("/docs//", None),
            ("/docs/", None),
            ("/", None),
            ("/transcribe?wait=1", None),
        ] {
            let found = without_extra_slashes(&uri.parse().unwrap());
            let expected = if uri == "/docs//" {
                Some("/docs/")
            } else {
                expected
            };
            assert_eq!(
                found.map(|uri| uri.to_string()).as_deref(),
                expected,
                "{uri}"
            );
        }
    }

    #[test]
    fn a_prefix_is_a_path_that_a_proxy_nearby_names() {
        let check = |peer: &str, prefix: &str| {
            let request = TestRequest::default().peer_addr(peer.parse().unwrap());
            let request = request
                .insert_header(("x-forwarded-prefix", prefix))
                .to_http_request();
            super::prefix(&request).to_owned()
        };
        assert_eq!(check("127.0.0.1:1", "/steno"), "/steno");
        assert_eq!(check("[::1]:1", "/a/b/"), "/a/b");
        assert_eq!(check("192.168.1.2:1", "/steno"), "/steno");
        for (peer, prefix) in [
            ("8.8.8.8:1", "/steno"),
            ("127.0.0.1:1", "//evil.example"),
            ("127.0.0.1:1", "/a//evil"),
            ("127.0.0.1:1", "https://evil.example"),
            ("127.0.0.1:1", "/a\\b"),
        ] {
            assert_eq!(check(peer, prefix), "", "{peer} {prefix}");
        }
    }

    #[test]
    fn wrong_addresses_get_a_hint_that_fits() {
        for (path, word) in [
            ("/v1/v1/audio/transcriptions", "twice"),
            ("/audio/transcriptions", "below /v1"),
            ("/v1/transcribe", "not below /v1"),
            ("/inference", "whisper.cpp"),
            ("/v1/audio/speech", "only transcribes"),
            ("/api/transcribe", "removed"),
            ("/audiobooks", "nothing at this address"),
        ] {
            assert!(hint(path).contains(word), "{path}");
        }
    }
}

//! Keeping other people's web pages away: a browser on this machine or its network reaches the service, and does what any page says.
//!
//! Without API keys the name in `Host` has to be one of ours, or a page could rebind its own name to our address and read what
//! it likes. And no page of another origin may change anything. Programs send no `Origin`, and are not concerned.

use std::net::IpAddr;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::http::uri::Authority;
use actix_web::http::{Method, Uri};
use steno_models::ProblemCode;

use crate::Config;
use crate::forwarded::Forwarded;
use crate::group::Access;
use crate::problem::ApiError;

/// Schemes of the pages of desktop and mobile apps (Obsidian, Tauri, Capacitor, Ionic). No page of the web has one.
const APP_SCHEMES: [&str; 4] = ["app", "tauri", "capacitor", "ionic"];

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What the user of a refused page can ask the operator to allow.
pub(crate) const NOT_INVITED: &str = "pages of other origins may not change anything here; the operator can invite an \
                                      origin with STENO_CORS_ORIGINS";

/// Headers that proxies add to the calls they pass on.
const FORWARDED: [&str; 9] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
    "x-client-ip",
    "cf-connecting-ip",
];

/// Refuses calls that a page of another site has made, and, without API keys, calls that a proxy passes on.
pub(crate) fn check(
    request: &ServiceRequest,
    access: Access,
    config: &Config,
) -> Result<(), ApiError> {
    let has_keys = config.api_keys_file.is_some();
    if !has_keys && !config.allow_public && access != Access::Probe {
        refuse_forwarded(request.headers())?;
    }
    // Where callers need an API key, which no such page has, any name is allowed.
    let forwarded = Forwarded::of(request.request(), &config.trusted_proxies);
    check_names(
        request,
        forwarded,
        &config.allowed_hosts,
        &config.cors_origins,
        has_keys,
    )
}

/// A server on loopback without keys is for the users of its machine. A proxy before it admits every client that
/// reaches the proxy: as with a public address, that has to be wanted.
fn refuse_forwarded(headers: &HeaderMap) -> Result<(), ApiError> {
    if FORWARDED
        .into_iter()
        .all(|name| !headers.contains_key(name))
    {
        return Ok(());
    }
    Err(forbidden(
        "this request came through a proxy, and every client of the proxy could read and delete every job: set \
         STENO_API_KEYS_FILE, or STENO_ALLOW_PUBLIC=true if that is what you want",
    ))
}

/// Checks the host name that was called, and the origin of the page that called. A proxy may have
/// replaced `Host`: then the name that it reports counts as well.
fn check_names(
    request: &ServiceRequest,
    forwarded: Forwarded<'_>,
    allowed_hosts: &[String],
    cors_origins: &[String],
    has_keys: bool,
) -> Result<(), ApiError> {
    let host = header_text(request.headers(), &header::HOST)
        .or(request.uri().authority().map(Authority::as_str));
    let mut names = host.into_iter().chain(forwarded.host());
    if !has_keys && names.any(|name| !is_ours(name, allowed_hosts)) {
        return Err(forbidden(
            "this name is not one of the server's; call it by its address, or add the name to STENO_ALLOWED_HOSTS",
        ));
    }
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    let origin = header_text(request.headers(), &header::ORIGIN);
    let is_welcome = has_keys || origin.is_some_and(|origin| is_invited(origin, cors_origins));
    let called = Called {
        name: forwarded.host().or(host),
        scheme: forwarded.scheme(),
    };
    if !is_reading && !is_welcome && is_foreign(request.headers(), &called) {
        return Err(forbidden(NOT_INVITED));
    }
    Ok(())
}

/// Whether an origin is that of an app or one that the operator has invited.
pub(crate) fn is_invited(origin: &str, cors_origins: &[String]) -> bool {
    let is_app = origin
        .split_once("://")
        .is_some_and(|(scheme, _)| APP_SCHEMES.contains(&scheme));
    is_app || cors_origins.iter().any(|invited| invited == origin)
}

/// Addresses cannot be rebound, and `localhost` is always this machine.
fn is_ours(host: &str, allowed_hosts: &[String]) -> bool {
    let name = without_port(host);
    let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    is_address
        || name.eq_ignore_ascii_case("localhost")
        || allowed_hosts
            .iter()
            .any(|own| own.eq_ignore_ascii_case(name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The host and scheme that a client called. They are the origin of this server's own pages.
struct Called<'a> {
    name: Option<&'a str>,
    /// `None` if no proxy reports it.
    scheme: Option<&'a str>,
}

/// Whether a browser says that the call comes from a page of another origin.
fn is_foreign(headers: &HeaderMap, called: &Called<'_>) -> bool {
    // Browsers set it and pages cannot. `Host` may be another name than the page's, behind a proxy that does not pass it on.
    match header_text(headers, &SEC_FETCH_SITE) {
        Some("same-origin") => return false,
        Some("cross-site") => return true,
        _ => {}
    }
    header_text(headers, &header::ORIGIN).is_some_and(|origin| !is_origin_of(origin, called))
}

fn is_origin_of(origin: &str, called: &Called<'_>) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else {
        return false;
    };
    let scheme = origin.scheme_str();
    let is_same_scheme = match called.scheme {
        Some(called) => scheme == Some(called),
        None => matches!(scheme, Some("http" | "https")),
    };
    is_same_scheme && origin.authority().map(Authority::as_str) == called.name
}

fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap_or_default())
}

fn forbidden(detail: &'static str) -> ApiError {
    ApiError::new(ProblemCode::Forbidden, detail)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn passes(method: Method, headers: &[(&'static str, &str)], has_keys: bool) -> bool {
        passes_from("127.0.0.1:1", method, headers, has_keys)
    }

    fn passes_from(
        peer: &str,
        method: Method,
        headers: &[(&'static str, &str)],
        has_keys: bool,
    ) -> bool {
        let mut request = TestRequest::default()
            .method(method)
            .peer_addr(peer.parse().unwrap());
        for header in headers {
            request = request.insert_header(*header);
        }
        let (hosts, origins) = (
            ["steno.example.com".to_owned()],
            ["https://app.example.com".to_owned()],
        );
        let trusted = ["10.0.0.1/32".parse().unwrap()];
        let request = request.to_srv_request();
        let forwarded = Forwarded::of(request.request(), &trusted);
        check_names(&request, forwarded, &hosts, &origins, has_keys).is_ok()
    }

    #[test]
    fn names_that_are_not_ours_are_refused_unless_keys_are_needed() {
        for host in [
            "127.0.0.1:8080",
            "[::1]:8080",
            "localhost",
            "LOCALHOST:1",
            "192.168.1.7",
            "Steno.example.com:443",
        ] {
            assert!(passes(Method::GET, &[("host", host)], false), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:8080",
            "127.0.0.1.evil.example",
            "",
        ] {
            assert!(!passes(Method::GET, &[("host", host)], false), "{host}");
            assert!(passes(Method::GET, &[("host", host)], true), "{host}");
        }
    }

    #[test]
    fn forwarded_requests_are_distinguished_from_direct_ones() {
        let with = |header: (&'static str, &str)| {
            let request = TestRequest::default()
                .insert_header(("host", "localhost"))
                .insert_header(header);
            refuse_forwarded(request.to_srv_request().headers()).is_ok()
        };
        assert!(with(("user-agent", "curl")));
        for header in FORWARDED {
            assert!(!with((header, "203.0.113.7")), "{header}");
        }
    }

    #[test]
    fn pages_of_other_origins_change_nothing() {
        let host = ("host", "localhost:8080");
        assert!(passes(Method::POST, &[host], false), "a program");
        assert!(passes(
            Method::POST,
            &[host, ("origin", "http://localhost:8080")],
            false
        ));

        for foreign in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "file://"),
            ("origin", "apps://evil.example"),
            ("origin", "https://app"),
            ("sec-fetch-site", "cross-site"),
        ] {
            assert!(
                !passes(Method::POST, &[host, foreign], false),
                "{foreign:?}"
            );
            assert!(
                passes(Method::DELETE, &[host, foreign], true),
                "with keys, the key decides"
            );
            assert!(
                passes(Method::GET, &[host, foreign], false),
                "reading is the browser's own business"
            );
        }

        let invited = [
            host,
            ("origin", "https://app.example.com"),
            ("sec-fetch-site", "cross-site"),
        ];

        assert!(passes(Method::POST, &invited, false));
    }

    #[test]
    fn pages_of_apps_are_let_in() {
        let host = ("host", "127.0.0.1:8080");
        for origin in [
            "app://obsidian.md",
            "tauri://localhost",
            "capacitor://localhost",
            "ionic://localhost",
        ] {
            let headers = [host, ("origin", origin), ("sec-fetch-site", "cross-site")];
            assert!(passes(Method::POST, &headers, false), "{origin}");
        }
    }

    #[test]
    fn the_service_s_own_page_may_call_behind_a_proxy_that_does_not_pass_its_name_on() {
        let headers = [
            ("host", "127.0.0.1:8080"),
            ("origin", "https://steno.example.com"),
            ("sec-fetch-site", "same-origin"),
        ];
        assert!(passes(Method::POST, &headers, false));
    }

    #[test]
    fn the_name_and_scheme_that_a_trusted_proxy_reports_are_those_of_the_server() {
        let check = |peer: &str, name: &str, scheme: &str, origin: &str| {
            let headers = [
                ("host", "127.0.0.1:8080"),
                ("x-forwarded-host", name),
                ("x-forwarded-proto", scheme),
                ("origin", origin),
            ];
            passes_from(peer, Method::POST, &headers, false)
        };
        let (proxy, other) = ("10.0.0.1:1", "10.0.0.2:1");
        let name = "steno.example.com";
        let page = "https://steno.example.com";
        assert!(check(proxy, name, "https", page));
        assert!(
            !check(other, name, "https", page),
            "its headers are ignored"
        );
        assert!(!check(proxy, name, "https", "http://steno.example.com"));
        assert!(!check(
            proxy,
            "evil.example",
            "https",
            "https://evil.example"
        ));
    }
}

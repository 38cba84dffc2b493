//! What trusted proxies report about a request: the client's address, the host name that it called,
//! and the path prefix that the proxy removed.
//!
//! Called by the guard, the log and handlers. Headers of any other peer are ignored: it could claim anything.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

/// Longest prefix that is accepted.
const MAX_PREFIX_BYTES: usize = 200;

/// The forwarding headers of a request, if its peer is a trusted proxy.
#[derive(Clone, Copy)]
pub(crate) struct Forwarded<'a> {
    /// The peer's address; `None` in tests.
    peer: Option<IpAddr>,
    /// `None` if the peer is not trusted.
    headers: Option<&'a HeaderMap>,
    trusted: &'a [IpNet],
}

impl<'a> Forwarded<'a> {
    pub(crate) fn of(request: &'a HttpRequest, trusted: &'a [IpNet]) -> Self {
        let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
        let is_trusted = peer.is_some_and(|peer| is_in(trusted, peer));
        Self {
            peer,
            headers: is_trusted.then(|| request.headers()),
            trusted,
        }
    }

    /// The address of the client (`X-Forwarded-For`): the last one that is no trusted proxy.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        let mut client = self.peer;
        let chain = self.values("x-forwarded-for");
        for address in chain.iter().rev() {
            let Ok(address) = address.parse::<IpAddr>() else {
                break;
            };
            let address = address.to_canonical();
            client = Some(address);
            if !is_in(self.trusted, address) {
                break;
            }
        }
        client
    }

    /// The host name that the client called (`X-Forwarded-Host`).
    pub(crate) fn host(&self) -> Option<&'a str> {
        self.values("x-forwarded-host").first().copied()
    }

    /// The scheme that the client used (`X-Forwarded-Proto`), such as `https`.
    pub(crate) fn scheme(&self) -> Option<&'a str> {
        self.values("x-forwarded-proto").first().copied()
    }

    /// The path prefix that the proxy removed (`X-Forwarded-Prefix`), without a slash at its end.
    pub(crate) fn prefix(&self) -> &'a str {
        let values = self.values("x-forwarded-prefix");
        let prefix = values.first().filter(|prefix| is_prefix(prefix));
        prefix.map_or("", |prefix| prefix.trim_end_matches('/'))
    }

    /// The values of a header. Each proxy appends its own, in the same line or in another one.
    fn values(&self, name: &str) -> Vec<&'a str> {
        let Some(headers) = self.headers else {
            return Vec::new();
        };
        headers
            .get_all(name)
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect()
    }
}

fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// Whether it is a path on this server. Two slashes at the start would name another server.
fn is_prefix(text: &str) -> bool {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte));
    text.len() <= MAX_PREFIX_BYTES && text.starts_with('/') && !text.contains("//") && is_plain
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(peer: &str, headers: &[(&'static str, &str)]) -> HttpRequest {
        let mut request = TestRequest::default().peer_addr(peer.parse().unwrap());
        for header in headers {
            request = request.append_header(*header);
        }
        request.to_http_request()
    }

    fn trusted() -> Vec<IpNet> {
        ["127.0.0.0/8", "::1/128", "10.1.0.0/16"]
            .map(|network| network.parse().unwrap())
            .to_vec()
    }

    #[test]
    fn headers_of_other_peers_are_ignored() {
        let headers = [
            ("x-forwarded-for", "203.0.113.7"),
            ("x-forwarded-host", "steno.example.com"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "/steno"),
        ];
        let trusted = trusted();
        for peer in [
            "127.0.0.1:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
            "10.1.2.3:1",
        ] {
            let request = request(peer, &headers);
            let forwarded = Forwarded::of(&request, &trusted);
            assert_eq!(
                forwarded.client(),
                Some("203.0.113.7".parse().unwrap()),
                "{peer}"
            );
            assert_eq!(forwarded.host(), Some("steno.example.com"), "{peer}");
            assert_eq!(forwarded.scheme(), Some("https"), "{peer}");
            assert_eq!(forwarded.prefix(), "/steno", "{peer}");
        }

        for peer in ["8.8.8.8:1", "192.168.1.2:1", "10.2.0.1:1", "[fd00::1]:1"] {
            let request = request(peer, &headers);
            let forwarded = Forwarded::of(&request, &trusted);
            assert_eq!(
                forwarded.client(),
                request.peer_addr().map(|peer| peer.ip()),
                "{peer}"
            );
            assert_eq!(
                (forwarded.host(), forwarded.scheme()),
                (None, None),
                "{peer}"
            );
            assert_eq!(forwarded.prefix(), "", "{peer}");
        }
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_trusted_proxy() {
        let trusted = trusted();
        let check = |headers: &[(&'static str, &str)], expected: &str| {
            let request = request("127.0.0.1:1", headers);
            let client = Forwarded::of(&request, &trusted).client();
            assert_eq!(client, Some(expected.parse().unwrap()), "{headers:?}");
        };
        check(&[], "127.0.0.1");
        check(
            &[("x-forwarded-for", "6.6.6.6, 203.0.113.7, 10.1.0.9")],
            "203.0.113.7",
        );
        check(
            &[
                ("x-forwarded-for", "203.0.113.7"),
                ("x-forwarded-for", "10.1.0.9"),
            ],
            "203.0.113.7",
        );
        check(&[("x-forwarded-for", "10.1.0.8, 10.1.0.9")], "10.1.0.8");
        check(&[("x-forwarded-for", "203.0.113.7, unknown")], "127.0.0.1");
    }

    #[test]
    fn a_prefix_is_a_path_of_this_server() {
        let trusted = trusted();
        for (prefix, expected) in [
            ("/steno", "/steno"),
            ("/a/b/", "/a/b"),
            ("/", ""),
            ("//evil.example", ""),
            ("/a//evil", ""),
            ("https://evil.example", ""),
            ("/a\\b", ""),
        ] {
            let request = request("127.0.0.1:1", &[("x-forwarded-prefix", prefix)]);
            assert_eq!(
                Forwarded::of(&request, &trusted).prefix(),
                expected,
                "{prefix}"
            );
        }
    }
}

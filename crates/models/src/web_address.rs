//! [`WebAddress`]: an http or https address that a client asks Steno to call. Whether the network behind it may be
//! reached is the courier's decision, after it has resolved the name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Host, Position, Url};

/// Longest address that is accepted.
pub(crate) const MAX_LENGTH: usize = 2048;

/// An http or https address without a user name, a password or a fragment.
///
/// Its path and query may hold secrets of a client, so `Debug` shows only the origin, and so must logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebAddress(Url);

impl WebAddress {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Scheme, host and port: what logs and status answers may show.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The name or the literal address of the server.
    pub fn host(&self) -> Host<&str> {
        self.0.host().expect("checked when it was parsed")
    }

    /// The port in the address, or the default port of its scheme.
    pub fn port(&self) -> u16 {
        let port = self.0.port_or_known_default();
        port.expect("http and https have a port of their own")
    }

    /// Host, and port where it is not that of the scheme: the header `Host`.
    pub fn authority(&self) -> &str {
        &self.0[Position::BeforeHost..Position::AfterPort]
    }

    /// Path and query: the target of a request.
    pub fn path_and_query(&self) -> &str {
        &self.0[Position::BeforePath..Position::AfterQuery]
    }

    /// Where a redirect from this address leads; `location` may be relative.
    pub fn join(&self, location: &str) -> Result<Self, InvalidWebAddress> {
        check_text(location)?;
        let joined = self.0.join(location);

        joined.map_err(|_| InvalidWebAddress::Malformed)?.try_into()
    }
}

/// Why a text is not a [`WebAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebAddress {
    /// It is no URL, or has white space or control characters in it.
    #[error("not an address; write it as https://example.org/path")]
    Malformed,
    /// Longer than 2,048 characters.
    #[error("longer than 2048 characters")]
    TooLong,
    /// Another scheme.
    #[error("only http and https addresses are accepted")]
    Scheme,
    /// A user name or a password before the host.
    #[error("an address with a user name or a password is not accepted")]
    Credentials,
}

fn check_text(text: &str) -> Result<(), InvalidWebAddress> {
    if text.len() > MAX_LENGTH {
        return Err(InvalidWebAddress::TooLong);
    }
    // The URL standard removes tabs and line ends. A filter that reads the same text may not.
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(InvalidWebAddress::Malformed);
    }
    Ok(())
}

impl FromStr for WebAddress {
    type Err = InvalidWebAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_text(text)?;
        let url = Url::parse(text).map_err(|_| InvalidWebAddress::Malformed)?;

        url.try_into()
    }
}

impl TryFrom<Url> for WebAddress {
    type Error = InvalidWebAddress;

    fn try_from(mut url: Url) -> Result<Self, Self::Error> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidWebAddress::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidWebAddress::Credentials);
        }
        if url.host().is_none() || url.port() == Some(0) {
            return Err(InvalidWebAddress::Malformed);
        }
        url.set_fragment(None);

        if url.as_str().len() > MAX_LENGTH {
            return Err(InvalidWebAddress::TooLong);
        }
        Ok(Self(url))
    }
}

impl TryFrom<String> for WebAddress {
    type Error = InvalidWebAddress;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<WebAddress> for String {
    fn from(address: WebAddress) -> Self {
        address.0.into()
    }
}

impl fmt::Debug for WebAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WebAddress({}/…)", self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, InvalidWebAddress>) {
        let parsed = text.parse::<WebAddress>();
        let shown = parsed
            .as_ref()
            .map(WebAddress::as_str)
            .map_err(|error| *error);

        assert_eq!(shown, expected, "{text:?}");
    }

    #[test]
    fn addresses_are_http_or_https_without_credentials() {
        check("https://example.org", Ok("https://example.org/"));
        check(
            "http://example.org:8080/a?b=c#d",
            Ok("http://example.org:8080/a?b=c"),
        );
        check("ftp://example.org/", Err(InvalidWebAddress::Scheme));
        check("file:///etc/passwd", Err(InvalidWebAddress::Scheme));
        check("gopher://example.org/", Err(InvalidWebAddress::Scheme));
        check(
            "https://user@example.org/",
            Err(InvalidWebAddress::Credentials),
        );
        check(
            "https://user:pass@example.org/",
            Err(InvalidWebAddress::Credentials),
        );
        check(
            "https://:pass@example.org/",
            Err(InvalidWebAddress::Credentials),
        );
        check("example.org", Err(InvalidWebAddress::Malformed));
        check("https://", Err(InvalidWebAddress::Malformed));
        check("https://example.org:0/", Err(InvalidWebAddress::Malformed));
        check("https://example.org/a b", Err(InvalidWebAddress::Malformed));
        check("https://exam\tple.org/", Err(InvalidWebAddress::Malformed));
        check(
            "https://example.org/\r\nx: y",
            Err(InvalidWebAddress::Malformed),
        );
        let long = format!("https://example.org/{}", "a".repeat(2100));

        check(&long, Err(InvalidWebAddress::TooLong));
    }

    #[test]
    fn other_spellings_of_an_address_are_read_as_that_address() {
        for text in [
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://0x7f.1/",
            "http://127.1/",
            "http://①②⑦.0.0.1/",
        ] {
            check(text, Ok("http://127.0.0.1/"));
        }
    }

    #[test]
    fn a_log_line_shows_no_path_and_no_query() {
        let address: WebAddress = "https://example.org/secret?token=secret".parse().unwrap();

        assert_eq!(format!("{address:?}"), "WebAddress(https://example.org/…)");
    }

    #[test]
    fn a_redirect_is_held_to_the_same_rules() {
        let address: WebAddress = "https://example.org/a/b".parse().unwrap();
        let joined = address.join("../c").unwrap();

        assert_eq!(joined.as_str(), "https://example.org/c");
        assert_eq!(
            address.join("file:///etc/passwd"),
            Err(InvalidWebAddress::Scheme)
        );
        assert_eq!(
            address.join("//a:b@example.org/"),
            Err(InvalidWebAddress::Credentials)
        );
    }
}

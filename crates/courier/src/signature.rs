//! Signatures of webhooks after Standard Webhooks 1.0
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a secret's text begins with.
const PREFIX: &str = "whsec_";
/// Lengths of a secret that the specification permits, in bytes.
const PERMITTED_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The key of a receiver: `whsec_` and base64. Never shown in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<u8>);

/// A text that is not a [`WebhookSecret`]. Does not quote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret is whsec_ and 24 to 64 bytes in base64")]
pub struct InvalidSecret;

impl WebhookSecret {
    /// A new one of 32 random bytes.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut key = vec![0; 32];
        getrandom::fill(&mut key)?;

        Ok(Self(key))
    }

    /// The text that the receiver is given.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// `v1,` and the base64 of the HMAC-SHA256 of `{id}.{timestamp}.{body}`.
    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        let signature = STANDARD.encode(mac.finalize().into_bytes());

        format!("v1,{signature}")
    }
}

impl FromStr for WebhookSecret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        let key = STANDARD.decode(encoded).map_err(|_| InvalidSecret)?;
        if !PERMITTED_BYTES.contains(&key.len()) {
            return Err(InvalidSecret);
        }

        Ok(Self(key))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookSecret(…)")
    }
}

/// The header `webhook-signature`: one signature for each secret, so that a receiver can change from one to the next.
pub fn sign(secrets: &[WebhookSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| secret.sign(id, timestamp, body))
        .collect();

    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference implementations.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_reference_example_has_the_reference_signature() {
        let secret: WebhookSecret = SECRET.parse().unwrap();

        assert_eq!(sign(&[secret], ID, TIMESTAMP, BODY), SIGNATURE);
    }

    #[test]
    fn two_secrets_give_two_signatures() {
        let new = WebhookSecret::generate().unwrap();
        let old: WebhookSecret = SECRET.parse().unwrap();
        let header = sign(&[new, old], ID, TIMESTAMP, BODY);

        assert_eq!(header.split(' ').count(), 2);
        assert!(header.ends_with(SIGNATURE));
    }

    #[test]
    fn a_secret_is_read_back_and_never_shown() {
        let secret = WebhookSecret::generate().unwrap();

        assert_eq!(secret.reveal().parse(), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
        for wrong in [
            "",
            "whsec_",
            "whsec_c2hvcnQ=",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_%%",
        ] {
            assert_eq!(
                wrong.parse::<WebhookSecret>(),
                Err(InvalidSecret),
                "{wrong}"
            );
        }
    }
}

//! One attempt to deliver one webhook, and what its answer means.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use steno_models::WebAddress;
use tokio::time::Instant;

use crate::outbound::{Outbound, OutboundError};
use crate::signature::{WebhookSecret, sign};

/// Limits of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct WebhookLimits {
    /// From the name's resolution to the head of the answer.
    pub total: Duration,
}

impl Default for WebhookLimits {
    fn default() -> Self {
        Self {
            total: Duration::from_secs(15),
        }
    }
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Message {
    /// The same in every attempt: receivers recognise a repeated delivery by it.
    pub id: String,
    /// The JSON document, byte for byte as it is signed.
    pub body: String,
    /// The receiver's secrets, the current one first.
    pub secrets: Vec<WebhookSecret>,
}

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered {
        /// Of the answer, 2xx.
        status: u16,
    },
    /// To be sent again.
    Failed {
        /// The stable reason.
        code: &'static str,
        /// Of the answer, if there was one.
        status: Option<u16>,
        /// The pause that the receiver asks for.
        retry_after: Option<Duration>,
    },
    /// Not to be sent again: the receiver does not want it, or the address may not be called.
    GivenUp {
        /// The stable reason.
        code: &'static str,
        /// Of the answer, if there was one.
        status: Option<u16>,
    },
}

/// Sends `message` once. Only the status and headers of the answer are read. Reading its body would let a slow receiver delay
/// others.
pub async fn send_webhook(
    outbound: &Outbound,
    address: &WebAddress,
    message: &Message,
    limits: WebhookLimits,
    now: SystemTime,
) -> Outcome {
    let Ok(request) = request(message, now) else {
        return Outcome::GivenUp {
            code: OutboundError::InvalidTarget.code(),
            status: None,
        };
    };
    let deadline = Instant::now() + limits.total;

    match outbound.send(address, request, deadline).await {
        Ok(answer) => judge(answer.response.status(), answer.response.headers(), now),
        Err(error) if error.is_temporary() => Outcome::Failed {
            code: error.code(),
            status: None,
            retry_after: None,
        },
        Err(error) => Outcome::GivenUp {
            code: error.code(),
            status: None,
        },
    }
}

fn request(message: &Message, now: SystemTime) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH);
    let timestamp = since_epoch.unwrap_or_default().as_secs() as i64;
    let signature = sign(
        &message.secrets,
        &message.id,
        timestamp,
        message.body.as_bytes(),
    );

    Request::builder()
        .method(Method::POST)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signature)
        .body(Full::from(message.body.clone()))
}

fn judge(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Outcome {
    let number = Some(status.as_u16());
    if status.is_success() {
        return Outcome::Delivered {
            status: status.as_u16(),
        };
    }
    if status == StatusCode::GONE {
        return Outcome::GivenUp {
            code: "gone",
            status: number,
        };
    }

    let may_ask_for_a_pause = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    Outcome::Failed {
        // The new address is not checked. A failure tells the owner that the receiver has moved.
        code: if status.is_redirection() {
            "redirect_refused"
        } else {
            "http_status"
        },
        status: number,
        retry_after: may_ask_for_a_pause
            .then(|| retry_after(headers, now))
            .flatten(),
    }
}

/// `Retry-After` as seconds or as a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }

    let date = httpdate::parse_http_date(text).ok()?;
    date.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, retry_after: Option<&str>) -> Outcome {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, value.parse().unwrap());
        }
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();

        judge(StatusCode::from_u16(status).unwrap(), &headers, now)
    }

    fn failed(code: &'static str, status: u16, pause_s: Option<u64>) -> Outcome {
        Outcome::Failed {
            code,
            status: Some(status),
            retry_after: pause_s.map(Duration::from_secs),
        }
    }

    #[test]
    fn a_2xx_is_delivered_and_a_410_disables() {
        assert_eq!(check(200, None), Outcome::Delivered { status: 200 });
        assert_eq!(check(204, None), Outcome::Delivered { status: 204 });
        let gone = Outcome::GivenUp {
            code: "gone",
            status: Some(410),
        };
        assert_eq!(check(410, None), gone);
    }

    #[test]
    fn redirects_and_other_statuses_are_failures() {
        for status in [301, 302, 303, 307, 308, 304] {
            assert_eq!(
                check(status, None),
                failed("redirect_refused", status, None)
            );
        }
        for status in [400, 404, 500, 502] {
            assert_eq!(
                check(status, Some("9")),
                failed("http_status", status, None)
            );
        }
    }

    #[test]
    fn retry_after_counts_for_429_and_503() {
        assert_eq!(
            check(429, Some("120")),
            failed("http_status", 429, Some(120))
        );
        let date = "Sun, 06 Nov 1994 08:50:37 GMT";
        assert_eq!(check(503, Some(date)), failed("http_status", 503, Some(60)));
        assert_eq!(check(503, Some("soon")), failed("http_status", 503, None));
        let past = "Sun, 06 Nov 1994 08:40:37 GMT";
        assert_eq!(check(503, Some(past)), failed("http_status", 503, None));
    }
}

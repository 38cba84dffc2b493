//! How a client wants its job: the parameters of `GET /transcribe/{job_id}`, and the headers that stand for them.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use steno_models::{Format, parse_bool};

use crate::extract::QueryPairs;
use crate::problem::ApiError;

/// Longest time that a client may ask to wait, in seconds.
const MAX_WAIT_S: u64 = 60;
/// Longest time that an answer is held back, in seconds. Proxies give up after 50 (`HAProxy`) or 60 (nginx).
const LONGEST_WAIT_S: u64 = 50;

/// How a client wants its job.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Seconds to wait for the job to end.
    pub(crate) wait_s: u64,
    /// The rendering of a completed job.
    pub(crate) format: Option<Format>,
    /// Whether the delivery does not count as retrieval.
    pub(crate) keep: bool,
}

impl FromRequest for View {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(view(request))
    }
}

fn view(request: &HttpRequest) -> Result<View, ApiError> {
    let mut view = View {
        format: accepted_format(request),
        wait_s: preferred_wait(request),
        keep: false,
    };

    for (name, value) in QueryPairs::distinct(request)?.iter() {
        match name.as_str() {
            "wait" => {
                let seconds = value.parse().ok().filter(|seconds| *seconds <= MAX_WAIT_S);
                view.wait_s = seconds.ok_or_else(|| {
                    ApiError::invalid_option(
                        "wait",
                        format!("not a whole number of seconds from 0 to {MAX_WAIT_S}"),
                    )
                })?;
            }
            "format" => {
                let names: Vec<_> = Format::ALL.into_iter().map(Format::as_str).collect();
                let unknown = || {
                    ApiError::invalid_option("format", format!("not one of {}", names.join(", ")))
                };
                view.format = Some(Format::from_name(value).ok_or_else(unknown)?);
            }
            "keep" => {
                let neither = || ApiError::invalid_option("keep", "neither true nor false");
                view.keep = parse_bool(value).ok_or_else(neither)?;
            }
            _ => {
                return Err(ApiError::invalid_option(
                    "query",
                    "unknown parameter; known are wait, format, keep",
                ));
            }
        }
    }

    view.wait_s = view.wait_s.min(LONGEST_WAIT_S);

    Ok(view)
}

/// The media type of ours that `Accept` prefers: the first of those with the highest `q` (RFC 9110, 12.5.1).
fn accepted_format(request: &HttpRequest) -> Option<Format> {
    let mut best: Option<(f32, Format)> = None;
    for header in request.headers().get_all(header::ACCEPT) {
        for part in header.to_str().ok()?.split(',') {
            let mut parameters = part.split(';').map(str::trim);
            let Some(format) = parameters.next().and_then(format_of) else {
                continue;
            };
            let quality = parameters.find_map(quality_of).unwrap_or(1.0);
            if quality > best.map_or(0.0, |(quality, _)| quality) {
                best = Some((quality, format));
            }
        }
    }
    best.map(|(_, format)| format)
}

fn format_of(media_type: &str) -> Option<Format> {
    match media_type.to_ascii_lowercase().as_str() {
        "application/json" => Some(Format::Json),
        "text/plain" => Some(Format::Text),
        "application/x-subrip" => Some(Format::Srt),
        "text/vtt" => Some(Format::Vtt),
        "text/tab-separated-values" => Some(Format::Tsv),
        _ => None,
    }
}

fn quality_of(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    name.trim()
        .eq_ignore_ascii_case("q")
        .then(|| value.trim().parse().unwrap_or(1.0))
}

/// The seconds of `Prefer: wait=30` (RFC 7240); 0 without.
fn preferred_wait(request: &HttpRequest) -> u64 {
    let preference = request
        .headers()
        .get("prefer")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    preference
        .split([',', ';'])
        .find_map(|part| part.trim().strip_prefix("wait=")?.parse::<u64>().ok())
        .map_or(0, |seconds| seconds.min(MAX_WAIT_S))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn check(uri: &str, headers: &[(&'static str, &'static str)], expected: &View) {
        let mut request = TestRequest::with_uri(uri);
        for header in headers {
            request = request.insert_header(*header);
        }
        assert_eq!(
            view(&request.to_http_request()).ok().as_ref(),
            Some(expected)
        );
    }

    #[test]
    fn parameters_win_over_headers() {
        check("/", &[], &View::default());
        check(
            "/?wait=5&keep=true&format=srt",
            &[("accept", "text/plain"), ("prefer", "wait=9")],
            &View {
                wait_s: 5,
                format: Some(Format::Srt),
                keep: true,
            },
        );

        for keep in ["True", "TRUE", "1"] {
            check(
                &format!("/?keep={keep}"),
                &[],
                &View {
                    keep: true,
                    ..View::default()
                },
            );
        }

        check(
            "/",
            &[("prefer", "wait=100000")],
            &View {
                wait_s: 50,
                ..View::default()
            },
        );

        check(
            "/?wait=60",
            &[],
            &View {
                wait_s: 50,
                ..View::default()
            },
        );

        check(
            "/",
            &[("prefer", "respond-async, wait=9")],
            &View {
                wait_s: 9,
                ..View::default()
            },
        );

        let vtt = View {
            format: Some(Format::Vtt),
            ..View::default()
        };
        check("/", &[("accept", "image/png, text/vtt;q=0.5, */*")], &vtt);
        check(
            "/",
            &[(
                "accept",
                "text/plain;q=0.2, Text/VTT; Q=0.9, application/json;q=0.5",
            )],
            &vtt,
        );

        check("/", &[("accept", "text/plain;q=0, text/vtt;q=0.1")], &vtt);

        check("/", &[("accept", "text/plain;q=0")], &View::default());
    }

    #[test]
    fn parameters_that_cannot_be_are_refused() {
        for uri in [
            "/?wait=-1",
            "/?wait=61",
            "/?wait=soon",
            "/?format=docx",
            "/?keep=maybe",
            "/?colour=red",
            "/?wait=1&wait=2",
        ] {
            assert!(
                view(&TestRequest::with_uri(uri).to_http_request()).is_err(),
                "{uri}"
            );
        }
    }
}

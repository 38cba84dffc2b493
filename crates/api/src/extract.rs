//! Reading a call's parameters, with errors that name them.

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Query;
use steno_models::{Format, JobId, ProblemCode, Status, parse_bool};
use steno_store::Cursor;

use crate::problem::ApiError;

/// Longest time that a client may ask to wait, in seconds.
const MAX_WAIT_S: u64 = 60;
/// Longest time that an answer is held back, in seconds. Proxies give up after 50 (`HAProxy`) or 60 (nginx).
const LONGEST_WAIT_S: u64 = 50;

/// Longest idempotency key.
const MAX_KEY_BYTES: usize = 255;

/// Jobs on a page, if nothing is said, and at most.
const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;

/// How a client wants its job.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Seconds to wait for the job to end.
    pub(crate) wait_s: u64,
    /// The rendering of a completed job.
    pub(crate) format: Option<Format>,
    /// Whether the delivery shall not count as retrieval.
    pub(crate) keep: bool,
}

/// The job id in the path. A text that is no id names no job.
pub(crate) fn job_id(request: &HttpRequest) -> Result<JobId, ApiError> {
    request
        .match_info()
        .query("job_id")
        .parse()
        .map_err(|_| ApiError::no_such_job())
}

/// The query as pairs, in order.
pub(crate) fn query_pairs(request: &HttpRequest) -> Result<Vec<(String, String)>, ApiError> {
    let query = request.query_string();
    let malformed = || {
        ApiError::new(
            ProblemCode::Malformed,
            "the query is not valid UTF-8 in percent encoding",
        )
    };
    // The parser would put other characters for what is none, and take a stray percent sign as it is.
    if !is_percent_encoded(query) {
        return Err(malformed());
    }
    Query::<Vec<(String, String)>>::from_query(query)
        .map(Query::into_inner)
        .map_err(|_| malformed())
}

/// The pairs of a query in which each parameter is given once at most.
fn distinct_pairs(request: &HttpRequest) -> Result<Vec<(String, String)>, ApiError> {
    let pairs = query_pairs(request)?;
    for (index, (name, _)) in pairs.iter().enumerate() {
        if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(ApiError::invalid_option(
                "query",
                "a parameter is given more than once",
            ));
        }
    }
    Ok(pairs)
}

fn is_percent_encoded(query: &str) -> bool {
    let mut bytes = query.bytes();
    let mut decoded = Vec::with_capacity(query.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
            let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
                return false;
            };
            decoded.push((high * 16 + low) as u8);
        } else {
            decoded.push(byte);
        }
    }
    str::from_utf8(&decoded).is_ok()
}

/// The name a client gave to its submission.
pub(crate) fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, ApiError> {
    let Some(value) = request.headers().get("idempotency-key") else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key)
            if (1..=MAX_KEY_BYTES).contains(&key.len())
                && key.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Ok(Some(key.to_owned()))
        }
        _ => Err(ApiError::invalid_option(
            "Idempotency-Key",
            format!("not 1 to {MAX_KEY_BYTES} visible ASCII characters without spaces"),
        )),
    }
}

/// What the id of the last event a client has says: how far the job was (0 to 3), and how many segments it was told.
pub(crate) fn last_event_id(request: &HttpRequest) -> Result<(u8, usize), ApiError> {
    let Some(value) = request.headers().get("last-event-id") else {
        return Ok((0, 0));
    };
    let parse = || {
        let (stage, segments) = value.to_str().ok()?.split_once('-')?;
        Some((
            stage.parse().ok().filter(|stage| *stage <= 3)?,
            segments.parse().ok()?,
        ))
    };
    parse().ok_or_else(|| {
        ApiError::invalid_option("Last-Event-ID", "not the id of an event of this stream")
    })
}

/// Which page of which jobs `GET /transcribe` shall show.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PageQuery {
    /// Only jobs that stand there.
    pub(crate) status: Option<Status>,
    /// Where an earlier page ended.
    pub(crate) cursor: Option<Cursor>,
    /// Jobs on the page.
    pub(crate) limit: u32,
}

/// Parameters of `GET /transcribe`.
pub(crate) fn page(request: &HttpRequest) -> Result<PageQuery, ApiError> {
    let mut page = PageQuery {
        status: None,
        cursor: None,
        limit: DEFAULT_PAGE,
    };
    for (name, value) in distinct_pairs(request)? {
        match name.as_str() {
            "status" => {
                let status = serde_json::from_value(value.into());
                let unknown = |_| {
                    ApiError::invalid_option(
                        "status",
                        "not one of pending, processing, completed, failed",
                    )
                };
                page.status = Some(status.map_err(unknown)?);
            }
            "cursor" => {
                let cursor = value
                    .parse()
                    .map_err(|_| ApiError::invalid_option("cursor", "not a next_cursor of a list"));
                page.cursor = Some(cursor?);
            }
            "limit" => {
                let limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=MAX_PAGE).contains(limit));
                let outside = || {
                    ApiError::invalid_option(
                        "limit",
                        format!("not a whole number from 1 to {MAX_PAGE}"),
                    )
                };
                page.limit = limit.ok_or_else(outside)?;
            }
            _ => {
                return Err(ApiError::invalid_option(
                    "query",
                    "unknown parameter; known are status, cursor, limit",
                ));
            }
        }
    }
    Ok(page)
}

/// Parameters of `GET /transcribe/{job_id}`.
pub(crate) fn view(request: &HttpRequest) -> Result<View, ApiError> {
    let mut view = View {
        format: accepted_format(request),
        wait_s: preferred_wait(request),
        keep: false,
    };
    for (name, value) in distinct_pairs(request)? {
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
                view.format = Some(Format::from_name(&value).ok_or_else(unknown)?);
            }
            "keep" => {
                let neither = || ApiError::invalid_option("keep", "neither true nor false");
                view.keep = parse_bool(&value).ok_or_else(neither)?;
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

/// Seconds of `Prefer: wait=30` (RFC 7240); 0 without.
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
    fn a_query_is_percent_encoded_utf_8() {
        for (query, expected) in [
            ("a=%C3%A9+b", true),
            ("a=é", true),
            ("a=%ff%fe", false),
            ("a=%zz", false),
            ("a=%4", false),
            ("", true),
        ] {
            assert_eq!(is_percent_encoded(query), expected, "{query}");
        }
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

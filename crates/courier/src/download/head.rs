//! What the head of an answer means for a download.

use hyper::StatusCode;
use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, LAST_MODIFIED,
    LOCATION,
};
use steno_models::InvalidWebAddress;

use super::DownloadError;

/// Head of an answer with bytes of the recording.
#[derive(Debug)]
pub(super) struct Head {
    /// Whether it answers a request for a range.
    pub(super) is_partial: bool,
    /// Offset of its first byte in the recording.
    pub(super) start: u64,
    /// Size of the whole recording, if it is announced.
    pub(super) total: Option<u64>,
    pub(super) validator: Option<HeaderValue>,
}

#[derive(Debug)]
pub(super) enum Meaning {
    Body(Head),
    Redirect(String),
    /// The range that was asked for is beyond the end.
    NothingMore,
}

/// Reads status and headers. `has_bytes`: whether a range may have been asked for.
pub(super) fn read(
    status: StatusCode,
    headers: &HeaderMap,
    has_bytes: bool,
) -> Result<Meaning, DownloadError> {
    match status {
        StatusCode::OK => {
            check_encoding(headers)?;
            Ok(Meaning::Body(Head {
                is_partial: false,
                start: 0,
                total: number(headers.get(CONTENT_LENGTH)),
                validator: validator(headers),
            }))
        }
        StatusCode::PARTIAL_CONTENT if has_bytes => {
            check_encoding(headers)?;
            let range = headers.get(CONTENT_RANGE).and_then(content_range);
            let (start, total) = range.ok_or(DownloadError::InvalidRange)?;

            Ok(Meaning::Body(Head {
                is_partial: true,
                start,
                total: Some(total),
                validator: None,
            }))
        }
        StatusCode::RANGE_NOT_SATISFIABLE if has_bytes => Ok(Meaning::NothingMore),
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => {
            let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
            let location = location.ok_or(InvalidWebAddress::Malformed);
            Ok(Meaning::Redirect(
                location.map_err(DownloadError::InvalidRedirect)?.to_owned(),
            ))
        }
        other => Err(DownloadError::Status(other.as_u16())),
    }
}

/// Nothing is unpacked here: a few bytes could become very many.
fn check_encoding(headers: &HeaderMap) -> Result<(), DownloadError> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if encodings.all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        Ok(())
    } else {
        Err(DownloadError::Encoded)
    }
}

/// A strong `ETag`, else the date: a weak one permits other bytes.
fn validator(headers: &HeaderMap) -> Option<HeaderValue> {
    let tag = headers.get(ETAG);
    let strong = tag.filter(|tag| tag.as_bytes().starts_with(b"\""));

    strong.or(headers.get(LAST_MODIFIED)).cloned()
}

/// `bytes 100-199/200` as start and total.
fn content_range(value: &HeaderValue) -> Option<(u64, u64)> {
    let text = value.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, total) = text.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let start: u64 = start.parse().ok()?;
    let end: u64 = end.parse().ok()?;
    let total: u64 = total.parse().ok()?;

    (start <= end && end < total).then_some((start, total))
}

fn number(value: Option<&HeaderValue>) -> Option<u64> {
    value?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(u64, u64)>) {
        let value = HeaderValue::from_str(text).unwrap();
        assert_eq!(content_range(&value), expected, "{text}");
    }

    #[test]
    fn ranges_are_read_and_nonsense_is_refused() {
        check("bytes 100-199/200", Some((100, 200)));
        check("bytes 0-0/1", Some((0, 1)));
        check("bytes 100-199/*", None);
        check("bytes 199-100/200", None);
        check("bytes 100-200/200", None);
        check("bytes */200", None);
        check("items 0-1/2", None);
        check("bytes 0-99999999999999999999/99999999999999999999", None);
    }
}

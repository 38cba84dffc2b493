//! Addresses as clients write them: extra slashes are merged, and wrong addresses get a hint.

use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;

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

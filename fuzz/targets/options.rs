//! Arbitrary bytes as a submission form: accepted options are within their bounds and survive storage.
#![no_main]

use actix_multipart::Multipart;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use actix_web::web::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use libfuzzer_sys::fuzz_target;
use steno_models::{OptionFields, TranscribeRequest};

/// The fields of a body, as far as it can be parsed.
async fn fields(bytes: &[u8]) -> Vec<(String, String)> {
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("multipart/form-data; boundary=b"),
    );
    let chunks: Vec<_> = bytes
        .chunks(100)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    let mut parts = Multipart::new(&headers, stream::iter(chunks));
    let mut fields = Vec::new();
    while let Some(Ok(mut part)) = parts.next().await {
        let mut value = Vec::new();
        while let Some(Ok(chunk)) = part.next().await {
            value.extend_from_slice(&chunk);
        }
        fields.push((
            part.name().unwrap_or_default().to_owned(),
            String::from_utf8_lossy(&value).into_owned(),
        ));
    }
    fields
}

fuzz_target!(|bytes: &[u8]| {
    let mut options = OptionFields::default();
    // As a form, and as plain pairs.
    let form = actix_web::rt::System::new().block_on(fields(bytes));
    let text = String::from_utf8_lossy(bytes);
    let pairs = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    for (name, value) in form.into_iter().chain(pairs) {
        options.set(&name, &value);
    }
    let Ok(accepted) = options.finish() else {
        return;
    };
    assert!(
        accepted
            .temperature
            .is_none_or(|value| (0.0..=1.0).contains(&value))
    );
    assert!(
        accepted
            .beam_size
            .is_none_or(|value| (1..=8).contains(&value))
    );
    assert!((-10..=10).contains(&accepted.priority));
    let json = serde_json::to_string(&accepted).unwrap();
    // A real NUL, not the six letters of its escape.
    assert!(!json.replace(r"\\", "").contains(r"\u0000"), "{json}");
    let read: TranscribeRequest = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), json);
});

//! A recording among form fields, for options that do not belong in an address: recordings of voices, which proxies would log.

use std::io::{Cursor, Read};

use ureq::RequestBuilder;
use ureq::typestate::WithBody;

/// The option that is never sent in the address.
const VOICES: &str = "known_speaker_references";

/// What goes around the recording.
pub(super) struct Form {
    boundary: String,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Form {
    /// A form with these options; `None` if they can be sent in the address. `boundary` occurs in none of them.
    pub(super) fn if_needed(options: &[(&str, String)], boundary: &str) -> Option<Self> {
        if options.iter().all(|(name, _)| *name != VOICES) {
            return None;
        }

        let field = |(name, value): &(&str, String)| {
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
        };
        let fields: String = options.iter().map(field).collect();
        let before = format!(
            "{fields}--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"recording\"\r\n\r\n"
        );
        Some(Self {
            boundary: boundary.to_owned(),
            before: before.into_bytes(),
            after: format!("\r\n--{boundary}--\r\n").into_bytes(),
        })
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The length of the body with a recording of `recording` bytes.
    pub(super) fn length(&self, recording: u64) -> u64 {
        (self.before.len() + self.after.len()) as u64 + recording
    }

    /// The body.
    pub(super) fn around<'a>(&'a self, recording: impl Read + 'a) -> Box<dyn Read + 'a> {
        let start = Cursor::new(&self.before);
        let end = Cursor::new(&self.after);
        Box::new(start.chain(recording).chain(end))
    }
}

/// The head of an upload of `length` bytes: options in the address, unless there is a form.
pub(super) fn with_options(
    request: RequestBuilder<WithBody>,
    options: &[(&str, String)],
    length: u64,
    form: Option<&Form>,
) -> RequestBuilder<WithBody> {
    if let Some(form) = form {
        return request
            .header("content-type", form.content_type())
            .header("content-length", form.length(length));
    }
    let mut request = request
        .header("content-type", "application/octet-stream")
        .header("content-length", length);
    for (name, value) in options {
        request = request.query(*name, value);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_of_voices_are_sent_in_a_form() {
        let plain = [("language", "en".to_owned())];
        assert!(Form::if_needed(&plain, "b").is_none());

        let voices = [("known_speaker_references", "A".repeat(300))];
        let form = Form::if_needed(&voices, "b").unwrap();
        let mut body = String::new();
        form.around(&b"sound"[..])
            .read_to_string(&mut body)
            .unwrap();

        assert_eq!(form.length(5), body.len() as u64);
        assert!(body.starts_with("--b\r\nContent-Disposition: form-data; name=\"known"));
        assert!(body.ends_with("name=\"file\"; filename=\"recording\"\r\n\r\nsound\r\n--b--\r\n"));
    }
}

//! Whether the first bytes of a download are those of a web page: the client then gave the address
//! of a page about the recording.

/// How web pages begin, in lower case.
const BEGINNINGS: [&str; 6] = [
    "<!doctype html",
    "<html",
    "<head",
    "<body",
    "<script",
    "<!--",
];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether `head` begins like a web page. No audio format begins in such a way.
pub(super) fn is_web_page(head: &[u8]) -> bool {
    let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    let text = text.trim_ascii_start();

    BEGINNINGS.iter().any(|beginning| {
        let start = text.get(..beginning.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(beginning.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &[u8], expected: bool) {
        assert_eq!(is_web_page(head), expected, "{head:?}");
    }

    #[test]
    fn pages_are_recognised_and_audio_is_not() {
        check(b"<!DOCTYPE html><html>", true);
        check(b"\xef\xbb\xbf\r\n\t<HTML lang=en>", true);
        check(b"<!-- saved from -->", true);
        check(b"<!DOCTYPE", false);
        check(b"", false);
        check(b"RIFF....WAVE", false);
        check(b"ID3\x04", false);
        check(b"OggS", false);
        check(b"\xff\xfb\x90", false);
    }
}

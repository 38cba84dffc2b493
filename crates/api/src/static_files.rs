//! Files that are part of the program: sent without a copy for each answer, and not at all to clients that have them.
//!
//! Used by `routes/docs.rs`. Other pages that the program contains are served the same way.

use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};

use crate::slices::Slices;

/// A file in memory. Answers share its bytes.
pub(crate) struct StaticFile {
    media_type: HeaderValue,
    bytes: Bytes,
    tag: String,
}

impl StaticFile {
    /// A file of that content. `Bytes::from_static` costs no memory.
    pub(crate) fn new(media_type: &str, bytes: Bytes) -> Self {
        let media_type = HeaderValue::from_str(media_type);
        Self {
            media_type: media_type.unwrap_or(HeaderValue::from_static("application/octet-stream")),
            tag: entity_tag(&bytes),
            bytes,
        }
    }

    /// The file, or 304 if the client has it.
    pub(crate) fn answer(&self, request: &HttpRequest) -> HttpResponse {
        if is_known(request, &self.tag) {
            return HttpResponse::NotModified()
                .insert_header((header::ETAG, self.tag.clone()))
                .finish();
        }
        HttpResponse::Ok()
            .insert_header((header::ETAG, self.tag.clone()))
            .insert_header((header::CONTENT_TYPE, self.media_type.clone()))
            .body(Slices::new(self.bytes.clone()))
    }
}

/// A strong entity tag (RFC 9110, 8.8.3): the first half of the content's SHA-256.
pub(crate) fn entity_tag(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let half = digest
        .first_chunk::<16>()
        .map_or(0, |half| u128::from_be_bytes(*half));
    format!("\"{half:032x}\"")
}

/// Whether the client has the content with this tag already.
pub(crate) fn is_known(request: &HttpRequest, tag: &str) -> bool {
    request
        .headers()
        .get_all(header::IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == tag || known == "*")
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_client_that_has_the_file_gets_no_body() {
        let file = StaticFile::new("text/css", Bytes::from_static(b"a {}"));
        let answer = |tag: &str| {
            let request = TestRequest::default().insert_header((header::IF_NONE_MATCH, tag));
            file.answer(&request.to_http_request()).status()
        };
        assert_eq!(answer(&file.tag), StatusCode::NOT_MODIFIED);
        assert_eq!(
            answer(&format!("\"other\", W/{}", file.tag)),
            StatusCode::NOT_MODIFIED
        );
        assert_eq!(answer("\"other\""), StatusCode::OK);
    }
}

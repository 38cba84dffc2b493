//! `GET /` and `GET /page/{file}`: the page for people. Its files are part of the program; `web/` has their sources.
//!
//! Script and style sheet have a hash of their content in their names, so browsers keep them for good. The page itself is asked
//! for again on each visit.

use std::collections::HashMap;
use std::sync::LazyLock;

use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest as _, Sha256};

use super::{get_or_head, no_such_address, resource};
use crate::group::{PAGE, PAGE_FILES};
use crate::problem::ApiError;
use crate::static_files::StaticFile;

const INDEX: &str = include_str!("../../../../web/dist/index.html");
const SCRIPT: &str = include_str!("../../../../web/dist/steno.js");
const STYLE: &str = include_str!("../../../../web/dist/steno.css");

/// The page with the names of its files. They are relative: a proxy may have put a prefix before ours.
static INDEX_FILE: LazyLock<StaticFile> = LazyLock::new(|| {
    let page = INDEX
        .replace("{script}", &format!("page/{}", hashed_name(SCRIPT, "js")))
        .replace("{style}", &format!("page/{}", hashed_name(STYLE, "css")));
    StaticFile::new("text/html; charset=utf-8", page.into())
});

static FILES: LazyLock<HashMap<String, StaticFile>> = LazyLock::new(|| {
    [
        ("js", "text/javascript; charset=utf-8", SCRIPT),
        ("css", "text/css; charset=utf-8", STYLE),
    ]
    .into_iter()
    .map(|(extension, media_type, content)| {
        let bytes = Bytes::from_static(content.as_bytes());
        (
            hashed_name(content, extension),
            StaticFile::new(media_type, bytes),
        )
    })
    .collect()
});

/// Registers the addresses.
pub(crate) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/", "GET, HEAD", &PAGE).route(get_or_head().to(get_page)))
        .service(
            resource("/page/{file}", "GET, HEAD", &PAGE_FILES)
                .route(get_or_head().to(get_page_file)),
        );
}

async fn get_page(request: HttpRequest) -> HttpResponse {
    INDEX_FILE.answer(&request)
}

async fn get_page_file(
    request: HttpRequest,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    match FILES.get(name.as_str()) {
        Some(file) => Ok(file.answer(&request)),
        None => no_such_address(request)
            .await
            .map(|_| HttpResponse::Ok().finish()),
    }
}

fn hashed_name(content: &str, extension: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    let start = digest
        .first_chunk::<8>()
        .map_or(0, |start| u64::from_be_bytes(*start));
    format!("steno-{start:016x}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_the_files_that_are_served() {
        let names = FILES.keys();
        assert_eq!(names.len(), 2);
        for name in names {
            let place = if std::path::Path::new(name)
                .extension()
                .is_some_and(|end| end == "js")
            {
                "{script}"
            } else {
                "{style}"
            };
            assert!(INDEX.contains(place), "{name}");
        }
    }
}

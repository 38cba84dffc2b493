//! `/openapi.json` and `/docs`: the description of the api, and the pages that show it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use actix_web::http::header;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use utoipa_swagger_ui::{Config, SwaggerFile};

use super::{get_or_head, no_such_address, resource};
use crate::group::{DESCRIPTION, PAGES};
use crate::openapi;
use crate::problem::ApiError;
use crate::static_files::StaticFile;

/// The files of Swagger UI. The first one is the page.
const FILES: [&str; 9] = [
    "index.html",
    "index.css",
    "swagger-initializer.js",
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "oauth2-redirect.html",
    "favicon-16x16.png",
    "favicon-32x32.png",
];

static DOCUMENT: LazyLock<StaticFile> = LazyLock::new(|| {
    let document = serde_json::to_vec(&openapi::document()).unwrap_or_default();
    StaticFile::new("application/json", document.into())
});

static PAGE_FILES: LazyLock<HashMap<&str, StaticFile>> = LazyLock::new(|| {
    // The badge of an outside validator would be the one request that leaves the machine.
    // The address of the description is relative: a proxy may have put a prefix before ours.
    let config = Arc::new(Config::from("../openapi.json").validator_url("none"));
    let found = FILES.into_iter().filter_map(|name| {
        let file = utoipa_swagger_ui::serve(name, Arc::clone(&config)).ok()??;
        Some((name, static_file(file)))
    });
    found.collect()
});

/// Registers the addresses.
pub(crate) fn configure(app: &mut ServiceConfig) {
    app.service(
        resource("/openapi.json", "GET, HEAD", &DESCRIPTION)
            .route(get_or_head().to(get_description)),
    )
    .service(resource("/docs", "GET, HEAD", &PAGES).route(get_or_head().to(redirect)))
    .service(resource("/docs/{file:.*}", "GET, HEAD", &PAGES).route(get_or_head().to(get_file)));
}

async fn get_description(request: HttpRequest) -> HttpResponse {
    DOCUMENT.answer(&request)
}

/// Relative, so that it also leads to the pages behind a proxy that cuts off a prefix.
async fn redirect() -> HttpResponse {
    HttpResponse::TemporaryRedirect()
        .insert_header((header::LOCATION, "docs/"))
        .finish()
}

async fn get_file(request: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let name = if name.is_empty() {
        FILES[0]
    } else {
        name.as_str()
    };
    match PAGE_FILES.get(name) {
        Some(file) => Ok(file.answer(&request)),
        None => no_such_address(request)
            .await
            .map(|_| HttpResponse::Ok().finish()),
    }
}

/// Without a copy, except for the file that names the description's address.
fn static_file(file: SwaggerFile<'static>) -> StaticFile {
    let bytes = match file.bytes {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    };
    StaticFile::new(&file.content_type, bytes)
}

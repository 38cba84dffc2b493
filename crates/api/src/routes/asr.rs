//! `/asr` and `/detect-language`: the calls of whisper-asr-webservice, which Bazarr and others use.
//!
//! Source: <https://github.com/ahmetoner/whisper-asr-webservice>, `app/webservice.py`. Parameters that this server does not
//! need, such as `vad_filter`, have no effect.

mod answer;
pub(crate) mod detect_language;
mod request;
pub(crate) mod transcribe;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use serde_json::json;
use utoipa::OpenApi;

use super::{get_or_head, resource};
use crate::group::NATIVE;

/// The description of these calls.
#[derive(OpenApi)]
#[openapi(paths(transcribe::transcribe, detect_language::detect_language))]
pub(crate) struct Described;

/// Registers the addresses.
pub(crate) fn configure(app: &mut ServiceConfig) {
    app.service(resource("/asr", "POST", &NATIVE).route(web::post().to(transcribe::transcribe)))
        .service(
            resource("/detect-language", "POST", &NATIVE)
                .route(web::post().to(detect_language::detect_language)),
        )
        .service(resource("/status", "GET, HEAD", &NATIVE).route(get_or_head().to(status)));
}

/// Says which program this is. Bazarr asks when its settings are tested.
async fn status() -> HttpResponse {
    let version = format!("Steno {}", steno_settings::VERSION.as_str());
    HttpResponse::Ok().json(json!({"version": version}))
}

//! `/asr`, `/detect-language` and `/status`: the calls of whisper-asr-webservice, which Bazarr and others use.
//!
//! Source: <https://github.com/ahmetoner/whisper-asr-webservice>, `app/webservice.py`. Parameters that this server does not
//! need, such as `vad_filter`, have no effect.

mod answer;
pub(crate) mod detect_language;
mod request;
pub(crate) mod transcribe;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::{get_or_head, resource};
use crate::group::NATIVE;

/// The description of these calls.
#[derive(OpenApi)]
#[openapi(paths(transcribe::transcribe, detect_language::detect_language, status))]
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

/// Which program this is
///
/// Bazarr asks when its settings are tested.
#[utoipa::path(
    get,
    path = "/status",
    tag = "whisper-asr-webservice",
    responses((status = 200, description = "The version of Steno", body = AsrStatus)),
)]
pub(crate) async fn status() -> HttpResponse {
    HttpResponse::Ok().json(AsrStatus {
        version: format!("Steno {}", steno_settings::VERSION.as_str()),
    })
}

/// The answer of `/status`.
#[derive(Serialize, ToSchema)]
pub(crate) struct AsrStatus {
    /// `Steno` and its version.
    version: String,
}

//! `/v1`: the calls of OpenAI's audio API, so that its clients work with Steno unchanged. Each transcription is a job like
//! any other.
//!
//! Source: <https://platform.openai.com/docs/api-reference/audio>.

pub(crate) mod create_transcription;
pub(crate) mod models;
mod request;
mod stream;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

use super::{get_or_head, no_such_address, resource};
use crate::group::V1;

/// The description of these calls.
#[derive(OpenApi)]
#[openapi(paths(
    create_transcription::create_transcription,
    create_transcription::create_translation,
    models::list_models,
    models::get_model,
))]
pub(crate) struct Described;

/// Registers the addresses.
pub(crate) fn configure(app: &mut ServiceConfig) {
    app.service(
        resource("/v1/audio/transcriptions", "POST", &V1)
            .route(web::post().to(create_transcription::create_transcription)),
    )
    .service(
        resource("/v1/audio/translations", "POST", &V1)
            .route(web::post().to(create_transcription::create_translation)),
    )
    .service(resource("/v1/models", "GET, HEAD", &V1).route(get_or_head().to(models::list_models)))
    .service(
        resource("/v1/models/{model:.*}", "GET, HEAD", &V1)
            .route(get_or_head().to(models::get_model)),
    )
    // What is not there is refused in the words of this api.
    .service(resource("/v1{_:(/.*)?}", "", &V1).default_service(web::to(no_such_address)));
}

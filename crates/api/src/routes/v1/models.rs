//! `GET /v1/models` and `GET /v1/models/{model}`.

use actix_web::{HttpRequest, HttpResponse, web};
use steno_models::openai::{ErrorBody, Model, ModelList};

use crate::model_names;
use crate::problem::ApiError;
use crate::state::ApiState;

/// List the weights.
///
/// The default first, then `whisper-1`, which is another name for it; then other weights, and further names.
#[utoipa::path(
    get,
    path = "/v1/models",
    tag = "openai",
    responses(
        (status = 200, description = "The weights that can be asked for", body = ModelList),
        (status = 503, description = "`not_ready`", body = ErrorBody),
    ),
)]
pub(crate) async fn list_models(state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let names = model_names::all(&state.models().await?, &state.config.model_aliases);
    let data = names.iter().map(|name| Model::named(name)).collect();
    Ok(HttpResponse::Ok().json(ModelList {
        object: "list".to_owned(),
        data,
    }))
}

/// Look weights up.
#[utoipa::path(
    get,
    path = "/v1/models/{model}",
    tag = "openai",
    params(("model" = String, Path, description = "Name of the weights", example = "whisper-1")),
    responses(
        (status = 200, description = "They can be asked for", body = Model),
        (status = 404, description = "`model_not_found`", body = ErrorBody),
        (status = 503, description = "`not_ready`", body = ErrorBody),
    ),
)]
pub(crate) async fn get_model(
    request: HttpRequest,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let name = request
        .match_info()
        .query("model")
        .replace("%2F", "/")
        .replace("%2f", "/");
    if model_names::resolve(&name, &state.models().await?, &state.config.model_aliases).is_some() {
        return Ok(HttpResponse::Ok().json(Model::named(&name)));
    }
    Err(ApiError::no_such_model())
}

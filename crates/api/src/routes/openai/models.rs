//! `GET /v1/models` and `GET /v1/models/{model}`.

use actix_web::{HttpRequest, HttpResponse, web};
use steno_models::ProblemCode;
use steno_models::openai::{ErrorBody, Model, ModelList};

use super::request::DEFAULT_MODEL;
use crate::problem::ApiError;
use crate::state::ApiState;

/// List the weights.
///
/// The default first; `whisper-1` is another name for it.
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
    let mut names = state.models().await?;
    names.insert(1, DEFAULT_MODEL.to_owned());
    let data = names.iter().map(|name| Model::named(name)).collect();
    Ok(HttpResponse::Ok().json(ModelList { object: "list".to_owned(), data }))
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
pub(crate) async fn get_model(request: HttpRequest, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let name = request.match_info().query("model");
    if name == DEFAULT_MODEL || state.models().await?.iter().any(|known| known == name) {
        return Ok(HttpResponse::Ok().json(Model::named(name)));
    }
    Err(ApiError::new(ProblemCode::ModelUnavailable, "there are no such weights; GET /v1/models lists what there is"))
}

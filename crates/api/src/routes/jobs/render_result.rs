//! `POST /render`: a result that the client sends, in one of the formats. Nothing of it is stored.
//!
//! The page at `/` exports edited texts with it, so that subtitles are laid out in one place.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt as _;
use serde::Deserialize;
use steno_models::{
    FieldProblem, Format, JobResult, OptionFields, Problem, ProblemCode, Task, render, separator,
};
use utoipa::ToSchema;

use crate::connection::{Connection, broken_body};
use crate::problem::ApiError;
use crate::state::ApiState;

/// Largest body: the result of a day of speech with its words.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// What to render.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenderRequest {
    /// The result, as `GET /transcribe/{job_id}` gives it. Its `text` is made of the segments anew.
    result: JobResult,
    /// The format.
    format: Format,
    /// The task of the job.
    #[serde(default)]
    task: Task,
    /// Columns of a line of subtitles: 42 by default; 0 makes every segment one line.
    #[schema(minimum = 0, maximum = 200, example = 42)]
    max_line_width: Option<u16>,
    /// Lines of a subtitle: 2 by default.
    #[schema(minimum = 1, maximum = 10, example = 2)]
    max_line_count: Option<u8>,
}

/// Render a result.
///
/// For texts that a person has edited: send the result with its changed segments, and get it in any format. The server
/// keeps nothing of it.
#[utoipa::path(
    post,
    path = "/render",
    tag = "jobs",
    request_body(content = RenderRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The text in the format", content(
            (String = "text/plain"),
            (String = "application/x-subrip"),
            (String = "text/vtt"),
            (String = "text/tab-separated-values"),
            (serde_json::Value = "application/json"),
        )),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "`request_timeout`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`upload_too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_options`", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn render_result(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    check_type(&request)?;
    let body = read_body(&request, payload, &state).await?;

    // Reading and laying out a long text takes long enough to hold up other calls.
    let (format, text) = web::block(move || render_body(&body))
        .await
        .map_err(|_| ApiError::stopping())??;
    let disposition = format!("attachment; filename=\"transcript.{}\"", format.extension());
    Ok(HttpResponse::Ok()
        .content_type(format.media_type())
        .insert_header((header::CONTENT_DISPOSITION, disposition))
        .body(text))
}

fn check_type(request: &HttpRequest) -> Result<(), ApiError> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let is_json = content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
    if is_json {
        return Ok(());
    }
    Err(ApiError::new(
        ProblemCode::UnsupportedMediaType,
        "send a result and a format as application/json",
    ))
}

async fn read_body(
    request: &HttpRequest,
    mut payload: web::Payload,
    state: &ApiState,
) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    let patience = state.config.upload_chunk_timeout;
    loop {
        let chunk = tokio::time::timeout(patience, payload.next()).await;
        let chunk = chunk.map_err(|_| {
            let detail = "the body came too slowly (STENO_UPLOAD_CHUNK_TIMEOUT)";
            ApiError::new(ProblemCode::RequestTimeout, detail)
        })?;
        let Some(chunk) = chunk else { break };
        let chunk = chunk.map_err(|_| broken_body(&Connection::of(request)))?;

        if body.len() + chunk.len() > MAX_BYTES {
            let detail = format!("the body is larger than {MAX_BYTES} bytes");
            return Err(ApiError::new(ProblemCode::UploadTooLarge, detail));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The format and the text in it.
fn render_body(body: &[u8]) -> Result<(Format, String), ApiError> {
    let wanted: RenderRequest = serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Data => ApiError::invalid_options(vec![FieldProblem {
                pointer: "/result".to_owned(),
                detail: format!("not a result with a format, at {place}: {error}"),
            }]),
            _ => malformed(&format!("the body is not JSON, at {place}")),
        }
    })?;

    let mut options = OptionFields::default();
    if let Some(width) = wanted.max_line_width {
        options.set("max_line_width", &width.to_string());
    }
    if let Some(count) = wanted.max_line_count {
        options.set("max_line_count", &count.to_string());
    }
    let layout = options
        .finish()
        .map_err(ApiError::invalid_options)?
        .layout();

    let mut result = wanted.result;
    result.text = joined_text(&result);
    Ok((
        wanted.format,
        render(&result, wanted.task, wanted.format, layout),
    ))
}

/// The text of all segments. A client that edits segments need not join them as this server does.
fn joined_text(result: &JobResult) -> String {
    let mut text = String::new();
    for segment in &result.segments {
        text.push_str(separator(&text, &segment.text));
        text.push_str(&segment.text);
    }
    text
}

fn malformed(detail: &str) -> ApiError {
    ApiError::new(ProblemCode::Malformed, detail.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(format: &str, changes: &serde_json::Value) -> Result<String, ApiError> {
        let segment = |id: u32, text: &str| {
            json!({"id": id, "start": f64::from(id) * 2.0, "end": f64::from(id) * 2.0 + 2.0, "text": text,
                "avg_logprob": -0.1, "compression_ratio": 1.0, "no_speech_prob": 0.0, "temperature": 0.0, "tokens": []})
        };
        let mut body = json!({"format": format, "result": {"text": "old", "language": "en", "language_probability": 1.0,
            "duration_seconds": 4.0, "model": "base", "segments": [segment(0, "Hello, Zoé."), segment(1, "Goodbye.")]}});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        render_body(&serde_json::to_vec(&body).unwrap()).map(|(_, text)| text)
    }

    #[test]
    fn an_edited_result_is_rendered_from_its_segments() {
        let nothing = json!({});
        assert_eq!(check("text", &nothing).unwrap(), "Hello, Zoé. Goodbye.\n");
        assert!(
            check("json", &nothing)
                .unwrap()
                .contains("Hello, Zoé. Goodbye.")
        );
        let unbroken = check("srt", &json!({"max_line_width": 0})).unwrap();
        assert!(
            unbroken.contains("00:00:02,000 --> 00:00:04,000\nGoodbye."),
            "{unbroken}"
        );
    }

    #[test]
    fn what_cannot_be_rendered_is_refused() {
        assert!(check("docx", &json!({})).is_err());
        assert!(check("srt", &json!({"max_line_width": 7})).is_err());
        assert!(check("srt", &json!({"colour": "red"})).is_err());
        assert!(render_body(b"{").is_err());
    }
}

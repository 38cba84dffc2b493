//! The answers of `/asr`.

use actix_web::HttpResponse;
use actix_web::http::header;
use serde::Serialize;
use steno_models::openai::{Granularities, VerboseSegment, VerboseTranscription};
use steno_models::{JobResult, Segment, Task, render};

use super::request::Output;
use crate::problem::ApiError;
use crate::retrieval::Delivery;
use crate::submission::Submitted;

/// The answer of `/asr?output=json`.
#[derive(Serialize)]
struct AsrResult {
    text: String,
    language: String,
    segments: Vec<AsrSegment>,
}

#[derive(Serialize)]
struct AsrSegment {
    #[serde(flatten)]
    segment: VerboseSegment,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<Vec<steno_models::Word>>,
}

/// Answers with the result in the form that was asked for.
pub(super) async fn answer(
    delivery: Delivery,
    submitted: Submitted<Output>,
    result: JobResult,
) -> Result<HttpResponse, ApiError> {
    let (media_type, extension) = match submitted.wanted {
        Output::Json => ("application/json", "json"),
        Output::Text(format) => ("text/plain; charset=utf-8", format.extension()),
    };
    let renders = &delivery.state.renders;
    let body = renders.own(move || body_of(&submitted, &result)).await?;

    let disposition = format!("attachment; filename=\"{}.{extension}\"", delivery.job_id);
    let mut response = HttpResponse::Ok();
    response
        .content_type(media_type)
        .insert_header((header::CONTENT_DISPOSITION, disposition))
        .insert_header(("asr-engine", "steno"))
        .insert_header(("x-job-id", delivery.job_id.to_string()));
    Ok(response.body(delivery.body(body)))
}

fn body_of(submitted: &Submitted<Output>, result: &JobResult) -> String {
    let options = &submitted.options;
    match submitted.wanted {
        Output::Json => {
            serde_json::to_string(&asr_result(result, options.task)).unwrap_or_default()
        }
        Output::Text(format) => render(result, options.task, format, options.layout()),
    }
}

/// The result as that service has it: the code of the language, and words inside their segments.
fn asr_result(result: &JobResult, task: Task) -> AsrResult {
    let verbose = VerboseTranscription::new(
        result,
        task,
        Granularities {
            segments: true,
            words: false,
        },
    );
    let words = result
        .segments
        .iter()
        .map(|segment: &Segment| segment.words.clone());
    let segments = verbose.segments.unwrap_or_default().into_iter().zip(words);
    AsrResult {
        text: result.text.clone(),
        language: if task == Task::Translate {
            Some("en".to_owned())
        } else {
            result.language.clone()
        }
        .unwrap_or_else(|| "und".to_owned()),
        segments: segments
            .map(|(segment, words)| AsrSegment { segment, words })
            .collect(),
    }
}

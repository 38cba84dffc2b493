//! The answers of `/asr`.

use actix_web::HttpResponse;
use actix_web::http::header;
use serde::Serialize;
use steno_models::openai::{Granularities, VerboseSegment, VerboseTranscription};
use steno_models::{JobResult, Segment, Task, render};

use super::request::Output;
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
pub(super) fn answer(
    delivery: Delivery,
    submitted: &Submitted<Output>,
    result: &JobResult,
) -> HttpResponse {
    let task = submitted.options.task;
    let (media_type, extension, body) = match submitted.wanted {
        Output::Json => (
            "application/json",
            "json",
            serde_json::to_string(&asr_result(result, task)).unwrap_or_default(),
        ),
        Output::Text(format) => (
            "text/plain; charset=utf-8",
            format.extension(),
            render(result, task, format, submitted.options.layout()),
        ),
    };
    let disposition = format!("attachment; filename=\"{}.{extension}\"", delivery.job_id);
    let mut response = HttpResponse::Ok();
    response
        .content_type(media_type)
        .insert_header((header::CONTENT_DISPOSITION, disposition))
        .insert_header(("asr-engine", "steno"))
        .insert_header(("x-job-id", delivery.job_id.to_string()));
    response.body(delivery.body(body))
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

//! `POST /asr` and `POST /detect-language`: the calls of whisper-asr-webservice, which Bazarr and others speak.
//!
//! Source: <https://github.com/ahmetoner/whisper-asr-webservice>, `app/webservice.py`. Parameters that it has and this server
//! needs not, such as `vad_filter`, have no effect.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::json;
use steno_models::openai::{Granularities, VerboseSegment, VerboseTranscription};
use steno_models::{
    Format, JobError, JobId, JobResult, OptionFields, Problem, ProblemCode, Segment, Task,
    TombstoneReason, TranscribeRequest, language_name, parse_bool, render,
};
use steno_store::{EarlierJob, NewJob};

use crate::auth::Owner;
use crate::connection::Connection;
use crate::extract;
use crate::middleware::RequestId;
use crate::openapi::{AsrForm, AsrQuery, DetectQuery, Detection};
use crate::problem::ApiError;
use crate::retrieval::Delivery;
use crate::routes::openai::create_transcription;
use crate::state::ApiState;
use crate::upload::{self, Body, Expected, Form, Upload};
use crate::wait::wait_for_end;

/// Bytes of 30 seconds of bare samples: what a language is detected from.
const DETECTION_BYTES: u64 = 30 * 16_000 * 2;

/// How `/asr` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// A rendering.
    Text(Format),
    /// Segments with text and language.
    Json,
}

/// What `/asr` and `/detect-language` were asked for.
#[derive(Debug)]
struct Request {
    options: TranscribeRequest,
    output: Output,
    is_bare: bool,
}

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

/// Transcribe a recording as whisper-asr-webservice does.
///
/// Waits until the recording is transcribed. With `encode=false` the recording is bare 16-bit mono samples at 16 kHz.
#[utoipa::path(
    post,
    path = "/asr",
    tag = "whisper-asr-webservice",
    params(AsrQuery),
    request_body(content = AsrForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The transcript", content(
            (String = "text/plain"),
            (serde_json::Value = "application/json"),
        )),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "`request_timeout`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`upload_too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_options`", body = Problem, content_type = "application/problem+json"),
        (status = 500, description = "`internal`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`queue_full`, `not_ready`", body = Problem,
            content_type = "application/problem+json"),
        (status = 507, description = "`disk_reserve`", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn transcribe(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let wanted = read(&request)?;
    let expected = Expected {
        is_bare: wanted.is_bare,
        ..expected()
    };
    let job_id = submit(&request, payload, &state, &wanted.options, expected, true).await?;

    let (status, _) = wait_for_end(&state, &request, job_id, None).await?;
    let result = status
        .result
        .ok_or_else(|| status.error.map_or_else(ApiError::stopping, failure))?;
    let connection = Connection::of(&request);
    let delivery = Delivery {
        connection,
        job_id,
        now: state.now(),
        state,
    };
    Ok(answer(delivery, &wanted, &result))
}

/// Detect the language of a recording as whisper-asr-webservice does.
///
/// The recording is deleted when its language is known.
#[utoipa::path(
    post,
    path = "/detect-language",
    tag = "whisper-asr-webservice",
    params(DetectQuery),
    request_body(content = AsrForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The language", body = Detection),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "`request_timeout`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`upload_too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_options`", body = Problem, content_type = "application/problem+json"),
        (status = 500, description = "`internal`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`queue_full`, `not_ready`", body = Problem,
            content_type = "application/problem+json"),
        (status = 507, description = "`disk_reserve`", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn detect_language(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let wanted = read(&request)?;
    let kept_bytes = if wanted.is_bare {
        DETECTION_BYTES
    } else {
        u64::MAX
    };
    let expected = Expected {
        is_bare: wanted.is_bare,
        kept_bytes,
        ..expected()
    };
    let options = TranscribeRequest::default();
    let job_id = submit(&request, payload, &state, &options, expected, false).await?;

    let outcome = wait_for_end(&state, &request, job_id, None).await;
    // The client has no use for the job: it gets the language alone.
    let now = state.now();
    let owner = Owner::of(&request);
    state
        .call_store(move |store| {
            store.delete_job(now, Some(owner.mark()), job_id, TombstoneReason::Deleted)
        })
        .await?;

    let (status, _) = outcome?;
    let result = status
        .result
        .ok_or_else(|| status.error.map_or_else(ApiError::stopping, failure))?;
    let code = result.language.unwrap_or_else(|| "und".to_owned());
    let name = language_name(&code).unwrap_or("unknown");
    let confidence = result.language_probability.unwrap_or(0.0);
    Ok(HttpResponse::Ok().json(json!({
        "detected_language": name,
        "language_code": code,
        "confidence": confidence,
    })))
}

/// Says which program this is, as Bazarr asks when its settings are tested.
pub(crate) async fn status() -> HttpResponse {
    HttpResponse::Ok()
        .json(json!({"version": format!("Steno {}", steno_settings::VERSION.as_str())}))
}

fn expected() -> Expected {
    Expected {
        fields: &["audio_file", "file"],
        ..Expected::default()
    }
}

/// Reads the query. Other names in it have no effect.
fn read(request: &HttpRequest) -> Result<Request, ApiError> {
    let mut options = OptionFields::default();
    let mut output = Output::Text(Format::Text);
    let mut is_bare = false;
    let mut names_words = false;

    for (name, value) in extract::query_pairs(request)? {
        if value.trim().is_empty() {
            continue;
        }
        match name.as_str() {
            "task" | "language" => options.set(&name, &value),
            "word_timestamps" => {
                names_words = true;
                options.set(&name, &value);
            }
            "initial_prompt" => options.set("prompt", &value),
            "encode" => match parse_bool(&value) {
                Some(encode) => is_bare = !encode,
                None => options.refuse(&name, "neither true nor false"),
            },
            "output" => match output_of(&value) {
                Some(found) => output = found,
                None => options.refuse(&name, "not one of txt, vtt, srt, tsv, json"),
            },
            _ => {}
        }
    }
    // Subtitles begin and end with their words.
    let is_subtitle = matches!(output, Output::Text(Format::Srt | Format::Vtt));
    if is_subtitle && !names_words {
        options.set("word_timestamps", "true");
    }
    Ok(Request {
        options: options.finish().map_err(ApiError::invalid_options)?,
        output,
        is_bare,
    })
}

fn output_of(name: &str) -> Option<Output> {
    match name {
        "txt" => Some(Output::Text(Format::Text)),
        "vtt" => Some(Output::Text(Format::Vtt)),
        "srt" => Some(Output::Text(Format::Srt)),
        "tsv" => Some(Output::Text(Format::Tsv)),
        "json" => Some(Output::Json),
        _ => None,
    }
}

/// Makes the recording of a form a job.
async fn submit(
    request: &HttpRequest,
    payload: web::Payload,
    state: &web::Data<ApiState>,
    options: &TranscribeRequest,
    expected: Expected,
    shared: bool,
) -> Result<JobId, ApiError> {
    if upload::body_of(request, state.config.max_upload_bytes)? != Body::Multipart {
        let detail = "send multipart/form-data with the recording in the field audio_file";
        return Err(ApiError::new(ProblemCode::UnsupportedMediaType, detail));
    }
    let owner = Owner::of(request);
    let earlier = if shared {
        EarlierJob::Shared
    } else {
        EarlierJob::None
    };
    upload::check_room(state, &owner, earlier).await?;

    let mut upload = Upload::begin(state).await?.expecting(expected);
    upload::receive_multipart(request, payload, &mut upload, async |_: &Form| Ok(())).await?;
    if upload.is_empty() {
        let detail = "there is no recording in the field audio_file: it is missing or has no bytes";
        return Err(ApiError::invalid_option("audio_file", detail));
    }

    let job = NewJob {
        audio: upload.finish().await?,
        options: options.clone(),
        owner: owner.mark().to_owned(),
        idempotency_key: None,
        shared,
        quota: owner.quota(),
        max_pending_jobs: state.config.max_pending_jobs,
        request_id: RequestId::of(request),
    };
    Ok(upload::submit(state, job).await?.job_id)
}

fn answer(delivery: Delivery, wanted: &Request, result: &JobResult) -> HttpResponse {
    let task = wanted.options.task;
    let (media_type, extension, body) = match wanted.output {
        Output::Json => (
            "application/json",
            "json",
            serde_json::to_string(&asr_result(result, task)).unwrap_or_default(),
        ),
        Output::Text(format) => (
            "text/plain; charset=utf-8",
            format.extension(),
            render(result, task, format, wanted.options.layout()),
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

/// A job that failed, as the answer to the call that waited for it.
fn failure(error: JobError) -> ApiError {
    create_transcription::failure(error)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn check(query: &str) -> Option<Request> {
        read(&TestRequest::with_uri(&format!("/asr?{query}")).to_http_request()).ok()
    }

    #[test]
    fn the_query_is_read_as_that_service_reads_it() {
        let request =
            check("task=translate&language=fr&initial_prompt=a&encode=false&vad_filter=true&output=srt&video_file=x")
                .unwrap();
        assert_eq!(
            (request.options.task, request.options.language.as_deref()),
            (Task::Translate, Some("fr"))
        );
        assert_eq!(
            (request.output, request.is_bare),
            (Output::Text(Format::Srt), true)
        );
        assert!(
            request.options.word_timestamps,
            "subtitles are timed by their words"
        );
        let unasked = check("output=srt&word_timestamps=false").unwrap();
        assert!(!unasked.options.word_timestamps);
        let request = check("language=&output=json&word_timestamps=True").unwrap();
        assert_eq!(
            (request.options.language, request.output),
            (None, Output::Json)
        );
        assert!(request.options.word_timestamps && !request.is_bare);
        assert_eq!(check("").unwrap().output, Output::Text(Format::Text));
        for query in [
            "output=docx",
            "encode=perhaps",
            "task=summarise",
            "language=klingon",
        ] {
            assert!(check(query).is_none(), "{query}");
        }
    }
}

//! The `prepare` task: decode, find speech, tell the language, plan spans. A short recording is transcribed at once.

use std::path::Path;

use steno_models::{Warning, WarningCode};
use steno_store::{Certainty, Claim, PlannedSpan, Prepared, SpoolFile};

use super::transcribe::transcribe_span;
use super::{Done, TaskContext, TaskError};
use crate::audio::{AudioError, Recording, SAMPLE_RATE, Span, TrackChoice, read_span};
use crate::decode_process;
use crate::engine::{DetectedLanguage, EngineRequest, Session};

/// Spans that are listened to for the language of a long recording.
const DETECTION_SPANS: usize = 3;
/// How much of them all together: 15 s tell a language, and cost one short run.
const DETECTION_SAMPLES: usize = 15 * SAMPLE_RATE as usize;

pub(super) fn prepare(
    claim: &Claim,
    audio: &str,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Done, TaskError> {
    let spool = SpoolFile::create(context.data, claim)?;
    let audio = context.data.audio().join(audio);
    let recording = decode_process::prepare(
        &audio,
        spool.path(),
        context.decode,
        TrackChoice::asked(claim.options.track),
        context.control,
    )?;
    if recording.truncated {
        tracing::warn!(job.id = %claim.job_id, "the recording of job {} is cut short; taking what is there", claim.job_id);
    }
    let spans: Vec<_> = recording
        .spans
        .iter()
        .map(|span| PlannedSpan {
            stretches: span.stretches.iter().map(|stretch| (stretch.start_sample, stretch.end_sample)).collect(),
            certainty: Certainty::Speech,
            language: None,
        })
        .collect();
    let detected = match &claim.options.language {
        Some(_) => None,
        None => detect_language(spool.path(), &recording.spans, context, session)?,
    };
    let language = claim.options.language.clone().or_else(|| detected.as_ref().map(|found| found.code.clone()));
    let outputs = match (spans.as_slice(), &language) {
        ([], _) | (_, None) => Some(Vec::new()),
        ([span], Some(language)) => {
            let request = EngineRequest::new(&claim.options, language, context.model);
            Some(vec![transcribe_span(spool.path(), span, &request, context, session)?])
        }
        _ => {
            spool.sync(context.data)?;
            None
        }
    };
    let prepared = Prepared {
        duration_ms: recording.duration_ms,
        language,
        language_probability: detected.map(|found| found.probability),
        spool: spool.name().to_owned(),
        spans,
        outputs,
        warnings: warnings(&recording),
        model: context.model.to_string(),
    };
    Ok(Done::Prepared(Box::new(prepared), spool))
}

/// What the client should know about the recording.
fn warnings(recording: &Recording) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if recording.truncated {
        let detail = "the file ends before its announced end; what is there was transcribed";
        warnings.push(Warning::new(WarningCode::Truncated, detail));
    }
    if recording.damaged_ms > 0 {
        let damaged = recording.damaged_ms as f64 / 1000.0;
        let detail = format!("{damaged:.2} s of the recording could not be decoded; silence took their place");
        warnings.push(Warning::new(WarningCode::DamagedAudio, detail));
    }
    warnings
}

/// The language spoken in the first, a middle and the last span, heard one after the other. `None` without speech.
fn detect_language(
    spool: &Path,
    spans: &[Span],
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Option<DetectedLanguage>, TaskError> {
    let mut listened: Vec<_> = match spans.len() {
        0 => return Ok(None),
        count => (0..DETECTION_SPANS).map(|part| part * (count - 1) / (DETECTION_SPANS - 1)).collect(),
    };
    listened.dedup();
    let share = DETECTION_SAMPLES / listened.len();
    let mut heard = Vec::with_capacity(DETECTION_SAMPLES);
    for index in listened {
        let samples = read_span(spool, &spans[index]).map_err(AudioError::Spool)?;
        heard.extend_from_slice(&samples[..samples.len().min(share)]);
    }
    Ok(session.detect_languages(&heard, context.model, context.control)?.into_iter().next())
}

//! The `prepare` task: decode, find speech, tell the language, plan spans. A short recording is transcribed at once.

use std::collections::BTreeMap;
use std::path::Path;

use steno_store::{Claim, PlannedSpan, Prepared, SpoolFile};

use super::transcribe::{read, transcribe_span};
use super::{Done, TaskContext, TaskError};
use crate::audio;
use crate::engine::{DetectedLanguage, EngineRequest, Session};

/// Spans that are listened to for the language of a long recording.
const DETECTION_SPANS: usize = 3;

pub(super) fn prepare(
    claim: &Claim,
    audio: &str,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Done, TaskError> {
    let spool = SpoolFile::create(context.data, claim)?;
    let recording = audio::prepare(&context.data.audio().join(audio), spool.path(), &context.limits, context.control)?;
    if recording.truncated {
        tracing::warn!(job.id = %claim.job_id, "the recording of job {} is cut short; taking what is there", claim.job_id);
    }
    let spans: Vec<_> = recording
        .spans
        .iter()
        .map(|span| PlannedSpan { start_sample: span.start_sample, end_sample: span.end_sample })
        .collect();
    let detected = match &claim.options.language {
        Some(_) => None,
        None => detect_language(spool.path(), &spans, context, session)?,
    };
    let language = claim.options.language.clone().or_else(|| detected.as_ref().map(|found| found.code.clone()));
    let segments = match (spans.as_slice(), &language) {
        ([], _) | (_, None) => Some(Vec::new()),
        ([span], Some(language)) => {
            let request = EngineRequest::new(&claim.options, language);
            Some(transcribe_span(spool.path(), *span, &request, context, session)?)
        }
        _ => None,
    };
    let prepared = Prepared {
        duration_ms: recording.duration_ms,
        language,
        language_probability: detected.map(|found| found.probability),
        spool: spool.name().to_owned(),
        spans,
        segments,
        model: context.model.to_string(),
    };
    Ok(Done::Prepared(Box::new(prepared), spool))
}

/// The language that the first, a middle and the last span speak for most. `None` without speech.
fn detect_language(
    spool: &Path,
    spans: &[PlannedSpan],
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Option<DetectedLanguage>, TaskError> {
    let mut listened: Vec<_> = match spans.len() {
        0 => return Ok(None),
        count => (0..DETECTION_SPANS).map(|part| part * (count - 1) / (DETECTION_SPANS - 1)).collect(),
    };
    listened.dedup();
    let mut votes: BTreeMap<String, f32> = BTreeMap::new();
    for index in &listened {
        let samples = read(spool, spans[*index])?;
        let found = session.detect_language(&samples, context.control)?;
        *votes.entry(found.code).or_default() += found.probability;
    }
    let best = votes.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
    Ok(best.map(|(code, sum)| DetectedLanguage { code, probability: sum / listened.len() as f32 }))
}

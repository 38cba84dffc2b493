//! Joins what the spans of a recording yielded into the result of its job. Called when the last task finishes.
//!
//! A pure function, so that the result is the same whichever worker finishes last. Never sees the database.

mod channels;
mod coverage;
mod speakers;

use steno_models::{
    Coverage, JobResult, Segment, Speaker, TranscribeRequest, Warning, WarningCode, merge_channels,
    separator,
};

use crate::tasks::finish_diarize::Diarization;
use crate::tasks::types::{PlannedSpan, SpanOutput};
use channels::by_channel;
use coverage::{coverage, speech, together};
use speakers::name_speakers;

/// Mean log probability below which a segment is doubtful. Source: `logprob_threshold` of openai/whisper.
const DOUBTFUL_AVG_LOGPROB: f32 = -1.0;
/// Share of the text's time that must be doubtful for a warning.
const DOUBTFUL_SHARE: f64 = 0.05;

/// What is known of a recording besides its spans.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordingFacts {
    /// Language asked for or detected.
    pub(crate) language: Option<String>,
    /// How sure the detection was.
    pub(crate) language_probability: Option<f32>,
    /// Length.
    pub(crate) duration_ms: u64,
    /// Name of the weights.
    pub(crate) model: String,
    /// What `prepare` noticed.
    pub(crate) warnings: Vec<Warning>,
    /// Who speaks when, where that was asked for.
    pub(crate) diarization: Option<Diarization>,
    /// What the client asked for.
    pub(crate) options: TranscribeRequest,
}

/// A span that is done.
#[derive(Clone, Debug)]
pub(crate) struct DoneSpan {
    pub(crate) plan: PlannedSpan,
    pub(crate) output: SpanOutput,
}

/// The result of a job, from its spans in the order of the recording.
pub(crate) fn assemble(facts: RecordingFacts, spans: Vec<DoneSpan>) -> JobResult {
    let mismatch = mismatch_warning(&spans, &facts);
    let channels = if facts.options.splits_channels() {
        by_channel(spans, facts.duration_ms)
    } else {
        vec![spans]
    };
    let speech = channels.iter().flatten().flat_map(speech).collect();
    let coverage = together(channels.iter().map(|spans| coverage(spans)).collect());
    let Joined {
        text,
        segments,
        speakers,
    } = join(channels, &facts.options);
    let languages = languages(&segments);
    // A language that was detected in sound without words says nothing.
    let is_meaningful =
        facts.options.detect_only || facts.language_probability.is_none() || !segments.is_empty();
    let planned = facts.language.clone().filter(|_| is_meaningful);
    let language = languages.first().map(|(code, _)| code.clone()).or(planned);

    let mut warnings = facts.warnings.clone();
    warnings.extend(gap_warning(&coverage));
    warnings.extend(doubt_warning(&segments));
    warnings.extend(languages_warning(&languages));
    warnings.extend(mismatch);

    let is_as_planned = language == facts.language;
    let mut result = JobResult {
        text,
        language_probability: facts.language_probability.filter(|_| is_as_planned),
        language,
        languages: match languages.len() {
            0 | 1 => Vec::new(),
            _ => languages.into_iter().map(|(code, _)| code).collect(),
        },
        duration_seconds: facts.duration_ms as f64 / 1000.0,
        model: facts.model,
        coverage: Some(coverage),
        warnings,
        speakers,
        segments,
    };
    if let Some(diarization) = facts.diarization {
        name_speakers(&mut result, diarization, speech, &facts.options);
    }
    result
}

/// The transcript of all spans.
struct Joined {
    text: String,
    segments: Vec<Segment>,
    /// The speakers that are known without diarization: the channels.
    speakers: Vec<Speaker>,
}

/// Joins the segments of each channel in order, then the channels: ids renumbered, texts joined.
fn join(channels: Vec<Vec<DoneSpan>>, options: &TranscribeRequest) -> Joined {
    let segments_of = |spans: Vec<DoneSpan>| -> Vec<Segment> {
        let segments = spans.into_iter().flat_map(|span| span.output.segments);
        segments.collect()
    };
    let channels: Vec<Vec<Segment>> = channels.into_iter().map(segments_of).collect();
    let (mut segments, speakers) = if options.splits_channels() {
        let merged = merge_channels(channels, &options.speaker_names);
        (merged.segments, merged.speakers)
    } else {
        (channels.into_iter().flatten().collect(), Vec::new())
    };

    let mut text = String::new();
    for (id, segment) in segments.iter_mut().enumerate() {
        segment.id = id as u32;
        if options.splits_channels() && !options.word_timestamps {
            segment.words = None;
        }
        text.push_str(separator(&text, &segment.text));
        text.push_str(&segment.text);
    }
    Joined {
        text,
        segments,
        speakers,
    }
}

/// Seconds of text in each language, most first.
fn languages(segments: &[Segment]) -> Vec<(String, f64)> {
    let mut languages: Vec<(String, f64)> = Vec::new();
    for segment in segments {
        let Some(code) = &segment.language else {
            continue;
        };
        let length = segment.end - segment.start;
        match languages.iter_mut().find(|(known, _)| known == code) {
            Some((_, seconds)) => *seconds += length,
            None => languages.push((code.clone(), length)),
        }
    }
    // A stable sort: of equals the one spoken first.
    languages.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    languages
}

fn gap_warning(coverage: &Coverage) -> Option<Warning> {
    let first = coverage.gaps.first()?;
    let missing: f64 = coverage.gaps.iter().map(|gap| gap.end - gap.start).sum();
    let of = coverage.speech_seconds;
    let code = WarningCode::SpeechNotTranscribed;

    Some(match coverage.gaps.len() {
        1 => {
            let detail = format!(
                "{missing:.1} s of {of:.1} s of speech have no text ({})",
                first.reason.as_str()
            );
            Warning::at(code, detail, first.start, first.end)
        }
        places => {
            let detail =
                format!("{missing:.1} s of {of:.1} s of speech have no text, in {places} places");
            Warning::new(code, detail)
        }
    })
}

fn doubt_warning(segments: &[Segment]) -> Option<Warning> {
    let is_doubtful = |segment: &&Segment| segment.avg_logprob < DOUBTFUL_AVG_LOGPROB;
    let length = |segment: &Segment| segment.end - segment.start;
    let all: f64 = segments.iter().map(length).sum();
    let doubtful: f64 = segments.iter().filter(is_doubtful).map(length).sum();
    let count = segments.iter().filter(is_doubtful).count();
    if count == 0 || doubtful < all * DOUBTFUL_SHARE {
        return None;
    }

    let detail = format!(
        "{count} of {} segments ({doubtful:.1} s) are unlikely to be what was said: their avg_logprob is below -1",
        segments.len()
    );
    Some(match segments.iter().find(is_doubtful) {
        Some(only) if count == 1 => {
            Warning::at(WarningCode::LowConfidence, detail, only.start, only.end)
        }
        _ => Warning::new(WarningCode::LowConfidence, detail),
    })
}

fn languages_warning(languages: &[(String, f64)]) -> Option<Warning> {
    if languages.len() < 2 {
        return None;
    }
    let list: Vec<_> = languages
        .iter()
        .map(|(code, seconds)| format!("{code} {seconds:.0} s"))
        .collect();
    let detail = format!("several languages are spoken: {}", list.join(", "));
    Some(Warning::new(WarningCode::SeveralLanguages, detail))
}

/// Where the language that the request named is not the one that is spoken.
fn mismatch_warning(spans: &[DoneSpan], facts: &RecordingFacts) -> Option<Warning> {
    // With a probability the language was detected, not named.
    let named = facts
        .language
        .as_deref()
        .filter(|_| facts.language_probability.is_none())?;
    let spoken = |span: &DoneSpan| {
        let written = span
            .output
            .segments
            .first()
            .and_then(|segment| segment.language.clone());
        let spoken = span.output.sounds_like.clone().or(written)?;
        (spoken != named).then_some((spoken, span.plan.duration_ms()))
    };

    let mut found: Vec<(String, u64)> = Vec::new();
    for (code, ms) in spans.iter().filter_map(spoken) {
        match found.iter_mut().find(|(known, _)| *known == code) {
            Some((_, sum)) => *sum += ms,
            None => found.push((code, ms)),
        }
    }
    if found.is_empty() {
        return None;
    }

    let list: Vec<_> = found
        .iter()
        .map(|(code, ms)| format!("{code} for {:.1} s", *ms as f64 / 1000.0))
        .collect();
    let detail = format!(
        "the request named the language {named}, but the speech sounds like {}",
        list.join(", ")
    );
    Some(Warning::new(WarningCode::LanguageMismatch, detail))
}

#[cfg(test)]
mod tests;

//! Joins what the spans of a recording yielded into the result of its job. Called when the last task finishes.
//!
//! A pure function, so that the result is the same whichever worker finishes last. Never sees the database.

use std::ops::Range;
use std::slice;

use steno_models::{Coverage, Gap, GapReason, JobResult, Segment, Warning, WarningCode, separator};

use super::types::{Certainty, PlannedSpan, SpanOutput};

/// Shortest speech beside text that counts as a gap. Whisper's times are too coarse to tell less.
const MIN_GAP_MS: u64 = 2_000;
/// The same for a whole stretch between two pauses.
const MIN_STRETCH_MS: u64 = 1_000;
/// Shortest stretch of dropped text that counts as a gap.
const MIN_DROPPED_MS: u64 = 100;
/// Mean log probability below which a segment is doubtful. Source: `logprob_threshold` of openai/whisper.
const DOUBTFUL_AVG_LOGPROB: f32 = -1.0;
/// Share of the text's time that must be doubtful for a warning.
const DOUBTFUL_SHARE: f64 = 0.05;

/// What is known of a recording besides its spans.
#[derive(Clone, Debug, Default)]
pub(super) struct RecordingFacts {
    /// Language asked for or detected.
    pub(super) language: Option<String>,
    /// How sure the detection was.
    pub(super) language_probability: Option<f32>,
    /// Length.
    pub(super) duration_ms: u64,
    /// Name of the weights.
    pub(super) model: String,
    /// What `prepare` noticed.
    pub(super) warnings: Vec<Warning>,
}

/// A span that is done.
#[derive(Clone, Debug)]
pub(super) struct DoneSpan {
    pub(super) plan: PlannedSpan,
    pub(super) output: SpanOutput,
}

/// Times in milliseconds, in order and disjoint.
type Ranges = Vec<Range<u64>>;

/// The result of a job, from its spans in the order of the recording.
pub(super) fn assemble(facts: RecordingFacts, spans: Vec<DoneSpan>) -> JobResult {
    let coverage = coverage(&spans);
    let (text, segments) = join_segments(spans.into_iter().map(|span| span.output.segments).collect());
    let languages = languages(&segments);
    let language = languages.first().map(|(code, _)| code.clone()).or_else(|| facts.language.clone());

    let mut warnings = facts.warnings.clone();
    warnings.extend(gap_warning(&coverage));
    warnings.extend(doubt_warning(&segments));
    warnings.extend(language_warnings(&languages, &facts, &segments));

    let is_as_planned = language == facts.language;
    JobResult {
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
        segments,
    }
}

/// The transcript of spans' segments in order: ids renumbered, texts joined.
fn join_segments(spans: Vec<Vec<Segment>>) -> (String, Vec<Segment>) {
    let mut segments: Vec<Segment> = spans.into_iter().flatten().collect();
    for (id, segment) in segments.iter_mut().enumerate() {
        segment.id = id as u32;
    }

    let mut text = String::new();
    for segment in &segments {
        text.push_str(separator(&text, &segment.text));
        text.push_str(&segment.text);
    }
    (text, segments)
}

/// Adds up the speech of all spans and finds what has no text.
fn coverage(spans: &[DoneSpan]) -> Coverage {
    let mut speech_ms = 0;
    let mut gaps: Vec<Gap> = Vec::new();

    for span in spans {
        let speech = speech(span);
        speech_ms += total(&speech);

        if span.plan.certainty == Certainty::Speech {
            gaps.extend(span_gaps(&speech, &span.output));
        }
    }

    let gaps = joined(gaps);
    let gap_ms: u64 = gaps.iter().map(|gap| to_ms(gap.end) - to_ms(gap.start)).sum();
    Coverage {
        speech_seconds: seconds(speech_ms),
        transcribed_seconds: seconds(speech_ms.saturating_sub(gap_ms)),
        gaps,
    }
}

/// The speech of a span. Of a doubtful one, what turned out to have words.
fn speech(span: &DoneSpan) -> Ranges {
    let stretches: Ranges = span.plan.stretches.iter().map(|(start, end)| start / 16..end / 16).collect();
    match span.plan.certainty {
        Certainty::Speech => stretches,
        Certainty::Doubtful => intersection(&stretches, &covered(&span.output.segments)),
    }
}

/// Where the speech of a span has no text.
fn span_gaps(speech: &[Range<u64>], output: &SpanOutput) -> Vec<Gap> {
    if output.segments.is_empty() && output.dropped.is_empty() {
        return speech.iter().map(|range| gap(range, GapReason::NoWords)).collect();
    }

    let mut silent = difference(speech, &covered(&output.segments));
    let mut gaps = Vec::new();
    for dropped in &output.dropped {
        let place = to_ms(dropped.start)..to_ms(dropped.end);
        let found: Ranges = intersection(&silent, slice::from_ref(&place))
            .into_iter()
            .filter(|range| range.end - range.start >= MIN_DROPPED_MS)
            .collect();
        gaps.extend(found.iter().map(|range| gap(range, dropped.reason.clone())));
        silent = difference(&silent, &found);
    }

    let is_gap = |range: &&Range<u64>| {
        let is_whole_stretch = speech.contains(range);
        let shortest = if is_whole_stretch { MIN_STRETCH_MS } else { MIN_GAP_MS };
        output.segments.is_empty() || range.end - range.start >= shortest
    };
    gaps.extend(silent.iter().filter(is_gap).map(|range| gap(range, GapReason::NoWords)));
    gaps.sort_by(|a, b| a.start.total_cmp(&b.start));
    gaps
}

/// Gaps that touch and have the same reason as one.
fn joined(gaps: Vec<Gap>) -> Vec<Gap> {
    let mut joined: Vec<Gap> = Vec::new();
    for gap in gaps {
        match joined.last_mut() {
            Some(last) if last.end >= gap.start && last.reason == gap.reason => last.end = gap.end,
            _ => joined.push(gap),
        }
    }
    joined
}

/// The time that segments take, in order and disjoint.
fn covered(segments: &[Segment]) -> Ranges {
    let mut ranges: Ranges = segments.iter().map(|segment| to_ms(segment.start)..to_ms(segment.end)).collect();
    ranges.sort_by_key(|range| range.start);

    let mut covered: Ranges = Vec::new();
    for range in ranges {
        match covered.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => covered.push(range),
        }
    }
    covered
}

/// What is in both.
fn intersection(a: &[Range<u64>], b: &[Range<u64>]) -> Ranges {
    let overlap = |a: &Range<u64>, b: &Range<u64>| a.start.max(b.start)..a.end.min(b.end);
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| overlap(a, b)));
    pairs.filter(|range| range.start < range.end).collect()
}

/// What is in `a` and not in `b`.
fn difference(a: &[Range<u64>], b: &[Range<u64>]) -> Ranges {
    let mut left = Vec::new();
    for range in a {
        let mut start = range.start;
        for other in b.iter().filter(|other| other.end > range.start && other.start < range.end) {
            if start < other.start {
                left.push(start..other.start);
            }
            start = start.max(other.end);
        }
        if start < range.end {
            left.push(start..range.end);
        }
    }
    left
}

fn total(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

fn gap(range: &Range<u64>, reason: GapReason) -> Gap {
    Gap { start: seconds(range.start), end: seconds(range.end), reason }
}

fn to_ms(seconds: f64) -> u64 {
    (seconds * 1000.0).round().max(0.0) as u64
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// Seconds of text in each language, most first.
fn languages(segments: &[Segment]) -> Vec<(String, f64)> {
    let mut languages: Vec<(String, f64)> = Vec::new();
    for segment in segments {
        let Some(code) = &segment.language else { continue };
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
            let detail = format!("{missing:.1} s of {of:.1} s of speech have no text ({})", first.reason.as_str());
            Warning::at(code, detail, first.start, first.end)
        }
        places => {
            let detail = format!("{missing:.1} s of {of:.1} s of speech have no text, in {places} places");
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
        Some(only) if count == 1 => Warning::at(WarningCode::LowConfidence, detail, only.start, only.end),
        _ => Warning::new(WarningCode::LowConfidence, detail),
    })
}

fn language_warnings(languages: &[(String, f64)], facts: &RecordingFacts, segments: &[Segment]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if languages.len() > 1 {
        let list: Vec<_> = languages.iter().map(|(code, seconds)| format!("{code} {seconds:.0} s")).collect();
        let detail = format!("several languages are spoken: {}", list.join(", "));
        warnings.push(Warning::new(WarningCode::SeveralLanguages, detail));
    }

    // Without a probability the language was named by the request.
    let named = facts.language.as_deref().filter(|_| facts.language_probability.is_none());
    if let Some(named) = named {
        let is_other = |segment: &&Segment| segment.language.as_deref().is_some_and(|code| code != named);
        let count = segments.iter().filter(is_other).count();
        if count > 0 {
            let detail = format!(
                "{count} of {} segments are not in the language that was asked for, {named}: it gave no text there",
                segments.len()
            );
            warnings.push(Warning::new(WarningCode::LanguageMismatch, detail));
        }
    }
    warnings
}

#[cfg(test)]
mod tests;

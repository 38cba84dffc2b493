//! Which languages are spoken in a recording, and where. Called by the `prepare` task when the client named none.
//!
//! A few probes, spread over the speech, are enough for most recordings: they agree. Where they differ or are unsure, all
//! the speech is cut into short pieces at pauses, each is detected by itself, and spans are cut where the language
//! changes. The decision is part of the plan, so the text is the same whichever worker transcribes a span.

mod pieces;
mod replan;
mod turns;

use std::path::Path;

use steno_store::{Certainty, PlannedSpan};

use super::{TaskContext, TaskError};
use crate::audio::{AudioError, SAMPLE_RATE, read_span};
use crate::engine::{DetectedLanguage, Session};
use crate::task::transcribe::to_span;

use pieces::{Piece, cut, duration, window};
use replan::plan;
pub(super) use turns::are_confusable;

/// Samples of a second.
const SECOND: u64 = SAMPLE_RATE as u64;
/// Speech of one probe: 5 s suffice to detect a language, and cost a fifth of an encoder run.
const PROBE_SAMPLES: u64 = 5 * SECOND;
/// Shorter speech is one probe.
const SINGLE_PROBE_SAMPLES: u64 = 12 * SECOND;
/// Most probes of a few minutes of speech, one for every 12 s of it.
const PROBES: u64 = 6;
/// A long recording has one probe per this much speech.
const LONG_PROBE_DISTANCE: u64 = 240 * SECOND;
/// Most probes of any recording.
const MAX_PROBES: u64 = 15;
/// Recordings with at most this much speech are cut into pieces completely. In longer ones every span is probed, and only those that are unsure
/// or next to a change are cut.
const SHORT_SAMPLES: u64 = 600 * SECOND;
/// A probe with this probability for another language disagrees.
const DISSENT: f32 = 0.5;
/// A probe with this probability for the common language does not disagree.
const ASSENT: f32 = 0.3;
/// Mean probability below which the probes are unsure.
const SURE: f32 = 0.6;
/// Probability below which a recording with one probe gets alternatives.
const SURE_ALONE: f32 = 0.7;
/// Most alternatives, and the least probability of one.
const MAX_ALTERNATIVES: usize = 2;
const MIN_ALTERNATIVE: f32 = 0.02;

/// What is spoken in a recording.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spoken {
    /// The language spoken most.
    pub(super) language: String,
    /// How sure the detection of it was, 0 to 1.
    pub(super) probability: f32,
    /// Alternatives, most probable first, where the detection is unsure because the recording is short.
    pub(super) alternatives: Scores,
    /// The plan, with spans cut where the language changes. Spans name their language only if there are several.
    pub(super) spans: Vec<PlannedSpan>,
}

/// Languages with their probabilities, most probable first.
pub(super) type Scores = Vec<DetectedLanguage>;

/// What detection needs of audio and engine.
trait Listener {
    /// The languages of a piece.
    fn detect(&mut self, piece: &Piece) -> Result<Scores, TaskError>;

    /// A piece as several short ones, cut at pauses.
    fn cut(&mut self, piece: &Piece) -> Result<Vec<Piece>, TaskError>;
}

/// Detects the languages of a plan. `None` without spans.
pub(super) fn detect(
    spool: &Path,
    spans: Vec<PlannedSpan>,
    candidates: &[String],
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Option<Spoken>, TaskError> {
    find(
        spans,
        &mut SpoolListener {
            spool,
            candidates,
            context,
            session,
        },
    )
}

/// Whether the weights know a language. They give a probability for each that they know.
pub(super) fn is_known(
    code: &str,
    spool: &Path,
    span: &PlannedSpan,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<bool, TaskError> {
    let mut listener = SpoolListener {
        spool,
        candidates: &[],
        context,
        session,
    };
    let scores = listener.detect(&window(&span.stretches, 0, PROBE_SAMPLES))?;
    Ok(scores.iter().any(|score| score.code == code))
}

/// Detects the languages of `samples` among `candidates`, or among all if there are none.
pub(super) fn detect_among(
    samples: &[f32],
    candidates: &[String],
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Scores, TaskError> {
    let all = session.detect_languages(samples, context.model, context.control)?;
    Ok(among(all, candidates))
}

struct SpoolListener<'a> {
    spool: &'a Path,
    candidates: &'a [String],
    context: &'a TaskContext<'a>,
    session: &'a mut dyn Session,
}

impl SpoolListener<'_> {
    fn read(&self, piece: &Piece) -> Result<Vec<f32>, TaskError> {
        let span = PlannedSpan {
            stretches: piece.clone(),
            ..PlannedSpan::default()
        };
        Ok(read_span(self.spool, &to_span(&span)).map_err(AudioError::Spool)?)
    }
}

impl Listener for SpoolListener<'_> {
    fn detect(&mut self, piece: &Piece) -> Result<Scores, TaskError> {
        let samples = self.read(piece)?;
        detect_among(&samples, self.candidates, self.context, self.session)
    }

    fn cut(&mut self, piece: &Piece) -> Result<Vec<Piece>, TaskError> {
        let samples = self.read(piece)?;
        Ok(cut(piece, &samples))
    }
}

/// Only the candidates, with probabilities that add up to one.
fn among(mut scores: Scores, candidates: &[String]) -> Scores {
    if candidates.is_empty() {
        return scores;
    }

    scores.retain(|score| candidates.contains(&score.code));
    let sum: f32 = scores.iter().map(|score| score.probability).sum();
    if scores.is_empty() || sum <= 0.0 {
        // Weights that know none of them: the client's first.
        return vec![DetectedLanguage {
            code: candidates[0].clone(),
            probability: 0.0,
        }];
    }
    for score in &mut scores {
        score.probability /= sum;
    }
    scores
}

fn find(spans: Vec<PlannedSpan>, listener: &mut dyn Listener) -> Result<Option<Spoken>, TaskError> {
    // Sound that may be no speech counts only if there is nothing else.
    let is_speech = |span: &PlannedSpan| span.certainty == Certainty::Speech;
    let has_speech = spans.iter().any(is_speech);
    let heard: Vec<usize> = (0..spans.len())
        .filter(|&index| !has_speech || is_speech(&spans[index]))
        .collect();
    if heard.is_empty() {
        return Ok(None);
    }

    let speech: Piece = heard
        .iter()
        .flat_map(|&index| spans[index].stretches.iter().copied())
        .collect();
    let probes = probes(&speech)
        .iter()
        .map(|probe| listener.detect(probe))
        .collect::<Result<Vec<_>, _>>()?;
    let common = mean(&probes);
    let Some(first) = common.first() else {
        return Ok(None);
    };
    if probes.len() == 1 || agree(&probes, first) {
        let is_unsure = probes.len() == 1 && first.probability < SURE_ALONE;
        let likely = |score: &&DetectedLanguage| is_unsure && score.probability >= MIN_ALTERNATIVE;
        let alternatives = common[1..]
            .iter()
            .take(MAX_ALTERNATIVES)
            .filter(likely)
            .cloned()
            .collect();
        let language = first.code.clone();
        return Ok(Some(Spoken {
            language,
            probability: first.probability,
            alternatives,
            spans,
        }));
    }

    let is_short = duration(&speech) <= SHORT_SAMPLES;
    let pieces = if is_short {
        every_piece(&spans, &heard, listener)?
    } else {
        some_pieces(&spans, &heard, listener)?
    };
    Ok(Some(plan(spans, pieces)))
}

/// The probes: stretches spread evenly over the speech.
fn probes(speech: &Piece) -> Vec<Piece> {
    let total = duration(speech);
    if total <= SINGLE_PROBE_SAMPLES {
        return vec![speech.clone()];
    }

    let count = (total / SINGLE_PROBE_SAMPLES)
        .clamp(2, PROBES)
        .max(total / LONG_PROBE_DISTANCE)
        .min(MAX_PROBES);
    let middle = |probe: u64| total * (2 * probe + 1) / (2 * count);
    (0..count)
        .map(|probe| {
            let start = middle(probe).saturating_sub(PROBE_SAMPLES / 2);
            window(speech, start, start + PROBE_SAMPLES)
        })
        .collect()
}

/// Mean probabilities over probes, most probable first.
fn mean(probes: &[Scores]) -> Scores {
    let mut sums: Scores = Vec::new();
    for score in probes.iter().flatten() {
        match sums.iter_mut().find(|known| known.code == score.code) {
            Some(known) => known.probability += score.probability,
            None => sums.push(score.clone()),
        }
    }

    for sum in &mut sums {
        sum.probability /= probes.len() as f32;
    }
    sums.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    sums
}

/// Whether the mean of the probes is sure and no single probe is sure of another language.
fn agree(probes: &[Scores], common: &DetectedLanguage) -> bool {
    let dissents = |scores: &Scores| {
        let Some(best) = scores.first() else {
            return false;
        };
        let common_score = scores
            .iter()
            .find(|score| score.code == common.code)
            .map_or(0.0, |score| score.probability);
        best.probability >= DISSENT
            && common_score < ASSENT
            && !are_confusable(&best.code, &common.code)
    };
    common.probability >= SURE && !probes.iter().any(dissents)
}

/// A piece of a span and its language.
struct Heard {
    span: usize,
    piece: Piece,
    scores: Scores,
}

/// All speech in short pieces.
fn every_piece(
    spans: &[PlannedSpan],
    heard: &[usize],
    listener: &mut dyn Listener,
) -> Result<Vec<Heard>, TaskError> {
    let mut pieces = Vec::new();
    for &span in heard {
        pieces.extend(pieces_of(span, &spans[span], listener)?);
    }
    Ok(pieces)
}

fn pieces_of(
    span: usize,
    planned: &PlannedSpan,
    listener: &mut dyn Listener,
) -> Result<Vec<Heard>, TaskError> {
    let cut = listener.cut(&planned.stretches)?;
    cut.into_iter()
        .map(|piece| {
            Ok(Heard {
                span,
                scores: listener.detect(&piece)?,
                piece,
            })
        })
        .collect()
}

/// Spans whole where they are as sure as their neighbours of the same language, and in short pieces where they are not.
fn some_pieces(
    spans: &[PlannedSpan],
    heard: &[usize],
    listener: &mut dyn Listener,
) -> Result<Vec<Heard>, TaskError> {
    let mut whole = Vec::new();
    for &span in heard {
        let piece = spans[span].stretches.clone();
        let middle = duration(&piece) / 2;
        let probe = window(
            &piece,
            middle.saturating_sub(PROBE_SAMPLES / 2),
            middle + PROBE_SAMPLES / 2,
        );
        let scores = listener.detect(&probe)?;
        whole.push(Heard {
            span,
            piece,
            scores,
        });
    }

    let best: Vec<_> = whole
        .iter()
        .map(|heard| heard.scores.first().cloned())
        .collect();
    let mut pieces = Vec::new();
    for (index, heard) in whole.into_iter().enumerate() {
        let is_same = |other: usize| {
            let pair = best[index]
                .as_ref()
                .zip(best.get(other).and_then(Option::as_ref));
            pair.is_none_or(|(own, other)| own.code == other.code)
        };
        let is_sure = best[index]
            .as_ref()
            .is_some_and(|own| own.probability >= SURE);
        if is_sure && is_same(index.wrapping_sub(1)) && is_same(index + 1) {
            pieces.push(heard);
        } else {
            pieces.extend(pieces_of(heard.span, &spans[heard.span], listener)?);
        }
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests;

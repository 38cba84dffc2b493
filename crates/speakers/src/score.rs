//! Diarization error rate: how much of the speech has no speaker, the wrong one, or is none.
//!
//! Speakers of both sides are matched so that the most time agrees, as NIST's md-eval does. Used by
//! tests and by `make speakers-bench`.

use crate::Turn;

/// Samples of a step: 10 ms.
const STEP: u64 = 160;

/// Seconds that are wrong, and how many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DiarizationErrors {
    /// Speech of a speaker that was not found.
    pub missed: f64,
    /// Speech that is none.
    pub false_alarm: f64,
    /// Speech given to another speaker.
    pub confused: f64,
    /// All speech, overlapping speech counted for each speaker.
    pub total: f64,
}

impl DiarizationErrors {
    /// Wrong seconds for each second of speech.
    pub fn rate(&self) -> f64 {
        (self.missed + self.false_alarm + self.confused) / self.total.max(f64::EPSILON)
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            missed: self.missed + other.missed,
            false_alarm: self.false_alarm + other.false_alarm,
            confused: self.confused + other.confused,
            total: self.total + other.total,
        }
    }
}

/// Compares turns with those of a reference. Nothing is counted within `collar_seconds` of the edge of a
/// reference turn, nor after `samples`.
pub fn score(
    reference: &[Turn],
    found: &[Turn],
    samples: u64,
    collar_seconds: f64,
) -> DiarizationErrors {
    let steps = (samples / STEP) as usize;
    let collar = (collar_seconds * 16_000.0) as u64 / STEP;
    let mut scored = vec![true; steps];
    for edge in reference.iter().flat_map(|turn| [turn.start, turn.end]) {
        let edge = edge / STEP;
        let around = edge.saturating_sub(collar)..edge + collar;
        for step in around.filter(|step| (*step as usize) < steps) {
            scored[step as usize] = false;
        }
    }

    let truth = by_step(reference, steps);
    let guess = by_step(found, steps);
    let pairs = agreement(&truth, &guess, &scored);
    let matched = best_match(&pairs, 0, &mut Vec::new());

    let mut errors = DiarizationErrors::default();
    let seconds = STEP as f64 / 16_000.0;
    for step in (0..steps).filter(|step| scored[*step]) {
        let (truth, guess) = (&truth[step], &guess[step]);
        let both = truth.len().min(guess.len());
        errors.total += truth.len() as f64 * seconds;
        errors.missed += (truth.len() - both) as f64 * seconds;
        errors.false_alarm += (guess.len() - both) as f64 * seconds;
        errors.confused += both as f64 * seconds;
    }
    errors.confused -= matched as f64 * seconds;
    errors
}

/// The speakers of each step.
fn by_step(turns: &[Turn], steps: usize) -> Vec<Vec<usize>> {
    let mut speaking: Vec<Vec<usize>> = vec![Vec::new(); steps];
    for turn in turns {
        for step in turn.start / STEP..turn.end / STEP {
            if let Some(speakers) = speaking.get_mut(step as usize)
                && !speakers.contains(&turn.speaker)
            {
                speakers.push(turn.speaker);
            }
        }
    }
    speaking
}

/// Steps that each speaker of the reference shares with each that was found.
fn agreement(truth: &[Vec<usize>], guess: &[Vec<usize>], scored: &[bool]) -> Vec<Vec<u64>> {
    let count = |steps: &[Vec<usize>]| steps.iter().flatten().max().map_or(0, |most| most + 1);
    let mut pairs = vec![vec![0; count(guess)]; count(truth)];
    for ((truth, guess), _) in truth
        .iter()
        .zip(guess)
        .zip(scored)
        .filter(|(_, scored)| **scored)
    {
        for left in truth {
            for right in guess {
                pairs[*left][*right] += 1;
            }
        }
    }
    pairs
}

/// The most steps on which a matching can agree. Recordings with references have few speakers.
fn best_match(pairs: &[Vec<u64>], row: usize, taken: &mut Vec<usize>) -> u64 {
    let Some(values) = pairs.get(row) else {
        return 0;
    };
    let mut best = best_match(pairs, row + 1, taken);
    for (column, value) in values.iter().enumerate() {
        if *value > 0 && !taken.contains(&column) {
            taken.push(column);
            best = best.max(value + best_match(pairs, row + 1, taken));
            taken.pop();
        }
    }
    best
}

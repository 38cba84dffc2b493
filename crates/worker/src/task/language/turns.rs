//! Finds the language of each piece of speech: the likeliest sequence of languages,
//! given that speakers change language rarely. A pure function.

use super::{SECOND, Scores};

/// Lower bound of a probability: the detection is never surer than this that a language is not spoken.
const FLOOR: f32 = 0.01;
/// Cost of a change of language, as a natural logarithm: one sure piece is enough for a turn of its own; an unsure one
/// gets the language of its neighbours.
const CHANGE: f32 = 1.5;
/// The same between languages that Whisper mistakes for each other.
const CONFUSABLE_CHANGE: f32 = 4.0;
/// Probability from which on a language is considered at all.
const CONSIDERED: f32 = 0.2;
/// Pieces shorter than this, 5 s, weigh less.
const FULL_WEIGHT: u64 = 5 * SECOND;

/// Languages that Whisper mistakes for each other.
const CONFUSABLE: [&[&str]; 10] = [
    &["no", "nn", "da", "sv"],
    &["hr", "sr", "bs", "sl", "mk", "bg"],
    &["cs", "sk"],
    &["es", "gl", "ca", "pt", "oc"],
    &["hi", "ur", "ne", "mr", "pa"],
    &["id", "ms", "jw", "su"],
    &["ru", "uk", "be"],
    &["nl", "af"],
    &["zh", "yue"],
    // Noisy English is often detected as these.
    &["en", "cy", "nn", "haw", "mi", "la"],
];

/// Whether Whisper mistakes two languages for each other.
pub(in crate::task) fn are_confusable(a: &str, b: &str) -> bool {
    CONFUSABLE
        .iter()
        .any(|group| group.contains(&a) && group.contains(&b))
}

/// The language of each piece. `lengths` are in samples.
pub(super) fn turns(scores: &[&Scores], lengths: &[u64]) -> Vec<String> {
    let languages = considered(scores);
    let mut best: Vec<f32> = vec![0.0; languages.len()];
    let mut came_from: Vec<Vec<usize>> = Vec::new();

    for (index, (scores, length)) in scores.iter().zip(lengths).enumerate() {
        let mut next = Vec::with_capacity(languages.len());
        let mut from = Vec::with_capacity(languages.len());
        for (to, code) in languages.iter().enumerate() {
            let step = |before: usize| {
                best[before]
                    - if index == 0 {
                        0.0
                    } else {
                        cost(&languages, before, to)
                    }
            };
            // Of equals the first, which is the language considered first.
            let before = (0..languages.len())
                .rev()
                .max_by(|a, b| step(*a).total_cmp(&step(*b)))
                .unwrap_or(to);
            next.push(step(before) + evidence(scores, code, *length));
            from.push(before);
        }
        best = next;
        came_from.push(from);
    }

    let mut at = (0..languages.len())
        .rev()
        .max_by(|a, b| best[*a].total_cmp(&best[*b]))
        .unwrap_or(0);
    let mut path = Vec::with_capacity(scores.len());
    for from in came_from.iter().rev() {
        path.push(languages[at].clone());
        at = from[at];
    }
    path.reverse();
    path
}

/// Languages that some piece may be in, most probable first.
fn considered(scores: &[&Scores]) -> Vec<String> {
    let mut sums: Vec<(String, f32)> = Vec::new();
    for scores in scores {
        for (rank, score) in scores.iter().enumerate() {
            if rank > 0 && score.probability < CONSIDERED {
                break;
            }
            match sums.iter_mut().find(|(code, _)| *code == score.code) {
                Some((_, sum)) => *sum += score.probability,
                None => sums.push((score.code.clone(), score.probability)),
            }
        }
    }
    sums.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    sums.into_iter().map(|(code, _)| code).collect()
}

fn cost(languages: &[String], from: usize, to: usize) -> f32 {
    match (from == to, are_confusable(&languages[from], &languages[to])) {
        (true, _) => 0.0,
        (false, true) => CONFUSABLE_CHANGE,
        (false, false) => CHANGE,
    }
}

/// Log likelihood of a language, at most 0.
fn evidence(scores: &Scores, code: &str, length: u64) -> f32 {
    let probability = scores
        .iter()
        .find(|score| score.code == code)
        .map_or(0.0, |score| score.probability);
    let weight = length.min(FULL_WEIGHT) as f32 / FULL_WEIGHT as f32;
    probability.max(FLOOR).ln() * weight
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::DetectedLanguage;

    /// Pieces of so many seconds with languages and probabilities, and the languages they are taken for.
    fn check(pieces: &[(u64, &[(&str, f32)])], expected: &[&str]) {
        let score = |(code, probability): &(&str, f32)| DetectedLanguage {
            code: (*code).to_owned(),
            probability: *probability,
        };
        let scores: Vec<Scores> = pieces
            .iter()
            .map(|(_, scores)| scores.iter().map(score).collect())
            .collect();
        let lengths: Vec<u64> = pieces.iter().map(|(seconds, _)| seconds * SECOND).collect();
        assert_eq!(
            turns(&scores.iter().collect::<Vec<_>>(), &lengths),
            expected
        );
    }

    const EN: &[(&str, f32)] = &[("en", 0.95), ("es", 0.03)];
    const ES: &[(&str, f32)] = &[("es", 0.97), ("en", 0.02)];
    const UNSURE: &[(&str, f32)] = &[("es", 0.5), ("en", 0.35)];

    #[test]
    fn a_sure_piece_is_a_turn_of_its_own() {
        check(&[(6, EN), (6, ES), (6, EN)], &["en", "es", "en"]);
        check(&[(6, EN), (6, ES), (6, ES)], &["en", "es", "es"]);
    }

    #[test]
    fn an_unsure_or_short_piece_follows_its_neighbours() {
        check(&[(6, EN), (6, UNSURE), (6, EN)], &["en", "en", "en"]);
        check(&[(6, EN), (2, ES), (6, EN)], &["en", "en", "en"]);
        check(&[(6, UNSURE), (6, ES)], &["es", "es"]);
    }

    #[test]
    fn languages_that_are_mistaken_for_each_other_change_less_easily() {
        let hindi: &[(&str, f32)] = &[("hi", 0.9), ("ur", 0.08)];
        let urdu: &[(&str, f32)] = &[("ur", 0.8), ("hi", 0.15)];
        check(&[(6, hindi), (6, urdu), (6, hindi)], &["hi", "hi", "hi"]);
    }

    #[test]
    fn one_piece_is_the_language_it_sounds_like() {
        check(&[(1, UNSURE)], &["es"]);
        check(&[], &[]);
    }
}

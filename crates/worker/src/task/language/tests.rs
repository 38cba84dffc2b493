//! Tests of [`find`] with speech whose language is known by its position.

use std::ops::Range;

use super::*;

/// A recording in which each second has a language, as `(seconds, language, probability)`.
struct Script {
    turns: Vec<(Range<u64>, &'static str, f32)>,
    detections: usize,
}

impl Listener for Script {
    fn detect(&mut self, piece: &Piece) -> Result<Scores, TaskError> {
        self.detections += 1;
        let mut heard: Scores = Vec::new();
        for (seconds, code, probability) in &self.turns {
            let overlap = |(start, end): &(u64, u64)| {
                (seconds.end * SECOND)
                    .min(*end)
                    .saturating_sub((seconds.start * SECOND).max(*start))
            };
            let share = piece.iter().map(overlap).sum::<u64>() as f32 / duration(piece) as f32;
            heard.push(DetectedLanguage {
                code: (*code).to_owned(),
                probability: share * probability,
            });
        }
        heard.push(DetectedLanguage {
            code: "la".to_owned(),
            probability: 0.01,
        });
        Ok(mean(&[heard]))
    }

    /// Cuts at whole seconds, as if there were a pause every four.
    fn cut(&mut self, piece: &Piece) -> Result<Vec<Piece>, TaskError> {
        let parts = duration(piece).div_ceil(4 * SECOND);
        Ok((0..parts)
            .map(|part| window(piece, part * 4 * SECOND, (part + 1) * 4 * SECOND))
            .collect())
    }
}

fn span(start: u64, end: u64) -> PlannedSpan {
    PlannedSpan {
        stretches: vec![(start * SECOND, end * SECOND)],
        ..PlannedSpan::default()
    }
}

/// Spans of 28 s that cover `seconds`.
fn spans(seconds: u64) -> Vec<PlannedSpan> {
    (0..seconds.div_ceil(28))
        .map(|index| span(index * 28, ((index + 1) * 28).min(seconds)))
        .collect()
}

/// Finds the languages and compares the common one and the turns, in seconds.
fn check(
    turns: &[(Range<u64>, &'static str, f32)],
    spans: Vec<PlannedSpan>,
    language: &str,
    expected: &[(u64, u64, &str)],
) -> usize {
    let before: u64 = spans.iter().map(|span| duration(&span.stretches)).sum();
    let mut script = Script {
        turns: turns.to_vec(),
        detections: 0,
    };

    let spoken = find(spans, &mut script).unwrap().unwrap();

    assert_eq!(spoken.language, language);
    let after: u64 = spoken
        .spans
        .iter()
        .map(|span| duration(&span.stretches))
        .sum();
    assert_eq!(before, after, "no speech is lost");
    let mut found: Vec<(u64, u64, String)> = Vec::new();
    for span in &spoken.spans {
        let Some(code) = span.language.clone() else {
            continue;
        };
        let start = span.stretches[0].0 / SECOND;
        let end = span.stretches.last().unwrap().1 / SECOND;
        match found.last_mut() {
            Some(last) if last.2 == code && last.1 == start => last.1 = end,
            _ => found.push((start, end, code)),
        }
    }
    let found: Vec<_> = found
        .iter()
        .map(|(start, end, code)| (*start, *end, code.as_str()))
        .collect();
    assert_eq!(found, expected);
    script.detections
}

#[test]
fn one_language_costs_a_few_probes_and_cuts_nothing() {
    assert_eq!(check(&[(0..10, "fr", 0.6)], spans(10), "fr", &[]), 1);
    assert_eq!(check(&[(0..60, "en", 0.9)], spans(60), "en", &[]), 5);
    assert_eq!(check(&[(0..3600, "en", 0.9)], spans(3600), "en", &[]), 15);
}

#[test]
fn a_probe_that_is_unsure_or_mistakes_a_near_language_changes_nothing() {
    let unsure = [(0..30, "en", 0.9), (30..37, "de", 0.4), (37..60, "en", 0.9)];
    assert_eq!(check(&unsure, spans(60), "en", &[]), 5);
    let near = [(0..30, "no", 0.9), (30..37, "nn", 0.9), (37..60, "no", 0.9)];
    assert_eq!(check(&near, spans(60), "no", &[]), 5);
}

#[test]
fn a_minority_never_wins() {
    let turns = [(0..60, "en", 0.95), (60..75, "es", 0.98)];
    check(&turns, spans(75), "en", &[(0, 60, "en"), (60, 75, "es")]);
}

#[test]
fn spans_are_cut_where_the_language_changes() {
    let turns = [
        (0..12, "en", 0.95),
        (12..28, "es", 0.95),
        (28..38, "en", 0.95),
    ];
    check(
        &turns,
        spans(38),
        "en",
        &[(0, 12, "en"), (12, 28, "es"), (28, 38, "en")],
    );
}

#[test]
fn a_long_recording_is_cut_only_around_the_changes() {
    let turns = [
        (0..1400, "en", 0.95),
        (1400..2408, "de", 0.95),
        (2408..2800, "en", 0.95),
    ];
    let detections = check(
        &turns,
        spans(2800),
        "en",
        &[(0, 1400, "en"), (1400, 2408, "de"), (2408, 2800, "en")],
    );
    assert!(
        detections < 11 + 100 + 4 * 7 + 1,
        "{detections} detections for 100 spans"
    );
}

#[test]
fn doubtful_sound_has_no_say_beside_speech() {
    let noise = PlannedSpan {
        certainty: Certainty::Doubtful,
        ..span(0, 28)
    };
    let turns = [(0..28, "cy", 0.99), (28..38, "en", 0.95)];
    check(&turns, vec![noise.clone(), span(28, 38)], "en", &[]);
    check(&turns, vec![noise], "cy", &[]);
}

#[test]
fn candidates_are_the_only_languages() {
    let score = |code: &str, probability| DetectedLanguage {
        code: code.to_owned(),
        probability,
    };
    let all = vec![score("cy", 0.6), score("en", 0.3), score("fr", 0.1)];

    let found = among(all.clone(), &["fr".to_owned(), "en".to_owned()]);
    let found: Vec<_> = found
        .iter()
        .map(|score| (score.code.as_str(), (score.probability * 100.0).round()))
        .collect();
    assert_eq!(found, [("en", 75.0), ("fr", 25.0)]);

    assert_eq!(among(all.clone(), &[]), all);
    assert_eq!(among(all, &["yue".to_owned()])[0].code, "yue");
}

#[test]
fn a_short_recording_that_is_unsure_has_alternatives() {
    let alternatives = |turns: &[(Range<u64>, &'static str, f32)]| -> Vec<String> {
        let mut script = Script {
            turns: turns.to_vec(),
            detections: 0,
        };
        let spoken = find(spans(8), &mut script).unwrap().unwrap();
        spoken
            .alternatives
            .into_iter()
            .map(|score| score.code)
            .collect()
    };
    assert_eq!(
        alternatives(&[(0..5, "zh", 0.9), (5..8, "en", 0.8)]),
        ["en"]
    );
    assert!(alternatives(&[(0..8, "zh", 0.8), (0..1, "en", 0.8)]).is_empty());
}

#[test]
fn no_speech_has_no_language() {
    let mut script = Script {
        turns: Vec::new(),
        detections: 0,
    };
    assert_eq!(find(Vec::new(), &mut script).unwrap(), None);
}

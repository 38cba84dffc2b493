//! Cuts the spans of a plan where the language changes.

use steno_store::PlannedSpan;

use super::pieces::{Piece, duration};
use super::turns::turns;
use super::{Heard, Scores, Spoken};

/// The plan with the languages of the pieces.
pub(super) fn plan(spans: Vec<PlannedSpan>, pieces: Vec<Heard>) -> Spoken {
    let lengths: Vec<u64> = pieces.iter().map(|heard| duration(&heard.piece)).collect();
    let scores: Vec<&Scores> = pieces.iter().map(|heard| &heard.scores).collect();
    let languages = turns(&scores, &lengths);

    let (language, probability) = most_spoken(&languages, &lengths, &scores);
    if languages.iter().all(|code| *code == language) {
        return Spoken {
            language,
            probability,
            alternatives: Vec::new(),
            spans,
        };
    }

    let mut pieces = pieces.into_iter().zip(languages).peekable();
    let mut planned = Vec::new();
    for (index, span) in spans.into_iter().enumerate() {
        let before = planned.len();
        while let Some((heard, code)) = pieces.next_if(|(heard, _)| heard.span == index) {
            let is_new = planned.len() == before;
            match planned.last_mut() {
                Some(last) if !is_new && is_in(last, &code) => {
                    append(&mut last.stretches, heard.piece);
                }
                _ => planned.push(PlannedSpan {
                    stretches: heard.piece,
                    certainty: span.certainty,
                    language: Some(code),
                }),
            }
        }
        if planned.len() == before {
            // Its language was not detected.
            planned.push(PlannedSpan {
                language: Some(language.clone()),
                ..span
            });
        }
    }
    Spoken {
        language,
        probability,
        alternatives: Vec::new(),
        spans: planned,
    }
}

fn is_in(span: &PlannedSpan, code: &str) -> bool {
    span.language.as_deref() == Some(code)
}

/// Appends a later piece; stretches that touch become one again.
fn append(stretches: &mut Piece, later: Piece) {
    for (start, end) in later {
        match stretches.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => stretches.push((start, end)),
        }
    }
}

/// The language with the most speech, and its mean probability there.
fn most_spoken(languages: &[String], lengths: &[u64], scores: &[&Scores]) -> (String, f32) {
    let of = |code: &String| -> u64 {
        languages
            .iter()
            .zip(lengths)
            .filter(|(known, _)| *known == code)
            .map(|(_, length)| length)
            .sum()
    };
    // Of equals the one that is spoken first: `max_by_key` would take the last.
    let most = languages
        .iter()
        .rev()
        .max_by_key(|code| of(code))
        .cloned()
        .unwrap_or_else(|| "en".to_owned());

    let mut weighted = 0.0;
    for ((code, length), scores) in languages.iter().zip(lengths).zip(scores) {
        if *code == most {
            let score = scores.iter().find(|score| score.code == most);
            weighted += score.map_or(0.0, |score| score.probability) * *length as f32;
        }
    }
    let probability = weighted / of(&most).max(1) as f32;
    (most, probability)
}

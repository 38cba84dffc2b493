//! When words are spoken, against what the synthesiser that spoke them says.

use std::fs;

use steno_e2e::{Settings, fixture, repeated};
use steno_models::Word;

/// How far a word may be off, in seconds.
const TOLERANCE: f64 = 0.3;

fn bare(word: &str) -> String {
    word.to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect()
}

#[test]
fn words_are_where_they_were_spoken() {
    let service = Settings::with_workers(1).start();
    let job = service
        .client
        .submit(&fixture("clip.wav"), "language=en&word_timestamps=true");
    let result = service.client.wait(job).result.unwrap();
    let found: Vec<Word> = result
        .segments
        .iter()
        .flat_map(|segment| segment.words.clone().unwrap())
        .collect();

    let spoken = fs::read_to_string(fixture("clip.words.tsv")).unwrap();
    let spoken: Vec<(String, f64, f64)> = spoken
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .map(|row| {
            (
                row[0].to_owned(),
                row[1].parse().unwrap(),
                row[2].parse().unwrap(),
            )
        })
        .collect();

    assert_eq!(found.len(), spoken.len(), "{found:?}");

    for (found, (word, start, end)) in found.iter().zip(spoken) {
        assert_eq!(bare(&found.word), word);
        let off = (found.start - start).abs().max((found.end - end).abs());
        assert!(
            off < TOLERANCE,
            "{word}: {}–{}, spoken {start}–{end}",
            found.start,
            found.end
        );
        assert!((0.0..=1.0).contains(&found.probability));
    }
}

#[test]
fn words_of_a_long_recording_are_in_order_inside_their_segments_and_make_up_the_text() {
    let service = Settings::with_workers(1).set("STENO_SLOTS", "2").start();
    let recording = repeated("minute.opus", 2, &service.scratch());
    let job = service
        .client
        .submit(&recording, "language=en&word_timestamps=true");
    let result = service.client.wait(job).result.unwrap();
    let mut before = 0.0;
    for segment in &result.segments {
        let words = segment.words.as_ref().unwrap();
        assert!(
            segment.start >= before && segment.end <= result.duration_seconds + 0.1,
            "{segment:?}"
        );
        for word in words {
            assert!(
                word.start >= before && word.end >= word.start,
                "{word:?} begins before {before}"
            );
            assert!(
                word.start >= segment.start && word.end <= segment.end,
                "{word:?} is outside {segment:?}"
            );
            before = word.end;
        }
        let text = words
            .iter()
            .map(|word| word.word.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        assert_eq!(text, segment.text);
    }

    let without = service.client.submit(&fixture("clip.wav"), "language=en");

    assert!(
        service
            .client
            .wait(without)
            .result
            .unwrap()
            .segments
            .iter()
            .all(|segment| segment.words.is_none())
    );
}

//! Tests of recordings whose channels were split.

use steno_models::Channels;

use super::*;

/// The facts of a recording of 60 s whose channels were split.
fn split_facts(names: &[&str]) -> RecordingFacts {
    RecordingFacts {
        options: TranscribeRequest {
            channels: Channels::Split,
            speaker_names: names.iter().map(|name| (*name).to_owned()).collect(),
            ..TranscribeRequest::default()
        },
        ..facts("en", None)
    }
}

#[test]
fn channels_are_merged_by_time_and_are_the_speakers() {
    let left = span(&[(0, 4), (10, 14)], vec![said("Left.", 0.0, 14.0)], vec![]);
    // The second channel follows the first in the spool.
    let right = span(&[(65, 69)], vec![said("Right.", 65.1, 68.123)], vec![]);
    let result = assemble(split_facts(&["Anna"]), vec![left, right]);

    assert_eq!(result.text, "Left. Right.");
    let found: Vec<_> = result
        .segments
        .iter()
        .map(|segment| (segment.start, segment.end, segment.speaker.as_deref()))
        .collect();
    assert_eq!(found, [(0.0, 14.0, Some("Anna")), (5.1, 8.123, Some("A"))]);
    let names: Vec<_> = result.speakers.iter().map(|s| s.speaker.as_str()).collect();
    assert_eq!(names, ["Anna", "A"]);
    let coverage = result.coverage.unwrap();
    assert!(
        (coverage.speech_seconds - 12.0).abs() < 1e-9,
        "{coverage:?}"
    );
}

#[test]
fn a_gap_of_the_second_channel_has_times_of_the_recording() {
    let left = span(&[(0, 10)], vec![said("Left.", 0.0, 10.0)], vec![]);
    let right = span(&[(70, 75)], vec![], vec![]);
    let result = assemble(split_facts(&[]), vec![left, right]);

    let coverage = result.coverage.unwrap();
    assert_eq!((coverage.gaps[0].start, coverage.gaps[0].end), (10.0, 15.0));
    assert!((coverage.transcribed_seconds - 10.0).abs() < 1e-9);
    assert_eq!(result.speakers.len(), 1);
}

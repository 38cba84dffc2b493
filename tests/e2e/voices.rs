//! Voices that a speech detector is tempted to miss reach the transcript, and the result says that
//! all speech has text.

use std::fs;

use steno_e2e::{Settings, fixture, word_error_rate};

#[test]
fn no_voice_is_lost() {
    let service = Settings::with_workers(1).start();
    let manifest = fs::read_to_string(fixture("manifest.tsv")).unwrap();
    let voices: Vec<_> = manifest
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|row| row[0].starts_with("voices/"))
        .collect();
    assert_eq!(voices.len(), 4);

    for row in voices {
        let job = service.client.submit(&fixture(row[0]), "language=en");
        let ended = service.client.wait(job);
        let result = ended.result.expect("the job completes");

        let expected = fs::read_to_string(fixture(row[3])).unwrap();
        assert!(
            word_error_rate(&expected, &result.text) < 0.2,
            "{}: {}",
            row[0],
            result.text
        );
        let coverage = result.coverage.expect("a result says what it covers");
        assert!(
            coverage.speech_seconds > 2.0 && coverage.gaps.is_empty(),
            "{}: {coverage:?}",
            row[0]
        );
    }
}

//! Every format that can be decoded yields the same words; where nobody speaks there are none.

use std::fs;

use steno_e2e::{Settings, fixture, word_error_rate};

#[test]
fn every_format_yields_the_words_that_were_said() {
    let service = Settings::with_workers(1).set("STENO_SLOTS", "2").start();
    let manifest = fs::read_to_string(fixture("manifest.tsv")).unwrap();
    let clips: Vec<_> = manifest
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|row| row[0].starts_with("clip"))
        .collect();
    assert!(clips.len() >= 15, "only {} formats", clips.len());
    let jobs: Vec<_> = clips.iter().map(|row| service.client.submit(&fixture(row[0]), "language=en")).collect();
    let expected = fs::read_to_string(fixture("clip.txt")).unwrap();
    for (row, job) in clips.iter().zip(jobs) {
        let text = service.client.wait_for_text(job);
        assert!(word_error_rate(&expected, &text) < 0.2, "{}: {text}", row[0]);
    }
}

#[test]
fn silence_noise_and_music_yield_no_words() {
    let service = Settings::with_workers(1).start();
    for name in ["silence.flac", "noise.flac", "music.opus"] {
        let job = service.client.submit(&fixture(name), "");
        assert_eq!(service.client.wait_for_text(job), "", "{name}");
    }
}

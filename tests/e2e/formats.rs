//! Every format that can be decoded yields the same words; without speech there are none.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

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
    let jobs: Vec<_> = clips
        .iter()
        .map(|row| service.client.submit(&fixture(row[0]), "language=en"))
        .collect();
    let expected = fs::read_to_string(fixture("clip.txt")).unwrap();
    for (row, job) in clips.iter().zip(jobs) {
        let text = service.client.wait_for_text(job);
        assert!(
            word_error_rate(&expected, &text) < 0.2,
            "{}: {text}",
            row[0]
        );
    }
}

/// Files that only ffmpeg reads, with the code of their failure without one.
fn foreign_files() -> Vec<(String, String)> {
    let manifest = fs::read_to_string(fixture("manifest.tsv")).unwrap();
    let rows = manifest
        .lines()
        .map(|line| line.split('\t').map(ToOwned::to_owned).collect::<Vec<_>>());
    let rows: Vec<_> = rows
        .filter(|row| row[1] == "ffmpeg")
        .map(|row| (row[0].clone(), row[2].clone()))
        .collect();
    assert!(rows.len() >= 10, "only {} files", rows.len());
    rows
}

#[test]
fn what_only_ffmpeg_reads_is_transcribed_where_it_is_installed() {
    let found = Command::new("ffmpeg").arg("-version").output().is_ok();
    assert!(found, "no ffmpeg: run scripts/ensure-tools.sh");
    let service = Settings::with_workers(1).set("STENO_SLOTS", "2").start();
    let files = foreign_files();
    let jobs: Vec<_> = files
        .iter()
        .map(|(name, _)| service.client.submit(&fixture(name), "language=en"))
        .collect();
    let expected = fs::read_to_string(fixture("clip.txt")).unwrap();
    for ((name, _), job) in files.iter().zip(jobs) {
        let text = service.client.wait_for_text(job);
        assert!(word_error_rate(&expected, &text) < 0.2, "{name}: {text}");
    }

    // A playlist is no recording, with or without ffmpeg.
    for name in ["bad/concat.ffconcat", "bad/playlist.m3u"] {
        let job = service.client.submit(&fixture(name), "language=en");
        assert_eq!(
            service.client.wait(job).error.unwrap().code.as_str(),
            "unsupported_media",
            "{name}"
        );
    }
}

#[test]
fn without_ffmpeg_its_formats_are_named() {
    let service = Settings::with_workers(1).set("STENO_FFMPEG", "off").start();
    let files = foreign_files();
    let jobs: Vec<_> = files
        .iter()
        .map(|(name, _)| service.client.submit(&fixture(name), "language=en"))
        .collect();
    for ((name, code), job) in files.iter().zip(jobs) {
        let error = service.client.wait(job).error.unwrap();
        assert_eq!(error.code.as_str(), code, "{name}");
        assert!(
            error
                .message
                .contains("is read only where ffmpeg is installed"),
            "{name}: {}",
            error.message
        );
    }
}

#[test]
fn an_ffmpeg_that_cannot_be_started_is_as_good_as_none() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("ffmpeg");
    // Its sandbox has no shell.
    fs::write(&program, "#!/bin/sh\nexit 127\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();

    let service = Settings::with_workers(1)
        .set("STENO_FFMPEG", program.to_str().unwrap())
        .start();
    let (name, code) = foreign_files().remove(0);
    let job = service.client.submit(&fixture(&name), "language=en");
    let error = service.client.wait(job).error.unwrap();
    assert_eq!(error.code.as_str(), code, "{name}");
    assert!(
        error
            .message
            .contains("is read only where ffmpeg is installed"),
        "{}",
        error.message
    );
    assert!(
        service.workers[0]
            .log()
            .contains("cannot be started in its sandbox"),
        "{}",
        service.workers[0].log()
    );
}

#[test]
fn silence_noise_and_music_yield_no_words() {
    let service = Settings::with_workers(1).start();
    for name in ["silence.flac", "noise.flac", "music.opus"] {
        let job = service.client.submit(&fixture(name), "");
        assert_eq!(service.client.wait_for_text(job), "", "{name}");
    }
}

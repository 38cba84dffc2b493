//! Bounds on what a file may take, and on what it may do.

use std::cell::Cell;

use super::*;

#[test]
fn seconds_are_counted_while_decoding() {
    let limits = Limits {
        max_seconds: 2,
        ..Limits::default()
    };
    let wav = |frames| {
        Wav {
            data_size: Some(0xffff_ffff),
            ..Wav::pcm(8_000, 1)
        }
        .bytes(&tone(8_000, frames, &[1.0]))
    };
    assert_eq!(
        prepare_bytes(&wav(16_000), &limits).unwrap().0.duration_ms,
        2_000
    );
    let error = prepare_bytes(&wav(16_100), &limits).unwrap_err();
    assert!(
        matches!(error, AudioError::TooLong { limit_seconds: 2 }),
        "{error:?}"
    );
}

#[test]
fn decoding_ends_where_there_is_enough_speech() {
    let limits = Limits {
        enough_speech: Some(Duration::from_secs(5)),
        ..Limits::default()
    };
    let bytes = std::fs::read(fixture("long.opus")).unwrap();
    let (recording, _) = prepare_bytes(&bytes, &limits).unwrap();
    let speech: u64 = recording.spans.iter().map(Span::samples).sum();
    assert!(speech >= 5 * u64::from(SAMPLE_RATE), "{speech}");
    assert!(
        recording.duration_ms < 20_000 && !recording.truncated,
        "{recording:?}"
    );
}

#[test]
fn decoded_bytes_are_bounded() {
    let limits = Limits {
        max_decoded_bytes: 4 * 8 * 16_000,
        ..Limits::default()
    };
    let bytes = |frames: usize| Wav::pcm(16_000, 8).bytes(&vec![0; frames * 16]);
    assert!(prepare_bytes(&bytes(16_000), &limits).is_ok());
    assert!(matches!(
        prepare_bytes(&bytes(16_001), &limits),
        Err(AudioError::TooLong { .. })
    ));
}

#[test]
fn a_stop_is_obeyed_between_packets() {
    struct StopAfter(Cell<u32>);
    impl Control for StopAfter {
        fn should_stop(&self) -> bool {
            self.0.set(self.0.get() - 1);
            self.0.get() == 0
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let (input, spool) = (dir.path().join("input"), dir.path().join("spool"));
    std::fs::write(
        &input,
        Wav::pcm(16_000, 1).bytes(&tone(16_000, 160_000, &[1.0])),
    )
    .unwrap();
    let control = StopAfter(Cell::new(5));
    let result = prepare(&input, &spool, &Limits::default(), AUTOMATIC, &control);
    assert!(matches!(result, Err(AudioError::Stopped)));
    // A second call would have gone below zero and panicked.
    assert_eq!(control.0.get(), 0);
}

#[test]
fn disk_failures_are_distinguished_from_file_failures() {
    let dir = tempfile::tempdir().unwrap();
    let (input, spool) = (dir.path().join("input"), dir.path().join("spool"));
    let absent = prepare(&input, &spool, &Limits::default(), AUTOMATIC, &Never);
    assert!(matches!(absent, Err(AudioError::Input(_))), "{absent:?}");
    let directory = prepare(dir.path(), &spool, &Limits::default(), AUTOMATIC, &Never);
    assert!(
        matches!(directory, Err(AudioError::Input(_))),
        "{directory:?}"
    );
    std::fs::write(&input, Wav::pcm(16_000, 1).bytes(&[0; 100])).unwrap();
    let no_folder = prepare(
        &input,
        &dir.path().join("absent/spool"),
        &Limits::default(),
        AUTOMATIC,
        &Never,
    );
    assert!(
        matches!(no_folder, Err(AudioError::Spool(_))),
        "{no_folder:?}"
    );
}

#[test]
fn processor_time_is_bounded() {
    let limits = Limits {
        max_cpu: std::time::Duration::ZERO,
        ..Limits::default()
    };
    let error = prepare_bytes(
        &Wav::pcm(16_000, 1).bytes(&tone(16_000, 16_000, &[1.0])),
        &limits,
    )
    .unwrap_err();
    assert!(
        matches!(&error, AudioError::CorruptAudio(reason) if reason.contains("far too long")),
        "{error:?}"
    );
}

#[test]
fn what_is_no_sound_is_not_taken_into_memory_whatever_its_size() {
    // Skipped in a WAV, which is read here; symphonia would take an ID3 tag into memory.
    let mut wav = Wav::pcm(16_000, 1).bytes(&tone(16_000, 16_000, &[1.0]));
    let mut list = b"LIST".to_vec();
    list.extend((80_u32 << 20).to_le_bytes());
    list.resize(list.len() + (80 << 20), b'a');
    wav.splice(12..12, list);
    assert_eq!(check(&wav).1.len(), 16_000);

    let mp3 = std::fs::read(fixture("clip.mp3")).unwrap();
    let with_tag = |bytes: usize| {
        let synchsafe = |size: usize| [21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8);
        let mut tag = b"ID3\x04\0\0".to_vec();
        tag.extend(synchsafe(bytes + 10));
        tag.extend(b"PRIV");
        tag.extend(synchsafe(bytes));
        tag.extend([0, 0]);
        tag.resize(tag.len() + bytes, b'a');
        tag.extend(&mp3);
        tag
    };
    assert!(check(&with_tag(1 << 20)).0.duration_ms > 1_000);
    let error = check_error(&with_tag(80 << 20));
    assert!(
        matches!(&error, AudioError::CorruptAudio(reason) if reason.contains("no sound")),
        "{error:?}"
    );
}

#[test]
fn files_of_countless_parts_are_refused() {
    let chunks = b"junk\0\0\0\0".repeat(1_100_000);
    let wav = [&b"RIFF\xff\xff\xff\xffWAVE"[..], &chunks].concat();
    let flac = b"fLaC\0\0\0\x22".repeat(20_000);
    for bytes in [wav, flac] {
        let error = check_error(&bytes);
        assert!(error.to_string().contains("too many parts"), "{error}");
    }
}

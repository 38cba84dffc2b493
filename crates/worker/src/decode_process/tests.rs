//! Tests of the answers of a decoder process.

use super::*;

fn recording(duration_ms: u64, damaged_ms: u64) -> Recording {
    Recording {
        duration_ms,
        spans: Vec::new(),
        truncated: false,
        damaged_ms,
        channels: 1,
        is_one_sound: false,
    }
}

fn needs_ffmpeg() -> Result<Recording, DecodeError> {
    Err(AudioError::NeedsFfmpeg("AMR".to_owned()).into())
}

#[test]
fn what_the_machine_does_to_ffmpeg_is_no_verdict_on_the_recording() {
    let full = || io::Error::from(io::ErrorKind::StorageFull);
    let corrupt = || Err(AudioError::CorruptAudio("damaged".to_owned()).into());
    for first in [needs_ffmpeg(), corrupt()] {
        let outcome = settled(first, Err(AudioError::Spool(full()).into()));
        assert!(
            matches!(outcome, Some(Err(DecodeError::Audio(AudioError::Spool(_))))),
            "{outcome:?}"
        );
    }
    let outcome = settled(needs_ffmpeg(), Err(DecodeError::Process(full())));
    assert!(
        matches!(outcome, Some(Err(DecodeError::Process(_)))),
        "{outcome:?}"
    );

    let refused = settled(needs_ffmpeg(), corrupt());
    assert!(
        matches!(
            refused,
            Some(Err(DecodeError::Audio(AudioError::UnsupportedMedia(_))))
        ),
        "{refused:?}"
    );
}

#[test]
fn ffmpeg_has_to_find_twice_as_much() {
    let found = |first, second| settled(Ok(first), Ok(second)).is_some();
    assert!(found(recording(1_000, 0), recording(2_100, 0)));
    assert!(!found(recording(1_000, 0), recording(1_900, 0)));
    assert!(
        found(recording(1_000, 1_001), recording(100, 0)),
        "more damage than sound, by rounding"
    );
}

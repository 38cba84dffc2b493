//! Joined recordings and wrong counts in headers: everything that players play is decoded.

use super::*;

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

fn seconds(file: &[u8]) -> f64 {
    check(file).0.duration_ms as f64 / 1_000.0
}

/// The parts, one after the other, are as long as all together.
fn check_joined(names: &[&str]) {
    let parts: Vec<_> = names.iter().map(|name| bytes(name)).collect();
    let expected: f64 = parts.iter().map(|part| seconds(part)).sum();
    let (recording, samples) = check(&parts.concat());
    let found = recording.duration_ms as f64 / 1_000.0;
    assert!(
        (found - expected).abs() < 0.2,
        "{names:?} last {found} s, not {expected}"
    );
    assert!(!recording.truncated, "{names:?}");

    let length = samples.len() / names.len();
    for (index, part) in samples.chunks_exact(length).enumerate() {
        assert!(rms(part) > 0.02, "part {index} of {names:?} is silent");
    }
}

#[test]
fn joined_recordings_are_heard_to_their_end() {
    check_joined(&["clip.mp3", "clip.mp3"]);
    check_joined(&["clip.mp3", "clip_stereo_44k.mp3", "clip.mp3"]);
    check_joined(&["clip.aac", "clip_44k.aac", "clip.aac"]);
    check_joined(&["clip.flac", "clip.flac"]);
    check_joined(&["clip.webm", "clip.mka"]);
}

#[test]
fn a_damaged_header_between_two_frames_ends_no_recording() {
    let mut aac = bytes("clip.aac");
    let whole = seconds(&aac);
    let length = |head: &[u8]| {
        usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5)
    };
    let mut at = 0;
    for _ in 0..20 {
        at += length(&aac[at..]);
    }
    // Five channels instead of one: only ffmpeg decodes those.
    aac[at + 2] |= 1;
    assert!(
        (seconds(&aac) - whole).abs() < 0.2,
        "{} s of {whole}",
        seconds(&aac)
    );
}

#[test]
fn chains_of_ogg_may_change_channels_and_codec() {
    check_joined(&["clip.oga", "clip.oga"]);
    check_joined(&["clip.opus", "clip_51.opus", "clip.opus"]);
    check_joined(&["clip.oga", "clip.opus", "clip.oga"]);
}

#[test]
fn a_count_of_frames_in_a_header_takes_no_sound_away() {
    let mut mp3 = bytes("clip.mp3");
    let whole = seconds(&mp3);
    let at = mp3
        .windows(4)
        .position(|name| name == b"Xing" || name == b"Info")
        .unwrap();
    let frames = u32::from_be_bytes(mp3[at + 8..at + 12].try_into().unwrap());
    mp3[at + 8..at + 12].copy_from_slice(&(frames / 2).to_be_bytes());
    assert!(
        (seconds(&mp3) - whole).abs() < 0.1,
        "{} s of {whole}",
        seconds(&mp3)
    );

    // Without that header symphonia estimates, from the first frames, what is wrong for a variable rate.
    let vbr = bytes("clip_vbr.mp3");
    assert!(
        (seconds(&vbr) - whole).abs() < 0.2,
        "{} s of {whole}",
        seconds(&vbr)
    );
}

#[test]
fn granules_of_another_unit_take_no_sound_away() {
    let mut ogg = bytes("clip.opus");
    let whole = seconds(&ogg);
    let mut at = 0;
    while at < ogg.len() {
        let count = usize::from(ogg[at + 26]);
        let size = 27
            + count
            + ogg[at + 27..at + 27 + count]
                .iter()
                .map(|size| usize::from(*size))
                .sum::<usize>();
        let granule = u64::from_le_bytes(ogg[at + 6..at + 14].try_into().unwrap());
        ogg[at + 6..at + 14].copy_from_slice(&(granule / 3).to_le_bytes());
        ogg[at + 22..at + 26].fill(0);
        let sum = ogg_checksum(&ogg[at..at + size]);
        ogg[at + 22..at + 26].copy_from_slice(&sum.to_le_bytes());
        at += size;
    }
    assert!(
        (seconds(&ogg) - whole).abs() < 0.1,
        "{} s of {whole}",
        seconds(&ogg)
    );
}

fn ogg_checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 24, |sum: u32, _| {
            sum << 1 ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

#[test]
fn audio_that_begins_after_the_picture_keeps_its_time() {
    for name in ["late.mp4", "late.mkv"] {
        let (recording, samples) = check(&bytes(name));
        let later = recording.duration_ms as f64 / 1_000.0 - seconds(&bytes("clip.wav"));
        assert!((3.9..4.3).contains(&later), "{name} begins {later} s later");
        assert!(
            rms(&samples[..3 * 16_000]) < 1e-3 && rms(&samples[4 * 16_000..]) > 0.02,
            "{name}"
        );
    }
}

#[test]
fn he_aac_and_five_channels_of_opus_are_read() {
    for name in [
        "clip_heaac.m4a",
        "clip_heaac.mka",
        "clip_51.opus",
        "clip_mulaw.mov",
        "clip_mp3.wav",
    ] {
        let (recording, samples) = check(&bytes(name));
        let found = recording.duration_ms as f64 / 1_000.0;
        assert!(
            (found - seconds(&bytes("clip.wav"))).abs() < 0.2,
            "{name}: {found} s"
        );
        assert!(rms(&samples) > 0.02, "{name} is silent");
    }
}

#[test]
fn a_movie_without_its_first_atom_is_read() {
    let mut movie = bytes("clip_moov_end.m4a");
    let whole = seconds(&movie);
    movie[4..8].copy_from_slice(b"free");
    assert!((seconds(&movie) - whole).abs() < 0.01);
}

#[test]
fn what_cannot_be_decoded_is_counted() {
    let mut aac = bytes("clip.m4a");
    let at = aac.windows(4).position(|name| name == b"mdat").unwrap();
    let (from, to) = (at + (aac.len() - at) / 3, aac.len());
    let mut state = 7_u32;
    for byte in &mut aac[from..to] {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    let (recording, _) = check(&aac);
    assert!(recording.damaged_ms > 500, "{} ms", recording.damaged_ms);
    assert!((recording.duration_ms as f64 / 1_000.0 - seconds(&bytes("clip.m4a"))).abs() < 0.2);
}

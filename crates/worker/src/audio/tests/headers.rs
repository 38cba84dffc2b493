//! WAV, RF64, W64 and AU files with wrong or incomplete headers: all samples in the file are decoded.

use super::*;

/// A chunk of a RIFF file.
fn chunk(name: &[u8], content: &[u8]) -> Vec<u8> {
    let size = content.len() as u32;
    [name, &size.to_le_bytes(), content].concat()
}

fn second() -> Vec<u8> {
    tone(16_000, 16_000, &[1.0])
}

fn check_seconds(bytes: &[u8], seconds: u64) -> (Recording, Vec<f32>) {
    let (recording, samples) = check(bytes);
    assert_eq!(recording.duration_ms, seconds * 1_000);
    let quarter = samples.len() / 4;
    assert!(
        rms(&samples[..quarter]) > 0.3 && rms(&samples[3 * quarter..]) > 0.3,
        "sound is missing"
    );
    (recording, samples)
}

#[test]
fn rf64_and_bw64_are_read() {
    let format = Wav::pcm(16_000, 1).bytes(b"")[20..36].to_vec();
    for name in [b"RF64", b"BW64"] {
        let mut sizes = vec![0; 28];
        sizes[8..16].copy_from_slice(&32_000_u64.to_le_bytes());
        let mut file = [&name[..], &[0xff; 4], b"WAVE"].concat();
        file.extend(chunk(b"ds64", &sizes));
        file.extend(chunk(b"fmt ", &format));
        file.extend(b"data\xff\xff\xff\xff");
        file.extend(second());
        file.extend(chunk(b"LIST", b"INFO"));
        check_seconds(&file, 1);
    }
}

#[test]
fn w64_and_au_are_read() {
    let tail = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a";
    let chunk = |name: &[u8; 4], content: &[u8]| {
        [
            &name[..],
            tail,
            &(content.len() as u64 + 24).to_le_bytes(),
            content,
        ]
        .concat()
    };
    let mut w64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0\0\0\0\0\0\0\0\0wave".to_vec();
    w64.extend(tail);
    w64.extend(chunk(b"fmt ", &Wav::pcm(16_000, 1).bytes(b"")[20..36]));
    w64.extend(chunk(b"data", &second()));
    check_seconds(&w64, 1);

    let big_endian: Vec<u8> = second()
        .chunks_exact(2)
        .flat_map(|pair| [pair[1], pair[0]])
        .collect();
    for size in [32_000_u32, u32::MAX] {
        let header = [28_u32, size, 3, 16_000, 1, 0]
            .map(u32::to_be_bytes)
            .concat();
        check_seconds(&[b".snd", header.as_slice(), &big_endian].concat(), 1);
    }
}

#[test]
fn headers_that_are_cut_off_are_refused() {
    let rf64 = [
        b"RF64",
        &[0xff; 4][..],
        b"WAVE",
        b"ds64\x1c\0\0\0",
        &[0; 28],
        b"fmt \x10\0\0\0",
        &[1; 16],
    ]
    .concat();
    let au = [
        &b".snd"[..],
        &[
            0, 0, 0, 28, 0, 0, 0, 9, 0, 0, 0, 3, 0, 0, 0x3e, 0x80, 0, 0, 0, 1,
        ],
    ]
    .concat();
    let w64 = [
        &b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0"[..],
        &[0; 40],
    ]
    .concat();
    for whole in [rf64, au, w64] {
        for length in 4..whole.len() {
            check_error(&whole[..length]);
        }
    }
}

#[test]
fn a_recorder_that_lost_power_left_its_samples() {
    // A broadcast header of 5 kB, longer than what is looked at first, and sizes that were never written.
    let mut file = Wav {
        data_size: Some(0),
        ..Wav::pcm(16_000, 1)
    }
    .bytes(&second());
    file[4..8].fill(0);
    file.splice(12..12, chunk(b"bext", &[0; 5_602]));
    check_seconds(&file, 1);

    // Its size leads nowhere.
    file[16..20].copy_from_slice(&0x7000_0000_u32.to_le_bytes());
    check_seconds(&file, 1);
}

#[test]
fn stale_sizes_hide_nothing() {
    let mut file = Wav::pcm(16_000, 1).bytes(&second());
    file.extend(second());
    let (recording, _) = check_seconds(&file, 2);
    assert!(!recording.truncated);
}

#[test]
fn joined_files_are_heard_whatever_their_format() {
    let first = Wav::pcm(16_000, 1).bytes(&second());
    let second_file = Wav::pcm(48_000, 2).bytes(&tone(48_000, 48_000, &[1.0, 1.0]));
    check_seconds(&[first.clone(), second_file].concat(), 2);
    check_seconds(&[first.clone(), first].concat(), 2);
}

#[test]
fn notes_behind_the_samples_are_no_sound() {
    let mut file = Wav::pcm(16_000, 1).bytes(&second());
    file.extend(chunk(b"LIST", &[b'a'; 9_000]));
    file.extend(chunk(b"id3 ", &[0; 9_000]));
    check_seconds(&file, 1);
    // A tag without a chunk around it.
    file.extend([b"TAG".as_slice(), &[0; 125]].concat());
    check_seconds(&file, 1);
}

#[test]
fn mixers_with_many_channels_are_read() {
    for channels in [12, 16, 32, 64] {
        let mut gains = vec![0.0; channels];
        gains[channels / 2] = 1.0;
        let (_, samples) = check_seconds(
            &Wav::pcm(16_000, channels as u16).bytes(&tone(16_000, 16_000, &gains)),
            1,
        );
        assert!(
            (rms(&samples) - 0.3535).abs() < 0.02,
            "{channels} channels: level {}",
            rms(&samples)
        );
    }
}

#[test]
fn floats_of_any_scale_are_heard_at_their_level() {
    let float = Wav {
        format: FLOAT,
        bits: 32,
        ..Wav::pcm(16_000, 1)
    };
    let scaled = |scale: f32| -> Vec<u8> {
        (0..16_000)
            .flat_map(|frame| ((TAU * 440.0 * frame as f32 / 16_000.0).sin() * scale).to_le_bytes())
            .collect()
    };
    // Full scale of 1, of 16-bit and of 32-bit integers.
    for scale in [0.5, 16_384.0, 1_073_741_824.0] {
        let (_, samples) = check_seconds(&float.bytes(&scaled(scale)), 1);
        assert!(
            (rms(&samples) - 0.3535).abs() < 0.01,
            "of {scale}: level {}",
            rms(&samples)
        );
    }
    // One wild value makes no integers of them.
    let mut wild = scaled(0.5);
    wild[400..404].copy_from_slice(&20_000.0_f32.to_le_bytes());
    check_seconds(&float.bytes(&wild), 1);
}

#[test]
fn a_recording_at_minus_70_db_keeps_its_sound() {
    let float = Wav {
        format: FLOAT,
        bits: 32,
        ..Wav::pcm(16_000, 1)
    };
    let sine = |frame: u32| (TAU * 440.0 * frame as f32 / 16_000.0).sin();
    let data: Vec<u8> = (0..32_000_u32)
        .flat_map(|frame| (sine(frame) * 3e-4).to_le_bytes())
        .collect();
    let (_, samples) = check(&float.bytes(&data));
    assert_eq!(samples.len(), 32_000);

    // Against the sine itself: 16 bits at the level of the file would leave 20 dB between sound and noise.
    let gain = samples.iter().copied().fold(0.0, f32::max);
    let noise: Vec<_> = samples
        .iter()
        .zip(0..)
        .map(|(sample, frame)| sample - sine(frame) * gain)
        .collect();
    let ratio = 20.0 * (rms(&samples) / rms(&noise)).log10();
    assert!(ratio > 60.0, "only {ratio} dB");

    // The noise of silence is not raised.
    let silence: Vec<u8> = (0..16_000_u32)
        .flat_map(|frame| (sine(frame) * 3e-5).to_le_bytes())
        .collect();
    let (_, samples) = check(&float.bytes(&silence));
    assert!(
        rms(&samples) < 1e-4,
        "silence came out at {}",
        rms(&samples)
    );
}

#[test]
fn a_format_that_only_ffmpeg_reads_is_named() {
    for (tag, name) in [(0x31, "GSM 6.10"), (0x45, "G.726"), (0x2000, "AC-3")] {
        let error = check_error(
            &Wav {
                format: tag,
                ..Wav::pcm(8_000, 1)
            }
            .bytes(&[0; 1_000]),
        );
        let AudioError::NeedsFfmpeg(found) = &error else {
            panic!("{error:?}")
        };
        assert!(
            found.contains(name) && error.to_string().contains("ffmpeg"),
            "{error}"
        );
    }
}

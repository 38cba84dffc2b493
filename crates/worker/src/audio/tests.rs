//! Tests of [`prepare`] from a file's bytes to the spool. Every signal is made here; real speech is the business of the tests
//! of the whole service.

use std::f32::consts::TAU;

use super::*;

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const AUTOMATIC: TrackChoice = TrackChoice::Automatic { skipped: 0 };

/// The header fields of a WAV, each of which a client may set to anything.
struct Wav {
    format: u16,
    rate: u32,
    channels: u16,
    bits: u16,
    /// `None` states the true size.
    data_size: Option<u32>,
}

impl Wav {
    fn pcm(rate: u32, channels: u16) -> Self {
        Self {
            format: PCM,
            rate,
            channels,
            bits: 16,
            data_size: None,
        }
    }

    fn bytes(&self, data: &[u8]) -> Vec<u8> {
        let block = self.channels * self.bits / 8;
        let size = self.data_size.unwrap_or(data.len() as u32);
        let mut bytes = Vec::new();
        bytes.extend(b"RIFF");
        bytes.extend(size.saturating_add(36).to_le_bytes());
        bytes.extend(b"WAVEfmt ");
        bytes.extend(16_u32.to_le_bytes());
        bytes.extend(self.format.to_le_bytes());
        bytes.extend(self.channels.to_le_bytes());
        bytes.extend(self.rate.to_le_bytes());
        bytes.extend(self.rate.wrapping_mul(u32::from(block)).to_le_bytes());
        bytes.extend(block.to_le_bytes());
        bytes.extend(self.bits.to_le_bytes());
        bytes.extend(b"data");
        bytes.extend(size.to_le_bytes());
        bytes.extend(data);
        bytes
    }
}

/// A tone of 440 Hz and half of full scale, `frames` long, with one gain for each channel.
fn tone(rate: u32, frames: u32, gains: &[f32]) -> Vec<u8> {
    (0..frames)
        .flat_map(|frame| {
            let sample = (TAU * 440.0 * frame as f32 / rate as f32).sin() * 16_384.0;
            gains
                .iter()
                .flat_map(move |gain| ((sample * gain) as i16).to_le_bytes())
        })
        .collect()
}

mod channels;
mod headers;
mod joined;
mod limits;
mod matroska;

struct Never;

impl Control for Never {
    fn should_stop(&self) -> bool {
        false
    }
}

/// Prepares `bytes` and returns the outcome and the spool's samples.
fn prepare_bytes(bytes: &[u8], limits: &Limits) -> Result<(Recording, Vec<f32>), AudioError> {
    let dir = tempfile::tempdir().unwrap();
    let (input, spool) = (dir.path().join("input"), dir.path().join("spool"));
    std::fs::write(&input, bytes).unwrap();
    let recording = prepare(&input, &spool, limits, AUTOMATIC, &Never)?;
    let end_sample = std::fs::metadata(&spool).unwrap().len() / 2;
    let samples = read_span(&spool, &Span::whole(0, end_sample)).unwrap();
    assert_eq!(recording.duration_ms, end_sample * 1000 / 16_000);
    Ok((recording, samples))
}

/// A recording of the end-to-end tests.
fn fixture(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(name)
}

fn check(bytes: &[u8]) -> (Recording, Vec<f32>) {
    prepare_bytes(bytes, &Limits::default()).unwrap()
}

fn check_error(bytes: &[u8]) -> AudioError {
    prepare_bytes(bytes, &Limits::default()).unwrap_err()
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).sqrt()
}

#[test]
fn every_rate_keeps_duration_level_and_time() {
    for rate in [
        4_000, 8_000, 11_025, 16_000, 22_050, 44_099, 44_100, 48_000, 96_000, 384_000,
    ] {
        // A second of silence, then a second of tone: the edge shows any shift in time.
        let mut data = vec![0; rate as usize * 2];
        data.extend(tone(rate, rate, &[1.0]));
        let (recording, samples) = check(&Wav::pcm(rate, 1).bytes(&data));

        assert_eq!(samples.len(), 32_000, "{rate} Hz");
        assert!(!recording.truncated);
        let edge = samples.iter().position(|s| s.abs() > 0.2).unwrap();
        assert!(
            edge.abs_diff(16_000) < 40,
            "{rate} Hz: the tone starts at sample {edge}"
        );
        let level = rms(&samples[17_000..31_000]);
        assert!((level - 0.3535).abs() < 0.01, "{rate} Hz: level {level}");
    }
}

#[test]
fn a_sound_shorter_than_the_filter_survives() {
    for rate in [8_000, 16_000, 44_099, 48_000] {
        let (recording, samples) = check(&Wav::pcm(rate, 1).bytes(&tone(rate, rate / 20, &[1.0])));
        assert_eq!(recording.duration_ms, 50, "{rate} Hz");
        assert!(rms(&samples) > 0.25, "{rate} Hz");
    }
}

#[test]
fn no_channel_layout_loses_the_voice() {
    let layouts: [&[f32]; 7] = [
        &[1.0, 1.0],
        &[1.0, -1.0],
        &[1.0, 0.0],
        &[0.0, 1.0],
        &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
        &[1.0; 8],
        &[0.0, -1.0, 1.0],
    ];
    for gains in layouts {
        let (_, samples) =
            check(&Wav::pcm(16_000, gains.len() as u16).bytes(&tone(16_000, 40_000, gains)));
        assert_eq!(samples.len(), 40_000);
        let level = rms(&samples);
        assert!((level - 0.3535).abs() < 0.01, "{gains:?}: level {level}");
    }
}

#[test]
fn a_change_of_layout_makes_no_click() {
    let mut data = tone(16_000, 40_000, &[1.0, 1.0]);
    data.extend(tone(16_000, 40_000, &[1.0, -1.0]));
    data.extend(tone(16_000, 40_000, &[0.0, 1.0]));
    let (_, samples) = check(&Wav::pcm(16_000, 2).bytes(&data));
    // The tone itself moves by at most 0.087 from sample to sample.
    let step = samples
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .fold(0.0, f32::max);
    assert!(step < 0.2, "jumps by {step}");
    assert!(
        samples.chunks(1_600).all(|chunk| rms(chunk) > 0.17),
        "the voice drops out"
    );
}

#[test]
fn a_quiet_second_speaker_is_kept() {
    let (_, samples) = check(&Wav::pcm(16_000, 2).bytes(&{
        let loud = tone(16_000, 40_000, &[1.0]);
        let quiet = (0..40_000_u32).map(|i| if i / 20 % 2 == 0 { 3_000_i16 } else { -3_000 });
        loud.chunks_exact(2)
            .zip(quiet)
            .flat_map(|(l, q)| [l[0], l[1], q.to_le_bytes()[0], q.to_le_bytes()[1]])
            .collect::<Vec<_>>()
    }));
    // Half a period of the quiet square wave apart, the tone aside, samples differ by the square's height.
    let square: f32 = samples
        .iter()
        .enumerate()
        .map(|(i, s)| if i / 20 % 2 == 0 { *s } else { -*s })
        .sum();
    assert!(
        square / samples.len() as f32 > 0.03,
        "the quiet channel is gone: {square}"
    );
}

#[test]
fn samples_that_are_no_numbers_become_silence() {
    let float = Wav {
        format: FLOAT,
        bits: 32,
        ..Wav::pcm(16_000, 1)
    };
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let (_, samples) = check(&float.bytes(&value.to_le_bytes().repeat(16_000)));
        assert!(
            samples.len() == 16_000 && samples.iter().all(|s| *s == 0.0),
            "{value}"
        );
    }
    let (_, samples) = check(&float.bytes(&1e38_f32.to_le_bytes().repeat(16_000)));
    assert!(samples.iter().all(|s| (0.99..=1.0).contains(s)));
    let nan_at_48k = Wav {
        rate: 48_000,
        channels: 2,
        ..float
    };
    let mut data = f32::NAN.to_le_bytes().repeat(2 * 4_800);
    data.extend(0.25_f32.to_le_bytes().repeat(2 * 48_000));
    let (_, samples) = check(&nan_at_48k.bytes(&data));
    assert!(
        (samples[10_000] - 0.25).abs() < 0.01,
        "NaN spread through the filter"
    );
}

#[test]
fn a_wav_from_a_pipe_is_read_to_its_end() {
    let data = tone(16_000, 16_000, &[1.0]);
    for data_size in [0xffff_ffff, 0x7fff_ffff, 0] {
        let piped = Wav {
            data_size: Some(data_size),
            ..Wav::pcm(16_000, 1)
        };
        let (_, samples) = check(&piped.bytes(&data));
        assert!(
            samples.len() > 15_900,
            "{data_size:#x}: {} samples",
            samples.len()
        );
    }
    // No samples, but a chunk of notes follows: the notes are not sound.
    let mut noted = Wav::pcm(16_000, 1).bytes(b"");
    noted.extend(b"LIST\x04\0\0\0INFO");
    noted[4..8].copy_from_slice(&48_u32.to_le_bytes());
    assert!(matches!(check_error(&noted), AudioError::EmptyAudio));
}

#[test]
fn a_cut_wav_is_truncated() {
    let cut = Wav {
        data_size: Some(64_000),
        ..Wav::pcm(16_000, 1)
    };
    let (recording, samples) = check(&cut.bytes(&tone(16_000, 16_000, &[1.0])));
    assert!(recording.truncated);
    assert!(samples.len() > 14_000, "{} samples", samples.len());
}

#[test]
fn a_cut_aiff_is_truncated_and_not_refused() {
    // Read with seeking, symphonia refuses a file shorter than its header says.
    let mut bytes =
        b"FORM\0\0\xff\xffAIFFCOMM\0\0\0\x12\0\x01\0\0\x7d\0\0\x10\x40\x0c\xfa\0\0\0\0\0\0\0"
            .to_vec();
    bytes.extend(b"SSND\0\0\xfa\x08\0\0\0\0\0\0\0\0");
    bytes.extend(
        tone(16_000, 16_000, &[1.0])
            .chunks_exact(2)
            .flat_map(|pair| [pair[1], pair[0]]),
    );
    let (recording, samples) = check(&bytes);
    assert!(recording.truncated);
    assert!(samples.len() > 14_000, "{} samples", samples.len());
}

#[test]
fn every_sample_width_decodes() {
    for (format, bits, data) in [
        (PCM, 8, vec![192_u8]),
        (PCM, 24, vec![0, 0, 0x40]),
        (PCM, 32, vec![0, 0, 0, 0x40]),
        (FLOAT, 32, 0.5_f32.to_le_bytes().to_vec()),
        (FLOAT, 64, 0.5_f64.to_le_bytes().to_vec()),
    ] {
        let (_, samples) = check(
            &Wav {
                format,
                bits,
                ..Wav::pcm(16_000, 1)
            }
            .bytes(&data.repeat(16_000)),
        );
        assert_eq!(samples.len(), 16_000);
        assert!(
            samples.iter().all(|s| (s - 0.5).abs() < 0.01),
            "{bits} bits of format {format}"
        );
    }
}

#[test]
fn rates_and_channels_out_of_bounds_are_refused() {
    for (rate, channels) in [
        (1, 1),
        (3_999, 1),
        (384_001, 1),
        (4_000_000_000, 1),
        (16_000, 65),
        (0, 1),
        (16_000, 0),
    ] {
        let error = check_error(&Wav::pcm(rate, channels).bytes(&vec![0; 36_000]));
        let refused = matches!(
            error,
            AudioError::UnsupportedMedia(_) | AudioError::CorruptAudio(_)
        );
        assert!(refused, "{rate} Hz, {channels} channels: {error:?}");
    }
}

#[test]
fn what_holds_no_samples_is_empty() {
    assert!(matches!(check_error(b""), AudioError::EmptyAudio));
    assert!(matches!(
        check_error(&Wav::pcm(16_000, 1).bytes(b"")),
        AudioError::EmptyAudio
    ));
}

#[test]
fn what_is_no_audio_is_unsupported() {
    let mut state = 7_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // The top bit off: random bytes hold MP3 sync words, and this test is about files without any.
        (state >> 25) as u8
    })
    .take(100_000)
    .collect();
    let text = b"ffconcat version 1.0\nfile /etc/passwd\n".repeat(100);
    let transport: Vec<u8> = [&[0x47, 0x40, 0x11, 0x10][..], &[0xff; 184]]
        .concat()
        .repeat(50);
    for bytes in [
        &noise[..],
        &text,
        b"x",
        &[0; 10_000],
        b"RIFF\0\0\0\0AVI LIST",
        &transport,
    ] {
        let error = check_error(bytes);
        let refused = matches!(
            error,
            AudioError::UnsupportedMedia(_) | AudioError::NeedsFfmpeg(_)
        );
        assert!(refused, "{:?}: {error:?}", &bytes[..bytes.len().min(8)]);
    }
}

#[test]
fn a_known_container_without_sound_is_corrupt() {
    for bytes in [
        &b"fLaC\0\0\0\x22"[..],
        b"OggS\0\x02",
        b"RIFF\xff\xff\0\0WAVEfmt ",
    ] {
        let error = check_error(bytes);
        assert!(
            matches!(error, AudioError::CorruptAudio(_)),
            "{bytes:?}: {error:?}"
        );
    }
}

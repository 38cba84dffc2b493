//! One file through decoder, downmix, resampler, spool and speech detection, packet by packet.
//!
//! Called by [`prepare`](super::prepare) alone. Holds about a second of audio at a time, whatever the file's length. Opens no file: it
//! is given the two that it needs.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use super::cpu_limit::CpuLimit;
use super::decode::{Access, Decoder, PipedSamples, Step, too_costly};
use super::sink::{Gains, MAX_SPLIT_CHANNELS, Sink};
use super::{AudioError, Control, Limits, Recording, SAMPLE_RATE, Selection, TrackChoice};

/// A track that never gets louder is silent: about -80 dB of full scale, above the noise that players add.
const SILENT_PEAK: f32 = 1e-4;
/// Below this peak (-40 dB) 16 bits are too few: such a recording is decoded again and stored louder.
const QUIET_PEAK: f32 = 0.01;
/// The peak it is raised to.
const RAISED_PEAK: f32 = 0.25;
/// Tracks that are tried until one has sound.
const MAX_TRACKS: usize = 8;
/// Samples are stored as they are.
const NO_GAIN: Gains = [1.0; MAX_SPLIT_CHANNELS];

/// Decodes `input` into `spool` and plans the spans.
pub(super) fn run(
    input: &File,
    spool: &File,
    limits: &Limits,
    selection: Selection,
    control: &dyn Control,
) -> Result<Recording, AudioError> {
    let files = Files {
        input,
        spool,
        limits,
        control,
    };

    let attempt = Attempt {
        access: Access::Seekable,
        choice: selection.track,
        splits_channels: selection.splits_channels,
        gains: NO_GAIN,
    };

    let error = match files.best(attempt) {
        Err(error) if error.is_about_the_file() => error,
        done => return done,
    };

    match files.best(Attempt {
        access: Access::Streamed,
        ..attempt
    }) {
        Ok(recording) => Ok(Recording {
            truncated: true,
            ..recording
        }),
        Err(stopped @ (AudioError::Stopped | AudioError::TooLong { .. })) => Err(stopped),
        Err(retry @ (AudioError::Input(_) | AudioError::Spool(_))) => Err(retry),
        // The first attempt's error describes the file better.
        Err(_) => Err(error),
    }
}

/// Stores what ffmpeg decodes, from a pipe, into `spool` and plans the spans.
pub(super) fn run_piped(
    pipe: impl Read,
    spool: &File,
    limits: &Limits,
    splits_channels: bool,
    control: &dyn Control,
) -> Result<Recording, AudioError> {
    let mut sink = Sink::new(spool, limits, splits_channels, NO_GAIN)?;

    let mut samples = PipedSamples::open(pipe)?;
    let mut block = Vec::new();
    let mut decoded_bytes: u64 = 0;
    loop {
        if control.should_stop() {
            return Err(AudioError::Stopped);
        }
        let shape = samples.next(&mut block)?;
        if block.is_empty() {
            break;
        }
        decoded_bytes += size_of_val(block.as_slice()) as u64;
        if decoded_bytes > limits.max_decoded_bytes {
            return Err(AudioError::TooLong {
                limit_seconds: limits.max_seconds,
            });
        }
        sink.push(shape, &block)?;
    }

    match sink.into_recording(false, Duration::ZERO, control)? {
        recording if recording.duration_ms == 0 => Err(AudioError::CorruptAudio(
            "ffmpeg finds no sound in it".into(),
        )),
        recording => Ok(recording),
    }
}

/// The inputs that all attempts at one file share.
struct Files<'a> {
    input: &'a File,
    spool: &'a File,
    limits: &'a Limits,
    control: &'a dyn Control,
}

/// Track and gain of one attempt.
#[derive(Clone, Copy)]
struct Attempt {
    access: Access,
    choice: TrackChoice,
    splits_channels: bool,
    gains: Gains,
}

/// A decoded file with what was measured.
struct Decoded {
    recording: Recording,
    /// The loudest sample of each channel that is stored, before its gain.
    peaks: Vec<f32>,
    /// Tracks with sound that the file says it has.
    tracks: usize,
}

impl Decoded {
    fn has_sound(&self) -> bool {
        self.peaks.iter().any(|peak| *peak >= SILENT_PEAK)
    }
}

impl Files<'_> {
    /// Decodes the track that has sound, at a level that 16 bits can hold.
    fn best(&self, attempt: Attempt) -> Result<Recording, AudioError> {
        let first = self.decode(attempt)?;
        let (found, attempt) = self.with_sound(attempt, first)?;
        let mut gains = NO_GAIN;
        for (gain, peak) in gains.iter_mut().zip(&found.peaks) {
            if (SILENT_PEAK..QUIET_PEAK).contains(peak) {
                *gain = RAISED_PEAK / peak;
            }
        }
        if gains == NO_GAIN {
            return Ok(found.recording);
        }
        Ok(self.decode(Attempt { gains, ..attempt })?.recording)
    }

    /// The first attempt, unless its track is silent and another one is not. Programs that record screens often leave the first track
    /// empty.
    fn with_sound(
        &self,
        attempt: Attempt,
        first: Decoded,
    ) -> Result<(Decoded, Attempt), AudioError> {
        let TrackChoice::Automatic { .. } = attempt.choice else {
            return Ok((first, attempt));
        };
        if first.has_sound() || first.tracks < 2 {
            return Ok((first, attempt));
        }

        for skipped in 1..first.tracks.min(MAX_TRACKS) as u16 {
            let next = Attempt {
                choice: TrackChoice::Automatic { skipped },
                ..attempt
            };
            match self.decode(next) {
                Ok(found) if found.has_sound() => return Ok((found, next)),
                Ok(_) => {}
                Err(error) if error.is_about_the_file() => {}
                Err(error) => return Err(error),
            }
        }
        // All are silent: the spool now holds another track, so decode the first again.
        Ok((self.decode(attempt)?, attempt))
    }

    fn decode(&self, attempt: Attempt) -> Result<Decoded, AudioError> {
        let Self {
            input,
            spool,
            limits,
            control,
        } = *self;
        let mut sink = Sink::new(spool, limits, attempt.splits_channels, attempt.gains)?;
        let cpu = CpuLimit::begin(limits.max_cpu);
        let longest_gap = limits.max_seconds as f64;
        let mut decoder = Decoder::open(input, attempt.access, attempt.choice, longest_gap, &cpu)?;
        let seen = self.decode_into(&mut sink, &mut decoder, &cpu)?;

        let tracks = decoder.tracks();
        let peaks = sink.peaks();
        let recording = sink.into_recording(seen.truncated, seen.damaged, control)?;
        if seen.blocks == 0 || recording.duration_ms == 0 {
            // A container with packets and no sound is damaged; one without packets is empty.
            return Err(match (seen.truncated, seen.silent_packets) {
                (false, 0) => AudioError::EmptyAudio,
                _ => AudioError::CorruptAudio("no sound could be decoded".into()),
            });
        }
        Ok(Decoded {
            recording,
            peaks,
            tracks,
        })
    }

    /// Decodes until the recording ends or the sink has enough.
    fn decode_into(
        &self,
        sink: &mut Sink<'_>,
        decoder: &mut Decoder,
        cpu: &CpuLimit,
    ) -> Result<Seen, AudioError> {
        let limits = self.limits;
        let mut block = Vec::new();
        let mut decoded_bytes: u64 = 0;
        let mut seen = Seen::default();
        while !sink.has_enough() {
            if self.control.should_stop() {
                return Err(AudioError::Stopped);
            }
            if cpu.is_exceeded() {
                return Err(too_costly());
            }

            let step = decoder.next(&mut block)?;
            let shape = match step {
                Step::Nothing => {
                    seen.silent_packets += 1;
                    continue;
                }
                Step::End { truncated } => {
                    seen.truncated = truncated;
                    break;
                }
                Step::Block(shape) | Step::Gap(shape) | Step::Lost(shape) => shape,
            };
            let frames = block.len() / shape.channels;
            match step {
                Step::Lost(_) => {
                    seen.damaged += Duration::from_secs_f64(frames as f64 / f64::from(shape.rate));
                }
                Step::Block(_) => seen.blocks += 1,
                _ => {}
            }
            decoded_bytes += size_of_val(block.as_slice()) as u64;
            if decoded_bytes > limits.max_decoded_bytes {
                return Err(AudioError::TooLong {
                    limit_seconds: limits.max_seconds,
                });
            }
            sink.push(shape, &block)?;
            cpu.note_decoded(Duration::from_secs(sink.samples() / u64::from(SAMPLE_RATE)));
        }
        Ok(seen)
    }
}

/// What one pass of the decoder found.
#[derive(Default)]
struct Seen {
    /// Packets without sound.
    silent_packets: u64,
    /// Blocks of sound.
    blocks: u64,
    /// Length of the sound that could not be decoded.
    damaged: Duration,
    /// The file ends before its recording does.
    truncated: bool,
}

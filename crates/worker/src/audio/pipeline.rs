//! One file through decoder, downmix, resampler, spool and speech detection, packet by packet.
//!
//! Called by [`prepare`](super::prepare) alone. Holds about a second of audio at a time, whatever the file's length. Opens no file: it
//! is given the two that it needs.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use super::cpu_limit::CpuLimit;
use super::decode::{Access, Decoder, PipedSamples, Shape, Step, too_costly};
use super::downmix::Downmix;
use super::plan::plan;
use super::resample::Resampler;
use super::speech::{Frames, Listener};
use super::spool::{SpoolWriter, quantise};
use super::{AudioError, Control, Limits, Recording, SAMPLE_RATE, TrackChoice, milliseconds};

/// A track that never gets louder is silent: about -80 dB of full scale, above the noise that players add.
const SILENT_PEAK: f32 = 1e-4;
/// Below this peak (-40 dB) 16 bits are too few: such a recording is decoded again and stored louder.
const QUIET_PEAK: f32 = 0.01;
/// The peak it is raised to.
const RAISED_PEAK: f32 = 0.25;
/// Tracks that are tried until one has sound.
const MAX_TRACKS: usize = 8;

/// Decodes `input` into `spool` and plans the spans.
pub(super) fn run(
    input: &File,
    spool: &File,
    limits: &Limits,
    choice: TrackChoice,
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
        choice,
        gain: 1.0,
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
    control: &dyn Control,
) -> Result<Recording, AudioError> {
    let mut sink = Sink::new(
        SpoolWriter::new(spool).map_err(AudioError::Spool)?,
        limits,
        1.0,
    );

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

    match sink.into_recording(false, Duration::ZERO)? {
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
    /// Factor applied to samples before they are stored.
    gain: f32,
}

/// A decoded file with what was measured.
struct Decoded {
    recording: Recording,
    /// Loudest sample, before the gain.
    peak: f32,
    /// Tracks with sound that the file says it has.
    tracks: usize,
}

impl Files<'_> {
    /// Decodes the track that has sound, at a level that 16 bits can hold.
    fn best(&self, attempt: Attempt) -> Result<Recording, AudioError> {
        let first = self.decode(attempt)?;
        let (found, attempt) = self.with_sound(attempt, first)?;
        if found.peak < SILENT_PEAK || found.peak >= QUIET_PEAK {
            return Ok(found.recording);
        }
        let gain = RAISED_PEAK / found.peak;
        Ok(self.decode(Attempt { gain, ..attempt })?.recording)
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
        if first.peak >= SILENT_PEAK || first.tracks < 2 {
            return Ok((first, attempt));
        }

        for skipped in 1..first.tracks.min(MAX_TRACKS) as u16 {
            let next = Attempt {
                choice: TrackChoice::Automatic { skipped },
                ..attempt
            };
            match self.decode(next) {
                Ok(found) if found.peak >= SILENT_PEAK => return Ok((found, next)),
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
        let mut sink = Sink::new(
            SpoolWriter::new(spool).map_err(AudioError::Spool)?,
            limits,
            attempt.gain,
        );
        let cpu = CpuLimit::begin(limits.max_cpu);
        let longest_gap = limits.max_seconds as f64;
        let mut decoder = Decoder::open(input, attempt.access, attempt.choice, longest_gap, &cpu)?;
        let mut block = Vec::new();
        let mut decoded_bytes: u64 = 0;
        let mut packets: u64 = 0;
        let mut blocks: u64 = 0;
        let mut damaged = Duration::ZERO;
        let truncated = loop {
            if control.should_stop() {
                return Err(AudioError::Stopped);
            }
            if cpu.is_exceeded() {
                return Err(too_costly());
            }

            let step = decoder.next(&mut block)?;
            let shape = match step {
                Step::Nothing => {
                    packets += 1;
                    continue;
                }
                Step::End { truncated } => break truncated,
                Step::Block(shape) | Step::Gap(shape) | Step::Lost(shape) => shape,
            };
            let frames = block.len() / shape.channels;
            match step {
                Step::Lost(_) => {
                    damaged += Duration::from_secs_f64(frames as f64 / f64::from(shape.rate));
                }
                Step::Block(_) => blocks += 1,
                _ => {}
            }
            decoded_bytes += size_of_val(block.as_slice()) as u64;
            if decoded_bytes > limits.max_decoded_bytes {
                return Err(AudioError::TooLong {
                    limit_seconds: limits.max_seconds,
                });
            }
            sink.push(shape, &block)?;
            cpu.note_decoded(Duration::from_secs(
                sink.spool.samples() / u64::from(SAMPLE_RATE),
            ));
        };

        let tracks = decoder.tracks();
        let peak = sink.peak;
        let recording = sink.into_recording(truncated, damaged)?;
        if blocks == 0 || recording.duration_ms == 0 {
            // A container with packets and no sound is damaged; one without packets is empty.
            return Err(match (truncated, packets) {
                (false, 0) => AudioError::EmptyAudio,
                _ => AudioError::CorruptAudio("no sound could be decoded".into()),
            });
        }
        Ok(Decoded {
            recording,
            peak,
            tracks,
        })
    }
}

/// Everything after the decoder.
struct Sink<'a> {
    spool: SpoolWriter<'a>,
    listener: Listener,
    filters: Option<Filters>,
    mono: Vec<f32>,
    resampled: Vec<f32>,
    quantised: Vec<i16>,
    limit_seconds: u64,
    gain: f32,
    /// Loudest sample before the gain.
    peak: f32,
}

/// The filters for sound of one shape.
struct Filters {
    shape: Shape,
    downmix: Downmix,
    resampler: Resampler,
}

impl<'a> Sink<'a> {
    fn new(spool: SpoolWriter<'a>, limits: &Limits, gain: f32) -> Self {
        Self {
            spool,
            listener: Listener::new(),
            filters: None,
            mono: Vec::new(),
            resampled: Vec::new(),
            quantised: Vec::new(),
            limit_seconds: limits.max_seconds,
            gain,
            peak: 0.0,
        }
    }

    fn push(&mut self, shape: Shape, block: &[f32]) -> Result<(), AudioError> {
        // A chained file may change its rate or channels: flush the old filters and make new ones.
        let has_changed = |filters: &Filters| filters.shape != shape;
        if self.filters.as_ref().is_some_and(has_changed) {
            self.end_filters()?;
        }

        let filters = self.filters.get_or_insert_with(|| Filters {
            shape,
            downmix: Downmix::new(shape.rate, shape.channels),
            resampler: Resampler::new(shape.rate),
        });
        filters.downmix.push(block, &mut self.mono);
        filters.resampler.push(&self.mono, &mut self.resampled);
        self.store()
    }

    fn end_filters(&mut self) -> Result<(), AudioError> {
        let Some(mut filters) = self.filters.take() else {
            return Ok(());
        };
        filters.downmix.finish(&mut self.mono);
        filters.resampler.push(&self.mono, &mut self.resampled);
        filters.resampler.finish(&mut self.resampled);
        self.store()
    }

    fn store(&mut self) -> Result<(), AudioError> {
        self.quantised.clear();
        self.peak = self
            .resampled
            .iter()
            .fold(self.peak, |peak, sample| peak.max(sample.abs()));
        self.quantised.extend(
            self.resampled
                .iter()
                .map(|&sample| quantise(sample * self.gain)),
        );
        self.mono.clear();
        self.resampled.clear();
        let samples = self.spool.samples() + self.quantised.len() as u64;
        if samples > self.limit_seconds.saturating_mul(u64::from(SAMPLE_RATE)) {
            return Err(AudioError::TooLong {
                limit_seconds: self.limit_seconds,
            });
        }
        self.listener.push(&self.quantised);
        self.spool.write(&self.quantised).map_err(AudioError::Spool)
    }

    /// The stored samples and the spans of speech in them.
    fn into_recording(self, truncated: bool, damaged: Duration) -> Result<Recording, AudioError> {
        let (samples, frames) = self.finish()?;
        Ok(Recording {
            duration_ms: milliseconds(samples),
            spans: plan(&frames, samples),
            truncated,
            damaged_ms: damaged.as_millis() as u64,
        })
    }

    /// Samples written and the detector's frames.
    fn finish(mut self) -> Result<(u64, Frames), AudioError> {
        self.end_filters()?;
        Ok((
            self.spool.finish().map_err(AudioError::Spool)?,
            self.listener.finish(),
        ))
    }
}

//! One file through decoder, downmix, resampler, spool and speech detection, packet by packet.
//!
//! Called by [`prepare`](super::prepare) alone. Holds about a second of audio at a time, whatever the file's length; never
//! opens a file other than the two it is given.

use std::path::Path;
use std::time::Duration;

use super::cpu_limit::CpuLimit;
use super::decode::{Access, Decoder, Shape, Step, too_costly};
use super::downmix::Downmix;
use super::plan::plan;
use super::resample::Resampler;
use super::speech::{Listener, regions};
use super::spool::{SpoolWriter, quantise};
use super::{AudioError, Control, Limits, Recording, SAMPLE_RATE, milliseconds};

/// Decodes `input` into `spool` and plans the spans.
pub(super) fn run(input: &Path, spool: &Path, limits: &Limits, control: &dyn Control) -> Result<Recording, AudioError> {
    let error = match decode(input, Access::Seekable, spool, limits, control) {
        Err(error @ (AudioError::CorruptAudio(_) | AudioError::UnsupportedMedia(_))) => error,
        done => return done,
    };
    match decode(input, Access::Streamed, spool, limits, control) {
        Ok(recording) => Ok(Recording { truncated: true, ..recording }),
        Err(stopped @ (AudioError::Stopped | AudioError::TooLong { .. })) => Err(stopped),
        Err(retry @ (AudioError::Input(_) | AudioError::Spool(_))) => Err(retry),
        // What the first attempt found is nearer to the truth.
        Err(_) => Err(error),
    }
}

fn decode(
    input: &Path,
    access: Access,
    spool: &Path,
    limits: &Limits,
    control: &dyn Control,
) -> Result<Recording, AudioError> {
    let mut sink = Sink::new(SpoolWriter::open(spool).map_err(AudioError::Spool)?, limits);
    let cpu = CpuLimit::begin(limits.max_cpu);
    let mut decoder = Decoder::open(input, access, &cpu)?;
    let mut block = Vec::new();
    let mut decoded_bytes: u64 = 0;
    let mut packets: u64 = 0;
    let mut damaged = Duration::ZERO;
    let truncated = loop {
        if control.should_stop() {
            return Err(AudioError::Stopped);
        }
        if cpu.is_exceeded() {
            return Err(too_costly());
        }
        match decoder.next(&mut block)? {
            Step::Nothing => packets += 1,
            step @ (Step::Block(shape) | Step::Lost(shape)) => {
                if matches!(step, Step::Lost(_)) {
                    let frames = block.len() / shape.channels;
                    damaged += Duration::from_secs_f64(frames as f64 / f64::from(shape.rate));
                }

                decoded_bytes += size_of_val(block.as_slice()) as u64;
                if decoded_bytes > limits.max_decoded_bytes {
                    return Err(AudioError::TooLong { limit_seconds: limits.max_seconds });
                }
                sink.push(shape, &block)?;
                cpu.note_decoded(Duration::from_secs(sink.spool.samples() / u64::from(SAMPLE_RATE)));
            }
            Step::End { truncated } => break truncated,
        }
    };
    let (samples, probabilities) = sink.finish()?;
    if samples == 0 {
        // A container that announced packets and gave no sound is damaged; one without packets is merely empty.
        return Err(match (truncated, packets) {
            (false, 0) => AudioError::EmptyAudio,
            _ => AudioError::CorruptAudio("no sound could be decoded".into()),
        });
    }
    Ok(Recording {
        duration_ms: milliseconds(samples),
        spans: plan(&regions(&probabilities), &probabilities, samples),
        truncated,
        damaged_ms: damaged.as_millis() as u64,
    })
}

/// Everything after the decoder.
struct Sink {
    spool: SpoolWriter,
    listener: Listener,
    stretch: Option<Stretch>,
    mono: Vec<f32>,
    resampled: Vec<f32>,
    quantised: Vec<i16>,
    limit_seconds: u64,
}

/// The filters for a stretch of constant shape.
struct Stretch {
    shape: Shape,
    downmix: Downmix,
    resampler: Resampler,
}

impl Sink {
    fn new(spool: SpoolWriter, limits: &Limits) -> Self {
        Self {
            spool,
            listener: Listener::new(),
            stretch: None,
            mono: Vec::new(),
            resampled: Vec::new(),
            quantised: Vec::new(),
            limit_seconds: limits.max_seconds,
        }
    }

    fn push(&mut self, shape: Shape, block: &[f32]) -> Result<(), AudioError> {
        // A chained file may change its rate or channels: the old filters give their tail, new ones begin.
        if self.stretch.as_ref().is_some_and(|stretch| stretch.shape != shape) {
            self.end_stretch()?;
        }
        let stretch = self.stretch.get_or_insert_with(|| Stretch {
            shape,
            downmix: Downmix::new(shape.rate, shape.channels),
            resampler: Resampler::new(shape.rate),
        });
        stretch.downmix.push(block, &mut self.mono);
        stretch.resampler.push(&self.mono, &mut self.resampled);
        self.store()
    }

    fn end_stretch(&mut self) -> Result<(), AudioError> {
        let Some(mut stretch) = self.stretch.take() else { return Ok(()) };
        stretch.downmix.finish(&mut self.mono);
        stretch.resampler.push(&self.mono, &mut self.resampled);
        stretch.resampler.finish(&mut self.resampled);
        self.store()
    }

    fn store(&mut self) -> Result<(), AudioError> {
        self.quantised.clear();
        self.quantised.extend(self.resampled.iter().map(|&sample| quantise(sample)));
        self.mono.clear();
        self.resampled.clear();
        let samples = self.spool.samples() + self.quantised.len() as u64;
        if samples > self.limit_seconds.saturating_mul(u64::from(SAMPLE_RATE)) {
            return Err(AudioError::TooLong { limit_seconds: self.limit_seconds });
        }
        self.listener.push(&self.quantised);
        self.spool.write(&self.quantised).map_err(AudioError::Spool)
    }

    /// Samples written and the probability of speech of each frame.
    fn finish(mut self) -> Result<(u64, Vec<u8>), AudioError> {
        self.end_stretch()?;
        Ok((self.spool.finish().map_err(AudioError::Spool)?, self.listener.finish()))
    }
}

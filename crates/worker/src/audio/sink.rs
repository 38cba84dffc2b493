//! Everything after the decoder: mixes or splits channels, resamples, writes the spool, finds speech.
//!
//! Called by [`pipeline`](super::pipeline) for every block of a file. Holds about a second of audio of each channel.

use std::fs::File;
use std::time::Duration;

use super::decode::Shape;
use super::downmix::{Downmix, sanitise};
use super::echo::{Repeats, repeats};
use super::plan::plan;
use super::resample::Resampler;
use super::speech::{FRAME_SAMPLES, Listener};
use super::spool::{SpoolWriter, join_regions, quantise};
use super::{AudioError, Control, Limits, Recording, SAMPLE_RATE, Span, Stretch, milliseconds};

/// Channels that are split; further ones are mixed into the last.
pub(super) const MAX_SPLIT_CHANNELS: usize = 8;
/// Samples of a millisecond. Split channels have whole milliseconds, so that the length of the recording gives the start of
/// each.
const MILLISECOND: u64 = SAMPLE_RATE as u64 / 1000;
/// Samples of silence that are analysed at a time.
const SILENT_SAMPLES: usize = 16 * FRAME_SAMPLES;

/// The factor of each channel's samples, applied before they are stored.
pub(super) type Gains = [f32; MAX_SPLIT_CHANNELS];

/// Takes the blocks of a file.
pub(super) struct Sink<'a> {
    file: &'a File,
    lanes: Vec<Lane<'a>>,
    filters: Option<Filters>,
    splits_channels: bool,
    gains: Gains,
    limit_samples: u64,
    enough_speech: Option<Duration>,
}

/// What is stored separately: one channel, or all of them mixed.
struct Lane<'a> {
    spool: SpoolWriter<'a>,
    listener: Listener,
    gain: f32,
    /// Loudest sample before the gain.
    peak: f32,
    mono: Vec<f32>,
    resampled: Vec<f32>,
    quantised: Vec<i16>,
}

/// The filters for sound of one shape.
struct Filters {
    shape: Shape,
    /// `None` where channels are split.
    downmix: Option<Downmix>,
    /// One for each lane.
    resamplers: Vec<Resampler>,
}

impl<'a> Sink<'a> {
    /// Empties the spool.
    pub(super) fn new(
        file: &'a File,
        limits: &Limits,
        splits_channels: bool,
        gains: Gains,
    ) -> Result<Self, AudioError> {
        let spool = SpoolWriter::new(file).map_err(AudioError::Spool)?;
        Ok(Self {
            file,
            lanes: vec![Lane::new(spool, gains[0])],
            filters: None,
            splits_channels,
            gains,
            limit_samples: limits.max_seconds.saturating_mul(u64::from(SAMPLE_RATE)),
            enough_speech: limits.enough_speech,
        })
    }

    /// Samples stored of each channel.
    pub(super) fn samples(&self) -> u64 {
        self.lanes[0].spool.samples()
    }

    /// The loudest sample of each channel, before its gain.
    pub(super) fn peaks(&self) -> Vec<f32> {
        self.lanes.iter().map(|lane| lane.peak).collect()
    }

    /// Whether there is as much speech as was asked for. What ffmpeg decodes is read to its end: ffmpeg would report a pipe
    /// that is closed earlier as an error.
    pub(super) fn has_enough(&self) -> bool {
        self.enough_speech.is_some_and(|enough| {
            self.lanes
                .iter()
                .any(|lane| lane.listener.speech() >= enough)
        })
    }

    pub(super) fn push(&mut self, shape: Shape, block: &[f32]) -> Result<(), AudioError> {
        // A chained file may change its rate or channels: the old filters yield their tail, new ones begin.
        let has_changed = |filters: &Filters| filters.shape != shape;
        if self.filters.as_ref().is_some_and(has_changed) {
            self.end_filters()?;
        }
        if self.filters.is_none() {
            self.begin_filters(shape)?;
        }

        let Some(filters) = &mut self.filters else {
            return Ok(());
        };
        match &mut filters.downmix {
            Some(downmix) => downmix.push(block, &mut self.lanes[0].mono),
            None => split(block, shape.channels, &mut self.lanes),
        }
        for (lane, resampler) in self.lanes.iter_mut().zip(&mut filters.resamplers) {
            resampler.push(&lane.mono, &mut lane.resampled);
        }
        self.store()
    }

    fn begin_filters(&mut self, shape: Shape) -> Result<(), AudioError> {
        let downmix = if self.splits_channels {
            self.add_lanes(shape.channels.min(MAX_SPLIT_CHANNELS))?;
            None
        } else {
            Some(Downmix::new(shape.rate, shape.channels))
        };
        let resamplers = self.lanes.iter().map(|_| Resampler::new(shape.rate));
        self.filters = Some(Filters {
            shape,
            downmix,
            resamplers: resamplers.collect(),
        });
        Ok(())
    }

    /// Makes at least `count` lanes. New ones start with silence up to the present length.
    fn add_lanes(&mut self, count: usize) -> Result<(), AudioError> {
        let samples = self.samples();
        while self.lanes.len() < count {
            let index = self.lanes.len();
            let spool = SpoolWriter::at(self.file, index as u64 * self.stride());
            let mut lane = Lane::new(spool, self.gains[index]);
            lane.skip(samples)?;
            self.lanes.push(lane);
        }
        Ok(())
    }

    /// Distance between the regions of two channels, in samples, while the length is not known. The unused part is a hole in the file.
    fn stride(&self) -> u64 {
        self.limit_samples + MILLISECOND
    }

    fn end_filters(&mut self) -> Result<(), AudioError> {
        let Some(filters) = self.filters.take() else {
            return Ok(());
        };
        if let Some(downmix) = filters.downmix {
            downmix.finish(&mut self.lanes[0].mono);
        }
        for (lane, mut resampler) in self.lanes.iter_mut().zip(filters.resamplers) {
            resampler.push(&lane.mono, &mut lane.resampled);
            resampler.finish(&mut lane.resampled);
        }
        self.store()
    }

    fn store(&mut self) -> Result<(), AudioError> {
        for lane in &mut self.lanes {
            lane.quantise();
            if lane.spool.samples() + lane.quantised.len() as u64 > self.limit_samples {
                return Err(AudioError::TooLong {
                    limit_seconds: self.limit_samples / u64::from(SAMPLE_RATE),
                });
            }
            lane.store()?;
        }
        Ok(())
    }

    /// What was stored, and where people speak in it.
    pub(super) fn into_recording(
        mut self,
        truncated: bool,
        damaged: Duration,
        control: &dyn Control,
    ) -> Result<Recording, AudioError> {
        self.end_filters()?;
        let (file, stride) = (self.file, self.stride());
        let mut samples = 0;
        let mut frames = Vec::new();
        for lane in self.lanes {
            samples = lane.spool.finish().map_err(AudioError::Spool)?;
            frames.push(lane.listener.finish());
        }

        let mut repeated = Repeats::default();
        if self.splits_channels {
            samples = samples.next_multiple_of(MILLISECOND);
            repeated = repeats(&frames);
            for (channel, frames) in frames.iter_mut().enumerate() {
                repeated.hide(channel, frames);
            }
            join(file, &repeated, frames.len(), stride, samples, control)?;
        }

        let spans = frames.iter().enumerate().flat_map(|(channel, frames)| {
            let first = channel as u64 * samples;
            let spans = plan(frames, samples);
            spans.into_iter().map(move |span| moved(span, first))
        });
        Ok(Recording {
            duration_ms: milliseconds(samples),
            spans: spans.collect(),
            truncated,
            damaged_ms: damaged.as_millis() as u64,
            channels: frames.len() as u64,
            is_one_sound: repeated.is_one_sound(),
        })
    }
}

/// Joins the channels one after the other, and silences a channel where it only repeats another.
fn join(
    file: &File,
    repeated: &Repeats,
    channels: usize,
    stride: u64,
    samples: u64,
    control: &dyn Control,
) -> Result<(), AudioError> {
    let edit = |channel: usize, place: u64, block: &mut [i16]| {
        if control.should_stop() {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let first = place as usize / FRAME_SAMPLES;
        for (index, frame) in block.chunks_mut(FRAME_SAMPLES).enumerate() {
            if repeated.has(channel, first + index) {
                frame.fill(0);
            }
        }
        Ok(())
    };
    let joined = join_regions(file, channels, stride, samples, edit);
    joined.map_err(|error| match error.kind() {
        std::io::ErrorKind::Interrupted => AudioError::Stopped,
        _ => AudioError::Spool(error),
    })
}

/// A span of a channel whose samples start at `first` in the spool.
fn moved(span: Span, first: u64) -> Span {
    let stretches = span.stretches.into_iter().map(|stretch| Stretch {
        start_sample: stretch.start_sample + first,
        end_sample: stretch.end_sample + first,
    });
    Span {
        stretches: stretches.collect(),
        ..span
    }
}

/// Gives each lane its channel of an interleaved block. Channels without a lane are mixed into the last; a lane without a
/// channel is silent.
fn split(block: &[f32], channels: usize, lanes: &mut [Lane<'_>]) {
    let last = lanes.len() - 1;
    for (index, lane) in lanes.iter_mut().enumerate() {
        let start = index.min(channels);
        let end = if index == last {
            channels
        } else {
            (index + 1).min(channels)
        };
        let own = start..end;
        let weight = 1.0 / own.len().max(1) as f32;
        let frames = block.chunks_exact(channels);
        lane.mono.extend(frames.map(|frame| {
            let samples = frame[own.clone()].iter().map(|sample| sanitise(*sample));
            samples.sum::<f32>() * weight
        }));
    }
}

impl<'a> Lane<'a> {
    fn new(spool: SpoolWriter<'a>, gain: f32) -> Self {
        Self {
            spool,
            listener: Listener::new(),
            gain,
            peak: 0.0,
            mono: Vec::new(),
            resampled: Vec::new(),
            quantised: Vec::new(),
        }
    }

    /// Appends this many samples of silence.
    fn skip(&mut self, samples: u64) -> Result<(), AudioError> {
        let mut left = samples as usize;
        while left > 0 {
            let count = left.min(SILENT_SAMPLES);
            self.listener.push(&[0; SILENT_SAMPLES][..count]);
            left -= count;
        }
        self.spool.skip(samples).map_err(AudioError::Spool)
    }

    fn quantise(&mut self) {
        let peak = self.resampled.iter().map(|sample| sample.abs());
        self.peak = peak.fold(self.peak, f32::max);

        let gain = self.gain;
        self.quantised.clear();
        self.quantised
            .extend(self.resampled.iter().map(|sample| quantise(sample * gain)));
        self.mono.clear();
        self.resampled.clear();
    }

    fn store(&mut self) -> Result<(), AudioError> {
        self.listener.push(&self.quantised);
        self.spool.write(&self.quantised).map_err(AudioError::Spool)
    }
}

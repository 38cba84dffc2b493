//! Interleaved audio of one to eight channels to one channel, without losing a voice.
//!
//! Called by [`pipeline`](super::pipeline). A plain average loses speech in two known ways: antiphase channels cancel out, and one
//! voice beside silent channels turns quiet. So each half second is measured: channels are averaged and the level restored,
//! and only where the average cancels the sound is the loudest channel used alone. Never drops a quiet channel:
//! it may be the other side of a telephone call.

/// Energy of the average, as a share of what unrelated channels would give, below which channels cancel each other.
const CANCELS_BELOW: f32 = 0.2;
/// The share above which averaging is safe again. Higher than the other threshold, so that the choice does not change all the time.
const SAFE_ABOVE: f32 = 0.5;
/// Another channel takes over only when it has this many times the energy.
const LOUDER_BY: f32 = 2.0;
/// Mean energy below which a block is silence and changes nothing (about -80 dB of full scale).
const SILENT_BELOW: f32 = 1e-8;
/// Weight of a new level in the running average, which follows a change within about a second and a half.
const LEVEL_STEP: f32 = 0.3;

/// Which channels the mono signal is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Average,
    Channel(usize),
}

/// Turns interleaved samples of one channel count into mono.
pub(super) struct Downmix {
    channels: usize,
    block_frames: usize,
    fade_frames: usize,
    pending: Vec<f32>,
    source: Source,
    /// Gain of the average; `None` until the first block with sound.
    level: Option<f32>,
    /// Weight of each channel at the end of the last block.
    weights: Vec<f32>,
}

impl Downmix {
    /// `rate` in Hz, `channels` of at least one.
    pub(super) fn new(rate: u32, channels: usize) -> Self {
        Self {
            channels,
            block_frames: (rate / 2) as usize,
            fade_frames: (rate / 50) as usize,
            pending: Vec::new(),
            source: Source::Average,
            level: None,
            weights: Vec::new(),
        }
    }

    /// Appends the finished part to `mono`; up to half a second stays buffered. Samples may have any value.
    pub(super) fn push(&mut self, interleaved: &[f32], mono: &mut Vec<f32>) {
        let clean = interleaved.iter().map(|&sample| sanitise(sample));
        if self.channels == 1 {
            mono.extend(clean);
            return;
        }
        self.pending.extend(clean);
        let block = self.block_frames * self.channels;
        let whole = self.pending.len() / block * block;
        let pending = std::mem::take(&mut self.pending);
        for samples in pending[..whole].chunks_exact(block) {
            self.mix(samples, mono);
        }
        self.pending.extend_from_slice(&pending[whole..]);
    }

    /// Appends the buffered rest.
    pub(super) fn finish(mut self, mono: &mut Vec<f32>) {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.mix(&pending, mono);
        }
    }

    fn mix(&mut self, block: &[f32], mono: &mut Vec<f32>) {
        self.weigh(block);
        let target = self.target();
        if self.weights.is_empty() {
            self.weights.clone_from(&target);
        }
        let fade = self.fade_frames.max(1) as f32;
        for (index, frame) in block.chunks_exact(self.channels).enumerate() {
            let done = (index as f32 / fade).min(1.0);
            let weights = self.weights.iter().zip(&target);
            let sample: f32 = frame
                .iter()
                .zip(weights)
                .map(|(s, (old, new))| s * (old + (new - old) * done))
                .sum();
            mono.push(sample.clamp(-1.0, 1.0));
        }
        self.weights = target;
    }

    /// Measures one block and chooses channels and gain.
    fn weigh(&mut self, block: &[f32]) {
        let count = self.channels as f32;
        let frames = (block.len() / self.channels) as f32;
        let mut energies = vec![0.0_f32; self.channels];
        let (mut average_energy, mut average_peak) = (0.0_f32, 0.0_f32);
        for frame in block.chunks_exact(self.channels) {
            for (energy, sample) in energies.iter_mut().zip(frame) {
                *energy += sample * sample / frames;
            }
            let average = frame.iter().sum::<f32>() / count;
            average_energy += average * average / frames;
            average_peak = average_peak.max(average.abs());
        }
        let total: f32 = energies.iter().sum();
        if total < SILENT_BELOW {
            return;
        }
        let (loudest, &loudest_energy) = energies
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1))
            .expect("there is at least one channel");

        let share = average_energy / (total / (count * count));
        self.source = match self.source {
            Source::Average if share >= CANCELS_BELOW => Source::Average,
            Source::Channel(_) if share > SAFE_ABOVE => Source::Average,
            Source::Channel(current) if loudest_energy < energies[current] * LOUDER_BY => {
                Source::Channel(current)
            }
            _ => Source::Channel(loudest),
        };
        if self.source == Source::Average {
            let wanted = (loudest_energy / average_energy).sqrt().clamp(1.0, count);
            let kept = self
                .level
                .map_or(wanted, |level| level + (wanted - level) * LEVEL_STEP);
            self.level = Some(kept.min(1.0 / average_peak.max(f32::MIN_POSITIVE)).max(1.0));
        }
    }

    fn target(&self) -> Vec<f32> {
        match self.source {
            Source::Average => {
                vec![self.level.unwrap_or(1.0) / self.channels as f32; self.channels]
            }
            Source::Channel(chosen) => (0..self.channels)
                .map(|i| f32::from(u8::from(i == chosen)))
                .collect(),
        }
    }
}

/// A float file may hold NaN, infinities or 1e38, and each would spread through every later filter.
pub(super) fn sanitise(sample: f32) -> f32 {
    if sample.is_finite() {
        sample.clamp(-1.0, 1.0)
    } else {
        0.0
    }
}

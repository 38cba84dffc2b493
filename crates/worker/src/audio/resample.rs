//! Mono audio of any rate to 16 kHz, block by block, with no shift in time.
//!
//! Called by [`pipeline`](super::pipeline), one resampler for each stretch of constant rate. Never keeps more than one chunk of
//! audio.

use audioadapter_buffers::direct::SequentialSlice;
use rubato::{Async, Fft, FixedAsync, FixedSync, Indexing, SincInterpolationParameters};

use super::SAMPLE_RATE;

/// Above this many input frames in a period common to both rates the FFT grows too large (44 099 Hz would need blocks of a
/// second), and sinc interpolation takes over.
const MAX_FFT_PERIOD: u32 = 4096;
const SINC_CHUNK: usize = 2048;

/// Resamples mono samples of one rate to 16 kHz.
pub(super) struct Resampler {
    /// `None` when the input is at 16 kHz already.
    inner: Option<Box<dyn rubato::Resampler<f32>>>,
    rate: u32,
    pending: Vec<f32>,
    chunk_out: Vec<f32>,
    /// Output samples still to be dropped: the filter's delay.
    delay: usize,
    frames_in: u64,
    samples_out: u64,
}

impl Resampler {
    /// `rate` is in Hz, within the bounds the decoder enforces.
    pub(super) fn new(rate: u32) -> Self {
        let inner = (rate != SAMPLE_RATE).then(|| build(rate));
        let delay = inner.as_ref().map_or(0, |inner| inner.output_delay());
        let chunk_out = vec![0.0; inner.as_ref().map_or(0, |inner| inner.output_frames_max())];
        Self {
            inner,
            rate,
            pending: Vec::new(),
            chunk_out,
            delay,
            frames_in: 0,
            samples_out: 0,
        }
    }

    /// Resamples `mono` and appends to `out`.
    pub(super) fn push(&mut self, mono: &[f32], out: &mut Vec<f32>) {
        self.frames_in += mono.len() as u64;
        if self.inner.is_none() {
            self.samples_out += mono.len() as u64;
            out.extend_from_slice(mono);
            return;
        }
        self.pending.extend_from_slice(mono);
        let mut used = 0;
        while let Some(consumed) = self.process(used, false, out) {
            used += consumed;
        }
        self.pending.drain(..used);
    }

    /// Appends the tail still inside the filter. In all, n frames of input give `round(n * 16000 / rate)` samples.
    pub(super) fn finish(mut self, out: &mut Vec<f32>) {
        let expected = (self.frames_in * u64::from(SAMPLE_RATE) + u64::from(self.rate / 2))
            / u64::from(self.rate);
        let start = out.len() as u64;
        let before = self.samples_out;
        while self.inner.is_some() && self.samples_out < expected {
            if self.process(0, true, out).is_none() {
                break;
            }
            self.pending.clear();
        }
        let surplus = self
            .samples_out
            .saturating_sub(expected)
            .min(self.samples_out - before);
        out.truncate((start + (self.samples_out - before) - surplus) as usize);
    }

    /// Resamples one chunk of `pending[used..]` and returns the frames it used, or `None` if a whole chunk is not there yet.
    /// At the end a short chunk is padded with silence.
    fn process(&mut self, used: usize, at_end: bool, out: &mut Vec<f32>) -> Option<usize> {
        let inner = self.inner.as_mut()?;
        let available = self.pending.len() - used;
        let needed = inner.input_frames_next();
        if available < needed && !at_end {
            return None;
        }
        let taken = available.min(needed);
        let indexing = Indexing::new().partial_len(taken);
        let input = SequentialSlice::new(&self.pending[used..used + taken], 1, taken).ok()?;
        let capacity = self.chunk_out.len();
        let mut output = SequentialSlice::new_mut(&mut self.chunk_out, 1, capacity).ok()?;
        let (_, produced) = inner
            .process_into_buffer(&input, &mut output, Some(&indexing))
            .expect("buffers have one channel and the sizes the resampler asked for");
        let dropped = self.delay.min(produced);
        self.delay -= dropped;
        self.samples_out += (produced - dropped) as u64;
        out.extend_from_slice(&self.chunk_out[dropped..produced]);
        Some(taken)
    }
}

fn build(rate: u32) -> Box<dyn rubato::Resampler<f32>> {
    if rate / gcd(rate, SAMPLE_RATE) > MAX_FFT_PERIOD {
        let ratio = f64::from(SAMPLE_RATE) / f64::from(rate);
        let parameters = SincInterpolationParameters::default();
        let sinc = Async::new_sinc(ratio, 1.0, &parameters, SINC_CHUNK, 1, FixedAsync::Input);
        return Box::new(sinc.expect("the ratio is positive and the chunk is not empty"));
    }
    // One block of about 32 ms: long enough for a steep filter below 8 kHz, short enough for little pre-echo.
    let chunk = (rate / 32) as usize;
    let fft = Fft::new_custom(
        rate as usize,
        SAMPLE_RATE as usize,
        chunk,
        1,
        1,
        rubato::WindowFunction::BlackmanHarris2,
        FixedSync::Input,
    );
    Box::new(fft.expect("both rates are positive and the chunk is not empty"))
}

fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

//! How long each stage of a span takes on this thread, for benchmarks: see the example `stages`.

use std::time::{Duration, Instant};

use crate::cache::Sequence;
use crate::decoder::Feed;
use crate::encoder::Times;
use crate::kernels::avx512::Avx512;
use crate::matrix::Gemm;
use crate::model::Model;

/// How often each stage is measured; the median counts.
const ROUNDS: usize = 5;
/// Steps of the decoder that are measured together.
const STEPS: usize = 20;
/// Products of a layer of the encoder for each frame, in squares of the width: three projections, one out, four wide, four narrow.
const LAYER_SQUARES: usize = 12;

/// A stage of a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// How long it takes.
    pub time: Duration,
    /// Products of two values that it computes.
    pub products: usize,
}

impl Model {
    /// The stages of a span of `frames` encoder frames. `samples` as for [`Engine::transcribe`](crate::Engine::transcribe).
    pub fn stages(&self, samples: &[f32], frames: usize) -> Vec<Stage> {
        let dimensions = self.dimensions();
        let frames = frames.min(dimensions.audio_context);
        let width = dimensions.state;
        let mut gemm = Gemm::new();
        let mut go_on = || Ok(());

        let spectrogram = self.spectrogram(samples, 2 * frames);
        let run = |gemm: &mut Gemm, go_on: &mut dyn FnMut() -> _| {
            let run = self.encoder.run_timed(&spectrogram, gemm, go_on);
            run.expect("nothing stops it")
        };
        let (encoded, _) = run(&mut gemm, &mut go_on);
        let times: Vec<Times> = (0..ROUNDS).map(|_| run(&mut gemm, &mut go_on).1).collect();
        let of = |part: fn(&Times) -> Duration| median(times.iter().map(part).collect());
        let stage = |name: &str, time, products| Stage {
            name: name.to_owned(),
            time,
            products,
        };
        let mut stages = vec![
            stage(
                "spectrogram",
                timed(|| self.spectrogram(samples, 2 * frames)),
                0,
            ),
            stage(
                "convolutions",
                of(|times| times.convolutions),
                frames * 3 * width * (2 * dimensions.mels + width),
            ),
            stage(
                "matrices of the encoder",
                of(|times| times.matrices),
                dimensions.audio_layers * frames * LAYER_SQUARES * width * width,
            ),
            stage(
                "attention of the encoder",
                of(|times| times.attention),
                dimensions.audio_layers * 2 * frames * frames * width,
            ),
        ];

        let hear = |gemm: &mut Gemm, go_on: &mut dyn FnMut() -> _| {
            let heard = self.decoder.hear(&encoded, gemm, go_on);
            heard.expect("nothing stops it")
        };
        stages.push(stage(
            "keys and values of the audio",
            timed(|| hear(&mut gemm, &mut go_on)),
            dimensions.text_layers * frames * 2 * width * width,
        ));
        for count in [1, 8] {
            let heard: Vec<_> = (0..count).map(|_| hear(&mut gemm, &mut go_on)).collect();
            let time = timed(|| self.decode(&heard, &mut gemm));
            stages.push(Stage {
                name: format!("a token of the decoder, {count} at a time"),
                time: time / (STEPS * count) as u32,
                products: 0,
            });
        }
        stages
    }

    fn decode(&self, heard: &[std::sync::Arc<crate::cache::Heard>], gemm: &mut Gemm) {
        let mut sequences: Vec<_> = heard.iter().map(Sequence::new).collect();
        let token = [self.vocabulary().special().first_timestamp];
        let mut logits = Vec::new();
        for _ in 0..STEPS {
            let feeds = sequences.iter_mut().map(|sequence| Feed {
                sequence,
                tokens: &token,
            });
            let mut feeds: Vec<_> = feeds.collect();
            let rows = self.decoder.step(&mut feeds, gemm, &mut || Ok(()));
            let rows = rows.expect("nothing stops it");
            self.decoder.logits(&rows, &mut logits, gemm);
        }
    }

    /// Products of 8-bit values in a second that one core can compute at most, where the engine has its own kernels.
    pub fn integer_peak() -> Option<f64> {
        Gemm::new().avx512.map(Avx512::integer_peak)
    }
}

/// The median time of some runs.
fn timed<T>(mut work: impl FnMut() -> T) -> Duration {
    let times = (0..ROUNDS).map(|_| {
        let began = Instant::now();
        work();
        began.elapsed()
    });
    median(times.collect())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

//! The baseline: whisper-rs alone on decoded audio in memory, used as in its documentation. Also measures the stages of our own
//! engine one by one.

use std::path::Path;

use steno_e2e::fixture;
use steno_weights::Cache;
use steno_worker::Control;
use steno_worker::audio::{Limits, Span, TrackChoice, prepare, read_span};
use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters};

use crate::report::{line, medians};

/// Weights and audio in memory.
pub(crate) struct Baseline {
    context: WhisperContext,
    samples: Vec<f32>,
}

/// How much of the audio whisper.cpp processes.
#[derive(Clone, Copy, PartialEq)]
enum Passes {
    /// To the end of the samples.
    All,
    /// Through one window.
    One,
    /// Through the encoder of one window, and one token.
    Encoder,
}

struct NeverStop;

impl Control for NeverStop {
    fn should_stop(&self) -> bool {
        false
    }
}

/// Decodes a recording and returns all samples.
pub(crate) fn decode(recording: &Path) -> Vec<f32> {
    let spool = tempfile::NamedTempFile::new().unwrap();
    prepare(
        recording,
        spool.path(),
        &Limits::default(),
        TrackChoice::asked(None),
        &NeverStop,
    )
    .unwrap();
    let samples = spool.path().metadata().unwrap().len() / 2;
    read_span(spool.path(), &Span::whole(0, samples)).unwrap()
}

impl Baseline {
    pub(crate) fn load(recording: &Path) -> Self {
        whisper_rs::install_logging_hooks();
        let weights = Cache::from_env().unwrap().open_verified("base").unwrap();
        let mut parameters = WhisperContextParameters::default();
        parameters.use_gpu(false).flash_attn(false);
        let context = WhisperContext::new_with_params(weights.path(), parameters).unwrap();
        Self {
            context,
            samples: decode(recording),
        }
    }

    /// The whole recording in one call: greedy, full context.
    pub(crate) fn transcribe(&self, threads: i32) -> String {
        self.run(threads, &self.samples, Passes::All)
    }

    fn run(&self, threads: i32, samples: &[f32], passes: Passes) -> String {
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 5 });
        params.set_n_threads(threads);
        params.set_language(Some("en"));
        params.set_single_segment(passes != Passes::All);
        params.set_max_tokens(i32::from(passes == Passes::Encoder));
        params.set_print_progress(false);
        params.set_print_realtime(false);
        params.set_print_timestamps(false);
        let mut state = self.context.create_state().unwrap();
        state.full(params, samples).unwrap();
        state
            .as_iter()
            .map(|segment| segment.to_str_lossy().unwrap().into_owned())
            .collect()
    }
}

/// Seconds of one thread for each stage of a recording.
pub(crate) fn stages() {
    let audio = fixture("minute.opus");
    let baseline = Baseline::load(&audio);
    let window = &baseline.samples[..28 * 16_000];
    let mut decoding = || {
        decode(&audio);
    };
    let mut encoding = || {
        baseline.run(1, window, Passes::Encoder);
    };
    let mut both = || {
        baseline.run(1, window, Passes::One);
    };
    let [decode, encode, whole] = medians(5, [&mut decoding, &mut encoding, &mut both]);
    let share = |seconds: f64, of: f64| format!("{:.4}", seconds / of);
    line(
        "decode, resample, find speech: CPU s per s of audio",
        &share(decode, 60.0),
        "",
    );
    line(
        "encode a whole window (weights as published): CPU s per s of audio",
        &share(encode, 28.0),
        "",
    );
    line(
        "decode its text: CPU s per s of audio",
        &share((whole - encode).max(0.0), 28.0),
        "",
    );
}

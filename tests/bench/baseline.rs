//! What the service is compared with: whisper-rs alone, on decoded audio in memory.

use std::path::Path;

use steno_weights::Cache;
use steno_worker::audio::{Control, Limits, Span, prepare, read_span};
use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters};

/// Weights and audio in memory.
pub(crate) struct Baseline {
    context: WhisperContext,
    samples: Vec<f32>,
}

struct NeverStop;

impl Control for NeverStop {
    fn should_stop(&self) -> bool {
        false
    }
}

/// Decodes a recording to 16 kHz mono s16 and yields its length in samples.
pub(crate) fn decode(recording: &Path, spool: &Path) -> u64 {
    std::fs::File::create(spool).unwrap();
    prepare(recording, spool, &Limits::default(), &NeverStop).unwrap();
    spool.metadata().unwrap().len() / 2
}

impl Baseline {
    pub(crate) fn load(recording: &Path) -> Self {
        whisper_rs::install_logging_hooks();
        let weights = Cache::from_env().unwrap().open_verified("base").unwrap();
        let mut parameters = WhisperContextParameters::default();
        parameters.use_gpu(false).flash_attn(false);
        let context = WhisperContext::new_with_params(weights.path(), parameters).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("pcm");
        let end_sample = decode(recording, &spool);
        let samples = read_span(&spool, &Span::whole(0, end_sample)).unwrap();
        Self { context, samples }
    }

    /// The whole recording in one call, one thread, greedy, full context: whisper-rs as its documentation shows it.
    pub(crate) fn transcribe(&self) {
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 5 });
        params.set_n_threads(1);
        params.set_language(Some("en"));
        params.set_print_progress(false);
        params.set_print_realtime(false);
        params.set_print_timestamps(false);
        let mut state = self.context.create_state().unwrap();
        state.full(params, &self.samples).unwrap();
        assert!(state.full_n_segments() > 0);
    }
}

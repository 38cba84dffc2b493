//! whisper-rs alone on whole files, as its documentation shows it.

use std::fs;

use serde_json::{Value, json};
use steno_weights::Cache;
use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters};

use crate::{Question, answer};

/// whisper.cpp refuses less than 100 ms.
const MIN_SAMPLES: usize = 3_200;

/// Transcribes one file after the other with two threads.
pub(crate) fn transcribe(questions: Vec<Question>) {
    whisper_rs::install_logging_hooks();
    let weights = Cache::from_env().unwrap().open_verified("base").unwrap();
    let mut parameters = WhisperContextParameters::default();
    parameters.use_gpu(false).flash_attn(false);
    let context = WhisperContext::new_with_params(weights.path(), parameters).unwrap();

    for question in questions {
        answer(&transcribe_file(&context, &question));
    }
}

fn transcribe_file(context: &WhisperContext, question: &Question) -> Value {
    let bytes = fs::read(&question.path).unwrap();
    let mut samples: Vec<f32> = bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    samples.resize(samples.len().max(MIN_SAMPLES), 0.0);

    let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 5 });
    params.set_n_threads(2);
    params.set_language(question.language.as_deref());
    params.set_print_progress(false);
    params.set_print_realtime(false);
    params.set_print_timestamps(false);

    let mut state = context.create_state().unwrap();
    state.full(params, &samples).unwrap();

    let segments: Vec<_> = state
        .as_iter()
        .map(|segment| {
            let seconds = |centiseconds: i64| centiseconds as f64 / 100.0;
            json!({
                "start": seconds(segment.start_timestamp()),
                "end": seconds(segment.end_timestamp()),
                "text": segment.to_str_lossy().unwrap(),
            })
        })
        .collect();
    json!({"id": question.id, "result": {"segments": segments}})
}

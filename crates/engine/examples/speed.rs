//! Compares the engine with whisper.cpp on the same spans, in turns: `speed WEIGHTS SPANS WAV...`, where the recordings are
//! 16 kHz mono of 16 bits, are cut every 20 s, and `SPANS` is how many the engine decodes at a time. Prints processor
//! seconds, medians of three rounds.

use std::path::Path;
use std::thread;

use rustix::time::{ClockId, clock_gettime};
use steno_engine::{Engine, Precision, Request, Strategy};
use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperState,
};

const SPAN_SAMPLES: usize = 20 * 16_000;
const FRAME_SAMPLES: usize = 320;
const MARGIN_FRAMES: usize = 144;
const ROUNDS: usize = 3;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let weights = arguments.next().expect("a file of weights");
    let at_a_time = arguments.next().expect("how many spans at a time");
    let at_a_time: usize = at_a_time.parse().expect("a number of spans");
    let recordings: Vec<Vec<f32>> = arguments.map(|file| read(&file)).collect();
    let spans: Vec<&[f32]> = recordings
        .iter()
        .flat_map(|recording| recording.chunks(SPAN_SAMPLES))
        .filter(|span| span.len() > 16_000)
        .collect();
    let seconds = spans.iter().map(|span| span.len()).sum::<usize>() as f64 / 16_000.0;

    let loading = cpu_seconds();
    let engine = Engine::open(Path::new(&weights), Precision::Int8, 1, || {}).expect("weights");
    println!("{:.2} s to load", cpu_seconds() - loading);
    whisper_rs::install_logging_hooks();
    let mut parameters = WhisperContextParameters::default();
    parameters.use_gpu(false).flash_attn(false);
    let context = WhisperContext::new_with_params(&weights, parameters).expect("weights");
    let mut state = context.create_state().expect("memory");

    let mut ours = Vec::new();
    let mut encoder = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..ROUNDS {
        let began = cpu_seconds();
        let tokens = run_native(&engine, &spans, at_a_time);
        ours.push(cpu_seconds() - began);

        let began = cpu_seconds();
        for span in &spans {
            let found = engine.first_token(span, frames(span), &|| false);
            found.expect("a run");
        }
        encoder.push(cpu_seconds() - began);

        let began = cpu_seconds();
        let their_tokens = spans
            .iter()
            .map(|span| run_whisper_cpp(&mut state, span))
            .sum::<usize>();
        theirs.push(cpu_seconds() - began);
        println!("tokens: {tokens} here, {their_tokens} by whisper.cpp");
    }

    let (ours, encoder, theirs) = (median(ours), median(encoder), median(theirs));
    let share = |cpu: f64| format!("{cpu:.2} s, {:.4} s for a second of sound", cpu / seconds);
    println!("{} spans, {seconds:.0} s", spans.len());
    println!("this engine: {}", share(ours));
    println!("its encoder and one step: {}", share(encoder));
    println!("whisper.cpp as the file is: {}", share(theirs));
    println!("ratio: {:.3}", ours / theirs);
}

fn frames(span: &[f32]) -> usize {
    let fitted = span.len().div_ceil(FRAME_SAMPLES) + MARGIN_FRAMES;
    fitted.next_multiple_of(16)
}

/// Tokens of all spans.
fn run_native(engine: &Engine, spans: &[&[f32]], at_a_time: usize) -> usize {
    let next = std::sync::atomic::AtomicUsize::new(0);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..at_a_time)
            .map(|_| {
                scope.spawn(|| {
                    let mut tokens = 0;
                    loop {
                        let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let Some(span) = spans.get(at) else {
                            return tokens;
                        };

                        let request = Request {
                            language: 0,
                            translate: false,
                            prompt: Vec::new(),
                            strategy: Strategy::Greedy,
                            frames: frames(span),
                            alignment: None,
                        };
                        let found = engine.transcribe(span, &request, &|| false);
                        tokens += found.expect("a run").tokens.len();
                    }
                })
            })
            .collect();

        callers
            .into_iter()
            .map(|caller| caller.join().expect("a caller"))
            .sum()
    })
}

fn run_whisper_cpp(state: &mut WhisperState, span: &[f32]) -> usize {
    let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
    params.set_n_threads(1);
    params.set_temperature_inc(0.0);
    params.set_no_context(true);
    params.set_single_segment(true);
    params.set_suppress_nst(true);
    params.set_language(Some("en"));
    params.set_print_progress(false);
    params.set_audio_ctx(frames(span) as i32);
    state.full(params, span).expect("a run");
    state
        .as_iter()
        .map(|segment| segment.n_tokens() as usize)
        .sum()
}

fn read(file: &str) -> Vec<f32> {
    let bytes = std::fs::read(file).expect("a recording");
    bytes[44..]
        .chunks_exact(2)
        .map(|sample| f32::from(i16::from_le_bytes([sample[0], sample[1]])) / 32_768.0)
        .collect()
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

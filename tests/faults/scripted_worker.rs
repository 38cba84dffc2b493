//! A worker whose engine derives its text from the samples and the prompt: deterministic, fast, and faulty on request.
//!
//! Everything around the engine is real. The first word of the prompt can be `wait:MS` (duration of a span), `abort`, `hang`, `panic`,
//! `fail`, `hallucinate` (all text is dropped) or `only:LANG` (no text in another language). The whole prompt is part of the text.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use steno_models::{Gap, GapReason, Segment};
use steno_store::Store;
use steno_worker::engine::{
    DetectedLanguage, Engine, EngineError, EngineRequest, Session, SpanText,
};
use steno_worker::{Config, Control, Ended, Worker};

const MODEL: &str = "base";
/// Pause between two checks of the control.
const TICK: Duration = Duration::from_millis(2);

struct Script;

impl Engine for Script {
    fn model(&self) -> &str {
        MODEL
    }

    fn models(&self) -> Vec<String> {
        vec![MODEL.to_owned()]
    }

    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Self)
    }
}

impl Session for Script {
    fn no_speech_probability(
        &mut self,
        _: &[f32],
        _: &str,
        _: &dyn Control,
    ) -> Result<f32, EngineError> {
        Ok(0.0)
    }

    fn detect_languages(
        &mut self,
        _: &[f32],
        _: &str,
        _: &dyn Control,
    ) -> Result<Vec<DetectedLanguage>, EngineError> {
        Ok(vec![DetectedLanguage {
            code: "en".to_owned(),
            probability: 1.0,
        }])
    }

    fn transcribe(
        &mut self,
        samples: &[f32],
        request: &EngineRequest,
        control: &dyn Control,
    ) -> Result<SpanText, EngineError> {
        let prompt = request.prompt.as_deref().unwrap_or_default();
        match prompt.split_whitespace().next().unwrap_or_default() {
            "abort" => std::process::abort(),
            "panic" => panic!("as the prompt says"),
            "hang" => loop {
                thread::park();
            },
            "fail" => {
                return Err(EngineError::failed("do as the prompt says")("scripted"));
            }
            "hallucinate" => return Ok(dropped(samples)),
            word if word
                .strip_prefix("only:")
                .is_some_and(|language| language != request.language) =>
            {
                return Ok(SpanText::default());
            }
            word => {
                let wait = word
                    .strip_prefix("wait:")
                    .and_then(|ms| ms.parse().ok())
                    .unwrap_or(0);
                work(Duration::from_millis(wait), control)?;
            }
        }

        let mut hasher = DefaultHasher::new();
        for sample in samples {
            sample.to_bits().hash(&mut hasher);
        }
        let segment = Segment {
            end: samples.len() as f64 / 16_000.0,
            text: format!("{:x} {prompt}", hasher.finish()).trim().to_owned(),
            avg_logprob: -0.1,
            compression_ratio: 1.0,
            tokens: vec![1],
            ..Segment::default()
        };

        Ok(SpanText {
            segments: vec![segment],
            ..SpanText::default()
        })
    }
}

/// All text was dropped.
fn dropped(samples: &[f32]) -> SpanText {
    let gap = Gap {
        start: 0.0,
        end: samples.len() as f64 / 16_000.0,
        reason: GapReason::Hallucination,
    };
    SpanText {
        dropped: vec![gap],
        ..SpanText::default()
    }
}

fn work(duration: Duration, control: &dyn Control) -> Result<(), EngineError> {
    let began = Instant::now();
    while began.elapsed() < duration {
        if control.should_stop() {
            return Err(EngineError::Stopped);
        }
        thread::sleep(TICK);
    }
    Ok(())
}

fn main() -> ExitCode {
    if let Some(code) = steno_worker::run_if_asked() {
        return code;
    }
    steno_settings::keep_files_private();
    let config: Config = steno_settings::parse();
    steno_settings::start_log(&config.log);
    match run(&config) {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::Broken) => ExitCode::from(75),
        Err(error) => {
            tracing::error!(error = &*error, "the worker ends");
            ExitCode::from(75)
        }
    }
}

fn run(config: &Config) -> Result<Ended, Box<dyn std::error::Error>> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&stop))?;
    let store = Store::open(config.place()?, config.store_settings())?
        .with_storage(config.queue.storage_url.as_deref())?;
    let clock = store.clock();
    let worker = Worker::start(config, Arc::new(store), Arc::new(Script), clock)?;
    tracing::info!("working with a script");
    Ok(worker.run(&stop)?)
}

//! Runs a model over many spans at once: threads that compute, and callers that wait.
//!
//! A caller blocks in [`Engine::transcribe`] or [`Engine::first_token`] on its own thread. The spans of all callers are
//! encoded one by one, and decoded together: sequences join and leave the batch at any step.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use crate::align::{Alignment, Head};
use crate::batch::{Batch, Goal, Job, Outcome};
use crate::matrix::Gemm;
use crate::model::Model;
use crate::search::{Strategy, Task, Transcript};
use crate::vocabulary::Token;
use crate::{LoadError, Precision, RunError, rules};

/// How often a waiting caller checks for progress.
const TICK: Duration = Duration::from_millis(5);

/// A model with the threads that compute. Threads end when it is dropped.
pub struct Engine {
    model: Arc<Model>,
    batch: Arc<Batch>,
}

/// How to transcribe a span.
#[derive(Clone, Debug)]
pub struct Request {
    /// Place of the language in `whisper`'s list; English-only models take no notice.
    pub language: usize,
    /// Translate into English instead of transcribing.
    pub translate: bool,
    /// Text before the span, as tokens. The last 223 count.
    pub prompt: Vec<Token>,
    /// How to choose tokens.
    pub strategy: Strategy,
    /// Frames of 20 ms that the encoder processes: those of the audio, and silence after it.
    pub frames: usize,
    /// Heads for the times of tokens, if requested: see [`alignment_heads`](crate::alignment_heads).
    pub alignment: Option<Arc<[Head]>>,
}

/// What is expected before the first token.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstToken {
    /// Probability of each language that the model knows, in the order of `whisper`'s list; of one for English-only models.
    pub languages: Vec<f32>,
    /// Probability that there is no speech.
    pub no_speech_probability: f32,
}

impl Engine {
    /// Loads a ggml file and starts `threads` threads. Each calls `on_start` before it computes.
    pub fn open(
        path: &Path,
        precision: Precision,
        threads: usize,
        on_start: fn(),
    ) -> Result<Self, LoadError> {
        let model = Arc::new(Model::open(path, precision)?);
        let threads = threads.max(1);
        let batch = Arc::new(Batch::new(threads));
        for _ in 0..threads {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(1)
                .thread_name(|_| "engine".to_owned())
                .start_handler(move |_| on_start())
                .build()?;
            let model = Arc::clone(&model);
            let batch = Arc::clone(&batch);
            // In a pool of one thread, rten computes on that thread alone.
            pool.spawn(move || batch.compute(&model));
        }
        Ok(Self { model, batch })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What was said in `samples`: 16 kHz mono, from -1 to 1, at most 30 s. `should_stop` is asked whenever the span made
    /// progress, and so is a sign of life; the run ends within a layer of it.
    pub fn transcribe(
        &self,
        samples: &[f32],
        request: &Request,
        should_stop: &dyn Fn() -> bool,
    ) -> Result<Transcript, RunError> {
        let task = Task {
            prompt: self.prompt(request),
            strategy: request.strategy,
            samples: samples.len(),
            alignment: self.alignment(request),
        };
        match self.run(samples, request.frames, Goal::Text(task), should_stop)? {
            Outcome::Text(transcript) => Ok(transcript),
            Outcome::Logits(_) => unreachable!("a text was asked for"),
        }
    }

    /// What is expected before the first token of `samples`. `frames` and `should_stop` as for `transcribe`.
    pub fn first_token(
        &self,
        samples: &[f32],
        frames: usize,
        should_stop: &dyn Fn() -> bool,
    ) -> Result<FirstToken, RunError> {
        let logits = match self.run(samples, frames, Goal::FirstToken, should_stop)? {
            Outcome::Logits(logits) => logits,
            Outcome::Text(_) => unreachable!("logits were asked for"),
        };

        let vocabulary = self.model.vocabulary();
        let special = vocabulary.special();
        let languages = if vocabulary.is_multilingual() {
            let first = special.start as usize + 1;
            rules::softmax(&logits[first..first + vocabulary.languages()])
        } else {
            vec![1.0]
        };
        Ok(FirstToken {
            languages,
            no_speech_probability: rules::softmax(&logits)[special.no_speech as usize],
        })
    }

    fn run(
        &self,
        samples: &[f32],
        frames: usize,
        goal: Goal,
        should_stop: &dyn Fn() -> bool,
    ) -> Result<Outcome, RunError> {
        let (job, ticket) = Job::new(samples.to_vec(), frames, goal);
        self.batch.submit(job);

        let mut seen = self.batch.progress(&ticket);
        loop {
            match ticket.result.recv_timeout(TICK) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Disconnected) => return Err(RunError::Failed),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let progress = self.batch.progress(&ticket);
            if progress != seen {
                seen = progress;
                if should_stop() {
                    ticket.stop();
                    return Err(RunError::Stopped);
                }
            }
        }
    }

    fn alignment(&self, request: &Request) -> Option<Alignment> {
        let vocabulary = self.model.vocabulary();
        let mut start = vec![vocabulary.special().start];
        start.extend(vocabulary.language(request.language));
        let heads = Arc::clone(request.alignment.as_ref()?);
        Some(Alignment { start, heads })
    }

    fn prompt(&self, request: &Request) -> Vec<Token> {
        let vocabulary = self.model.vocabulary();
        let special = vocabulary.special();
        let mut tokens = Vec::new();
        if !request.prompt.is_empty() && request.strategy.takes_prompts() {
            let most = self.model.dimensions().text_context / 2 - 1;
            let from = request.prompt.len().saturating_sub(most);
            tokens.push(special.previous);
            tokens.extend_from_slice(&request.prompt[from..]);
        }

        tokens.push(special.start);
        if let Some(language) = vocabulary.language(request.language) {
            tokens.push(language);
            tokens.push(if request.translate {
                special.translate
            } else {
                special.transcribe
            });
        }
        tokens
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.batch.close();
    }
}

/// What 8-bit products use on this processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The name of the instructions.
    pub name: String,
    /// How fast they are.
    pub speed: Speed,
}

/// How fast a kernel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// Measured: faster than whisper.cpp.
    Fast,
    /// Vector instructions that have not been measured against whisper.cpp.
    Unmeasured,
    /// Scalar code.
    Slow,
}

impl Kernel {
    /// The one for this processor.
    pub fn detect() -> Self {
        let gemm = Gemm::new();
        let name = gemm.integer_kernel().to_owned();
        let speed = if name.contains("generic") {
            Speed::Slow
        } else if cfg!(target_arch = "x86_64") {
            Speed::Fast
        } else {
            Speed::Unmeasured
        };
        Self { name, speed }
    }
}

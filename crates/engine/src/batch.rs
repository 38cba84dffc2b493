//! The queue of spans, and the threads that work on it.
//!
//! A thread encodes while a span waits for it and few spans are ready, else it steps its share of the spans that are being decoded.
//! A step has a cost of its own besides that of each sequence, so while one thread steps, others leave very small batches to it.

mod share;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use self::share::{first_up_to, share};
use crate::RunError;
use crate::align::{self, Alignment};
use crate::cache::{Heard, Sequence};
use crate::decoder::Feed;
use crate::matrix::Gemm;
use crate::model::Model;
use crate::search::{Search, Task, TextToken, Transcript};

/// Samples of an encoder frame.
const FRAME_SAMPLES: usize = 320;
/// Spans that are ready before further ones are encoded.
const READY: usize = 8;
/// Sequences whose logits are in memory at a time, except that those of one span are not parted: 0.2 MB each.
const LOGIT_ROWS: usize = 32;

/// What a caller wants.
pub(crate) enum Goal {
    /// The text of the span.
    Text(Task),
    /// The logits after the start of a transcript.
    FirstToken,
}

/// What a caller gets.
pub(crate) enum Outcome {
    Text(Transcript),
    Logits(Vec<f32>),
}

/// A span in the queue.
pub(crate) struct Job {
    samples: Vec<f32>,
    frames: usize,
    goal: Goal,
    state: Arc<State>,
    result: Sender<Result<Outcome, RunError>>,
}

/// What the caller of a span waits with.
pub(crate) struct Ticket {
    state: Arc<State>,
    pub(crate) result: Receiver<Result<Outcome, RunError>>,
}

/// What both sides know of a span.
#[derive(Default)]
struct State {
    stop: AtomicBool,
    /// Whether a thread works on it. A span in the queue is alive while any thread makes progress.
    is_running: AtomicBool,
    steps: AtomicU64,
}

/// A span that is being decoded.
struct Running {
    search: Search,
    heard: Arc<Heard>,
    /// What to align with, and over how many frames.
    alignment: Option<(Alignment, usize)>,
    state: Arc<State>,
    result: Sender<Result<Outcome, RunError>>,
}

/// All spans of a model.
pub(crate) struct Batch {
    queue: Mutex<Queue>,
    changed: Condvar,
    steps: AtomicU64,
    threads: usize,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    ready: Vec<Running>,
    /// Sequences that threads are stepping.
    stepping: usize,
    is_closed: bool,
}

impl Queue {
    /// Takes the spans that a thread should step now, the longest waiting first. `threads` is the number of all threads.
    fn take_share(&mut self, threads: usize) -> Option<Vec<Running>> {
        let widths = self.ready.iter().map(Running::width);
        let count = share(widths, self.stepping, threads);
        let taken: Vec<_> = self.ready.drain(..count).collect();
        self.stepping += taken.iter().map(Running::width).sum::<usize>();
        (count > 0).then_some(taken)
    }
}

impl Running {
    /// How many sequences its next step feeds.
    fn width(&self) -> usize {
        self.search.width()
    }
}

enum Work {
    Encode(Job),
    Step(Vec<Running>),
}

impl Job {
    pub(crate) fn new(samples: Vec<f32>, frames: usize, goal: Goal) -> (Self, Ticket) {
        let (sender, receiver) = channel();
        let state = Arc::new(State::default());
        let job = Self {
            samples,
            frames,
            goal,
            state: Arc::clone(&state),
            result: sender,
        };
        let ticket = Ticket {
            state,
            result: receiver,
        };
        (job, ticket)
    }
}

impl Ticket {
    pub(crate) fn stop(&self) {
        self.state.stop.store(true, Ordering::Relaxed);
    }
}

impl State {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Batch {
    /// A batch for this number of threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            queue: Mutex::default(),
            changed: Condvar::new(),
            steps: AtomicU64::new(0),
            threads,
        }
    }

    pub(crate) fn submit(&self, job: Job) {
        self.lock().waiting.push_back(job);
        self.changed.notify_all();
    }

    /// A number that changes when the span, or while it waits any span, is worked on.
    pub(crate) fn progress(&self, ticket: &Ticket) -> u64 {
        if ticket.state.is_running.load(Ordering::Relaxed) {
            ticket.state.steps.load(Ordering::Relaxed)
        } else {
            self.steps.load(Ordering::Relaxed)
        }
    }

    /// Ends the threads. No caller waits any more.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Works until the batch is closed.
    pub(crate) fn compute(&self, model: &Model) {
        let mut gemm = Gemm::new();
        while let Some(work) = self.next() {
            let stepping = match &work {
                Work::Encode(_) => 0,
                Work::Step(running) => running.iter().map(Running::width).sum(),
            };
            // A panic drops the spans of this work, whose callers then fail; the others go on.
            let done = catch_unwind(AssertUnwindSafe(|| match work {
                Work::Encode(job) => self.encode(job, model, &mut gemm).into_iter().collect(),
                Work::Step(running) => self.step(running, model, &mut gemm),
            }));
            if done.is_err() {
                gemm = Gemm::new();
            }

            let mut queue = self.lock();
            queue.stepping -= stepping;
            queue.ready.extend(done.into_iter().flatten());
            drop(queue);
            self.changed.notify_all();
        }
    }

    /// Waits for something to do. None once the batch is closed.
    fn next(&self) -> Option<Work> {
        let mut queue = self.lock();
        loop {
            if queue.is_closed {
                return None;
            }
            if queue.ready.len() < READY
                && let Some(job) = queue.waiting.pop_front()
            {
                return Some(Work::Encode(job));
            }
            if let Some(running) = queue.take_share(self.threads) {
                return Some(Work::Step(running));
            }
            let woken = self.changed.wait(queue);
            queue = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn encode(&self, job: Job, model: &Model, gemm: &mut Gemm) -> Option<Running> {
        job.state.is_running.store(true, Ordering::Relaxed);
        let mut check = || self.check(std::iter::once(&*job.state));
        let heard = model.encode(&job.samples, job.frames, gemm, &mut check);
        let heard = match heard {
            Ok(heard) => heard,
            Err(error) => {
                // The caller may be gone.
                let _ = job.result.send(Err(error));
                return None;
            }
        };

        match job.goal {
            Goal::Text(task) => Some(Running {
                search: Search::new(model, &heard, &task),
                alignment: task
                    .alignment
                    .map(|alignment| (alignment, task.samples / FRAME_SAMPLES)),
                heard,
                state: job.state,
                result: job.result,
            }),
            Goal::FirstToken => {
                let mut sequence = Sequence::new(&heard);
                let feed = Feed {
                    sequence: &mut sequence,
                    tokens: &[model.vocabulary().special().start],
                };
                let rows = model.decoder.step(&mut [feed], gemm, &mut check);
                let outcome = rows.map(|rows| {
                    let mut logits = Vec::new();
                    model.decoder.logits(&rows, &mut logits, gemm);
                    Outcome::Logits(logits)
                });
                let _ = job.result.send(outcome);
                None
            }
        }
    }

    /// One step of all sequences. Those that are not over yet.
    fn step(&self, mut batch: Vec<Running>, model: &Model, gemm: &mut Gemm) -> Vec<Running> {
        batch.retain(|running| !running.state.is_stopped());
        if batch.is_empty() {
            return batch;
        }
        let states: Vec<_> = batch
            .iter()
            .map(|running| Arc::clone(&running.state))
            .collect();
        let mut check = || self.check(states.iter().map(|state| &**state));
        let mut feeds: Vec<Feed<'_>> = batch
            .iter_mut()
            .flat_map(|running| running.search.feeds())
            .map(|(sequence, tokens)| Feed { sequence, tokens })
            .collect();
        let rows = model.decoder.step(&mut feeds, gemm, &mut check);
        drop(feeds);
        let Ok(rows) = rows else {
            // All of them were stopped.
            return Vec::new();
        };

        let mut rows = rows.as_slice();
        let mut left = Vec::with_capacity(batch.len());
        while !batch.is_empty() {
            let count = first_up_to(LOGIT_ROWS, batch.iter().map(Running::width));
            let others = batch.split_off(count);
            let width: usize = batch.iter().map(Running::width).sum();
            let (own, other_rows) = rows.split_at(width * model.decoder.width());
            left.extend(self.advance(batch, own, model, gemm));
            (batch, rows) = (others, other_rows);
        }
        left
    }

    /// Goes on with the texts, whose rows the decoder returned. Those that are not over yet.
    fn advance(
        &self,
        batch: Vec<Running>,
        rows: &[f32],
        model: &Model,
        gemm: &mut Gemm,
    ) -> Vec<Running> {
        let mut memory = std::mem::take(&mut gemm.logits);
        model.decoder.logits(rows, &mut memory, gemm);

        let size = model.vocabulary().size();
        let mut logits = memory.as_mut_slice();
        let mut left = Vec::with_capacity(batch.len());
        for mut running in batch {
            let (own, others) = logits.split_at_mut(running.width() * size);
            logits = others;
            match running.search.advance(own, model.vocabulary()) {
                Some(transcript) => self.finish(&running, transcript, model, gemm),
                None => left.push(running),
            }
        }
        gemm.logits = memory;
        left
    }

    /// Sends the transcript, with the times of its tokens if they are wanted.
    fn finish(
        &self,
        running: &Running,
        mut transcript: Transcript,
        model: &Model,
        gemm: &mut Gemm,
    ) {
        let mut result = Ok(());
        if let Some((alignment, frames)) = &running.alignment {
            let mut check = || self.check(std::iter::once(&*running.state));
            let end = model.vocabulary().special().end;
            let is_text = |token: &&mut TextToken| token.token < end;
            let text: Vec<_> = transcript.tokens.iter().map(|token| token.token).collect();
            let text: Vec<_> = text.into_iter().filter(|token| *token < end).collect();
            let heard = &running.heard;
            let ends = align::align(alignment, &text, *frames, model, heard, gemm, &mut check);
            result = ends.map(|ends| {
                let tokens = transcript.tokens.iter_mut().filter(is_text);
                for (token, end) in tokens.zip(ends) {
                    token.end = Some(end);
                }
            });
        }
        let result = result.map(|()| Outcome::Text(transcript));
        // The caller may be gone.
        let _ = running.result.send(result);
    }

    /// Notes progress of the spans. An error if all of them were stopped.
    fn check<'a>(&self, states: impl Iterator<Item = &'a State>) -> Result<(), RunError> {
        self.steps.fetch_add(1, Ordering::Relaxed);
        let mut is_stopped = true;
        for state in states {
            state.steps.fetch_add(1, Ordering::Relaxed);
            is_stopped &= state.is_stopped();
        }
        if is_stopped {
            Err(RunError::Stopped)
        } else {
            Ok(())
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole after every statement.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

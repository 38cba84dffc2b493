//! Decodes one span: what to feed the decoder next, and what to make of its logits. Greedy, at a temperature, or with beams.

use std::sync::Arc;

use fastrand::Rng;

use crate::align::Alignment;
use crate::cache::{Heard, Sequence};
use crate::model::Model;
use crate::rules::{self, Next, Place};
use crate::vocabulary::{Token, Vocabulary};

/// Spectrogram frames of a second.
const FRAMES_PER_SECOND: usize = 100;
/// Samples of a spectrogram frame.
const FRAME_SAMPLES: usize = 160;
/// Spectrogram frames of a timestamp's step.
const TIMESTAMP_FRAMES: usize = 2;
/// A text whose last timestamp is this close to the end, in frames, is over.
const END_FRAMES: usize = 10;
/// Texts that are cut off are kept up to their last timestamp if that is later than 15 s, else whole.
const LATE_FRAMES: usize = 15 * FRAMES_PER_SECOND;
/// There is no text where this is exceeded and the words are unlikely.
const NO_SPEECH: f32 = 0.6;
/// Mean log probability below which words are unlikely.
const UNLIKELY: f32 = -1.0;
/// From this temperature on, prompts are ignored.
const PROMPT_TEMPERATURE: f32 = 0.5;
/// Logits that are skipped together where all are too small.
const SEARCHED: usize = 256;

/// How to choose tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strategy {
    /// The likeliest token each time.
    Greedy,
    /// Drawn from the probabilities at a temperature above 0, by a generator with this seed.
    Sample {
        /// At most 1.
        temperature: f32,
        /// The same seed draws the same tokens.
        seed: u64,
    },
    /// The likeliest text among so many that are followed at once.
    Beams(usize),
}

/// A token of a transcript.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextToken {
    /// Its number. Timestamps are tokens too.
    pub token: Token,
    /// The logarithm of its probability.
    pub logprob: f32,
    /// When the decoder turned to the next token, in seconds, if that was asked for and it is text.
    pub end: Option<f32>,
}

/// What was said in a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    /// Text and timestamps, without the end of text.
    pub tokens: Vec<TextToken>,
    /// Probability that there is no speech, where whisper.cpp reads it: after the prompt.
    pub no_speech_probability: f32,
}

/// What to decode.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// Tokens before the transcript.
    pub(crate) prompt: Vec<Token>,
    pub(crate) strategy: Strategy,
    /// Length of the audio.
    pub(crate) samples: usize,
    /// For the times of tokens.
    pub(crate) alignment: Option<Alignment>,
}

/// A span that is being decoded.
pub(crate) struct Search {
    strategy: Strategy,
    random: Rng,
    /// Spectrogram frames of the audio.
    frames: usize,
    most_tokens: usize,
    beams: Vec<Beam>,
    finished: Vec<Text>,
    no_speech_probability: f32,
    started: bool,
}

/// A text that is followed.
struct Beam {
    sequence: Sequence,
    text: Text,
    /// What the decoder has not seen yet.
    pending: Vec<Token>,
}

/// A text so far.
#[derive(Clone, Default)]
struct Text {
    tokens: Vec<TextToken>,
    place: Place,
    logprob: f32,
}

/// A token that may continue a beam.
struct Candidate {
    beam: usize,
    token: Token,
    logprob: f32,
    total: f32,
}

impl Search {
    pub(crate) fn new(model: &Model, heard: &Arc<Heard>, task: &Task) -> Self {
        let beam = Beam {
            sequence: Sequence::new(heard),
            text: Text::default(),
            pending: task.prompt.clone(),
        };
        let seed = match task.strategy {
            Strategy::Sample { seed, .. } => seed,
            Strategy::Greedy | Strategy::Beams(_) => 0,
        };
        Self {
            strategy: task.strategy,
            random: Rng::with_seed(seed),
            frames: 1 + task.samples.saturating_sub(200) / FRAME_SAMPLES,
            most_tokens: model.decoder.context() / 2 - 4,
            beams: vec![beam],
            finished: Vec::new(),
            no_speech_probability: 0.0,
            started: false,
        }
    }

    /// The sequences to feed in the next step, with their tokens.
    pub(crate) fn feeds(&mut self) -> impl Iterator<Item = (&mut Sequence, &[Token])> {
        let beams = self.beams.iter_mut();
        beams.map(|beam| (&mut beam.sequence, beam.pending.as_slice()))
    }

    /// How many sequences the next step feeds.
    pub(crate) fn width(&self) -> usize {
        self.beams.len()
    }

    /// Goes on with the logits of the fed sequences. The transcript, once it is complete.
    pub(crate) fn advance(
        &mut self,
        logits: &mut [f32],
        vocabulary: &Vocabulary,
    ) -> Option<Transcript> {
        if !self.started {
            self.started = true;
            let no_speech = vocabulary.special().no_speech as usize;
            self.no_speech_probability = rules::softmax(logits)[no_speech];
        }

        match self.strategy {
            Strategy::Greedy => self.advance_one(logits, 0.0, vocabulary),
            Strategy::Sample { temperature, .. } => {
                self.advance_one(logits, temperature, vocabulary);
            }
            Strategy::Beams(count) => self.advance_beams(logits, count, vocabulary),
        }
        let is_over = self.beams.is_empty();
        is_over.then(|| self.result(vocabulary))
    }

    fn advance_one(&mut self, logits: &mut [f32], temperature: f32, vocabulary: &Vocabulary) {
        let beam = &mut self.beams[0];
        let next = rules::restrict(logits, beam.text.place, temperature, vocabulary);
        let token = if temperature > 0.0 {
            draw(&next, &mut self.random)
        } else {
            likeliest(&next)
        };
        beam.text.push(token, next.logprob(token), vocabulary);
        beam.pending = vec![token];
        if self.is_complete(&self.beams[0].text, vocabulary) {
            let beams = self.beams.drain(..);
            self.finished.extend(beams.map(|beam| beam.text));
        }
    }

    /// The best continuations of all beams together become the new beams. A text that is complete leaves its place to the
    /// next best one.
    fn advance_beams(&mut self, logits: &mut [f32], count: usize, vocabulary: &Vocabulary) {
        let mut candidates = Vec::with_capacity(self.beams.len() * (count + 1));
        let rows = logits.chunks_exact_mut(vocabulary.size());
        for (index, (beam, logits)) in self.beams.iter().zip(rows).enumerate() {
            let next = rules::restrict(logits, beam.text.place, 0.0, vocabulary);
            for token in best(&next, count + 1) {
                let logprob = next.logprob(token);
                candidates.push(Candidate {
                    beam: index,
                    token,
                    logprob,
                    total: beam.text.logprob + logprob,
                });
            }
        }
        candidates.sort_by(|a, b| b.total.total_cmp(&a.total));

        let mut next: Vec<(Candidate, Text)> = Vec::with_capacity(count);
        for candidate in candidates {
            if next.len() == count || self.finished.len() == count {
                break;
            }
            let mut text = self.beams[candidate.beam].text.clone();
            text.push(candidate.token, candidate.logprob, vocabulary);
            if self.is_complete(&text, vocabulary) {
                self.finished.push(text);
            } else {
                next.push((candidate, text));
            }
        }
        if self.finished.len() >= count {
            next.clear();
        }
        let beams = next.into_iter().map(|(candidate, text)| Beam {
            sequence: self.beams[candidate.beam].sequence.clone(),
            text,
            pending: vec![candidate.token],
        });
        self.beams = beams.collect();
    }

    fn is_complete(&self, text: &Text, vocabulary: &Vocabulary) -> bool {
        let special = vocabulary.special();
        let reached = |timestamp: Token| {
            let frame = (timestamp - special.first_timestamp) as usize * TIMESTAMP_FRAMES;
            frame + END_FRAMES >= self.frames
        };
        text.place.last == Some(special.end)
            || text.place.timestamp.is_some_and(reached)
            || text.tokens.len() >= self.most_tokens
    }

    fn result(&mut self, vocabulary: &Vocabulary) -> Transcript {
        let finished = std::mem::take(&mut self.finished).into_iter();
        let best = finished.max_by(|a, b| a.mean_logprob().total_cmp(&b.mean_logprob()));
        let mut best = best.expect("a search ends with a text");

        let special = vocabulary.special();
        let is_cut_off = best.tokens.len() >= self.most_tokens
            && best.place.last.is_some_and(|last| last != special.end);
        if let (true, Some(timestamp)) = (is_cut_off, best.place.timestamp) {
            let frame = (timestamp - special.first_timestamp) as usize * TIMESTAMP_FRAMES;
            let is_late = frame >= LATE_FRAMES;
            let last = best
                .tokens
                .iter()
                .rposition(|token| token.token == timestamp);
            if let (true, Some(last)) = (is_late, last) {
                best.tokens.truncate(last + 1);
            }
        }

        let no_speech_probability = self.no_speech_probability;
        if no_speech_probability > NO_SPEECH && best.mean_logprob() < UNLIKELY {
            best.tokens.clear();
        }
        best.tokens.retain(|token| token.token != special.end);
        Transcript {
            tokens: best.tokens,
            no_speech_probability,
        }
    }
}

impl Strategy {
    /// Whether a prompt is heeded.
    pub(crate) fn takes_prompts(self) -> bool {
        match self {
            Self::Sample { temperature, .. } => temperature < PROMPT_TEMPERATURE,
            Self::Greedy | Self::Beams(_) => true,
        }
    }
}

impl Text {
    fn push(&mut self, token: Token, logprob: f32, vocabulary: &Vocabulary) {
        self.tokens.push(TextToken {
            token,
            logprob,
            end: None,
        });
        self.logprob += logprob;
        self.place.advance(token, vocabulary);
    }

    fn mean_logprob(&self) -> f32 {
        self.logprob / self.tokens.len().max(1) as f32
    }
}

fn likeliest(next: &Next<'_>) -> Token {
    best(next, 1)[0]
}

/// The likeliest tokens, best first; of equal ones the first.
fn best(next: &Next<'_>, count: usize) -> Vec<Token> {
    let mut found: Vec<(f32, Token)> = Vec::with_capacity(count + 1);
    let mut floor = f32::NEG_INFINITY;
    for (at, logits) in next.logits.chunks(SEARCHED).enumerate() {
        if rules::largest(logits) <= floor {
            continue;
        }
        for (token, logit) in (at * SEARCHED..).zip(logits) {
            if *logit <= floor {
                continue;
            }
            let at = found.partition_point(|(other, _)| other >= logit);
            found.insert(at, (*logit, token as Token));
            if found.len() > count {
                found.truncate(count);
            }
            if found.len() == count {
                floor = found[count - 1].0;
            }
        }
    }
    found.into_iter().map(|(_, token)| token).collect()
}

fn draw(next: &Next<'_>, random: &mut Rng) -> Token {
    let probabilities = || (0..next.logits.len()).map(|token| next.logprob(token as Token).exp());
    let total: f32 = probabilities().sum();
    let mut left = random.f32() * total;
    for (token, probability) in probabilities().enumerate() {
        left -= probability;
        if left < 0.0 {
            return token as Token;
        }
    }
    // Rounding may leave a little.
    likeliest(next)
}

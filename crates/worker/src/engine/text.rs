//! From single runs of an engine to the text of a span: retries, guards against hallucination, word
//! times. Works with any engine; an engine provides one run and calls [`transcribe`].

mod guards;
mod overlap;
mod pace;
mod pauses;
mod repetition;
mod rest;
mod retry;
mod segments;
mod transcribe;
mod words;

pub(crate) use guards::avg_logprob;
pub(super) use retry::{Try, Window};
pub(super) use segments::{Decoded, Piece, segments};
pub(super) use transcribe::transcribe;
pub(super) use words::SpokenToken;

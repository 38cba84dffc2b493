//! The calls of OpenAI's audio API, so that its clients speak to Steno unchanged. Each transcription is a job like any other.
//!
//! Source: <https://platform.openai.com/docs/api-reference/audio>.

pub(crate) mod create_transcription;
pub(crate) mod models;
mod request;
mod stream;

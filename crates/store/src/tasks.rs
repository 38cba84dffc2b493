//! Tasks: what workers claim, finish and give back.

pub(crate) mod assemble;
pub(crate) mod claim;
pub(crate) mod fail;
pub(crate) mod fence;
pub(crate) mod fetch;
pub(crate) mod finish;
pub(crate) mod finish_diarize;
mod finish_prepare;
mod finish_span;
pub(crate) mod release;
pub(crate) mod types;
pub(crate) mod voices;

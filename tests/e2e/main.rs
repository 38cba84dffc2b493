//! What Steno promises, tried on real processes with real audio and real weights.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod asr;
mod async_openai;
mod bad_audio;
mod cases;
mod cli;
mod coverage;
mod crashes;
mod data_folder;
mod deletion;
mod description;
mod events;
mod fairness;
mod foreign_clients;
mod formats;
mod keys;
mod lifecycle;
mod limits;
mod local;
mod models;
mod monitoring;
mod openai;
mod operators;
mod options;
mod overload;
mod page;
mod problems;
mod proxies;
mod run_script;
mod structure;
mod submissions;
mod up;
mod voices;
mod webhook_signatures;
mod words;

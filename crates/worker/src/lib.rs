//! steno-worker: claims tasks, decodes audio, finds speech, runs Whisper, stores the text.
//!
//! Called by its own `main`. [`audio`] and [`engine`] know nothing of the queue; `decode_process`
//! keeps the bytes of untrusted clients out of this process; `task` connects them, and `worker` hands
//! the tasks to steno-runner. Never listens on the network.

pub mod audio;
mod config;
mod control;
mod decode_process;
pub mod engine;
mod priority;
mod speaker_networks;
mod start_error;
mod task;
mod weights;
mod worker;

pub use config::Config;
pub use control::Control;
pub use decode_process::run_if_asked;
pub use start_error::needs_operator;
pub use steno_runner::Ended;
pub use weights::load_engine;
pub use worker::Worker;

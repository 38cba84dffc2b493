//! steno-worker: claims tasks, decodes audio, finds speech, runs Whisper, stores what it said.
//!
//! Called by its own `main`. [`audio`] and [`engine`] know nothing of the queue; `decode_process` keeps strangers' bytes
//! out of this process; `task` brings them together; `slot` and `worker` are the threads around it. Never listens on the network.

pub mod audio;
mod config;
mod decode_process;
pub mod engine;
mod slot;
mod start_error;
mod task;
mod wakeup;
mod weights;
mod worker;

pub use config::Config;
pub use decode_process::run_if_asked;
pub use start_error::needs_operator;
pub use weights::load_engine;
pub use worker::{Ended, Worker};

//! steno-api: the HTTP server of Steno. Takes recordings in, answers for jobs, deletes.
//!
//! Called by its own `main`. Never decodes audio and never infers: it
//! reaches the queue through `ApiState`, and workers do the work.

mod address;
mod admission;
mod auth;
mod config;
mod connection;
mod cors;
mod extract;
mod follow;
mod forwarded;
mod group;
mod guard;
mod janitor;
mod job_log;
mod job_watch;
mod key_calls;
mod memory;
mod metrics;
mod middleware;
mod model_names;
mod openapi;
mod problem;
mod pulse;
mod receipt;
mod refusal_log;
mod renders;
mod retrieval;
mod routes;
mod server;
mod slices;
mod sse;
mod state;
mod static_files;
mod submission;
mod tcp;
mod upload;
mod wait;

pub use config::Config;
pub use model_names::ModelAlias;
pub use server::{Server, bind, needs_operator};

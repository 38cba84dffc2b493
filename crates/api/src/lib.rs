//! steno-api: the HTTP server of Steno. Takes recordings in, answers for jobs, deletes.
//!
//! Called by its own `main`, which is all the rest of the world needs of it. Never decodes audio and never infers: it
//! reaches the queue through `ApiState`, and workers do the work.

mod config;
mod extract;
mod janitor;
mod job_watch;
mod middleware;
mod problem;
mod retrieval;
mod routes;
mod server;
mod state;
mod upload;

pub use config::Config;
pub use server::{Server, bind};

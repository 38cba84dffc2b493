//! Tests of `steno-weights` through its public interface: no network, tiny models made here.
#![cfg(test)]

mod cache;
mod hostile;
mod http_server;
mod import;
mod model_fixture;
mod pull;
mod pull_fallback;
mod requantise;
mod speakers;

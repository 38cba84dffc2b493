//! Everything that leaves Steno: webhooks, and recordings that are fetched by URL.
//!
//! A process of its own, so that a slow receiver cannot delay transcription and the other processes need no outgoing
//! network. It never decodes a recording and never loads weights.

mod config;
mod courier;
mod dispatch;
mod download;
mod fetch;
mod outbound;
mod retry_schedule;
mod secrets_file;
mod signature;
#[cfg(test)]
mod test_queue;
mod webhook;

pub use config::Config;
pub use courier::Courier;
pub use download::{Beginning, Download, DownloadError, DownloadLimits, Downloaded, Sink};
pub use outbound::{
    AddressPolicy, InvalidNetwork, Outbound, OutboundError, Resolve, Resolved, SystemResolver,
};
pub use retry_schedule::{MAX_RETRY_PAUSE, next_attempt};
pub use secrets_file::{SecretsError, SecretsFile};
pub use signature::{InvalidSecret, WebhookSecret, sign};
pub use webhook::{Message, Outcome, WebhookLimits, send_webhook};

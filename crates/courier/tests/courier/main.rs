//! The courier's client against hostile addresses and hostile servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod hostile_addresses;
mod hostile_servers;
mod server;
mod support;
mod transfers;
mod webhooks;

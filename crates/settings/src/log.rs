//! The log: to standard error, as text or as one JSON object a line.

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// What to log and how.
#[derive(Args, Clone, Debug)]
pub struct LogSettings {
    /// What to log: error, warn, info, debug or trace, also by module as in `info,steno_worker=debug`.
    #[arg(long, env = "STENO_LOG", default_value = "info", value_name = "FILTER", value_parser = parse_filter)]
    pub log: String,

    /// How to write the log.
    #[arg(long, env = "STENO_LOG_FORMAT", default_value = "text", value_enum)]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// The engine's own chatter is only of interest when something is wrong, and what the decoders (`symphonia_core` and its likes) call
/// an error is a client's broken file, which the task reports. A client's broken connection is not a fault of the server either.
const QUIET: &str = "whisper_rs=warn,symphonia=off,actix_http::h1=off";

/// The driver of PostgreSQL logs statements with their values, transcripts among them, from `debug` on. This cannot be switched on.
const PRIVATE: &str = "tokio_postgres=warn,tokio_postgres::query=warn";

fn parse_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

/// Starts the log of this process. Panics are logged as well.
pub fn start_log(settings: &LogSettings) {
    let filter = EnvFilter::new(format!("{QUIET},{},{PRIVATE}", settings.log));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A log that cannot be written is lost; saying so would go to the same place, and fail.
    let lines = lines.log_internal_errors(false);
    match settings.log_format {
        LogFormat::Text => lines.with_ansi(is_colourful()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    std::panic::set_hook(Box::new(log_panic));
}

/// Whether colours are seen and wanted (<https://no-color.org>).
#[expect(
    clippy::disallowed_methods,
    reason = "NO_COLOR is not a setting of Steno"
)]
fn is_colourful() -> bool {
    std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A message that was formatted may quote data, and a transcript must not get into the log: only fixed ones are shown.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    let message = panic
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("message not shown");
    tracing::error!("panicked at {location}: {message}");
}

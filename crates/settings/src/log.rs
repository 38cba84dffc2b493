//! The log: to standard error, as text or as one JSON object a line.

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use clap::{Args, ValueEnum};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

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

/// Whether an event may be logged, whatever the settings say. From `debug` on, the driver of PostgreSQL logs statements with their
/// values, which include transcripts.
fn is_public(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("tokio_postgres") || *metadata.level() <= Level::WARN
}

fn parse_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

/// Starts the log of this process. Panics are logged as well.
pub fn start_log(settings: &LogSettings) {
    log_to(std::io::stderr, settings).init();
    std::panic::set_hook(Box::new(log_panic));
}

fn log_to<W>(writer: W, settings: &LogSettings) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::new(format!("{QUIET},{}", settings.log));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer);
    // A log that cannot be written is lost; saying so would go to the same place, and fail.
    let lines = lines.log_internal_errors(false);
    let is_public = filter_fn(is_public);
    match settings.log_format {
        LogFormat::Text => Box::new(lines.with_ansi(is_colourful()).finish().with(is_public)),
        LogFormat::Json => Box::new(lines.json().flatten_event(true).finish().with(is_public)),
    }
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is written to it can be read by the test.
    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_filter_shows_the_values_of_statements() {
        for (filter, log_format) in [
            ("debug", LogFormat::Text),
            ("trace,tokio_postgres::query=trace", LogFormat::Json),
            ("[call]=trace", LogFormat::Text),
        ] {
            let log = filter.to_owned();
            let settings = LogSettings { log, log_format };
            let buffer = Buffer::default();
            let writer = buffer.clone();
            let subscriber = log_to(move || writer.clone(), &settings);
            tracing::subscriber::with_default(subscriber, || {
                let _call = tracing::error_span!("call").entered();
                tracing::debug!(target: "tokio_postgres::query", "spoken text");
                tracing::warn!(target: "tokio_postgres::connection", "a warning");
                tracing::debug!("our own line");
            });

            let lines = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
            assert!(!lines.contains("spoken text"), "{filter}: {lines}");
            assert!(
                lines.contains("a warning") && lines.contains("our own line"),
                "{filter}: {lines}"
            );
        }
    }
}

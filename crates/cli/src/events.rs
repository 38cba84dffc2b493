//! `steno events`: what happens to a job, as it happens.

use clap::Args;
use steno_models::{JobId, JobProgress, JobStatus, Segment};

use crate::print;
use crate::progress::duration;
use crate::server::ServerArguments;
use crate::sse::Message;

/// Arguments of `steno events`.
#[derive(Args, Debug)]
pub(crate) struct EventsArguments {
    /// The job.
    id: JobId,
    /// Print the events as JSON, one a line, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// Prints the events of a job until it ends.
pub(crate) fn events(arguments: &EventsArguments) -> anyhow::Result<()> {
    Ok(arguments.server.client().follow(&arguments.id, |message| {
        if arguments.json {
            print::line(&format!(
                "{{\"event\":\"{}\",\"id\":\"{}\",\"data\":{}}}",
                message.event, message.id, message.data
            ));
        } else if let Some(line) = describe(&message) {
            print::text_line(&line);
        }
        matches!(message.event.as_str(), "completed" | "failed")
    })?)
}

/// An event for people; one of a kind that this program does not know is left out.
fn describe(message: &Message) -> Option<String> {
    match message.event.as_str() {
        "segment" => {
            let segment: Segment = serde_json::from_str(&message.data).ok()?;
            Some(format!(
                "[{} → {}] {}",
                clock(segment.start),
                clock(segment.end),
                segment.text
            ))
        }
        "progress" => {
            let progress: JobProgress = serde_json::from_str(&message.data).ok()?;
            let left = progress
                .eta_seconds
                .map(|seconds| format!(", about {} left", duration(seconds)));

            Some(format!(
                "{:.0} %{}",
                progress.progress * 100.0,
                left.unwrap_or_default()
            ))
        }
        "status" | "completed" | "failed" => {
            let job: JobStatus = serde_json::from_str(&message.data).ok()?;
            let reason = job
                .error
                .map(|error| format!(": {} ({})", error.message, error.code))
                .unwrap_or_default();
            Some(format!("{}{reason}", job.status))
        }
        _ => None,
    }
}

/// Minutes, seconds and milliseconds.
fn clock(seconds: f64) -> String {
    let ms = (seconds * 1000.0).round().max(0.0) as u64;
    format!("{:02}:{:02}.{:03}", ms / 60_000, ms / 1000 % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_printed_in_a_line() {
        let check = |event: &str, data: &str, expected: Option<&str>| {
            let message = Message {
                event: event.to_owned(),
                id: "1-1".to_owned(),
                data: data.to_owned(),
            };
            assert_eq!(describe(&message).as_deref(), expected, "{event}");
        };
        let segment = r#"{"id":0,"start":61.5,"end":62,"text":"Hello.","avg_logprob":0,"compression_ratio":1,
            "no_speech_prob":0,"temperature":0,"tokens":[]}"#;
        check("segment", segment, Some("[01:01.500 → 01:02.000] Hello."));
        check(
            "progress",
            r#"{"progress":0.5,"eta_seconds":61}"#,
            Some("50 %, about 1 min 01 s left"),
        );
        check("something new", "{}", None);
        check("segment", "broken", None);
    }
}

//! Numbers for Prometheus: what the queue has counted, how it is now, and the calls of this process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Label, Recorder as _, Unit};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use steno_models::{FailureCode, Status, TombstoneReason, WarningCode};
use steno_store::{Postponement, Statistics, TaskKind};

/// Bounds of the histogram of calls, in seconds. A long poll or a transcription is beyond the last.
const CALL_SECONDS: [f64; 8] = [0.005, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0, 60.0];
const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "DELETE", "OPTIONS"];
const CALLS: &str = "steno_http_request_seconds";

/// Every counter of the store: its name there, its name here, its label, and what it counts.
const COUNTERS: [(&str, &str, &str, &str); 13] = [
    (
        "jobs_submitted",
        "steno_jobs_submitted_total",
        "",
        "Jobs that were submitted",
    ),
    (
        "claims",
        "steno_claims_total",
        "kind",
        "Tasks that were claimed",
    ),
    (
        "task_seconds",
        "steno_task_seconds_total",
        "kind",
        "Seconds from claim to finish of tasks",
    ),
    (
        "speech_seconds",
        "steno_speech_seconds_total",
        "",
        "Seconds of speech that were transcribed",
    ),
    (
        "audio_seconds",
        "steno_audio_seconds_total",
        "",
        "Seconds of audio that were decoded",
    ),
    (
        "jobs_ended",
        "steno_jobs_ended_total",
        "how",
        "Jobs that completed, or failed with a code",
    ),
    (
        "crashes",
        "steno_crashes_total",
        "",
        "Tasks whose worker died",
    ),
    (
        "deletions",
        "steno_deletions_total",
        "reason",
        "Jobs that were deleted",
    ),
    (
        "warnings",
        "steno_result_warnings_total",
        "code",
        "Warnings in the results of completed jobs",
    ),
    (
        "postponed",
        "steno_postponed_total",
        "reason",
        "Tasks that were given back because of the machine",
    ),
    (
        "delivery_attempts",
        "steno_webhook_attempts_total",
        "outcome",
        "Attempts to deliver a webhook",
    ),
    (
        "fetches",
        "steno_fetches_total",
        "outcome",
        "Recordings that were fetched, or not, by reason",
    ),
    (
        "fetched_bytes",
        "steno_fetched_bytes_total",
        "",
        "Bytes of fetched recordings",
    ),
];

/// Codes that jobs fail with.
const FAILURES: [FailureCode; 8] = [
    FailureCode::UnsupportedMedia,
    FailureCode::CorruptAudio,
    FailureCode::EmptyAudio,
    FailureCode::AudioTooLong,
    FailureCode::ModelUnavailable,
    FailureCode::EngineError,
    FailureCode::WorkerCrashed,
    FailureCode::FetchFailed,
];
/// Reasons for which jobs are deleted.
const DELETIONS: [TombstoneReason; 3] = [
    TombstoneReason::Retrieved,
    TombstoneReason::Expired,
    TombstoneReason::Deleted,
];

/// Codes of warnings in results.
static WARNINGS: [WarningCode; 7] = [
    WarningCode::SpeechNotTranscribed,
    WarningCode::DamagedAudio,
    WarningCode::Truncated,
    WarningCode::LowConfidence,
    WarningCode::SeveralLanguages,
    WarningCode::LanguageMismatch,
    WarningCode::DiarizationFailed,
];

/// The numbers of this process.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

static METADATA: metrics::Metadata<'static> =
    metrics::Metadata::new("steno", metrics::Level::INFO, None);

impl Metrics {
    pub(crate) fn new() -> anyhow::Result<Arc<Self>> {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(CALLS.to_owned()), &CALL_SECONDS)?;
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        recorder.describe_histogram(
            CALLS.into(),
            Some(Unit::Seconds),
            "Seconds that calls took".into(),
        );

        for (_, name, _, what) in COUNTERS {
            recorder.describe_counter(name.into(), None, what.into());
        }
        for (name, what) in [
            ("steno_jobs", "Jobs there are, by status"),
            (
                "steno_oldest_job_seconds",
                "Seconds since the oldest job of a status was submitted",
            ),
            ("steno_workers", "Workers that are registered"),
            ("steno_couriers", "Couriers that are registered"),
            (
                "steno_open_webhooks",
                "Webhooks that are still to be delivered",
            ),
            (
                "steno_oldest_webhook_seconds",
                "Seconds since the oldest webhook that is still to be delivered was written",
            ),
            (
                "steno_open_fetches",
                "Recordings that are still to be fetched",
            ),
            (
                "steno_oldest_fetch_seconds",
                "Seconds since the job of the oldest recording that is still to be fetched was submitted",
            ),
            ("steno_connections", "Open connections"),
            (
                "steno_disk_free_bytes",
                "Free space on the disk of the data folder",
            ),
            (
                "steno_real_time_factor",
                "Seconds of a slot for each second of speech, over all that was done",
            ),
            (
                "steno_sweep_failed_steps",
                "Steps of the last sweep that failed; the log names them",
            ),
        ] {
            recorder.describe_gauge(name.into(), None, what.into());
        }

        Ok(Arc::new(Self { recorder, handle }))
    }

    /// Notes a call. `route` is the pattern of the address, never what a client sent.
    pub(crate) fn note_call(&self, method: &str, route: &str, status: u16, took: Duration) {
        // A client may send any word: each would be a series of its own.
        let method = if METHODS.contains(&method) {
            method
        } else {
            "other"
        };
        let labels = [
            ("method", method),
            ("route", route),
            ("status", &status.to_string()),
        ];
        let labels: Vec<_> = labels
            .into_iter()
            .map(|(name, value)| Label::new(name.to_owned(), value.to_owned()))
            .collect();
        let key = metrics::Key::from_parts(CALLS, labels);
        self.recorder
            .register_histogram(&key, &METADATA)
            .record(took.as_secs_f64());
    }

    /// Notes how a sweep went.
    pub(crate) fn note_sweep(&self, failed_steps: u32) {
        self.gauge("steno_sweep_failed_steps", &[])
            .set(f64::from(failed_steps));
    }

    /// The text that Prometheus reads.
    pub(crate) fn render(
        &self,
        statistics: &Statistics,
        connections: usize,
        free_bytes: u64,
    ) -> String {
        self.gauge("steno_connections", &[]).set(connections as f64);
        self.gauge("steno_disk_free_bytes", &[])
            .set(free_bytes as f64);
        for status in [
            Status::Pending,
            Status::Processing,
            Status::Completed,
            Status::Failed,
        ] {
            let found = statistics.jobs.iter().find(|(known, ..)| *known == status);
            let (count, age) = found.map_or((0, 0.0), |(_, count, age)| (*count, *age));
            self.gauge("steno_jobs", &[("status", status.as_str())])
                .set(count as f64);
            self.gauge("steno_oldest_job_seconds", &[("status", status.as_str())])
                .set(age);
        }

        self.gauge("steno_workers", &[])
            .set(statistics.workers as f64);
        self.gauge("steno_couriers", &[])
            .set(statistics.couriers as f64);
        self.gauge("steno_open_webhooks", &[])
            .set(statistics.open_deliveries as f64);
        self.gauge("steno_oldest_webhook_seconds", &[])
            .set(statistics.oldest_delivery_seconds);
        self.gauge("steno_open_fetches", &[])
            .set(statistics.open_fetches as f64);
        self.gauge("steno_oldest_fetch_seconds", &[])
            .set(statistics.oldest_fetch_seconds);
        self.gauge("steno_real_time_factor", &[])
            .set(real_time_factor(statistics));
        let mut text = self.handle.render();
        text.push_str(&counters(statistics));

        text
    }

    /// Lets go of what old calls have left. To be called about every ten seconds.
    pub(crate) fn run_upkeep(&self) {
        self.handle.run_upkeep();
    }

    fn gauge(&self, name: &'static str, labels: &[(&'static str, &'static str)]) -> metrics::Gauge {
        let labels: Vec<_> = labels
            .iter()
            .map(|(name, value)| Label::from_static_parts(name, value))
            .collect();
        self.recorder
            .register_gauge(&metrics::Key::from_parts(name, labels), &METADATA)
    }
}

/// Seconds of a slot for each second of speech, since the database was made; 0 before anything was transcribed.
fn real_time_factor(statistics: &Statistics) -> f64 {
    let total = |name: &str| {
        let values = statistics
            .counters
            .iter()
            .filter(|(known, ..)| known == name);
        values.map(|(.., value)| value).sum::<f64>()
    };
    let speech = total("speech_seconds");
    if speech > 0.0 {
        total("task_seconds") / speech
    } else {
        0.0
    }
}

/// The store's counters. They have parts of seconds, which the library's counters have not.
fn counters(statistics: &Statistics) -> String {
    let mut text = String::new();
    for (stored, name, label, what) in COUNTERS {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP {name} {what}\n# TYPE {name} counter");
        let counted = statistics
            .counters
            .iter()
            .filter(|(known, ..)| known == stored);
        let counted: BTreeMap<&str, f64> = counted
            .map(|(_, of, value)| (of.as_str(), *value))
            .collect();
        // Each series is there from the start: Prometheus sees no increase from nothing to 1.
        let mut values: BTreeMap<&str, f64> = known_labels(stored)
            .into_iter()
            .map(|of| (of, 0.0))
            .collect();
        values.extend(counted);
        for (of, value) in values {
            let labels = if label.is_empty() {
                String::new()
            } else {
                format!("{{{label}=\"{of}\"}}")
            };
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    }
    text
}

/// What the label of a counter can be; the empty one where it has none.
fn known_labels(stored: &str) -> Vec<&'static str> {
    match stored {
        "claims" | "task_seconds" => TaskKind::ALL.iter().map(|kind| kind.as_str()).collect(),
        "jobs_ended" => {
            let failures = FAILURES.iter().map(|code| code.as_str());
            std::iter::once(Status::Completed.as_str())
                .chain(failures)
                .collect()
        }
        "deletions" => DELETIONS.iter().map(|reason| reason.as_str()).collect(),
        "postponed" => Postponement::ALL
            .iter()
            .map(|reason| reason.as_str())
            .collect(),
        "delivery_attempts" => vec!["delivered", "failed", "retried"],
        "fetches" => vec!["fetched"],
        "warnings" => WARNINGS.iter().map(WarningCode::as_str).collect(),
        _ => vec![""],
    }
}

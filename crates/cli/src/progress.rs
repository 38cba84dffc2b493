//! Progress bars, for people: hidden where standard error is no terminal.

use std::io::Read;

use indicatif::{ProgressBar, ProgressStyle};
use steno_models::{JobStatus, Status};

/// Steps of the transcription's bar.
const STEPS: u64 = 1000;

/// The bar of one recording or download.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// indicatif draws to standard error, and only on a terminal.
    pub(crate) fn hidden_unless_terminal() -> Self {
        Self { bar: ProgressBar::no_length() }
    }

    /// A reader that moves the bar as its bytes go out.
    pub(crate) fn upload<R: Read>(&self, reader: R, bytes: u64) -> impl Read + use<R> {
        self.style("uploading    {bar:30} {bytes}/{total_bytes} {bytes_per_sec}");
        self.bar.set_length(bytes);
        self.bar.set_position(0);
        self.bar.wrap_read(reader)
    }

    /// Shows bytes of a named step.
    pub(crate) fn show_bytes(&self, step: &str, done: u64, total: Option<u64>) {
        self.style(&format!("{step:<12} {{bar:30}} {{bytes}}/{{total_bytes}} {{bytes_per_sec}}"));
        self.bar.set_length(total.unwrap_or(done));
        self.bar.set_position(done);
    }

    /// Shows where a job stands.
    pub(crate) fn show_status(&self, job: &JobStatus) {
        self.style("{msg:<12} {bar:30} {percent} %");
        self.bar.set_message(match (job.status, job.position) {
            (Status::Pending, Some(position)) => format!("waiting, {position}."),
            _ => "transcribing".to_owned(),
        });
        self.bar.set_length(STEPS);
        self.bar.set_position((job.progress * STEPS as f64) as u64);
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }
}

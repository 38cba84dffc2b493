//! Progress, for people: bars on a terminal, and a line when something changes where standard error goes elsewhere.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _, Read};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use steno_models::{JobStatus, Status};

use crate::print;

/// Steps of the transcription's bar.
const STEPS: u64 = 1000;

/// The bars of a command.
pub(crate) struct Board {
    bars: MultiProgress,
    shows_bars: bool,
    /// Messages that were written. Each is written only once.
    said: Mutex<BTreeSet<String>>,
}

/// The bar of one recording or download.
pub(crate) struct Progress {
    bar: ProgressBar,
    name: String,
}

impl Board {
    /// Bars on standard error, if it is a terminal.
    pub(crate) fn new() -> Self {
        Self::with(io::stderr().is_terminal())
    }

    fn with(shows_bars: bool) -> Self {
        let target = if shows_bars {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bars: MultiProgress::with_draw_target(target),
            shows_bars,
            said: Mutex::default(),
        }
    }

    /// Whether progress bars are visible.
    pub(crate) fn is_watched(&self) -> bool {
        self.shows_bars
    }

    /// A bar of that name; an empty name is not shown.
    pub(crate) fn add(&self, name: &str) -> Progress {
        let name = if name.is_empty() {
            String::new()
        } else {
            format!("{name}: ")
        };
        Progress {
            bar: self.bars.add(ProgressBar::no_length()),
            name,
        }
    }

    /// Writes a line as [`say`](Self::say) does, once for a command however many recordings it concerns.
    pub(crate) fn say_once(&self, text: &str) {
        let is_new = self
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(text.to_owned());
        if is_new {
            self.say(text);
        }
    }

    /// Writes a line on standard error without tearing the bars.
    pub(crate) fn say(&self, text: &str) {
        self.bars.suspend(|| print::note(text));
    }
}

impl Progress {
    /// A reader that moves the bar as its bytes go out.
    pub(crate) fn upload<R: Read>(&self, reader: R, bytes: u64) -> impl Read + use<R> {
        self.style("{msg}uploading    {bar:30} {bytes}/{total_bytes} {bytes_per_sec}");
        self.bar.set_message(self.name.clone());
        self.bar.set_length(bytes);
        self.bar.set_position(0);
        self.bar.wrap_read(reader)
    }

    /// Shows bytes of a named step.
    pub(crate) fn show_bytes(&self, step: &str, done: u64, total: Option<u64>) {
        self.style(&format!(
            "{step:<12} {{bar:30}} {{bytes}}/{{total_bytes}} {{bytes_per_sec}}"
        ));
        self.bar.set_length(total.unwrap_or(done));
        self.bar.set_position(done);
    }

    /// Shows the progress of a job.
    pub(crate) fn show_status(&self, job: &JobStatus) {
        if let Some(fetch) = job.fetch.as_ref().filter(|fetch| fetch.bytes > 0) {
            return self.show_bytes("fetching", fetch.bytes, fetch.total);
        }
        self.style("{msg:<12} {bar:30} {percent} %");
        self.bar
            .set_message(format!("{}{}", self.name, describe(job)));
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

fn describe(job: &JobStatus) -> String {
    match (job.status, job.position, job.eta_seconds) {
        (Status::Pending, ..) if job.fetch.is_some() => "waiting for its recording".to_owned(),
        (Status::Pending, Some(position), _) => format!("waiting, {position}."),
        (Status::Pending, None, _) => "waiting".to_owned(),
        (_, _, Some(seconds)) => format!("transcribing, about {} left", duration(seconds)),
        _ => "transcribing".to_owned(),
    }
}

/// A duration for people.
pub(crate) fn duration(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds.max(0.0))
        .unwrap_or_default()
        .as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_progress_is_drawn_without_a_terminal() {
        let board = Board::with(false);
        assert!(!board.is_watched());
        assert!(board.add("talk.wav").bar.is_hidden());
    }

    #[test]
    fn lengths_of_time_are_short() {
        assert_eq!(
            [0.4, 59.0, 61.0, 7322.0, f64::NAN].map(duration),
            ["0 s", "59 s", "1 min 01 s", "2 h 02 min", "0 s"]
        );
    }
}

//! Collects the options of a submission field by field, with every problem in them.

use std::collections::BTreeSet;

use super::{OPTIONS, OptionSpec};
use crate::{FieldProblem, TranscribeRequest};

/// Longest name of a field that an error repeats.
const MAX_QUOTED_CHARS: usize = 40;

/// Collects option fields one by one, in any order, and every problem with them.
///
/// ```
/// let mut fields = steno_models::OptionFields::default();
/// fields.set("language", "fr");
/// assert_eq!(fields.finish().unwrap().language.as_deref(), Some("fr"));
/// ```
#[derive(Debug, Default)]
pub struct OptionFields {
    request: TranscribeRequest,
    seen: BTreeSet<String>,
    problems: Vec<FieldProblem>,
}

impl OptionFields {
    /// Reads one field. A problem with it is kept for [`OptionFields::finish`].
    pub fn set(&mut self, name: &str, value: &str) {
        if !self.seen.insert(name.to_owned()) {
            self.refuse(name, "given more than once");
        } else if value.contains('\0') {
            self.refuse(name, "contains a NUL character");
        } else if let Err(detail) = assign(&mut self.request, name, value) {
            self.refuse(name, detail);
        }
    }

    /// Adds a problem with a field that is not an option, such as a second file.
    pub fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        let name: String = name.chars().take(MAX_QUOTED_CHARS).collect();
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        self.problems.push(FieldProblem {
            pointer,
            detail: detail.into(),
        });
    }

    /// The options so far, or every problem with them. [`OptionFields::finish`] checks options that depend on each other.
    pub fn so_far(&self) -> Result<&TranscribeRequest, &[FieldProblem]> {
        if self.problems.is_empty() {
            Ok(&self.request)
        } else {
            Err(&self.problems)
        }
    }

    /// The checked options, or every problem with them.
    pub fn finish(mut self) -> Result<TranscribeRequest, Vec<FieldProblem>> {
        self.check_together();
        if self.problems.is_empty() {
            Ok(self.request)
        } else {
            Err(self.problems)
        }
    }

    /// Checks options that depend on each other.
    fn check_together(&mut self) {
        self.check_speakers();
        if self.request.max_line_count.is_some() && self.request.max_line_width == Some(0) {
            self.refuse("max_line_count", "has no effect with max_line_width 0");
        }
        if !self.request.callback_events.is_empty() && self.request.callback_url.is_none() {
            self.refuse("callback_events", "needs callback_url");
        }
        if self.request.language.is_some() && !self.request.languages.is_empty() {
            self.refuse(
                "languages",
                "needs language left out, or auto: it says among which languages to detect",
            );
        }
    }
}

impl OptionFields {
    /// Numbers of speakers belong to `diarize` and go from the least to the most.
    fn check_speakers(&mut self) {
        for name in ["speakers", "min_speakers", "max_speakers"] {
            if self.seen.contains(name) && !self.request.diarize {
                self.refuse(name, "needs diarize=true");
            }
        }
        if !self.request.speaker_names.is_empty() && !self.request.names_speakers() {
            self.refuse("speaker_names", "needs diarize=true or channels=split");
        }
        if self.request.diarize && self.request.splits_channels() {
            self.refuse(
                "channels",
                "split goes without diarize: with it, each channel is a speaker",
            );
        }
        self.check_known_speakers();
        self.check_names_differ();
        let has_range = self.seen.contains("min_speakers") || self.seen.contains("max_speakers");
        if self.seen.contains("speakers") && has_range {
            self.refuse("speakers", "goes without min_speakers and max_speakers");
        }
        let (min, max) = (self.request.min_speakers, self.request.max_speakers);
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            self.refuse("min_speakers", "is more than max_speakers");
        }
    }

    /// Each known speaker has a reference.
    fn check_known_speakers(&mut self) {
        let names = self.request.known_speaker_names.len();
        let references = self.request.known_speaker_references.len();
        if names > 0 && !self.request.diarize {
            self.refuse("known_speaker_names", "needs diarize=true");
        }
        let was_refused = self
            .problems
            .iter()
            .any(|problem| problem.pointer.starts_with("/known_speaker"));
        if names != references && !was_refused {
            self.refuse(
                "known_speaker_references",
                format!("each known speaker needs one reference; there are {names} names and {references} references"),
            );
        }
    }

    /// A name in both lists could be given to two people.
    fn check_names_differ(&mut self) {
        let mut known = self.request.known_speaker_names.iter();
        let twice = known.find(|name| self.request.speaker_names.contains(name));
        if let Some(name) = twice {
            let detail = format!(
                "{name:?} is also in known_speaker_names; name each person once: in known_speaker_names if there is a \
                 recording of the voice"
            );
            self.refuse("speaker_names", detail);
        }
    }
}

fn assign(request: &mut TranscribeRequest, name: &str, value: &str) -> Result<(), String> {
    if let Some(option) = OptionSpec::find(name) {
        option.kind.check(value)?;
        return (option.set)(request, value);
    }
    if matches!(name, "audio_file" | "audio") {
        return Err("unknown field; send the recording in the field file".to_owned());
    }

    let known: Vec<_> = OPTIONS.iter().map(|option| option.name).collect();
    Err(format!(
        "unknown field; known are file, url, {}",
        known.join(", ")
    ))
}

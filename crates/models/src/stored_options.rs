//! The form in which the store keeps the options of a job, so that releases can run side by side on one queue.
//!
//! - Options at their default are left out, and options of a later release are kept as they are. Either
//!   release reads what the other wrote.
//! - The fingerprint of a submission is the same in every release that knows its options.
//! - A job that uses an option which changes the work says so. Workers that do not know it leave it alone.
//!
//! Used by the store. What clients send is checked in `request.rs`.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::options::{OptionSpec, Since};
use crate::{Task, TranscribeRequest};

/// What a plan may ask of workers besides options: that each span is transcribed in its own language.
const SPAN_LANGUAGES: &str = "span_languages";

/// What a job with known speakers also asks of workers: that they look for the recordings of the voices where the store keeps
/// them, and not among the options.
const REFERENCES_APART: &str = "references_apart";

/// The option that the api sets itself, and that no client can send.
const DETECT_ONLY: &str = "detect_only";

/// The options as the first release wrote them: all of them, in this order. Later options follow if they are used.
#[derive(Serialize)]
struct Canonical<'a> {
    language: &'a Option<String>,
    task: Task,
    model: &'a Option<String>,
    prompt: &'a Option<String>,
    temperature: Option<f32>,
    beam_size: Option<u8>,
    word_timestamps: bool,
    max_line_width: Option<u16>,
    max_line_count: Option<u8>,
    priority: i8,
    metadata: &'a Option<Map<String, Value>>,
    #[serde(flatten)]
    later: Map<String, Value>,
}

impl TranscribeRequest {
    /// The text that a submission's fingerprint is made of. Adding an option to a release must not change it:
    /// a client that repeats a submission after an upgrade gets its first job.
    pub fn canonical(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Canonical {
            language: &self.language,
            task: self.task,
            model: &self.model,
            prompt: &self.prompt,
            temperature: self.temperature,
            beam_size: self.beam_size,
            word_timestamps: self.word_timestamps,
            max_line_width: self.max_line_width,
            max_line_count: self.max_line_count,
            priority: self.priority,
            metadata: &self.metadata,
            later: self.later_options()?,
        })
    }

    /// Names of the options in use that a worker must know to do the job.
    pub fn requirements(&self) -> Result<Vec<String>, serde_json::Error> {
        let later = self.later_options()?;
        let is_for_api = |name: &str| {
            OptionSpec::find(name).is_some_and(|option| option.since == Since::LaterForApi)
        };
        let has_references = !self.known_speaker_references.is_empty();
        let apart = has_references.then_some(REFERENCES_APART);
        Ok(later
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| !is_for_api(name))
            .chain(apart.map(str::to_owned))
            .collect())
    }

    /// Every requirement that this release can meet.
    pub fn known_requirements() -> Vec<&'static str> {
        OptionSpec::names(Since::LaterForWorkers)
            .chain([DETECT_ONLY, SPAN_LANGUAGES, REFERENCES_APART])
            .collect()
    }

    /// The options in use that the first release did not have.
    fn later_options(&self) -> Result<Map<String, Value>, serde_json::Error> {
        let Value::Object(mut options) = serde_json::to_value(self)? else {
            return Ok(Map::new());
        };
        let is_first = |name: &str| {
            OptionSpec::find(name).is_some_and(|option| option.since == Since::FirstRelease)
        };
        options.retain(|name, _| !is_first(name));
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Deserialize;

    use super::*;
    use crate::OPTIONS;

    /// The struct of release 0.1.0 to the letter: what its workers read, and what its fingerprints are made of.
    #[derive(Default, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct FirstRelease {
        language: Option<String>,
        task: Task,
        model: Option<String>,
        prompt: Option<String>,
        temperature: Option<f32>,
        beam_size: Option<u8>,
        word_timestamps: bool,
        max_line_width: Option<u16>,
        max_line_count: Option<u8>,
        priority: i8,
        metadata: Option<Map<String, Value>>,
    }

    fn some_options() -> TranscribeRequest {
        let metadata = serde_json::json!({"b": [1.5, null], "a": "é"});
        TranscribeRequest {
            language: Some("fr".into()),
            task: Task::Translate,
            temperature: Some(0.3),
            beam_size: Some(5),
            max_line_width: Some(42),
            priority: -3,
            metadata: metadata.as_object().cloned(),
            ..TranscribeRequest::default()
        }
    }

    #[test]
    fn a_worker_of_the_first_release_reads_what_this_one_stores() {
        for options in [TranscribeRequest::default(), some_options()] {
            let stored = serde_json::to_string(&options).unwrap();
            let read: FirstRelease = serde_json::from_str(&stored).unwrap();
            let again = serde_json::to_string(&read).unwrap();
            assert_eq!(
                serde_json::from_str::<TranscribeRequest>(&again).unwrap(),
                options
            );
        }
        assert_eq!(
            serde_json::to_string(&TranscribeRequest::default()).unwrap(),
            "{}"
        );
    }

    #[test]
    fn fingerprints_are_those_of_the_first_release() {
        for options in [TranscribeRequest::default(), some_options()] {
            let stored = serde_json::to_string(&options).unwrap();
            let first: FirstRelease = serde_json::from_str(&stored).unwrap();
            assert_eq!(
                options.canonical().unwrap(),
                serde_json::to_string(&first).unwrap()
            );
        }
    }

    #[test]
    fn options_of_a_later_release_are_kept_and_required() {
        let stored = r#"{"beam_size":2,"colour":["red"],"languages":["fr","en"]}"#;
        let options: TranscribeRequest = serde_json::from_str(stored).unwrap();
        assert_eq!(options.beam_size, Some(2));
        assert_eq!(
            serde_json::to_value(&options).unwrap(),
            serde_json::from_str::<Value>(stored).unwrap()
        );
        assert_eq!(options.requirements().unwrap(), ["colour", "languages"]);
        assert!(options.canonical().unwrap().contains(r#""colour":["red"]"#));
        assert!(some_options().requirements().unwrap().is_empty());
    }

    #[test]
    fn recordings_of_voices_are_left_to_workers_that_read_them_where_the_store_keeps_them() {
        let voice = "data:audio/ogg;base64,T2dnUwA=";
        let options = TranscribeRequest {
            diarize: true,
            known_speaker_names: vec!["Ben".into()],
            known_speaker_references: crate::known_speakers::references(voice).unwrap(),
            ..TranscribeRequest::default()
        };
        let required = options.requirements().unwrap();
        assert!(required.iter().any(|name| name == REFERENCES_APART));
        let known = TranscribeRequest::known_requirements();
        assert!(required.iter().all(|name| known.contains(&name.as_str())));
    }

    #[test]
    fn every_stored_option_has_a_row_in_the_table() {
        // Every option is set, and none left to `default()`: a new one does not compile until it is added here.
        let options = TranscribeRequest {
            language: Some("fr".into()),
            languages: vec!["fr".into()],
            task: Task::Translate,
            model: Some("base".into()),
            prompt: Some("a".into()),
            temperature: Some(0.3),
            beam_size: Some(5),
            word_timestamps: true,
            max_line_width: Some(42),
            max_line_count: Some(2),
            priority: -3,
            track: Some(2),
            channels: crate::Channels::Split,
            speaker_names: vec!["Anna".into()],
            diarize: true,
            speakers: Some(2),
            min_speakers: Some(2),
            max_speakers: Some(2),
            known_speaker_names: vec!["Ben".into()],
            known_speaker_references: crate::known_speakers::references(
                "data:audio/ogg;base64,T2dnUwA=",
            )
            .unwrap(),
            detect_only: true,
            metadata: Some(Map::new()),
            callback_url: Some("https://example.org".parse().unwrap()),
            callback_events: vec![crate::CallbackEvent::Failed],
            unknown: Map::new(),
        };

        let Value::Object(stored) = serde_json::to_value(&options).unwrap() else {
            panic!("no object")
        };
        let stored: BTreeSet<_> = stored.keys().map(String::as_str).collect();
        let listed = OPTIONS.iter().map(|option| option.name);
        let listed: BTreeSet<_> = listed.chain([DETECT_ONLY]).collect();

        assert_eq!(
            stored, listed,
            "each option needs a row, so that old workers leave its jobs alone"
        );
    }
}

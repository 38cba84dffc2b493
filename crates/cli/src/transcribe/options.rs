//! The options of a job on the command line of `steno transcribe`.

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, ValueEnum};
use steno_models::OptionFields;

use super::known_speaker::KnownSpeaker;
use crate::client::flag_of;
use crate::values;

/// What to ask of the server.
#[derive(Args, Debug)]
pub(super) struct OptionArguments {
    /// Language spoken, for example en; detected if not given.
    #[arg(long, value_parser = values::language(), hide_possible_values = true)]
    language: Option<String>,
    /// Languages that may be spoken, for example en,es; any if not given.
    #[arg(long, value_name = "LANGUAGES", value_parser = values::language(), hide_possible_values = true, conflicts_with = "language")]
    languages: Option<String>,
    /// Write down what is said, or translate it into English.
    #[arg(long)]
    task: Option<TaskArgument>,
    /// The same as --task translate.
    #[arg(long, conflicts_with = "task")]
    translate: bool,
    /// Name of the weights; the server's default if not given.
    #[arg(id = "model_wanted", long = "model", value_name = "MODEL", value_parser = values::weights(), hide_possible_values = true)]
    model: Option<String>,
    /// Text that sets style and spelling.
    #[arg(long)]
    prompt: Option<String>,
    /// Sampling temperature to begin with, 0 to 1.
    #[arg(long)]
    temperature: Option<f32>,
    /// Beams of the search, 1 to 8.
    #[arg(long)]
    beam_size: Option<u8>,
    /// Add the times of each word (in json and `verbose_json`).
    #[arg(long)]
    words: bool,
    /// Columns of a line of subtitles, 8 to 200; 42 by default. 0 makes every segment one line.
    #[arg(long)]
    max_line_width: Option<u16>,
    /// Lines of a subtitle, 1 to 10; 2 by default.
    #[arg(long)]
    max_line_count: Option<u8>,
    /// Higher goes first, -10 to 10.
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i8>,
    /// Audio track of the recording, counted from 1; the default one, or the first with sound, if not given.
    #[arg(long)]
    track: Option<u16>,
    /// mix: transcribe all channels as one; split: transcribe each channel by itself, as one speaker.
    #[arg(long, value_parser = ["mix", "split"])]
    channels: Option<String>,
    /// Names of the channels, or of the speakers in the order of their first words, for example Anna,Ben.
    #[arg(long, value_name = "NAMES")]
    speaker_names: Option<String>,
    /// Label who speaks.
    #[arg(long)]
    diarize: bool,
    /// Label who speaks, with this number of speakers, or these names in the order of their first words.
    #[arg(long, value_name = "COUNT|NAMES", conflicts_with = "speaker_names")]
    speakers: Option<Speakers>,
    /// Label who speaks, with at least this number of speakers.
    #[arg(long, value_name = "COUNT")]
    min_speakers: Option<u8>,
    /// Label who speaks, with at most this number of speakers.
    #[arg(long, value_name = "COUNT")]
    max_speakers: Option<u8>,
    /// Label who speaks, and recognise a voice by a recording of 2 to 10 s; up to four times.
    #[arg(long = "known-speaker", value_name = "NAME=FILE")]
    known_speakers: Vec<KnownSpeaker>,
    /// A JSON object to keep with the job.
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// Address that the server sends a webhook to when the job ends.
    #[arg(long, value_name = "URL")]
    callback_url: Option<String>,
    /// What webhooks report: completed, failed or both; both by default.
    #[arg(long, value_name = "EVENTS", requires = "callback_url")]
    callback_events: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TaskArgument {
    Transcribe,
    Translate,
}

/// The value of `--speakers`: a number, or names.
#[derive(Clone, Debug)]
enum Speakers {
    Count(String),
    Names(String),
}

impl From<&str> for Speakers {
    fn from(text: &str) -> Self {
        let is_number = text.trim().parse::<f64>().is_ok();
        if is_number {
            Self::Count(text.to_owned())
        } else {
            Self::Names(text.to_owned())
        }
    }
}

impl Speakers {
    /// With names, the number of names is the number of speakers.
    fn count(&self) -> String {
        match self {
            Self::Count(count) => count.clone(),
            Self::Names(names) => names.split(',').count().to_string(),
        }
    }

    fn names(&self) -> Option<String> {
        match self {
            Self::Count(_) => None,
            Self::Names(names) => Some(names.clone()),
        }
    }
}

impl OptionArguments {
    /// The weights to use, if they were named.
    pub(super) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// A number of speakers asks for speakers too.
    fn diarizes(&self) -> bool {
        let bounds = [self.min_speakers, self.max_speakers];
        self.diarize
            || self.speakers.is_some()
            || bounds.iter().any(Option::is_some)
            || !self.known_speakers.is_empty()
    }

    fn speaker_names(&self) -> Option<String> {
        let names = self.speakers.as_ref().and_then(Speakers::names);
        names.or_else(|| self.speaker_names.clone())
    }

    /// The options that were given, as the server takes them.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let task = match self.task {
            Some(TaskArgument::Transcribe) => Some("transcribe".to_owned()),
            Some(TaskArgument::Translate) => Some("translate".to_owned()),
            None => self.translate.then(|| "translate".to_owned()),
        };

        [
            ("language", self.language.clone()),
            ("languages", self.languages.clone()),
            ("task", task),
            ("model", self.model.clone()),
            ("prompt", self.prompt.clone()),
            (
                "temperature",
                self.temperature.map(|number| number.to_string()),
            ),
            ("beam_size", self.beam_size.map(|number| number.to_string())),
            ("word_timestamps", self.words.then(|| "true".to_owned())),
            (
                "max_line_width",
                self.max_line_width.map(|number| number.to_string()),
            ),
            (
                "max_line_count",
                self.max_line_count.map(|number| number.to_string()),
            ),
            ("priority", self.priority.map(|number| number.to_string())),
            ("track", self.track.map(|number| number.to_string())),
            ("channels", self.channels.clone()),
            ("speaker_names", self.speaker_names()),
            ("diarize", self.diarizes().then(|| "true".to_owned())),
            ("speakers", self.speakers.as_ref().map(Speakers::count)),
            (
                "min_speakers",
                self.min_speakers.map(|number| number.to_string()),
            ),
            (
                "max_speakers",
                self.max_speakers.map(|number| number.to_string()),
            ),
            (
                "known_speaker_names",
                KnownSpeaker::names(&self.known_speakers),
            ),
            (
                "known_speaker_references",
                KnownSpeaker::references(&self.known_speakers),
            ),
            ("metadata", self.metadata.clone()),
            ("callback_url", self.callback_url.clone()),
            ("callback_events", self.callback_events.clone()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    /// Ends the program if the server would refuse the options: before an upload, not after it.
    pub(super) fn check(&self) {
        let mut fields = OptionFields::default();
        self.pairs()
            .iter()
            .for_each(|(name, value)| fields.set(name, value));
        if let Err(problems) = fields.finish() {
            let lines: Vec<_> = problems
                .iter()
                .map(|problem| format!("{}: {}", flag_of(&problem.pointer), problem.detail))
                .collect();
            crate::Cli::command()
                .error(ErrorKind::InvalidValue, lines.join("; "))
                .exit();
        }
    }
}

//! Arguments whose usual values a shell can complete.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};
use steno_models::LANGUAGES;
use steno_weights::{SPEAKERS, catalogue};

/// Parses an argument, and names its usual values for completions. Others may be accepted as well.
#[derive(Clone)]
pub(crate) struct Completed<T> {
    parse: fn(&str) -> Result<T, String>,
    names: Vec<&'static str>,
}

impl<T> Completed<T> {
    /// Parses with a function.
    pub(crate) fn new(
        parse: fn(&str) -> Result<T, String>,
        names: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        Self {
            parse,
            names: names.into_iter().collect(),
        }
    }
}

/// A language, as the server reads it: more than these names are known to it.
pub(crate) fn language() -> Completed<String> {
    Completed::new(|text| Ok(text.to_owned()), LANGUAGES.map(|(code, _)| code))
}

/// A name of weights: those of the catalogue, or others.
pub(crate) fn weights() -> Completed<String> {
    Completed::new(
        |text| Ok(text.to_owned()),
        catalogue::entries().iter().map(|entry| entry.name),
    )
}

/// What `steno weights` installs: also the speaker networks, which are no model.
pub(crate) fn weights_or_speakers() -> Completed<String> {
    let models = catalogue::entries().iter().map(|entry| entry.name);
    Completed::new(|text| Ok(text.to_owned()), models.chain([SPEAKERS]))
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Completed<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        self.parse.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.names.iter().map(PossibleValue::new)))
    }
}

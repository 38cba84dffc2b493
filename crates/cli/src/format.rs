//! The flag `--format`: which rendering of a transcript is written.

use std::path::Path;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use steno_models::Format;

/// Takes the names of the formats, and lists them in `--help`.
pub(crate) fn parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::as_str))
        .map(|name| Format::from_name(&name).expect("only names of formats are possible values"))
}

/// The format asked for, else the one that the output's name ends in, else text.
pub(crate) fn choose(asked: Option<Format>, output: Option<&Path>) -> Format {
    let from_name = || {
        let extension = output?.extension()?.to_str()?.to_ascii_lowercase();
        Format::ALL.into_iter().find(|format| format.extension() == extension)
    };
    asked.or_else(from_name).unwrap_or(Format::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_over_the_name_and_the_name_over_text() {
        let check = |asked, output: &str| choose(asked, Some(Path::new(output)));
        assert_eq!(check(Some(Format::Vtt), "a.srt"), Format::Vtt);
        assert_eq!(check(None, "a.SRT"), Format::Srt);
        assert_eq!(check(None, "a.json"), Format::Json);
        assert_eq!(check(None, "a.transcript"), Format::Text);
        assert_eq!(check(None, "folder"), Format::Text);
        assert_eq!(choose(None, None), Format::Text);
    }
}

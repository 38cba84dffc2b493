//! Tests of the options of `steno transcribe`.

use clap::Parser as _;
use steno_models::OptionFields;

use super::*;

fn arguments(words: &[&str]) -> Result<TranscribeArguments, clap::Error> {
    let words = ["steno", "transcribe"].iter().chain(words);
    match crate::Cli::try_parse_from(words)?.command {
        crate::Command::Transcribe(arguments) => Ok(*arguments),
        other => panic!("{other:?}"),
    }
}

#[test]
fn options_are_those_of_the_server() {
    let words = [
        "a.wav",
        "--translate",
        "--words",
        "--max-line-width",
        "42",
        "--max-line-count",
        "2",
        "-f",
        "srt,vtt",
    ];
    let arguments = arguments(&words).unwrap();
    let pairs = options(&arguments);
    let names: Vec<_> = pairs.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "task",
            "word_timestamps",
            "max_line_width",
            "max_line_count"
        ]
    );
    assert_eq!(arguments.format.formats.len(), 2);
    let mut fields = OptionFields::default();
    for (name, value) in pairs {
        fields.set(name, &value);
    }
    assert!(fields.finish().is_ok());

    let subtitles = self::arguments(&["a.wav", "-f", "srt"]).unwrap();
    assert_eq!(
        options(&subtitles),
        [("word_timestamps", "true".to_owned())]
    );
    let text = self::arguments(&["a.wav"]).unwrap();
    assert_eq!(options(&text), []);
}

#[test]
fn arguments_that_contradict_each_other_are_refused() {
    for words in [
        &[][..],
        &["a.wav", "--translate", "--task", "transcribe"],
        &["a.wav", "--watch", "folder"],
        &["a.wav", "--format", "docx"],
        &["a.wav", "--jobs", "0"],
    ] {
        assert!(arguments(words).is_err(), "{words:?}");
    }
}

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

/// The value of an option that the server gets.
fn sent(words: &[&str], name: &str) -> Option<String> {
    let pairs = options(&arguments(words).unwrap());
    let found = pairs.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| value)
}

#[test]
fn speakers_are_a_number_or_names() {
    let number = ["a.wav", "--speakers", "3"];
    assert_eq!(sent(&number, "diarize").as_deref(), Some("true"));
    assert_eq!(sent(&number, "speakers").as_deref(), Some("3"));
    assert_eq!(sent(&number, "speaker_names"), None);

    let names = ["a.wav", "--speakers", "Anna,Ben", "-f", "rttm"];
    assert_eq!(sent(&names, "diarize").as_deref(), Some("true"));
    assert_eq!(sent(&names, "speakers").as_deref(), Some("2"));
    assert_eq!(sent(&names, "speaker_names").as_deref(), Some("Anna,Ben"));
}

#[test]
fn known_speakers_are_names_with_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("anna.ogg");
    std::fs::write(&file, "OggS\0").unwrap();
    let known = format!("Anna={}", file.display());

    let words = ["a.wav", "--known-speaker", &known];
    assert_eq!(sent(&words, "diarize").as_deref(), Some("true"));
    assert_eq!(sent(&words, "known_speaker_names").as_deref(), Some("Anna"));
    let mut fields = OptionFields::default();
    for (name, value) in options(&arguments(&words).unwrap()) {
        fields.set(name, &value);
    }
    let request = fields.finish().unwrap();
    let audio = request.known_speaker_references[0].audio();
    assert_eq!(audio.as_deref(), Some(b"OggS\0".as_slice()));

    let long = folder.path().join("an_hour.wav");
    std::fs::write(&long, vec![0; 1024 * 1024]).unwrap();
    let known = format!("Anna={}", long.display());
    let refused = arguments(&["a.wav", "--known-speaker", &known]).unwrap_err();
    assert!(refused.to_string().contains("2 to 10 s of one voice"));

    assert!(arguments(&["a.wav", "--known-speaker", "Anna"]).is_err());
    assert!(arguments(&["a.wav", "--known-speaker", "Anna=/nowhere.wav"]).is_err());
}

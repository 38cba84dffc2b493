//! Which values are taken, which are refused, and with which words.

use super::parse::MAX_PROMPT_BYTES;
use super::*;
use crate::{CallbackEvent, Task};

fn check(name: &str, value: &str) -> Result<TranscribeRequest, String> {
    let mut fields = OptionFields::default();
    fields.set(name, value);
    fields.finish().map_err(|problems| {
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].pointer, format!("/{name}"));
        problems[0].detail.clone()
    })
}

#[test]
fn every_option_is_read() {
    let mut fields = OptionFields::default();
    for (name, value) in [
        ("language", "FR"),
        ("task", "translate"),
        ("model", "large-v3-turbo-q5_0"),
        ("prompt", "Steno, Whisper"),
        ("temperature", "0.5"),
        ("beam_size", "5"),
        ("priority", "-3"),
        ("track", "2"),
        ("diarize", "true"),
        ("min_speakers", "2"),
        ("max_speakers", "4"),
        ("metadata", r#"{"a":[1]}"#),
    ] {
        fields.set(name, value);
    }

    let request = fields.finish().unwrap();
    assert_eq!(request.language.as_deref(), Some("fr"));
    assert_eq!(request.task, Task::Translate);
    assert_eq!(request.temperature, Some(0.5));
    assert_eq!(
        (request.beam_size, request.priority, request.track),
        (Some(5), -3, Some(2))
    );
    let stored = serde_json::to_string(&request).unwrap();

    assert_eq!(
        serde_json::from_str::<TranscribeRequest>(&stored).unwrap(),
        request
    );
}

#[test]
fn values_outside_their_range_are_refused_with_a_pointer() {
    for (name, value) in [
        ("temperature", "NaN"),
        ("temperature", "1.01"),
        ("temperature", "-0.1"),
        ("temperature", "warm"),
        ("beam_size", "0"),
        ("beam_size", "9"),
        ("beam_size", "99999999999999999999"),
        ("priority", "11"),
        ("priority", "1.5"),
        ("track", "0"),
        ("word_timestamps", "maybe"),
        ("max_line_width", "7"),
        ("max_line_count", "0"),
        ("language", "klingon"),
        ("languages", "fr,klingon"),
        ("languages", "fr,auto"),
        ("task", "summarise"),
        ("model", "../etc/passwd"),
        ("model", ""),
        ("prompt", "a\0b"),
        ("callback_url", ""),
        ("callback_url", "ftp://example.org/"),
        ("callback_url", "https://user:password@example.org/"),
        ("metadata", "[]"),
        ("metadata", "{"),
        ("metadata", r#"{"a":"\u0000"}"#),
        ("colour", "red"),
    ] {
        assert!(check(name, value).is_err(), "{name}={value:?} was taken");
    }

    assert!(check("prompt", &"a".repeat(MAX_PROMPT_BYTES + 1)).is_err());
}

#[test]
fn auto_and_empty_languages_mean_detection() {
    assert_eq!(check("language", "auto").unwrap().language, None);
    assert_eq!(check("language", "").unwrap().language, None);
}

#[test]
fn a_yes_or_no_is_read_in_any_spelling() {
    for (value, expected) in [
        ("True", true),
        ("TRUE", true),
        ("1", true),
        ("on", true),
        ("False", false),
        ("0", false),
    ] {
        assert_eq!(
            check("word_timestamps", value).unwrap().word_timestamps,
            expected,
            "{value}"
        );
    }
}

#[test]
fn languages_to_choose_from_are_codes_with_commas() {
    assert_eq!(
        check("languages", " FR, en,fr,").unwrap().languages,
        ["fr", "en"]
    );
    assert!(check("languages", "").unwrap().languages.is_empty());
    let mut fields = OptionFields::default();
    fields.set("languages", "fr");
    fields.set("language", "fr");
    assert_eq!(fields.finish().unwrap_err()[0].pointer, "/languages");
}

#[test]
fn webhooks_are_asked_for_by_address_and_event() {
    let mut fields = OptionFields::default();
    fields.set("callback_events", "transcription.failed, completed,failed");
    fields.set("callback_url", "https://example.org/hook?token=a");
    let request = fields.finish().unwrap();
    assert_eq!(
        request.callback_url.unwrap().as_str(),
        "https://example.org/hook?token=a"
    );
    assert_eq!(
        request.callback_events,
        [CallbackEvent::Failed, CallbackEvent::Completed]
    );

    assert_eq!(
        check("callback_events", "failed").unwrap_err(),
        "needs callback_url"
    );
    let error = check("callback_url", "https://a:secret@example.org").unwrap_err();
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn a_name_is_for_one_speaker() {
    let reference = "data:audio/ogg;base64,T2dnUwA=";
    let named = |others: &str| {
        let mut fields = OptionFields::default();
        for (name, value) in [
            ("diarize", "true"),
            ("speaker_names", others),
            ("known_speaker_names", "Anna"),
            ("known_speaker_references", reference),
        ] {
            fields.set(name, value);
        }
        fields.finish()
    };
    assert!(named("Ben,Carla").is_ok());

    let problems = named("Ben,Anna").unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].pointer, "/speaker_names");
    assert!(
        problems[0]
            .detail
            .contains("\"Anna\" is also in known_speaker_names")
    );
}

#[test]
fn a_field_given_twice_is_refused() {
    let mut fields = OptionFields::default();
    fields.set("language", "en");
    fields.set("language", "en");
    assert_eq!(
        fields.finish().unwrap_err()[0].detail,
        "given more than once"
    );
}

#[test]
fn long_and_hostile_values_are_not_echoed_whole() {
    let detail = check("task", &"x\r\n".repeat(10_000)).unwrap_err();
    assert!(detail.len() < 200 && !detail.contains('\n'));
    let mut fields = OptionFields::default();
    fields.set(&"y".repeat(10_000), "");
    assert!(fields.finish().unwrap_err()[0].pointer.len() < 100);
}

//! What the form of a transcription is read as.

use super::*;
use crate::upload::Limit;

fn form(fields: &[(&str, &str)]) -> Form {
    let text = |value: &str| FieldValue::Text(value.to_owned());
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), text(value)))
        .collect();
    Form {
        fields,
        files: 1,
        received: 1,
        ..Form::default()
    }
}

fn check(fields: &[(&str, &str)]) -> Result<Request, String> {
    read(&form(fields), Task::Transcribe).map_err(|error| error.to_string())
}

fn verbose(segments: bool, words: bool) -> ResponseFormat {
    ResponseFormat::VerboseJson(Granularities { segments, words })
}

#[test]
fn fields_mean_what_they_mean_to_openai() {
    let request = check(&[
        ("model", "whisper-1"),
        ("language", "fr"),
        ("prompt", "Bonjour."),
        ("keywords[]", "Zoé"),
        ("keywords[]", "Loïc"),
        ("temperature", "0.2"),
        ("response_format", "verbose_json"),
        ("timestamp_granularities[]", "word"),
        ("include[]", "logprobs"),
        ("chunking_strategy", "auto"),
    ])
    .unwrap();
    assert_eq!(request.model, "whisper-1");
    assert_eq!(request.options.language.as_deref(), Some("fr"));
    assert_eq!(
        request.options.prompt.as_deref(),
        Some("Bonjour. Zoé, Loïc")
    );
    assert!(request.options.word_timestamps);
    assert_eq!(request.format, verbose(false, true));
    assert_eq!(check(&[]).unwrap().model, "", "the default");
}

#[test]
fn lists_are_written_in_three_ways() {
    for name in [
        "timestamp_granularities",
        "timestamp_granularities[]",
        "timestamp_granularities[0]",
    ] {
        let request = check(&[
            ("response_format", "verbose_json"),
            (name, "segment"),
            (name, "word"),
        ])
        .unwrap();
        assert_eq!(request.format, verbose(true, true), "{name}");
    }
}

#[test]
fn fields_that_openai_does_not_know_have_no_effect() {
    let plain = check(&[]).unwrap().options;
    for (name, value) in [
        ("colour", "red"),
        ("vad_filter", "true"),
        ("hotwords", "Steno"),
        ("to_language", "en"),
        ("known_speaker_names[]", "Zoé"),
        ("known_speaker_references[]", "data:audio/wav;base64,AAAA"),
        ("chunking_strategy[type]", "server_vad"),
        ("chunking_strategy[threshold]", "0.5"),
        ("beam_size", "50"),
        ("max_line_width", "7"),
        ("word_timestamps", "perhaps"),
        ("extra_body", "a\0b"),
    ] {
        assert_eq!(
            check(&[(name, value), (name, value)]).unwrap().options,
            plain,
            "{name}"
        );
    }
}

#[test]
fn native_options_are_honoured() {
    let request = check(&[
        ("beam_size", "5"),
        ("task", "translate"),
        ("max_line_width", "42"),
        ("max_line_count", "2"),
        ("priority", "3"),
        ("word_timestamps", "True"),
        ("response_format", "verbose_json"),
    ])
    .unwrap();
    let options = &request.options;
    assert_eq!(
        (options.beam_size, options.task, options.priority),
        (Some(5), Task::Translate, 3)
    );
    assert_eq!(
        (options.max_line_width, options.max_line_count),
        (Some(42), Some(2))
    );
    assert!(options.word_timestamps);
    assert_eq!(request.format, verbose(true, true));
}

#[test]
fn empty_fields_are_absent() {
    let names = [
        "model",
        "language",
        "prompt",
        "response_format",
        "temperature",
        "stream",
        "languages[]",
        "keywords[]",
    ];
    let more = [
        "timestamp_granularities[]",
        "include[]",
        "beam_size",
        "task",
    ];
    let fields: Vec<_> = names
        .into_iter()
        .chain(more)
        .map(|name| (name, ""))
        .collect();
    let request = check(&fields).unwrap();
    assert_eq!(
        (request.options, request.format),
        (TranscribeRequest::default(), ResponseFormat::Json)
    );
}

#[test]
fn a_stream_is_of_json_or_text_and_ignored_for_other_formats() {
    for (format, expected) in [
        ("json", ResponseFormat::Stream),
        ("text", ResponseFormat::Stream),
        ("srt", ResponseFormat::Srt),
        ("verbose_json", verbose(true, false)),
    ] {
        for value in ["true", "True", "1"] {
            assert_eq!(
                check(&[("stream", value), ("response_format", format)])
                    .unwrap()
                    .format,
                expected,
                "{format}"
            );
        }
    }
    assert_eq!(
        check(&[("stream", "FALSE")]).unwrap().format,
        ResponseFormat::Json
    );
}

#[test]
fn segments_may_be_asked_for_in_json_and_words_may_not() {
    let segment = [("timestamp_granularities[]", "segment")];
    assert_eq!(check(&segment).unwrap().format, ResponseFormat::Json);
    assert!(
        check(&[("timestamp_granularities[]", "word")])
            .unwrap_err()
            .contains("timestamp_granularities")
    );
}

#[test]
fn one_language_is_spoken_and_several_are_candidates() {
    let languages = |values: &[&str]| {
        let fields: Vec<_> = values.iter().map(|value| ("languages[]", *value)).collect();
        let options = check(&fields).unwrap().options;
        (options.language, options.languages)
    };

    assert_eq!(languages(&["de-DE"]), (Some("de".to_owned()), vec![]));
    assert_eq!(
        languages(&["fr", "en-US"]),
        (None, vec!["fr".to_owned(), "en".to_owned()])
    );
    let both = check(&[
        ("language", "fr"),
        ("languages[]", "en"),
        ("languages[]", "de"),
    ])
    .unwrap()
    .options;

    assert_eq!(
        (both.language.as_deref(), both.languages.len()),
        (Some("fr"), 0)
    );
    let refusal = read(
        &form(&[("languages[]", "en"), ("languages[]", "klingon")]),
        Task::Transcribe,
    )
    .unwrap_err();

    assert_eq!(
        refusal.to_openai().1.error.param.as_deref(),
        Some("languages")
    );
}

#[test]
fn a_prompt_that_is_too_long_is_cut_to_its_end() {
    let long = "é".repeat(3_000) + " the end";
    let prompt = check(&[("prompt", &long)]).unwrap().options.prompt.unwrap();
    assert!(
        prompt.len() <= MAX_PROMPT_BYTES && prompt.ends_with("the end"),
        "{}",
        prompt.len()
    );

    let keywords = vec![("keywords[]", "Steno"); 1_000];
    assert!(
        check(&keywords)
            .unwrap()
            .options
            .prompt
            .unwrap()
            .ends_with("Steno")
    );

    let mut huge = form(&[]);
    huge.fields.push((
        "prompt".to_owned(),
        FieldValue::TooLong {
            end: "the end".to_owned(),
            limit: Limit::Field(10),
        },
    ));
    let prompt = read(&huge, Task::Transcribe).unwrap().options.prompt;
    assert_eq!(prompt.as_deref(), Some("the end"));
}

#[test]
fn fields_of_openai_with_a_wrong_value_are_refused_by_name() {
    for (name, value) in [
        ("response_format", "docx"),
        ("temperature", "hot"),
        ("temperature", "NaN"),
        ("language", "klingon"),
        ("languages[]", "klingon"),
        ("prompt", "a\0b"),
        ("stream", "maybe"),
        ("timestamp_granularities[]", "letter"),
        ("include[]", "secrets"),
        ("model", "whisper-1"),
    ] {
        let refusal = check(&[("model", "whisper-1"), (name, value)])
            .map(drop)
            .unwrap_err();
        assert!(
            refusal.contains(name.trim_end_matches("[]")),
            "{name}={value:?}: {refusal}"
        );
    }
}

#[test]
fn subtitles_are_timed_by_their_words() {
    for format in ["srt", "vtt"] {
        let request = check(&[("response_format", format)]).unwrap();
        assert!(request.options.word_timestamps, "{format}");
    }
    assert!(
        !check(&[("response_format", "text")])
            .unwrap()
            .options
            .word_timestamps
    );
}

#[test]
fn known_speakers_are_pairs_of_names_and_references() {
    let reference = "data:audio/ogg;base64,T2dnUwA=";
    let pair = [
        ("known_speaker_names[]", "Zoé"),
        ("known_speaker_references[]", reference),
        ("known_speaker_names[]", "Ben"),
        ("known_speaker_references[]", reference),
    ];
    let plain = check(&[]).unwrap().options;
    assert_eq!(check(&pair).unwrap().options, plain, "without diarization");

    let diarized = ("response_format", "diarized_json");
    let options = check(&[&[diarized], pair.as_slice()].concat())
        .unwrap()
        .options;
    assert_eq!(options.known_speaker_names, ["Zoé", "Ben"]);
    assert_eq!(options.known_speaker_references.len(), 2);

    for wrong in [
        &pair[..3],
        &[
            ("known_speaker_names", "Zoé"),
            ("known_speaker_references", "voice.wav"),
        ],
        &[
            ("known_speaker_names", "Zoé,Ben"),
            ("known_speaker_references", reference),
        ],
    ] {
        let refused = check(&[&[diarized], wrong].concat());
        assert!(refused.is_err(), "{wrong:?}");
    }
}

//! The Rust crate async-openai against a running server: all of its calls for audio.
#![expect(
    deprecated,
    reason = "OpenAI ends translations in 2027, and Steno keeps them"
)]

use std::fs;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::InputSource;
use async_openai::types::audio::{
    AudioInput, AudioResponseFormat, CreateTranscriptionRequest,
    CreateTranscriptionResponseStreamEvent as StreamEvent, CreateTranslationRequest,
    TimestampGranularity, TranslationResponseFormat,
};
use futures_util::StreamExt as _;
use steno_e2e::{Service, Settings, fixture, same_words};

fn client(service: &Service) -> Client<OpenAIConfig> {
    // Its HTTP library is built without one here, and wants one even for plain HTTP. A second call has no effect.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = OpenAIConfig::new()
        .with_api_base(format!("http://{}/v1", service.address()))
        .with_api_key("unused");
    Client::with_config(config)
}

fn clip() -> AudioInput {
    AudioInput {
        source: InputSource::Path {
            path: fixture("clip.wav"),
        },
    }
}

fn transcription() -> CreateTranscriptionRequest {
    CreateTranscriptionRequest {
        file: clip(),
        model: "whisper-1".to_owned(),
        language: Some("en".to_owned()),
        ..CreateTranscriptionRequest::default()
    }
}

fn translation() -> CreateTranslationRequest {
    CreateTranslationRequest {
        file: clip(),
        model: "whisper-1".to_owned(),
        ..CreateTranslationRequest::default()
    }
}

fn assert_is_clip(text: &str) {
    let expected = fs::read_to_string(fixture("clip.txt")).unwrap();
    assert!(same_words(text, &expected), "{text}");
}

fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(test);
}

#[test]
fn async_openai_understands_every_answer() {
    let service = Settings::with_workers(1).start();
    let client = client(&service);
    let audio = client.audio();
    run(async {
        let json = audio.transcription().create(transcription()).await.unwrap();
        assert_is_clip(&json.text);

        let request = CreateTranscriptionRequest {
            response_format: Some(AudioResponseFormat::VerboseJson),
            timestamp_granularities: Some(vec![
                TimestampGranularity::Word,
                TimestampGranularity::Segment,
            ]),
            ..transcription()
        };
        let verbose = audio.transcription().create_verbose_json(request).await;
        let verbose = verbose.unwrap();
        assert_is_clip(&verbose.text);
        assert_eq!(verbose.language, "english");
        let words: Vec<String> = verbose.words.unwrap().into_iter().map(|w| w.word).collect();
        assert_is_clip(&words.join(" "));
        assert_eq!(verbose.segments.unwrap()[0].id, 0);

        for (format, start) in [
            (AudioResponseFormat::Text, "The weather"),
            (AudioResponseFormat::Srt, "1\n00:00:0"),
            (AudioResponseFormat::Vtt, "WEBVTT\n\n"),
        ] {
            let request = CreateTranscriptionRequest {
                response_format: Some(format),
                ..transcription()
            };
            let raw = audio.transcription().create_raw(request).await.unwrap();
            assert!(raw.starts_with(start.as_bytes()), "{raw:?}");
        }

        let translated = audio.translation().create(translation()).await.unwrap();
        assert_is_clip(&translated.text);
        // The crate's own type for verbose_json has the duration as a string. OpenAI's description
        // has a number.
        let request = CreateTranslationRequest {
            response_format: Some(TranslationResponseFormat::VerboseJson),
            ..translation()
        };
        let verbose = audio.translation().create_raw(request).await.unwrap();
        let verbose: serde_json::Value = serde_json::from_slice(&verbose).unwrap();
        assert_eq!(verbose["language"], "english");
    });
}

#[test]
fn async_openai_reads_a_stream_to_its_end() {
    let service = Settings::with_workers(1).start();
    let client = client(&service);
    run(async {
        let audio = client.audio();
        let stream = audio.transcription().create_stream(transcription()).await;
        let mut stream = stream.unwrap();
        let mut deltas = String::new();
        let mut done = None;
        while let Some(event) = stream.next().await {
            assert!(done.is_none(), "nothing follows the end");
            match event.unwrap() {
                StreamEvent::TranscriptTextDelta(event) => deltas.push_str(&event.delta),
                StreamEvent::TranscriptTextDone(event) => done = Some(event),
                other @ StreamEvent::TranscriptTextSegment(_) => panic!("{other:?}"),
            }
        }

        let done = done.unwrap();
        assert_is_clip(&deltas);
        assert_eq!(done.text, deltas);
        assert!(done.usage.total_tokens > 0);
    });
}

#[test]
fn async_openai_reads_what_is_refused() {
    let service = Settings::with_workers(0).start();
    let client = client(&service);
    run(async {
        let request = CreateTranscriptionRequest {
            model: "whisper-9".to_owned(),
            ..transcription()
        };
        let refused = client.audio().transcription().create(request).await;
        match refused.unwrap_err() {
            OpenAIError::ApiError(error) => {
                assert_eq!(error.api_error.code.as_deref(), Some("model_not_found"));
            }
            other => panic!("{other}"),
        }
    });
}

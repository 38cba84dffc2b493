//! The engine with weights of other shapes than `base`: English only, and those of large-v3.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod synthetic;

use std::path::Path;

use steno_models::{LANGUAGES, Task};
use steno_weights::Cache;
use steno_worker::Control;
use steno_worker::audio::{Limits, Span, TrackChoice, prepare, read_span, samples_of};
use steno_worker::engine::{ComputeType, Device, EngineRequest, Whisper};

struct NeverStop;

impl Control for NeverStop {
    fn should_stop(&self) -> bool {
        false
    }
}

/// A sentence of a synthetic voice.
fn sentence() -> Vec<f32> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/clip.wav");
    let spool = tempfile::NamedTempFile::new().unwrap();
    prepare(
        &fixture,
        spool.path(),
        &Limits::default(),
        TrackChoice::asked(None),
        &NeverStop,
    )
    .unwrap();
    let samples = samples_of(spool.path()).unwrap();
    read_span(spool.path(), &Span::whole(0, samples)).unwrap()
}

fn load(cache: &Cache, name: &str, align: bool) -> Whisper {
    let installed = cache.lookup(name).unwrap();
    assert!(
        installed.is_some(),
        "the weights {name} are not installed: run `steno weights pull {name}` first"
    );
    let weights = cache.open_verified(name).unwrap();
    Whisper::load(
        &weights,
        ComputeType::Auto,
        Device::Cpu,
        align.then_some(name),
    )
    .unwrap()
}

fn request(language: &str, word_timestamps: bool) -> EngineRequest {
    EngineRequest {
        model: String::new(),
        language: language.to_owned(),
        task: Task::Transcribe,
        prompt: None,
        temperature: 0.0,
        beam_size: Some(1),
        word_timestamps,
    }
}

fn text(whisper: &Whisper, samples: &[f32], request: &EngineRequest) -> String {
    let found = whisper.transcribe(samples, request, &NeverStop).unwrap();
    let texts: Vec<_> = found
        .segments
        .iter()
        .map(|segment| segment.text.as_str())
        .collect();
    texts.join(" ")
}

#[test]
fn english_weights_transcribe_english_whatever_language_is_asked_for() {
    let whisper = load(&Cache::from_env().unwrap(), "tiny.en", false);
    let samples = sentence();

    let languages = whisper.detect_languages(&samples, &NeverStop).unwrap();
    assert_eq!(languages[0].code, "en");

    let english = text(&whisper, &samples, &request("en", false));
    assert!(english.to_lowercase().contains("river"), "{english}");
    assert_eq!(text(&whisper, &samples, &request("fr", false)), english);
}

#[test]
fn english_weights_tell_when_words_are_spoken() {
    let whisper = load(&Cache::from_env().unwrap(), "tiny.en", true);
    let samples = sentence();
    let found = whisper
        .transcribe(&samples, &request("en", true), &NeverStop)
        .unwrap();

    let words: Vec<_> = found
        .segments
        .iter()
        .flat_map(|segment| segment.words.iter().flatten())
        .collect();
    assert!(words.len() > 5, "{words:?}");
    assert!(
        words.windows(2).all(|pair| pair[0].end <= pair[1].start),
        "{words:?}"
    );
}

#[test]
fn cantonese_is_read_as_chinese_by_weights_that_lack_it() {
    let whisper = load(&Cache::from_env().unwrap(), "base", false);
    let samples = sentence();

    let cantonese = text(&whisper, &samples, &request("yue", false));
    assert_eq!(cantonese, text(&whisper, &samples, &request("zh", false)));
}

#[test]
fn weights_shaped_like_large_v3_load_and_run() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    std::fs::create_dir(&model).unwrap();
    synthetic::write_large_v3(&model);
    let cache = Cache::new(folder.path().join("cache"));
    steno_weights::import(&cache, "synthetic", &model, &mut |_| {}).unwrap();
    let samples = sentence();

    for align in [false, true] {
        let whisper = load(&cache, "synthetic", align);
        let languages = whisper.detect_languages(&samples, &NeverStop).unwrap();
        let mut codes: Vec<_> = languages
            .iter()
            .map(|language| language.code.as_str())
            .collect();
        codes.sort_unstable();
        let mut known: Vec<_> = LANGUAGES.iter().map(|(code, _)| *code).collect();
        known.sort_unstable();
        assert_eq!(codes, known, "each language once, Cantonese too");

        // Random weights say nothing that means something; every token must be one of the text's.
        for language in ["en", "yue"] {
            whisper
                .transcribe(&samples, &request(language, align), &NeverStop)
                .unwrap();
        }
    }
}

//! whisper-asr-webservice's calls, as Bazarr and other clients of that service make them.

use steno_e2e::{Answer, Service, Settings, fixture, same_words};

/// The samples of a recording as Bazarr's ffmpeg makes them: `-f s16le -ac 1 -ar 16000`.
fn bare_samples() -> Vec<u8> {
    let wav = std::fs::read(fixture("clip.wav")).unwrap();
    let data = wav.windows(4).position(|window| window == b"data").unwrap();
    wav[data + 8..].to_vec()
}

/// Posts a recording in the field `audio_file`, without a file name, as Python's requests does for bytes.
fn post(service: &Service, path: &str, recording: &[u8]) -> Answer {
    let head = b"--x\r\nContent-Disposition: form-data; name=\"audio_file\"; filename=\"audio_file\"\r\n\r\n";
    let body = [&head[..], recording, b"\r\n--x--\r\n"].concat();
    service
        .client
        .post(path, "multipart/form-data; boundary=x", &body)
}

#[test]
fn bazarr_detects_the_language_and_fetches_subtitles() {
    let service = Settings::with_workers(1).start();
    let samples = bare_samples();
    // `detect_language` and `download_subtitle` of libs/subliminal_patch/providers/whisperai.py.
    let detected = post(
        &service,
        "/detect-language?encode=false&video_file=%2Fmedia%2Ffilm.mkv",
        &samples,
    );
    assert_eq!(
        (detected.status, detected.json()["language_code"].as_str()),
        (200, Some("en")),
        "{}",
        detected.text()
    );
    assert_eq!(detected.json()["detected_language"], "english");
    assert!(detected.json()["confidence"].as_f64().unwrap() > 0.5);
    assert_eq!(
        service.files(),
        Vec::<String>::new(),
        "the recording is not kept"
    );

    let subtitles = post(
        &service,
        "/asr?task=transcribe&language=en&output=srt&encode=false&video_file=film",
        &samples,
    );
    assert_eq!(subtitles.status, 200, "{}", subtitles.text());
    assert!(
        subtitles.text().starts_with("1\n00:00:0"),
        "{}",
        subtitles.text()
    );
    let text: Vec<_> = subtitles
        .text()
        .lines()
        .filter(|line| line.contains(|c: char| c.is_alphabetic()))
        .map(str::to_owned)
        .collect();
    let expected = std::fs::read_to_string(fixture("clip.txt")).unwrap();
    assert!(same_words(&text.join(" "), &expected), "{text:?}");
    let translated = post(
        &service,
        "/asr?task=translate&language=en&output=srt&encode=false",
        &samples,
    );
    assert!(
        translated.text().starts_with("1\n"),
        "{}",
        translated.text()
    );
    assert!(
        service.client.get("/status").json()["version"]
            .as_str()
            .unwrap()
            .starts_with("Steno")
    );
}

/// A number of `/metrics`.
pub(crate) fn metric(service: &Service, name: &str) -> f64 {
    let metrics = service.client.get("/metrics").text();
    let value = metrics.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap_or("0").trim().parse().unwrap()
}

#[test]
fn a_detection_decodes_and_transcribes_no_more_than_it_needs() {
    let service = Settings::with_workers(1).start();
    // 92 s of speech.
    let recording = std::fs::read(fixture("long.opus")).unwrap();
    let detected = post(&service, "/detect-language", &recording).json();
    assert_eq!(detected["language_code"], "en", "{detected}");
    assert!(detected["confidence"].as_f64().unwrap() > 0.5, "{detected}");
    let decoded = metric(&service, "steno_audio_seconds_total");
    assert!(decoded > 10.0 && decoded < 60.0, "{decoded} s were decoded");
    let transcribed = metric(&service, "steno_speech_seconds_total");
    assert!(transcribed < 0.1, "{transcribed} s were transcribed");

    let silence = std::fs::read(fixture("silence.flac")).unwrap();
    let nothing = post(&service, "/detect-language", &silence).json();
    assert_eq!(nothing["language_code"], "und", "{nothing}");
    assert_eq!(service.files(), Vec::<String>::new());
}

#[test]
fn every_output_of_whisper_asr_webservice_is_answered() {
    let service = Settings::with_workers(1).start();
    let recording = std::fs::read(fixture("clip.opus")).unwrap();
    let get = |query: &str| {
        let answer = post(&service, &format!("/asr?{query}"), &recording);
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        answer
    };
    let text = get("language=en").text();
    for (query, start) in [
        ("output=vtt", "WEBVTT\n"),
        ("output=srt", "1\n"),
        ("output=tsv", "start\tend\ttext\n"),
    ] {
        assert!(
            get(&format!("language=en&{query}"))
                .text()
                .starts_with(start),
            "{query}"
        );
    }
    let json =
        get("language=English&output=json&word_timestamps=true&vad_filter=true&encode=true").json();
    assert_eq!(json["language"], "en");
    assert!(same_words(json["text"].as_str().unwrap(), &text));
    assert!(
        json["segments"][0]["words"][0]["word"].is_string(),
        "{json}"
    );

    let refused = post(&service, "/asr?output=docx", &recording).problem();
    assert_eq!(
        (refused.status, refused.errors[0].pointer.as_str()),
        (422, "/output")
    );
    let nothing = service
        .client
        .post("/asr", "multipart/form-data; boundary=x", b"--x--\r\n")
        .problem();
    assert_eq!(nothing.errors[0].pointer, "/audio_file");
    assert_eq!(service.client.get("/asr").status, 405);
}

//! `channels=split`: each channel of a recording is transcribed by itself and is a speaker.

use std::fs;
use std::path::PathBuf;

use steno_e2e::{Service, Settings, fixture, word_error_rate};
use steno_models::{JobResult, WarningCode};

fn service() -> Service {
    Settings::with_workers(1).set("STENO_SLOTS", "2").start()
}

fn transcribe(service: &Service, name: &str, options: &str) -> JobResult {
    let options = format!("language=en&channels=split&{options}");
    let job = service.client.submit(&fixture(name), &options);
    service.client.wait(job).result.unwrap()
}

/// Each turn of the result: who speaks, and what.
fn turns(result: &JobResult) -> Vec<(String, String)> {
    let mut turns: Vec<(String, String)> = Vec::new();
    for segment in &result.segments {
        let speaker = segment.speaker.clone().unwrap_or_default();
        match turns.last_mut() {
            Some((last, text)) if *last == speaker => *text = format!("{text} {}", segment.text),
            _ => turns.push((speaker, segment.text.clone())),
        }
    }
    turns
}

/// The lines of the call, one after the other, by these speakers.
fn assert_call(result: &JobResult, speakers: [&str; 2]) {
    let lines = fs::read_to_string(fixture("call.txt")).unwrap();
    let turns = turns(result);
    assert_eq!(turns.len(), lines.lines().count(), "{turns:?}");
    for (index, ((speaker, text), line)) in turns.iter().zip(lines.lines()).enumerate() {
        assert_eq!(speaker, speakers[index % 2], "{turns:?}");
        assert!(word_error_rate(line, text) < 0.2, "{line}: {text}");
    }
}

fn warnings(result: &JobResult) -> Vec<&str> {
    result.warnings.iter().map(|w| w.code.as_str()).collect()
}

#[test]
fn a_call_has_its_channels_as_speakers_in_the_order_of_time() {
    let service = service();
    let result = transcribe(&service, "call.opus", "word_timestamps=true");

    assert_call(&result, ["A", "B"]);
    assert!(warnings(&result).is_empty(), "{:?}", result.warnings);
    assert!((result.duration_seconds - 20.9).abs() < 1.0);
    let coverage = result.coverage.unwrap();
    assert!((coverage.speech_seconds - coverage.transcribed_seconds).abs() < 1e-9);

    let names: Vec<&str> = result.speakers.iter().map(|s| &*s.speaker).collect();
    assert_eq!(names, ["A", "B"]);
    let mut last = 0.0;
    for segment in &result.segments {
        assert!(segment.start >= last, "not in order: {segment:?}");
        last = segment.start;
        for word in segment.words.iter().flatten() {
            assert_eq!(word.speaker, segment.speaker);
            assert!(segment.start <= word.start && word.end <= segment.end);
            assert!(word.end <= result.duration_seconds, "{word:?}");
        }
    }
}

#[test]
fn an_echo_of_the_other_side_has_no_text() {
    assert_call(
        &transcribe(&service(), "call_echo.opus", "speaker_names=Shop,Client"),
        ["Shop", "Client"],
    );
}

#[test]
fn a_format_that_only_ffmpeg_reads_is_split_as_well() {
    assert_call(&transcribe(&service(), "ffmpeg/call.wma", ""), ["A", "B"]);
}

#[test]
fn the_second_channel_alone_is_the_second_speaker() {
    let result = transcribe(&service(), "call_right.opus", "");

    let speakers: Vec<String> = turns(&result).into_iter().map(|(name, _)| name).collect();
    assert_eq!(speakers, ["B"]);
    assert_eq!(result.speakers.len(), 1);
    assert!(warnings(&result).is_empty(), "{:?}", result.warnings);
}

/// A WAV file of two channels; the second one is silent.
fn left_only(service: &Service) -> PathBuf {
    const HEADER: usize = 44;
    const CHANNELS: usize = 22;
    let mut file = fs::read(fixture("clip.wav")).unwrap();
    let samples = file.split_off(HEADER);
    assert_eq!(file[CHANNELS], 1);

    let doubled = |at: usize, bytes: usize| {
        let number = file[at..at + bytes].iter().rev();
        number.fold(0, |sum, byte| sum * 256 + u32::from(*byte)) * 2
    };
    let (rate, frame, size) = (doubled(28, 4), doubled(32, 2), doubled(40, 4));
    file[CHANNELS] = 2;
    file[4..8].copy_from_slice(&(size + 36).to_le_bytes());
    file[28..32].copy_from_slice(&rate.to_le_bytes());
    file[32..34].copy_from_slice(&(frame as u16).to_le_bytes());
    file[40..44].copy_from_slice(&size.to_le_bytes());
    for sample in samples.chunks_exact(2) {
        file.extend([sample[0], sample[1], 0, 0]);
    }

    let path = service.scratch().join("left_only.wav");
    fs::write(&path, file).unwrap();
    path
}

#[test]
fn the_first_channel_alone_is_the_first_speaker() {
    let service = service();
    let options = "language=en&channels=split";
    let job = service.client.submit(&left_only(&service), options);
    let result = service.client.wait(job).result.unwrap();

    let turns = turns(&result);
    assert_eq!(turns.len(), 1, "{turns:?}");
    assert_eq!(turns[0].0, "A");
    let expected = fs::read_to_string(fixture("clip.txt")).unwrap();
    assert!(word_error_rate(&expected, &turns[0].1) < 0.2, "{turns:?}");
    assert!(warnings(&result).is_empty(), "{:?}", result.warnings);
}

#[test]
fn one_sound_is_one_speaker_with_a_warning() {
    let service = service();
    for name in ["clip.flac", "clip_stereo_44k.mp3"] {
        let result = transcribe(&service, name, "");
        assert_eq!(warnings(&result), [WarningCode::SingleChannel.as_str()]);
        let turns = turns(&result);
        assert_eq!(turns.len(), 1, "{turns:?}");
        let expected = fs::read_to_string(fixture("clip.txt")).unwrap();
        assert!(word_error_rate(&expected, &turns[0].1) < 0.2, "{turns:?}");
    }
}

#[test]
fn channels_and_diarization_exclude_each_other() {
    let service = service();
    for (name, value) in [("diarize", "true"), ("channels", "left")] {
        let fields = [("channels", "split"), (name, value)];
        let refused = service
            .client
            .post_form("/transcribe", &fixture("clip.flac"), &fields);
        assert_eq!(refused.status, 422, "{}", refused.text());
        assert_eq!(refused.problem().errors[0].pointer, "/channels");
    }
}

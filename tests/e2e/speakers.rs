//! Speakers: a conversation of two voices, in every answer that names them.

use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};

use steno_e2e::{Service, Settings, fixture, skip};
use steno_models::openai::{DiarizedTranscription, StreamEvent};
use steno_models::{JobResult, Segment, SpeakerLabels};
use steno_speakers::{Bounds, Diarizer, Networks};
use steno_weights::Cache;

/// The speakers of the lines of the conversation, in order.
pub(crate) const TURNS: [&str; 8] = ["A", "B", "A", "B", "A", "B", "A", "B"];

/// A service with the speaker networks, or `None` with a message where they are not installed.
pub(crate) fn service_with_speakers() -> Option<Service> {
    let service = Settings::with_workers(1).start();
    let (code, list, _) = service.cli(&["weights", "list"]);
    assert_eq!(code, Some(0));
    let is_installed = list
        .lines()
        .any(|line| line.starts_with("speakers ") && line.contains("installed"));
    if !is_installed {
        skip("run `steno weights pull speakers` first");
    }
    is_installed.then_some(service)
}

/// The result of the conversation with these options.
pub(crate) fn transcribe(service: &Service, options: &str) -> JobResult {
    let job = service
        .client
        .submit(&fixture("dialogue.opus"), &format!("language=en&{options}"));
    service.client.wait(job).result.unwrap()
}

/// The speaker of each segment, without repetitions.
pub(crate) fn turns(result: &JobResult) -> Vec<&str> {
    let mut turns: Vec<&str> = result
        .segments
        .iter()
        .map(|segment| segment.speaker.as_deref().unwrap_or("-"))
        .collect();
    turns.dedup();
    turns
}

/// Where each line of the conversation begins and ends, in seconds: between them is half a second of silence.
const LINES: [(f64, f64); 8] = [
    (0.22, 4.69),
    (5.23, 10.56),
    (11.09, 15.57),
    (16.16, 21.55),
    (22.07, 26.28),
    (26.79, 31.78),
    (32.31, 37.67),
    (38.16, 42.97),
];

fn turn((start, end): (f64, f64), speaker: usize) -> steno_speakers::Turn {
    let sample = |seconds: f64| (seconds * 16_000.0) as u64;
    steno_speakers::Turn {
        start: sample(start),
        end: sample(end),
        speaker,
    }
}

/// The diarization error rate of the conversation, without a quarter of a second around each edge of a line.
fn error_rate(result: &JobResult) -> f64 {
    let truth: Vec<_> = LINES
        .iter()
        .enumerate()
        .map(|(index, line)| turn(*line, index % 2))
        .collect();
    let found: Vec<_> = result
        .speakers
        .iter()
        .enumerate()
        .flat_map(|(number, speaker)| {
            let turns = speaker.turns.iter();
            turns.map(move |own| turn((own.start, own.end), number))
        })
        .collect();
    let samples = (result.duration_seconds * 16_000.0) as u64;
    steno_speakers::score(&truth, &found, samples, 0.25).rate()
}

#[test]
fn a_conversation_has_two_speakers_in_turn() {
    let Some(service) = service_with_speakers() else {
        return;
    };
    let result = transcribe(&service, "diarize=true");

    assert_eq!(turns(&result), TURNS);
    assert_eq!(result.speakers.len(), 2);
    assert!(result.warnings.is_empty(), "{:?}", result.warnings);
    let wrong = error_rate(&result);
    assert!(
        wrong < 0.02,
        "{wrong:.3} of the speech has the wrong speaker"
    );
}

#[test]
fn without_diarize_no_segment_has_a_speaker() {
    let service = Settings::with_workers(1).start();
    let result = transcribe(&service, "");

    assert!(result.speakers.is_empty());
    assert_eq!(turns(&result), ["-"]);
}

#[test]
fn text_subtitles_and_rttm_name_the_speakers() {
    let Some(service) = service_with_speakers() else {
        return;
    };
    let job = service
        .client
        .submit(&fixture("dialogue.opus"), "language=en&diarize=true");
    service.client.wait(job);
    let get = |format: &str| {
        let path = format!("/transcribe/{job}?keep=true&format={format}");
        service.client.get(&path).text()
    };

    let text = get("text");
    let speakers: Vec<&str> = text.lines().filter_map(|line| line.get(..2)).collect();
    assert_eq!(speakers, TURNS.map(|turn| format!("{turn}:")));

    assert!(get("vtt").contains("<v A>Good morning"));
    assert!(get("srt").contains("B: Good morning"));

    let rttm = get("rttm");
    assert!(rttm.lines().all(|line| line.starts_with("SPEAKER ")));
    assert_eq!(rttm.lines().count(), TURNS.len(), "{rttm}");
}

#[test]
fn bounds_are_kept_and_checked() {
    let Some(service) = service_with_speakers() else {
        return;
    };

    let one = transcribe(&service, "diarize=true&max_speakers=1");
    assert_eq!(turns(&one), ["A"]);

    let refused = service.client.post_form(
        "/transcribe",
        &fixture("clip.opus"),
        &[
            ("diarize", "true"),
            ("min_speakers", "3"),
            ("max_speakers", "2"),
        ],
    );
    assert_eq!(refused.status, 422, "{}", refused.text());
}

#[test]
fn openai_s_diarized_json_and_stream_name_the_speakers() {
    let Some(service) = service_with_speakers() else {
        return;
    };
    let post = |fields: &[(&str, &str)]| {
        let all = [
            &[("response_format", "diarized_json"), ("language", "en")],
            fields,
        ]
        .concat();
        let answer =
            service
                .client
                .post_form("/v1/audio/transcriptions", &fixture("dialogue.opus"), &all);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    };

    let body: DiarizedTranscription = serde_json::from_value(post(&[]).json()).unwrap();
    let mut speakers: Vec<&str> = body.segments.iter().map(|s| &*s.spoken.speaker).collect();
    speakers.dedup();
    assert_eq!(speakers, TURNS);

    let stream = post(&[("stream", "true")]).text();
    let events: Vec<StreamEvent> = stream
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    let mut speakers: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::Segment(segment) => Some(&*segment.speaker),
            _ => None,
        })
        .collect();
    speakers.dedup();
    assert_eq!(speakers, TURNS);
    let deltas: String = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::Delta { delta } => Some(&**delta),
            _ => None,
        })
        .collect();
    assert_eq!(deltas, body.text);
}

#[test]
fn a_follower_gets_every_segment_once_and_then_the_speakers() {
    let Some(service) = service_with_speakers() else {
        return;
    };
    let options = "language=en&diarize=true&speaker_names=Shop";
    let job = service.client.submit(&fixture("dialogue.opus"), options);
    let path = format!("/transcribe/{job}/events");
    let events: Vec<_> = service.client.events(&path, None).collect();

    let names: Vec<&str> = events.iter().map(|event| &*event.name).collect();
    assert_eq!(
        names[names.len() - 2..],
        ["speakers", "completed"],
        "{names:?}"
    );
    let labels = &events[events.len() - 2].data;
    let labels: SpeakerLabels = serde_json::from_value(labels.clone()).unwrap();
    assert_eq!(labels.speakers[0].speaker, "Shop");
    assert_eq!(labels.speakers[1].speaker, "A");

    let words = |segments: &[Segment]| -> String {
        let texts: Vec<&str> = segments.iter().map(|segment| &*segment.text).collect();
        texts.join(" ")
    };
    let live: Vec<Segment> = events
        .iter()
        .filter(|event| event.name == "segment")
        .map(|event| serde_json::from_value(event.data.clone()).unwrap())
        .collect();
    assert_eq!(words(&live), words(&labels.segments));
}

#[test]
fn silence_noise_and_music_have_no_speaker() {
    let Some(service) = service_with_speakers() else {
        return;
    };
    for name in ["silence.flac", "noise.flac", "music.opus"] {
        let job = service
            .client
            .submit(&fixture(name), "language=en&diarize=true");
        let result = service.client.wait(job).result.unwrap();
        assert!(result.speakers.is_empty(), "{name}: {:?}", result.speakers);
        assert!(result.warnings.is_empty(), "{name}: {:?}", result.warnings);
    }
}

#[test]
fn music_after_a_conversation_has_no_speaker() {
    let Some(service) = service_with_speakers() else {
        return;
    };
    // Ogg allows chained streams.
    let read = |name| fs::read(fixture(name)).unwrap();
    let recording = service.scratch().join("with_music.opus");
    fs::write(
        &recording,
        [read("dialogue.opus"), read("music.opus")].concat(),
    )
    .unwrap();
    let conversation = transcribe(&service, "diarize=true").duration_seconds;

    for options in ["", "&max_speakers=2"] {
        let options = format!("language=en&diarize=true{options}");
        let job = service.client.submit(&recording, &options);
        let result = service.client.wait(job).result.unwrap();

        assert!(result.duration_seconds > conversation + 3.0);
        assert_eq!(turns(&result), TURNS);
        let ends = result.speakers.iter().flat_map(|speaker| &speaker.turns);
        let last = ends.map(|turn| turn.end).fold(0.0, f64::max);
        assert!(last < conversation + 0.5, "a turn ends at {last}");
    }
}

/// Low strings that the networks take for a voice, at 16 kHz.
fn strings() -> Vec<i16> {
    const NOTE: usize = 5600;
    const PAUSE: usize = 2000;
    let melody = [392, 440, 494, 392, 330, 294, 392, 440].map(|hertz| f64::from(hertz) / 3.0);
    let mut phase = 0.0;
    let mut sound = Vec::new();
    for hertz in melody.iter().cycle().take(3 * melody.len()) {
        for sample in 0..NOTE {
            let seconds = sample as f64 / 16_000.0;
            let vibrato = 1.0 + 0.02 * (TAU * 5.5 * seconds).sin();
            phase += TAU * hertz * vibrato / 16_000.0;
            let harmonics =
                (1..30).map(|number| (f64::from(number) * phase).sin() / f64::from(number));
            let attack = (sample.min(NOTE - sample) as f64 / 800.0).min(1.0);
            sound.push((8000.0 * attack * harmonics.sum::<f64>()) as i16);
        }
        sound.extend([0; PAUSE]);
    }
    sound
}

/// The bundled clip of one voice with these samples after it, as a WAV file.
fn after_voice(samples: &[i16], folder: &Path) -> PathBuf {
    const HEADER: usize = 44;
    let mut file = fs::read(fixture("clip.wav")).unwrap();
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    let bytes = (file.len() - HEADER) as u32;
    file[4..8].copy_from_slice(&(bytes + 36).to_le_bytes());
    file[40..44].copy_from_slice(&bytes.to_le_bytes());

    let path = folder.join("voice_and_strings.wav");
    fs::write(&path, file).unwrap();
    path
}

#[test]
fn strings_that_the_networks_take_for_a_voice_are_no_turn_of_it() {
    let Some(service) = service_with_speakers() else {
        return;
    };
    let strings = strings();
    let in_strings: Vec<f32> = strings
        .iter()
        .map(|sample| f32::from(*sample) / 32_768.0)
        .collect();
    assert!(
        !turns_in(&in_strings).is_empty(),
        "the networks find no voice in the strings: the test needs other sound"
    );

    let recording = after_voice(&strings, &service.scratch());
    let job = service
        .client
        .submit(&recording, "language=en&diarize=true");
    let result = service.client.wait(job).result.unwrap();
    assert!(result.duration_seconds > 14.0);
    assert_eq!(result.speakers.len(), 1);
    let ends = result.speakers[0].turns.iter().map(|turn| turn.end);
    let last = ends.fold(0.0, f64::max);
    assert!(last > 2.5 && last < 5.0, "the last turn ends at {last}");
}

/// What the networks find in these samples.
fn turns_in(samples: &[f32]) -> Vec<steno_speakers::Turn> {
    let weights = Cache::from_env().unwrap().open_verified_speakers().unwrap();
    let networks = Networks::from_bytes(&fs::read(weights.path()).unwrap()).unwrap();
    let mut read = |from: usize, buffer: &mut [f32]| {
        buffer.copy_from_slice(&samples[from..from + buffer.len()]);
        Ok(())
    };
    let found =
        Diarizer::new(&networks, Bounds::default())
            .speakers(samples.len(), &mut read, &mut |_| true);
    found.unwrap().turns
}

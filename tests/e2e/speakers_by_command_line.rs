//! Speakers on the command line: their number, their names, recordings of their voices, and RTTM.

use steno_e2e::{Service, fixture};

use crate::speakers::{TURNS, service_with_speakers};

/// What `steno transcribe` prints about the conversation.
fn printed(service: &Service, options: &[&str]) -> String {
    let recording = fixture("dialogue.opus");
    let words = [
        "transcribe",
        recording.to_str().unwrap(),
        "--language",
        "en",
    ];
    let (code, output, log) = service.cli(&[&words, options].concat());
    assert_eq!(code, Some(0), "{log}");
    output
}

/// The speakers of a text, one in each line.
fn speakers(text: &str) -> Vec<&str> {
    let names = text.lines().map(|line| line.split_once(": "));
    names
        .map(|pair| pair.map_or("-", |(name, _)| name))
        .collect()
}

#[test]
fn a_number_or_names_of_speakers_label_the_output() {
    let Some(service) = service_with_speakers() else {
        return;
    };
    let text = printed(&service, &["--speakers", "2"]);
    assert_eq!(speakers(&text), TURNS, "{text}");

    let rttm = printed(&service, &["--speakers", "Anna,Ben", "--format", "rttm"]);
    let names: Vec<&str> = rttm
        .lines()
        .map(|line| line.split(' ').nth(7).unwrap())
        .collect();
    assert_eq!(
        names,
        TURNS.map(|turn| if turn == "A" { "Anna" } else { "Ben" })
    );
    assert!(
        rttm.lines().all(|line| line.starts_with("SPEAKER ")),
        "{rttm}"
    );
}

#[test]
fn a_known_speaker_has_its_name_in_the_output() {
    let Some(service) = service_with_speakers() else {
        return;
    };
    let known = format!("Ben={}", fixture("dialogue_ben.opus").display());
    let text = printed(&service, &["--known-speaker", &known]);
    assert_eq!(
        speakers(&text),
        TURNS.map(|turn| if turn == "A" { "A" } else { "Ben" })
    );

    let recording = fixture("dialogue.opus");
    let nowhere = [
        "transcribe",
        recording.to_str().unwrap(),
        "--known-speaker",
        "Ben=none.wav",
    ];
    let (code, _, log) = service.cli(&nowhere);
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("cannot read none.wav"), "{log}");
}

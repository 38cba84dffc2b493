//! Known speakers: the names of people with a recording of each, by which their voices are recognised.
//!
//! Read from the options of a submission. A voice is biometric data: [`SpeakerReference`] never shows its
//! audio in logs or errors. What is in the audio is for workers to find out, except for the length of a WAV file.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Most known speakers of a job.
pub(crate) const MAX_KNOWN_SPEAKERS: usize = 4;
/// Largest reference, in bytes of its data URL.
const MAX_URL_BYTES: usize = 1024 * 1024;
/// What a reference starts with.
const SCHEME: &str = "data:";
/// Shortest and longest reference, in seconds.
const SECONDS: std::ops::RangeInclusive<f64> = 2.0..=10.0;
/// How much a length in a header may be off.
const SLACK_SECONDS: f64 = 0.1;

/// The recording of one speaker: the bytes of an audio file in base64.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpeakerReference(String);

impl SpeakerReference {
    /// Reads a data URL.
    fn from_data_url(url: &str) -> Result<Self, String> {
        if url.len() > MAX_URL_BYTES {
            return Err(format!(
                "a reference may have at most {MAX_URL_BYTES} bytes; send mono audio at 16 kHz, or a compressed format"
            ));
        }
        let (kind, body) = url.split_once(',').unwrap_or_default();
        let is_audio = ["data:audio/", "data:video/", "data:application/"]
            .iter()
            .any(|start| kind.to_ascii_lowercase().starts_with(start));
        if !is_audio || !kind.to_ascii_lowercase().ends_with(";base64") {
            return Err(
                "a reference is a data URL such as data:audio/wav;base64,UklGR…".to_owned(),
            );
        }

        let reference = Self(body.trim().to_owned());
        let Some(audio) = reference.audio().filter(|audio| !audio.is_empty()) else {
            return Err("the base64 of a reference cannot be decoded, or is empty".to_owned());
        };
        if is_text(&audio) {
            return Err("a reference is an audio file, and this one is text".to_owned());
        }
        if let Some(seconds) = wav_seconds(&audio).filter(|seconds| !is_long_enough(*seconds)) {
            return Err(format!(
                "a reference has 2 to 10 s of audio, and this one has {seconds:.1} s"
            ));
        }
        Ok(reference)
    }

    /// The bytes of the audio file. `None` if what was stored is damaged.
    pub fn audio(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.0).ok()
    }
}

/// Without its audio: it must not get into a log.
impl fmt::Debug for SpeakerReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SpeakerReference({} bytes)", self.0.len())
    }
}

/// Whether a recording of so many seconds can be a reference.
pub fn is_long_enough(seconds: f64) -> bool {
    seconds >= SECONDS.start() - SLACK_SECONDS && seconds <= SECONDS.end() + SLACK_SECONDS
}

/// Reads data URLs with commas or spaces between them. Base64 has no colon, so each starts at `data:`.
pub(crate) fn references(value: &str) -> Result<Vec<SpeakerReference>, String> {
    let mut pieces = value.split(SCHEME);
    let before = pieces.next().unwrap_or_default();
    if !before.trim().is_empty() {
        return Err("a reference is a data URL such as data:audio/wav;base64,UklGR…".to_owned());
    }
    let read: Result<Vec<_>, _> = pieces
        .map(|piece| piece.trim_end_matches(|c: char| c == ',' || c.is_whitespace()))
        .map(|piece| SpeakerReference::from_data_url(&format!("{SCHEME}{piece}")))
        .collect();
    let read = read?;
    if read.len() > MAX_KNOWN_SPEAKERS {
        return Err(format!(
            "at most {MAX_KNOWN_SPEAKERS} references are allowed"
        ));
    }
    Ok(read)
}

/// Whether these bytes are a text file. Every format of audio has a NUL, or bytes that are no UTF-8.
fn is_text(bytes: &[u8]) -> bool {
    !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()
}

/// The length of a WAV file by its header; `None` for other formats, and where the header does not say it.
fn wav_seconds(audio: &[u8]) -> Option<f64> {
    if audio.get(..4)? != b"RIFF" || audio.get(8..12)? != b"WAVE" {
        return None;
    }
    let number = |at: usize| {
        let bytes = audio.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes))
    };

    let mut bytes_per_second = None;
    let mut at = 12;
    while let Some(length) = number(at + 4) {
        match audio.get(at..at + 4)? {
            b"fmt " => bytes_per_second = number(at + 16),
            b"data" => {
                let there = (audio.len() - at - 8).min(length as usize);
                let rate = bytes_per_second.filter(|rate| *rate > 0)?;
                return Some(there as f64 / f64::from(rate));
            }
            _ => {}
        }
        at = at.checked_add(8 + length as usize + length as usize % 2)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAV file of silence, 16 bits at 8 kHz.
    fn wav(seconds: f64) -> Vec<u8> {
        let samples = vec![0; (seconds * 16_000.0) as usize];
        let mut file =
            b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data"
                .to_vec();
        file.extend((samples.len() as u32).to_le_bytes());
        file.extend(samples);
        file
    }

    fn url(audio: &[u8]) -> String {
        format!("data:audio/wav;base64,{}", STANDARD.encode(audio))
    }

    #[test]
    fn references_are_read_with_commas_or_spaces_between_them() {
        let one = url(&wav(3.0));
        for value in [format!("{one},{one}"), format!("{one} \n {one} ")] {
            let read = references(&value).unwrap();
            assert_eq!(read.len(), 2);
            assert_eq!(read[1].audio().unwrap(), wav(3.0));
        }
        assert!(references("").unwrap().is_empty());
        assert!(references(&url(b"OggS\0, of unknown length")).is_ok());
    }

    #[test]
    fn bad_references_are_refused() {
        for (value, why) in [
            ("voice.wav".to_owned(), "data URL"),
            ("https://example.org/voice.wav".to_owned(), "data URL"),
            ("data:text/plain;base64,QUJD".to_owned(), "data URL"),
            ("data:audio/wav,QUJD".to_owned(), "data URL"),
            ("data:audio/wav;base64,???".to_owned(), "base64"),
            ("data:audio/wav;base64,".to_owned(), "base64"),
            (url(b"Dear Anna"), "this one is text"),
            (url(&wav(1.0)), "this one has 1.0 s"),
            (url(&wav(11.0)), "this one has 11.0 s"),
            (url(&wav(100.0)), "at most 1048576 bytes"),
            (vec![url(&wav(2.0)); 5].join(","), "at most 4"),
        ] {
            let error = references(&value).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn audio_is_not_in_the_debug_form() {
        let read = references(&url(&wav(2.0))).unwrap();
        assert_eq!(format!("{read:?}"), "[SpeakerReference(42728 bytes)]");
    }
}

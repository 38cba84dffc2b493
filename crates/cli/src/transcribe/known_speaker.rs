//! The value of `--known-speaker`: a name, and a file with that voice.

use std::fs::File;
use std::io::Read as _;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Largest file: the server takes 1 MiB of base64.
const MAX_BYTES: u64 = 767 * 1024;

/// A person whose voice is recognised.
#[derive(Clone, Debug)]
pub(super) struct KnownSpeaker {
    name: String,
    /// A data URL.
    reference: Reference,
}

/// A recording of a voice: never printed.
#[derive(Clone)]
struct Reference(String);

impl std::fmt::Debug for Reference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Reference")
    }
}

impl FromStr for KnownSpeaker {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, path) = text
            .split_once('=')
            .ok_or("give a name and a file, as Anna=anna.wav")?;
        if name.contains(',') {
            return Err("a name has no comma".to_owned());
        }
        let unreadable = |error| format!("cannot read {path}: {error}");
        let mut audio = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut audio)
            .map_err(unreadable)?;
        if audio.len() as u64 > MAX_BYTES {
            return Err(format!(
                "{path} is too large: give 2 to 10 s of one voice, at most {} kB",
                MAX_BYTES / 1024
            ));
        }

        let body = STANDARD.encode(audio);
        Ok(Self {
            name: name.to_owned(),
            reference: Reference(format!("data:application/octet-stream;base64,{body}")),
        })
    }
}

impl KnownSpeaker {
    /// The names, as the server takes them.
    pub(super) fn names(speakers: &[Self]) -> Option<String> {
        joined(speakers, |speaker| &speaker.name)
    }

    /// The recordings, as the server takes them.
    pub(super) fn references(speakers: &[Self]) -> Option<String> {
        joined(speakers, |speaker| &speaker.reference.0)
    }
}

fn joined(speakers: &[KnownSpeaker], part: impl Fn(&KnownSpeaker) -> &str) -> Option<String> {
    let parts: Vec<&str> = speakers.iter().map(part).collect();
    (!parts.is_empty()).then(|| parts.join(","))
}

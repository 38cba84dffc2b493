//! Recordings with the turns of their speakers: how they are found and read.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use steno_speakers::Turn;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use crate::Result;

/// A recording and who speaks in it.
pub(crate) struct Recording {
    /// At 16 kHz.
    pub(crate) samples: Vec<f32>,
    /// The true turns.
    pub(crate) turns: Vec<Turn>,
    /// The name of each speaker.
    pub(crate) names: Vec<String>,
}

/// The turns of an RTTM file; its path may lack the extension.
pub(crate) fn read_turns(path: &Path) -> Result<Vec<Turn>> {
    Ok(read_rttm(&path.with_extension("rttm"))?.0)
}

impl Recording {
    /// Reads a recording and the RTTM file beside it.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let (turns, names) = read_rttm(&path.with_extension("rttm"))?;
        Ok(Self {
            samples: decode(path)?,
            turns,
            names,
        })
    }

    /// How long a speaker speaks.
    pub(crate) fn seconds_of(&self, name: &str) -> f64 {
        let own = self
            .turns
            .iter()
            .filter(|turn| self.names[turn.speaker] == name);
        own.map(|turn| turn.end - turn.start).sum::<u64>() as f64 / 16_000.0
    }
}

/// The recording, or those in the folder that have a reference.
pub(crate) fn found(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut recordings = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let is_audio = matches!(
            path.extension().and_then(OsStr::to_str),
            Some("flac" | "wav")
        );
        if is_audio && path.with_extension("rttm").exists() {
            recordings.push(path);
        }
    }
    recordings.sort();
    Ok(recordings)
}

pub(crate) fn name(recording: &Path) -> String {
    let stem = recording.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// `SPEAKER recording 1 start length <NA> <NA> name …`
fn read_rttm(path: &Path) -> Result<(Vec<Turn>, Vec<String>)> {
    let mut numbers = HashMap::new();
    let mut names = Vec::new();
    let mut turns = Vec::new();
    for line in fs::read_to_string(path)?.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.first() != Some(&"SPEAKER") {
            continue;
        }
        let start: f64 = fields[3].parse()?;
        let length: f64 = fields[4].parse()?;
        let name = fields[7].to_owned();
        let number = *numbers.entry(name.clone()).or_insert(names.len());
        if number == names.len() {
            names.push(name);
        }
        turns.push(Turn {
            start: (start * 16_000.0) as u64,
            end: ((start + length) * 16_000.0) as u64,
            speaker: number,
        });
    }
    Ok((turns, names))
}

/// Samples of a mono recording at 16 kHz.
pub(crate) fn decode(path: &Path) -> Result<Vec<f32>> {
    let stream = MediaSourceStream::new(
        Box::new(File::open(path)?),
        MediaSourceStreamOptions::default(),
    );
    let mut format = symphonia::default::get_probe().probe(
        &Hint::new(),
        stream,
        FormatOptions::default(),
        MetadataOptions::default(),
    )?;
    let track = format.default_track(TrackType::Audio).ok_or("no audio")?;
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or("no audio")?;
    if parameters.sample_rate != Some(16_000) {
        return Err(format!("{}: not at 16 kHz", path.display()).into());
    }
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())?;

    let mut samples = Vec::new();
    let mut block = Vec::new();
    while let Some(packet) = format.next_packet()? {
        decoder
            .decode(&packet)?
            .copy_to_vec_interleaved::<f32>(&mut block);
        samples.extend_from_slice(&block);
    }
    Ok(samples)
}

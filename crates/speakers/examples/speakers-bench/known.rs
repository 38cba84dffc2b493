//! Known speakers: how often a voice that speaks in a recording is not recognised, and how often one that does not is.
//!
//! A folder has a recording of each voice, named as in the RTTM files. As in a request, up to four voices are known at a time:
//! first some that speak in the recording, then some that do not.

use std::fs;
use std::path::Path;

use steno_speakers::{Bounds, Diarizer, Networks};

use crate::Result;
use crate::recording::{Recording, decode, name};

/// Voices that are known at a time.
const KNOWN: usize = 4;
/// Seconds that a voice has to speak: it cannot be expected to be found otherwise.
const LEAST_SECONDS: f64 = 4.0;

/// A person, with a recording of their voice.
struct Reference {
    name: String,
    samples: Vec<f32>,
}

/// What happened to the voices.
#[derive(Default)]
struct Tally {
    present: usize,
    missed: usize,
    /// Voices whose name another speaker got.
    mistaken: usize,
    absent: usize,
    /// Voices that are not there, and whose name a speaker got.
    invented: usize,
}

/// Prints how often voices of `folder` are recognised in the recordings.
pub(crate) fn measure(
    networks: &Networks,
    folder: &Path,
    recordings: &[std::path::PathBuf],
) -> Result<()> {
    let references = read(folder)?;
    let mut tally = Tally::default();
    for path in recordings {
        let recording = Recording::read(path)?;
        let (present, absent): (Vec<&Reference>, Vec<&Reference>) = references
            .iter()
            .partition(|reference| recording.names.contains(&reference.name));
        let heard: Vec<&Reference> = present
            .into_iter()
            .filter(|reference| recording.seconds_of(&reference.name) >= LEAST_SECONDS)
            .collect();

        for voices in heard.chunks(KNOWN) {
            for (found, reference) in recognised(networks, &recording, voices)?.iter().zip(voices) {
                tally.present += 1;
                match found {
                    None => tally.missed += 1,
                    Some(name) if *name != reference.name => tally.mistaken += 1,
                    Some(_) => {}
                }
            }
        }
        for voices in absent.chunks(KNOWN) {
            let found = recognised(networks, &recording, voices)?;
            tally.absent += voices.len();
            tally.invented += found.iter().flatten().count();
        }
        println!("{:<24} {}", name(path), tally.line());
    }
    Ok(())
}

impl Tally {
    fn line(&self) -> String {
        format!(
            "{} voices that speak: {} not recognised, {} as another speaker; {} that do not: {} recognised",
            self.present, self.missed, self.mistaken, self.absent, self.invented
        )
    }
}

fn read(folder: &Path) -> Result<Vec<Reference>> {
    let mut references = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        references.push(Reference {
            name: name(&path),
            samples: decode(&path)?,
        });
    }
    references.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(references)
}

/// For each voice the true name of the speaker that it was recognised as.
fn recognised(
    networks: &Networks,
    recording: &Recording,
    voices: &[&Reference],
) -> Result<Vec<Option<String>>> {
    let known: Vec<Vec<f32>> = voices.iter().map(|voice| voice.samples.clone()).collect();
    let samples = &recording.samples;
    let mut read = |from: usize, buffer: &mut [f32]| {
        buffer.copy_from_slice(&samples[from..from + buffer.len()]);
        Ok(())
    };
    let diarizer = Diarizer::new(networks, Bounds::default()).with_known(&known);
    let speakers = diarizer.speakers(samples.len(), &mut read, &mut |_| true)?;

    let true_name = |speaker: usize| {
        let own = speakers.turns.iter().filter(|turn| turn.speaker == speaker);
        let mut seconds = vec![0; recording.names.len()];
        for turn in own {
            for truth in &recording.turns {
                let both = turn
                    .end
                    .min(truth.end)
                    .saturating_sub(turn.start.max(truth.start));
                seconds[truth.speaker] += both;
            }
        }
        let most = seconds
            .iter()
            .enumerate()
            .max_by_key(|(_, seconds)| **seconds);
        most.map(|(speaker, _)| recording.names[speaker].clone())
    };
    Ok(speakers
        .known
        .iter()
        .map(|speaker| speaker.and_then(true_name))
        .collect())
}

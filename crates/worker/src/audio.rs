//! Untrusted audio to a spool of 16 kHz mono samples and a plan of spans worth transcribing.
//!
//! [`prepare`] is called once for a file, in a process of its own; [`read_span`] by the task code, once for a span. It blocks, in
//! bounded memory, and believes nothing the file says about itself. Never sees the store, the network or whisper, and never logs a path.

mod cpu_limit;
mod decode;
mod downmix;
mod echo;
mod error;
mod pipeline;
mod plan;
mod resample;
mod signature;
mod sink;
mod sound;
mod span;
mod speech;
mod spool;
#[cfg(test)]
mod tests;
mod track_choice;

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use error::AudioError;
pub use span::{Span, Stretch};
pub use spool::{Spool, SpoolBytes, read_span, samples_of};
pub use track_choice::{Selection, TrackChoice};

use crate::Control;

/// Samples per second of a spool, the input rate of Whisper.
pub const SAMPLE_RATE: u32 = 16_000;

/// Bounds on what one file may expand to, and take. All are counted while decoding, never read from a header.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Longest audio, in seconds.
    pub max_seconds: u64,
    /// Most bytes of decoded 32-bit float samples, over all channels and before resampling.
    pub max_decoded_bytes: u64,
    /// Speech after which the remainder of a file is not decoded; `None` decodes all of it.
    pub enough_speech: Option<Duration>,
    /// Processor time for a file that yields no sound; half a second more for each second of sound.
    pub max_cpu: Duration,
}

impl Default for Limits {
    /// Four hours, no bound on bytes beyond what four hours of the highest rate and channel count give, and a minute.
    fn default() -> Self {
        Self {
            max_seconds: 4 * 60 * 60,
            max_decoded_bytes: u64::MAX,
            enough_speech: None,
            max_cpu: Duration::from_mins(1),
        }
    }
}

/// What is known of a file once it is decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Length of the spool, in milliseconds.
    pub duration_ms: u64,
    /// Where people speak: in order, disjoint, at most 29 s of speech each. Empty without speech.
    pub spans: Vec<Span>,
    /// The file broke off before its end; what was there is in the spool.
    pub truncated: bool,
    /// How much of the recording could not be decoded and is silence in the spool, in milliseconds.
    #[serde(default)]
    pub damaged_ms: u64,
    /// Channels in the spool, one after the other, each as long as the recording. One, unless they were to be split.
    pub channels: u64,
    /// Channels were to be split, but only one of them has sound of its own.
    pub is_one_sound: bool,
}

impl Recording {
    /// Whether it can be the recording of a spool of `samples` samples.
    pub fn fits(&self, samples: u64) -> bool {
        self.channels > 0
            && self.duration_ms.saturating_mul(self.channels) == milliseconds(samples)
            && plan::is_plan(&self.spans, samples)
    }
}

/// Length of so many samples, in milliseconds.
fn milliseconds(samples: u64) -> u64 {
    samples * 1000 / u64::from(SAMPLE_RATE)
}

/// Decodes the audio file at `input` into the file at `spool` and finds the spans with speech.
///
/// `spool` is emptied first and keeps its inode, so the caller may hold a lock on it. Reads one track of any container the decoder
/// knows; `selection` says which. After an error the spool's content means nothing.
pub fn prepare(
    input: &Path,
    spool: &Path,
    limits: &Limits,
    selection: impl Into<Selection>,
    control: &dyn Control,
) -> Result<Recording, AudioError> {
    let input = open_input(input)?;
    let spool = open_spool(spool)?;
    prepare_open(&input, &spool, limits, selection.into(), control)
}

/// Opens a recording for [`prepare_open`].
pub fn open_input(path: &Path) -> Result<File, AudioError> {
    let open = || {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(file)
    };
    open().map_err(AudioError::Input)
}

/// Opens a spool for [`prepare_open`], with its content.
pub fn open_spool(path: &Path) -> Result<File, AudioError> {
    let mut options = File::options();
    // Read to move channels together.
    options.read(true).write(true);
    let opened = options.create(true).truncate(false).open(path);
    opened.map_err(AudioError::Spool)
}

/// [`prepare`] with files that are open already, for a process that may open none.
pub fn prepare_open(
    input: &File,
    spool: &File,
    limits: &Limits,
    selection: Selection,
    control: &dyn Control,
) -> Result<Recording, AudioError> {
    pipeline::run(input, spool, limits, selection, control)
}

/// Stores what ffmpeg decodes, read from `pipe`, in the file `spool` and finds the spans with speech. The limits hold as for
/// [`prepare`].
pub fn prepare_piped(
    pipe: impl io::Read,
    spool: &File,
    limits: &Limits,
    splits_channels: bool,
    control: &dyn Control,
) -> Result<Recording, AudioError> {
    pipeline::run_piped(pipe, spool, limits, splits_channels, control)
}

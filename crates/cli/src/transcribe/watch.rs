//! `steno transcribe --watch`: a folder whose recordings get their transcripts as they come.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::Context;

use super::Runner;
use crate::formats::{FormatArguments, Target};
use crate::recordings::{Recording, in_folder};

/// Pause between two looks. Looking works on every file system, also on those that tell nobody of changes.
const TICK: Duration = Duration::from_secs(1);

/// How a file looked: while it is being written, this changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    bytes: u64,
    modified: SystemTime,
}

/// What has been seen of the files of a folder.
#[derive(Default)]
struct Seen {
    looks: HashMap<PathBuf, Look>,
    /// What was tried, whatever came of it: a recording that cannot be transcribed is not tried again until it changes.
    tried: HashMap<PathBuf, Look>,
}

impl Seen {
    /// Whether to transcribe a file now: it looks as it did before, has not been tried so, and lacks a transcript that is newer
    /// than it.
    fn is_ready(&mut self, path: &Path, look: Look, transcripts: &[Option<SystemTime>]) -> bool {
        let before = self.looks.insert(path.to_owned(), look);
        let has_all = transcripts.iter().all(|written| written.is_some_and(|written| written >= look.modified));
        if before != Some(look) || has_all || look.bytes == 0 || self.tried.get(path) == Some(&look) {
            return false;
        }
        self.tried.insert(path.to_owned(), look);
        true
    }
}

/// Runs until Ctrl-C.
pub(super) fn watch(runner: &Runner, folder: &Path, format: &FormatArguments) -> anyhow::Result<()> {
    let mut seen = Seen::default();
    runner.board.say(&format!("watching {}; Ctrl-C ends", folder.display()));
    loop {
        let files = in_folder(folder).with_context(|| format!("cannot list the folder {}", folder.display()))?;
        let mut work = Vec::new();
        for path in files {
            let Ok(metadata) = path.metadata() else { continue };
            let Ok(modified) = metadata.modified() else { continue };
            let look = Look { bytes: metadata.len(), modified };
            // A transcript that cannot have a place is told once, with the recording's turn.
            match format.targets(&[&path], true) {
                Ok(mut targets) => {
                    let targets = targets.remove(0);
                    if seen.is_ready(&path, look, &written_at(&targets)) {
                        work.push((Recording { path, spooled: None }, targets));
                    }
                }
                Err(error) if seen.is_ready(&path, look, &[None]) => runner.board.say(&format!("steno: {error:#}")),
                Err(_) => {}
            }
        }
        if work.is_empty() {
            thread::sleep(TICK);
            continue;
        }
        let is_single = work.len() == 1;
        for error in runner.run(work) {
            if is_single {
                runner.board.say(&format!("steno: {error:#}"));
            }
        }
    }
}

/// When each transcript was last written.
fn written_at(targets: &[Target]) -> Vec<Option<SystemTime>> {
    targets.iter().map(|(_, output)| output.path()?.metadata().ok()?.modified().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_once_when_it_is_whole_and_has_no_transcript() {
        let path = Path::new("talk.wav");
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let look = |bytes, seconds| Look { bytes, modified: at(seconds) };
        let mut seen = Seen::default();
        assert!(!seen.is_ready(path, look(1, 10), &[None]), "it may still be written");
        assert!(!seen.is_ready(path, look(2, 11), &[None]), "it is still written");
        assert!(seen.is_ready(path, look(2, 11), &[None]));
        assert!(!seen.is_ready(path, look(2, 11), &[None]), "it was tried");
        assert!(!seen.is_ready(path, look(3, 20), &[Some(at(12))]));
        assert!(seen.is_ready(path, look(3, 20), &[Some(at(12))]), "it is newer than its transcript");
        let other = Path::new("other.wav");
        for _ in 0..2 {
            assert!(!seen.is_ready(other, look(5, 10), &[Some(at(10)), Some(at(12))]), "it has its transcripts");
            assert!(!seen.is_ready(Path::new("empty.wav"), look(0, 10), &[None]), "nothing has come yet");
        }
    }
}

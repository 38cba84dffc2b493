//! `steno transcribe --watch`: a folder whose recordings get their transcripts as they come.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::Context;

use super::Runner;
use crate::formats::{Target, refuse_taken};
use crate::print;
use crate::recordings::{Recording, in_folder};

/// Pause between two polls. Polling works on every file system, also without change notifications.
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
    /// How each looked when it was last sent, whatever came of it. One that has changed since, in whatever way, is sent again:
    /// it was still being copied, or another has taken its place.
    sent: HashMap<PathBuf, Look>,
}

/// What to do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Wait: it may still be written, or this version was sent before.
    Wait,
    /// It was there before this program began, and its transcripts are newer. Returned once.
    HasTranscripts,
    /// Send it.
    Send,
}

impl Seen {
    /// Decides what to do with a file. It is sent once it no longer changes, if it differs from
    /// when it was last sent. One that was there before this program began is not sent if its
    /// transcripts are newer.
    fn judge(&mut self, path: &Path, look: Look, transcripts: &[Option<SystemTime>]) -> Verdict {
        let before = self.looks.insert(path.to_owned(), look);
        if before != Some(look) || look.bytes == 0 {
            return Verdict::Wait;
        }
        let is_older =
            |written: &Option<SystemTime>| written.is_some_and(|written| written >= look.modified);
        let verdict = match self.sent.get(path) {
            Some(sent) if *sent == look => Verdict::Wait,
            None if transcripts.iter().all(is_older) => Verdict::HasTranscripts,
            _ => Verdict::Send,
        };
        // Also if a transcript exists: later changes of the recording are then noticed, whatever
        // its time stamp.
        self.sent.insert(path.to_owned(), look);
        verdict
    }

    /// Whether to send the file now.
    fn is_ready(&mut self, path: &Path, look: Look, transcripts: &[Option<SystemTime>]) -> bool {
        self.judge(path, look, transcripts) == Verdict::Send
    }
}

/// Runs until Ctrl-C.
pub(super) fn watch(runner: &Runner<'_>, folder: &Path) -> anyhow::Result<()> {
    let mut seen = Seen::default();
    runner
        .board
        .say(&format!("watching {}; Ctrl-C ends", print::name(folder)));

    loop {
        let files = in_folder(folder)
            .with_context(|| format!("cannot list the folder {}", print::name(folder)))?;
        let mut work = Vec::new();
        for path in files {
            let Ok(metadata) = path.metadata() else {
                continue;
            };
            let Ok(modified) = metadata.modified() else {
                continue;
            };
            let look = Look {
                bytes: metadata.len(),
                modified,
            };
            // A transcript that cannot be placed is reported once, when its recording is handled.
            match runner.format.targets(&[&path], true) {
                Ok(mut targets) => {
                    let targets = targets.remove(0);
                    match seen.judge(&path, look, &written_at(&targets)) {
                        Verdict::Wait => continue,
                        Verdict::HasTranscripts => {
                            report_foreign(runner, &path, &targets);
                            continue;
                        }
                        Verdict::Send => {}
                    }
                    let recording = Recording::at(path);
                    match refuse_taken(targets.iter()) {
                        Ok(()) => work.push((recording, targets)),
                        Err(error) => runner.refuse(&recording, error),
                    }
                }
                Err(error) if seen.is_ready(&path, look, &[None]) => {
                    let recording = Recording::at(path);
                    runner.refuse(&recording, error);
                }
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

/// Reports a recording that is left out although the newer file in the place of its transcript is not one that Steno wrote.
fn report_foreign(runner: &Runner<'_>, recording: &Path, targets: &[Target]) {
    let Some((_, foreign)) = targets.iter().find(|(_, output)| output.is_taken()) else {
        return;
    };
    runner.board.say(&format!(
        "{}: skipped, because {foreign} is newer, and is no transcript of Steno or was edited; to transcribe it, move that file away and \
         touch the recording",
        print::name(recording)
    ));
}

/// When each transcript was last written.
fn written_at(targets: &[Target]) -> Vec<Option<SystemTime>> {
    targets
        .iter()
        .map(|(_, output)| output.path()?.metadata().ok()?.modified().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_once_when_it_is_whole_and_has_no_transcript() {
        let path = Path::new("talk.wav");
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let look = |bytes, seconds| Look {
            bytes,
            modified: at(seconds),
        };
        let mut seen = Seen::default();
        assert!(
            !seen.is_ready(path, look(1, 10), &[None]),
            "it may still be written"
        );
        assert!(
            !seen.is_ready(path, look(2, 11), &[None]),
            "it is still written"
        );
        assert!(seen.is_ready(path, look(2, 11), &[None]));
        assert!(!seen.is_ready(path, look(2, 11), &[None]), "it was tried");
        assert!(!seen.is_ready(path, look(3, 20), &[Some(at(12))]));
        assert!(
            seen.is_ready(path, look(3, 20), &[Some(at(12))]),
            "it is newer than its transcript"
        );
        assert!(!seen.is_ready(path, look(3, 20), &[Some(at(21))]));
        let other = Path::new("other.wav");

        for _ in 0..2 {
            assert!(
                !seen.is_ready(other, look(5, 10), &[Some(at(10)), Some(at(12))]),
                "it has its transcripts"
            );
            assert!(
                !seen.is_ready(Path::new("empty.wav"), look(0, 10), &[None]),
                "nothing has come yet"
            );
        }
    }

    #[test]
    fn a_recording_with_newer_transcripts_is_reported_once() {
        let path = Path::new("talk.wav");
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let look = Look {
            bytes: 1,
            modified: at(10),
        };
        let mut seen = Seen::default();
        let mut judge = || seen.judge(path, look, &[Some(at(50))]);
        assert_eq!(judge(), Verdict::Wait);
        assert_eq!(judge(), Verdict::HasTranscripts);
        assert_eq!(judge(), Verdict::Wait);
    }

    #[test]
    fn a_recording_that_was_still_being_copied_is_sent_again_although_its_transcript_is_newer() {
        let path = Path::new("talk.wav");
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let look = |bytes, seconds| Look {
            bytes,
            modified: at(seconds),
        };
        let mut seen = Seen::default();
        let mut is_ready = |look, written| {
            assert!(
                !seen.is_ready(path, look, &[written]),
                "it may still be written"
            );
            seen.is_ready(path, look, &[written])
        };

        assert!(is_ready(look(100, 10), None), "the copy has paused");
        assert!(
            is_ready(look(400, 11), Some(at(15))),
            "the remaining part arrived while the first part was transcribed"
        );
        assert!(!is_ready(look(400, 11), Some(at(20))));
        assert!(
            is_ready(look(300, 5), Some(at(20))),
            "an older file has taken its place"
        );
    }

    #[test]
    fn a_recording_with_a_transcript_from_before_is_seen_when_it_changes() {
        let path = Path::new("talk.wav");
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let look = |bytes, seconds| Look {
            bytes,
            modified: at(seconds),
        };
        let mut seen = Seen::default();
        let mut is_ready = |look| {
            assert!(
                !seen.is_ready(path, look, &[Some(at(50))]),
                "it may still be written"
            );
            seen.is_ready(path, look, &[Some(at(50))])
        };

        assert!(!is_ready(look(100, 10)));
        assert!(is_ready(look(100, 5)), "an older file has taken its place");
    }
}

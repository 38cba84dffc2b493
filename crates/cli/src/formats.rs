//! Formats of transcripts and the files they are written to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueHint};
use steno_models::Format;

use crate::output::{Output, folder_of};
use crate::print;
use crate::values::Completed;

/// Flags for the formats and targets of transcripts.
#[derive(Args, Clone, Debug)]
pub(crate) struct FormatArguments {
    /// Formats of the transcript, separated by commas: json, `verbose_json`, text, srt, vtt, tsv, lrc, rttm. Each is written to a file
    /// of its own.
    #[arg(long = "format", short, value_delimiter = ',', default_value = "text", hide_possible_values = true, value_parser = format_parser())]
    pub(crate) formats: Vec<Format>,
    /// File or folder to write to. A name that ends with / is a folder, and is created if it is missing; - is standard output. Default:
    /// standard output for one transcript, files beside the recordings for several.
    #[arg(long, short, value_hint = ValueHint::AnyPath)]
    pub(crate) output: Option<String>,
    /// Also replace files that Steno did not write, or that were edited since. A file named with --output is always replaced.
    #[arg(long)]
    pub(crate) force: bool,
}

/// A transcript to write.
pub(crate) type Target = (Format, Output);

fn format_parser() -> Completed<Format> {
    Completed::new(parse_format, Format::ALL.map(Format::as_str))
}

fn parse_format(name: &str) -> Result<Format, String> {
    let known = || Format::ALL.map(Format::as_str).join(", ");
    Format::from_name(name).ok_or_else(|| format!("known are {}", known()))
}

impl FormatArguments {
    /// Chooses a target for each transcript. Refuses two transcripts with one target, and a target that is a recording. Callers that
    /// need standard output themselves set `to_files`.
    pub(crate) fn targets(
        &self,
        recordings: &[&Path],
        to_files: bool,
    ) -> anyhow::Result<Vec<Vec<Target>>> {
        let count = recordings.len() * self.formats.len();
        let to_files = to_files || count > 1;
        let is_folder = |output: &str| output.ends_with('/') || Path::new(output).is_dir();
        if let Some(output) = self
            .output
            .as_deref()
            .filter(|output| count > 1 && !is_folder(output))
        {
            bail!(
                "{count} transcripts cannot be written to one file; for a folder of that name, use --output {output}/"
            );
        }

        if to_files && self.output.as_deref() == Some("-") {
            bail!(
                "these transcripts cannot be written to standard output; name a file or folder with --output"
            );
        }
        if let Some(folder) = self
            .output
            .as_deref()
            .filter(|output| output.ends_with('/'))
        {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {folder}"))?;
        }
        let sources: Vec<_> = recordings
            .iter()
            .filter_map(|path| path.canonicalize().ok())
            .collect();
        let mut taken = Vec::with_capacity(count);
        let mut targets = Vec::with_capacity(recordings.len());
        for recording in recordings {
            let mut outputs = Vec::with_capacity(self.formats.len());
            for format in &self.formats {
                let output = Output::choose(self.output.as_deref(), recording, to_files, *format);
                if let Some(path) = output.path() {
                    check_place(path, &sources, &mut taken)?;
                }
                outputs.push((*format, if self.force { output.forced() } else { output }));
            }
            targets.push(outputs);
        }

        Ok(targets)
    }

    /// The arguments of a `steno fetch` that writes the transcripts of a recording to the same targets.
    pub(crate) fn fetch_arguments(&self, recording: &Path, targets: &[Target]) -> String {
        let mut words = Vec::new();
        let formats: Vec<_> = targets.iter().map(|(format, _)| format.as_str()).collect();
        if formats != [Format::Text.as_str()] {
            words.extend(["-f".to_owned(), formats.join(",")]);
        }
        if let Some(output) = &self.output {
            words.extend(["-o".to_owned(), quoted(output)]);
        }
        let is_named_after_recording =
            |path: &Path| self.output.as_deref().map(Path::new) != Some(path);
        if targets
            .iter()
            .filter_map(|(_, output)| output.path())
            .any(is_named_after_recording)
        {
            words.extend(["--beside".to_owned(), quoted(&recording.to_string_lossy())]);
        }
        if self.force {
            words.push("--force".to_owned());
        }
        words.join(" ")
    }
}

/// Fails if a transcript would replace a file that is not an unchanged transcript of ours.
pub(crate) fn refuse_taken<'a>(targets: impl Iterator<Item = &'a Target>) -> anyhow::Result<()> {
    let taken: Vec<_> = targets.filter(|(_, output)| output.is_taken()).collect();
    let Some((_, first)) = taken.first() else {
        return Ok(());
    };

    let others = match taken.len() - 1 {
        0 => String::new(),
        others => format!(" (and {others} more)"),
    };
    bail!(
        "{first} exists{others}, and Steno did not write it, or it was edited since; use --force to replace it, --output for \
         another place, or transcribe --skip-existing to leave it"
    )
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if word.contains(char::is_control) {
        // Control characters are written as escapes, because a terminal would interpret them.
        return dollar_quoted(word);
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A word in `$'…'`, which bash, zsh and ksh read.
fn dollar_quoted(word: &str) -> String {
    let mut quoted = "$'".to_owned();
    for c in word.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.extend(c.to_string().bytes().flat_map(octal)),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// A byte as a backslash and three octal digits: no digit that follows can be read as part of it.
fn octal(byte: u8) -> [char; 4] {
    let digit = |shift: u8| char::from(b'0' + (byte >> shift & 7));
    ['\\', digit(6), digit(3), digit(0)]
}

fn check_place(path: &Path, sources: &[PathBuf], taken: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let shown = print::name(path);
    let place = place(path).with_context(|| format!("there is no folder to write {shown} to"))?;
    if sources.contains(&place) {
        bail!(
            "the transcript would replace the recording {shown}; name another place with --output"
        );
    }
    if taken.contains(&place) {
        bail!("two transcripts would both be {shown}; write them one by one with --output");
    }
    taken.push(place);
    Ok(())
}

/// The canonical form of a path whose file may not exist: `a.txt` and `./a.txt` become equal.
fn place(path: &Path) -> io::Result<PathBuf> {
    let folder = || {
        Ok(folder_of(path)
            .canonicalize()?
            .join(path.file_name().unwrap_or_default()))
    };
    path.canonicalize().or_else(|_| folder())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(output: Option<&str>, formats: &[Format]) -> FormatArguments {
        FormatArguments {
            formats: formats.to_vec(),
            output: output.map(ToOwned::to_owned),
            force: false,
        }
    }

    fn targets(
        recordings: &[&str],
        output: Option<&str>,
        formats: &[Format],
    ) -> Result<Vec<Vec<Target>>, String> {
        let arguments = arguments(output, formats);
        let recordings: Vec<_> = recordings.iter().map(Path::new).collect();
        arguments
            .targets(&recordings, false)
            .map_err(|error| format!("{error:#}"))
    }

    const TEXT: &[Format] = &[Format::Text];

    #[test]
    fn no_two_transcripts_go_to_the_same_place() {
        assert!(targets(&["talk.opus", "talk.wav"], None, TEXT).is_err());
        assert!(targets(&["a.wav", "b.wav"], Some("all.txt"), TEXT).is_err());
        assert!(targets(&["a.wav", "b.wav"], Some("-"), TEXT).is_err());
        assert_eq!(targets(&["a.wav", "b.wav"], None, TEXT).unwrap().len(), 2);
        assert!(targets(&["a.wav"], None, &[Format::Json, Format::VerboseJson]).is_err());
    }

    #[test]
    fn several_formats_are_several_files() {
        let found = targets(&["a.wav"], None, &[Format::Text, Format::Srt]).unwrap();
        let file = |name: &str| Output::Beside(PathBuf::from(name));
        assert_eq!(
            found,
            [[(Format::Text, file("a.txt")), (Format::Srt, file("a.srt"))]]
        );
        assert!(targets(&["a.wav"], Some("-"), &[Format::Text, Format::Srt]).is_err());
        assert_eq!(
            targets(&["a.wav"], None, TEXT).unwrap(),
            [[(Format::Text, Output::Standard)]]
        );
    }

    #[test]
    fn what_would_destroy_something_is_refused_before_the_upload() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("talk.wav"), "recording").unwrap();
        std::fs::write(path("talk.txt"), "recording").unwrap();
        let check = |recordings: &[&str], output: Option<&str>| {
            let recordings: Vec<_> = recordings.iter().map(|name| path(name)).collect();
            let recordings: Vec<_> = recordings.iter().map(String::as_str).collect();
            targets(&recordings, output.map(path).as_deref(), TEXT).unwrap_err()
        };
        assert!(check(&["talk.wav"], Some("./talk.wav")).contains("replace the recording"));
        assert!(check(&["talk.txt", "other.wav"], None).contains("replace the recording"));
        assert!(check(&["a.wav", "./a.opus"], None).contains("would both be"));
        assert!(check(&["a.wav"], Some("no/folder/a.txt")).contains("no folder"));
    }

    #[test]
    fn a_folder_that_is_named_with_a_slash_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("a/b").display().to_string();
        let problem = targets(&["a.wav", "b.wav"], Some(&named), TEXT).unwrap_err();
        assert!(problem.contains(&format!("--output {named}/")), "{problem}");

        let found = targets(&["talks/a.wav"], Some(&format!("{named}/")), TEXT).unwrap();
        assert_eq!(
            found,
            [[(
                Format::Text,
                Output::Beside(Path::new(&named).join("a.txt"))
            )]]
        );
        assert!(Path::new(&named).is_dir());
    }

    #[test]
    fn what_is_no_transcript_of_ours_is_refused_unless_it_is_named_or_forced() {
        let folder = tempfile::tempdir().unwrap();
        let recording = folder.path().join("talk.wav");
        let notes = folder.path().join("talk.txt");
        std::fs::write(&notes, "my notes").unwrap();
        let check = |arguments: &FormatArguments| {
            let targets = arguments.targets(&[&recording], true).unwrap();
            refuse_taken(targets.iter().flatten()).map_err(|error| error.to_string())
        };

        let beside = arguments(None, TEXT);
        assert!(
            check(&beside)
                .unwrap_err()
                .contains("talk.txt exists, and Steno did not write it")
        );
        assert!(
            check(&arguments(folder.path().to_str(), TEXT)).is_err(),
            "the folder is named, not the file"
        );
        assert!(check(&arguments(notes.to_str(), TEXT)).is_ok());
        assert!(
            check(&FormatArguments {
                force: true,
                ..beside
            })
            .is_ok()
        );
    }

    #[test]
    fn a_fetch_later_writes_to_the_same_places() {
        let check = |output: Option<&str>, formats: &[Format], to_files: bool, expected: &str| {
            let arguments = arguments(output, formats);
            let recording = Path::new("my talks/one.mp3");
            let choose = |format: &Format| {
                let output =
                    Output::choose(arguments.output.as_deref(), recording, to_files, *format);
                (*format, output)
            };
            let targets: Vec<_> = formats.iter().map(choose).collect();
            assert_eq!(arguments.fetch_arguments(recording, &targets), expected);
        };
        check(None, TEXT, false, "");
        check(
            Some("it's.srt"),
            &[Format::Srt],
            false,
            r"-f srt -o 'it'\''s.srt'",
        );
        check(
            None,
            &[Format::Text, Format::Srt],
            true,
            "-f text,srt --beside 'my talks/one.mp3'",
        );
        check(Some("a\u{1b}'.txt"), TEXT, false, r"-o $'a\033\'.txt'");
        check(Some("/"), TEXT, false, "-o / --beside 'my talks/one.mp3'");
    }
}

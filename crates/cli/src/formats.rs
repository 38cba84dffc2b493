//! The formats a transcript is written in, and where each goes.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use steno_models::Format;

use crate::output::{Output, folder_of};

/// In what and where to write.
#[derive(Args, Clone, Debug)]
pub(crate) struct FormatArguments {
    /// How to write the transcript: json, `verbose_json`, text, srt, vtt, tsv or lrc. Several, separated by commas, make several
    /// files.
    #[arg(long = "format", short, value_delimiter = ',', default_value = "text", value_parser = parse_format)]
    pub(crate) formats: Vec<Format>,
    /// File or folder to write to; - is standard output. Default: standard output for one transcript, files beside the recordings
    /// for several.
    #[arg(long, short)]
    pub(crate) output: Option<String>,
}

/// A transcript to write.
pub(crate) type Target = (Format, Output);

fn parse_format(name: &str) -> Result<Format, String> {
    let known = || Format::ALL.map(Format::as_str).join(", ");
    Format::from_name(name).ok_or_else(|| format!("known are {}", known()))
}

impl FormatArguments {
    /// Where the transcripts of each recording go: no two to the same place, and none to a recording. `to_files` is for callers
    /// that need standard output themselves.
    pub(crate) fn targets(&self, recordings: &[&Path], to_files: bool) -> anyhow::Result<Vec<Vec<Target>>> {
        let count = recordings.len() * self.formats.len();
        let to_files = to_files || count > 1;
        if let Some(output) = self.output.as_deref().filter(|output| count > 1 && !Path::new(output).is_dir()) {
            bail!("{count} transcripts cannot all go to {output}; name a folder that exists with --output");
        }
        if to_files && self.output.as_deref() == Some("-") {
            bail!("standard output is taken; name a file or folder with --output");
        }
        let sources: Vec<_> = recordings.iter().filter_map(|path| path.canonicalize().ok()).collect();
        let mut taken = Vec::with_capacity(count);
        let mut targets = Vec::with_capacity(recordings.len());
        for recording in recordings {
            let mut outputs = Vec::with_capacity(self.formats.len());
            for format in &self.formats {
                let output = Output::choose(self.output.as_deref(), recording, to_files, *format);
                if let Output::File(path) = &output {
                    check_place(path, &sources, &mut taken)?;
                }
                outputs.push((*format, output));
            }
            targets.push(outputs);
        }
        Ok(targets)
    }
}

fn check_place(path: &Path, sources: &[PathBuf], taken: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let shown = path.display();
    let place = place(path).with_context(|| format!("there is no folder to write {shown} to"))?;
    if sources.contains(&place) {
        bail!("the transcript would replace the recording {shown}; name another place with --output");
    }
    if taken.contains(&place) {
        bail!("two transcripts would both be {shown}; write them one by one with --output");
    }
    taken.push(place);
    Ok(())
}

/// The one spelling of a path whose file need not exist, so that `a.txt` and `./a.txt` are the same.
fn place(path: &Path) -> io::Result<PathBuf> {
    let folder = || Ok(folder_of(path).canonicalize()?.join(path.file_name().unwrap_or_default()));
    path.canonicalize().or_else(|_| folder())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(recordings: &[&str], output: Option<&str>, formats: &[Format]) -> Result<Vec<Vec<Target>>, String> {
        let arguments = FormatArguments { formats: formats.to_vec(), output: output.map(ToOwned::to_owned) };
        let recordings: Vec<_> = recordings.iter().map(Path::new).collect();
        arguments.targets(&recordings, false).map_err(|error| format!("{error:#}"))
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
        let file = |name: &str| Output::File(PathBuf::from(name));
        assert_eq!(found, [[(Format::Text, file("a.txt")), (Format::Srt, file("a.srt"))]]);
        assert!(targets(&["a.wav"], Some("-"), &[Format::Text, Format::Srt]).is_err());
        assert_eq!(targets(&["a.wav"], None, TEXT).unwrap(), [[(Format::Text, Output::Standard)]]);
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
}

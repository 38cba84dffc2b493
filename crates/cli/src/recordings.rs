//! Which recordings the arguments of a command mean: files, folders, patterns, addresses, and `-` for standard input.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use steno_models::WebAddress;

use crate::print;

/// Extensions of recordings to look for in folders: those of every container that the server reads.
#[rustfmt::skip]
const EXTENSIONS: &[&str] = &[
    "3g2", "3gp", "aac", "adts", "aif", "aifc", "aiff", "alac", "amr", "au", "caf", "flac", "m4a", "m4b", "m4v", "mka",
    "mkv", "mov", "mp1", "mp2", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "ogv", "opus", "qta", "rf64", "snd", "w64",
    "wav", "wave", "weba", "webm",
];

/// Folders in which systems keep deleted files or copies of their own.
const SYSTEM_FOLDERS: [&str; 4] = [
    "@eaDir",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
];

/// A recording to transcribe.
#[derive(Debug)]
pub(crate) struct Recording {
    /// Where it is. For standard input: `stdin` in the current folder. For an address: the last
    /// part of its path, in the current folder.
    pub(crate) path: PathBuf,
    /// What came over standard input, which has to be sent again if the server asks for it.
    pub(crate) spooled: Option<fs::File>,
    /// The address that the server fetches it from.
    pub(crate) url: Option<WebAddress>,
}

impl Recording {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self {
            path,
            spooled: None,
            url: None,
        }
    }

    /// Opens it at its start; yields its length, too.
    pub(crate) fn open(&self) -> io::Result<(fs::File, u64)> {
        let file = match &self.spooled {
            Some(spooled) => {
                let mut file = spooled.try_clone()?;
                file.seek(SeekFrom::Start(0))?;
                file
            }
            None => fs::File::open(&self.path)?,
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        Ok((file, metadata.len()))
    }
}

/// The recordings that the arguments mean, in order, each once.
pub(crate) fn find(arguments: &[PathBuf]) -> anyhow::Result<Vec<Recording>> {
    let mut found: Vec<Recording> = Vec::new();
    for argument in arguments {
        if argument.as_os_str() == "-" {
            found.push(read_standard_input()?);
        } else if is_address(argument) {
            found.push(at_address(argument)?);
        } else if argument.is_dir() {
            let inside = in_folder(argument)
                .with_context(|| format!("cannot list the folder {}", print::name(argument)))?;
            if inside.is_empty() {
                bail!(
                    "there is no recording in the folder {}",
                    print::name(argument)
                );
            }
            found.extend(inside.into_iter().map(Recording::at));
        } else if argument.exists() {
            found.push(Recording::at(argument.clone()));
        } else {
            found.extend(matching(argument)?.into_iter().map(Recording::at));
        }
    }
    let mut seen = Vec::new();
    found.retain(|recording| {
        let identity = (recording.path.clone(), recording.url.clone());
        let is_new = !seen.contains(&identity);
        seen.push(identity);
        is_new
    });
    Ok(found)
}

/// Recordings in a folder and the folders in it, by name.
pub(crate) fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in entries {
        if is_hidden(&entry.file_name()) {
            continue;
        }
        let path = entry.path();
        // A link to a folder may lead in circles.
        if entry.file_type()?.is_dir() {
            found.extend(in_folder(&path)?);
        } else if is_recording(&path) && path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

/// Whether a name is hidden or the system's own: `.name`, `._name` of macOS, `.Trash-1000`, `@eaDir` of Synology.
fn is_hidden(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.')
        || SYSTEM_FOLDERS
            .iter()
            .any(|folder| folder.eq_ignore_ascii_case(&name))
}

fn is_recording(path: &Path) -> bool {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    EXTENSIONS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(extension))
}

/// Files that match a pattern which the shell has left alone. A name without a pattern in it is a file that is missing.
fn matching(argument: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let pattern = argument
        .to_str()
        .filter(|pattern| pattern.contains(['*', '?', '[']));
    let Some(pattern) = pattern else {
        return Ok(vec![argument.to_owned()]);
    };
    let paths = glob::glob(pattern).with_context(|| format!("{pattern} is no pattern"))?;
    let files: Vec<_> = paths
        .filter_map(Result::ok)
        .filter(|path| path.is_file())
        .collect();
    if files.is_empty() {
        bail!("no file matches {pattern}");
    }
    Ok(files)
}

fn read_standard_input() -> anyhow::Result<Recording> {
    let mut spooled = tempfile::tempfile().context("cannot make a temporary file")?;
    io::copy(&mut io::stdin().lock(), &mut spooled).context("cannot read standard input")?;
    Ok(Recording {
        path: PathBuf::from("stdin"),
        spooled: Some(spooled),
        url: None,
    })
}

fn is_address(argument: &Path) -> bool {
    let text = argument.to_string_lossy();
    text.starts_with("http://") || text.starts_with("https://")
}

/// The error repeats nothing: an address may hold a secret.
fn at_address(argument: &Path) -> anyhow::Result<Recording> {
    let url: WebAddress = argument
        .to_string_lossy()
        .parse()
        .context("cannot use the address of a recording")?;
    Ok(Recording {
        path: PathBuf::from(name_of(&url)),
        spooled: None,
        url: Some(url),
    })
}

/// The last part of an address's path, as the name of a file.
fn name_of(url: &WebAddress) -> String {
    let target = url.path_and_query();
    let path = target.split('?').next().unwrap_or_default();
    let name = path.rsplit('/').find(|part| !part.is_empty());
    let known: String = name
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        .collect();
    let known = known.trim_start_matches(['.', '-']);

    if known.is_empty() {
        "recording".to_owned()
    } else {
        known.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_patterns_mean_the_recordings_in_them() {
        let root = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            path
        };

        let (a, b, c) = (file("a.wav"), file("sub/b.MP3"), file("c.txt"));
        let names = |arguments: &[PathBuf]| -> Vec<PathBuf> {
            find(arguments)
                .unwrap()
                .into_iter()
                .map(|recording| recording.path)
                .collect()
        };

        assert_eq!(names(&[root.path().to_owned()]), [a.clone(), b.clone()]);
        assert_eq!(
            names(&[c.clone(), root.path().join("*.wav"), a.clone()]),
            [c, a],
            "each once"
        );

        assert_eq!(
            names(&[root.path().join("missing.wav")]),
            [root.path().join("missing.wav")]
        );
        assert!(find(&[root.path().join("*.ogg")]).is_err());
        fs::remove_dir_all(root.path().join("sub")).unwrap();
        fs::create_dir(root.path().join("empty")).unwrap();
        assert!(find(&[root.path().join("empty")]).is_err());

        let _ = b;
    }

    #[test]
    fn addresses_are_named_after_the_end_of_their_path() {
        let check = |address: &str, name: &str| {
            let found = find(&[PathBuf::from(address)]).unwrap();
            assert_eq!(found[0].path, PathBuf::from(name), "{address}");
            assert!(found[0].url.is_some());
        };
        check("https://example.org/a/talk.mp3?token=x", "talk.mp3");
        check("http://example.org/talks/", "talks");
        check("https://example.org", "recording");
        check("https://example.org/..%2f..%2fetc", "2f..2fetc");
        let both = ["https://a.org/talk.mp3", "https://b.org/talk.mp3"].map(PathBuf::from);
        assert_eq!(find(&both).unwrap().len(), 2);

        let refused = find(&[PathBuf::from("https://me:secret@a.org/")]).unwrap_err();
        assert!(!format!("{refused:#}").contains("secret"));
    }

    #[test]
    fn hidden_files_and_folders_of_the_system_are_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let hidden = [
            "._talk.wav",
            ".talk.wav",
            ".Trash-1000/a.wav",
            "@eaDir/a.wav",
            "$RECYCLE.BIN/a.wav",
            ".git/a.wav",
        ];
        let seen = ["call.amr", "film.3gp", "note.qta", "talk.mpga", "tape.W64"];
        for name in hidden.iter().chain(&seen) {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let found = in_folder(root.path()).unwrap();
        assert_eq!(found, seen.map(|name| root.path().join(name)));
    }

    #[test]
    fn what_came_over_standard_input_can_be_read_twice() {
        let mut spooled = tempfile::tempfile().unwrap();
        io::copy(&mut &b"hello"[..], &mut spooled).unwrap();
        let recording = Recording {
            path: PathBuf::from("stdin"),
            spooled: Some(spooled),
            url: None,
        };
        for _ in 0..2 {
            let (file, length) = recording.open().unwrap();
            assert_eq!(
                (io::read_to_string(file).unwrap().as_str(), length),
                ("hello", 5)
            );
        }
    }
}

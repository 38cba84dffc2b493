//! Putting a finished file and its record into the cache, so that a kill or a power cut at any point leaves either the old
//! state or the new one. Called by pull, import and adoption, under the cache's lock.

use std::{fs::File, io::Write, path::Path};

use tempfile::{Builder, NamedTempFile, TempPath};

use crate::{
    Cache, Installed, Source, WeightsError, cache::UNFINISHED_PREFIX, hash::Fingerprint,
    sidecar::Sidecar,
};

impl Cache {
    /// An empty file in the cache's folder that is deleted unless it is installed.
    pub(crate) fn unfinished_file(&self) -> Result<NamedTempFile, WeightsError> {
        let mut builder = Builder::new();
        builder.prefix(UNFINISHED_PREFIX);
        // tempfile's default is 0600: the service often runs as another user than who pulled.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        builder
            .tempfile_in(self.folder())
            .map_err(WeightsError::io("create a file in", self.folder()))
    }

    /// Renames `file`, complete and hashed, to its place as the weights `name`.
    ///
    /// The record goes first: a file without its record could only be trusted by an operator, a record without its file
    /// merely means "not installed".
    pub(crate) fn install(
        &self,
        name: &str,
        file: TempPath,
        fingerprint: Fingerprint,
        source: Source,
    ) -> Result<Installed, WeightsError> {
        let path = self.path(name)?;
        File::open(&file)
            .and_then(|file| file.sync_all())
            .map_err(WeightsError::io("write", &*file))?;
        let sidecar = self.record(name, fingerprint, source)?;
        file.persist(&path)
            .map_err(|error| WeightsError::io("write", &path)(error.error))?;
        sync_folder(self.folder())?;
        Ok(Installed {
            name: name.to_owned(),
            path,
            size_bytes: sidecar.size_bytes,
            sha256: Some(sidecar.sha256),
            source: Some(sidecar.source),
            installed_at_ms: Some(sidecar.installed_at_ms),
        })
    }

    /// Writes the record of the weights `name`, replacing an older one.
    pub(crate) fn record(
        &self,
        name: &str,
        fingerprint: Fingerprint,
        source: Source,
    ) -> Result<Sidecar, WeightsError> {
        let path = self.sidecar_path(name)?;
        let sidecar = Sidecar::new(fingerprint, source);
        let mut file = self.unfinished_file()?;
        file.write_all(sidecar.to_json().as_bytes())
            .and_then(|()| file.as_file().sync_all())
            .map_err(WeightsError::io("write", &path))?;
        file.persist(&path)
            .map_err(|error| WeightsError::io("write", &path)(error.error))?;
        sync_folder(self.folder())?;
        Ok(sidecar)
    }
}

/// Makes renames in `folder` survive a power cut.
fn sync_folder(folder: &Path) -> Result<(), WeightsError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(WeightsError::io("write", folder))
}

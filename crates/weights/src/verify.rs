//! Deciding whether a file in the cache may be loaded: it is the published one, or still the one that was installed.
//! Called by the worker before every load, by `steno weights verify` and by pull. Never deletes anything.

use std::path::{Path, PathBuf};

use tracing::warn;

use crate::{
    Cache, SPEAKERS, Source, WeightsError, catalogue,
    hash::{Fingerprint, fingerprint},
    sidecar::Sidecar,
};

/// What hashing a file in the cache has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Byte for byte the published file.
    Official {
        /// SHA-256 of the file.
        sha256: String,
    },
    /// Not the published file, but unchanged since it was converted or imported.
    Recorded {
        /// SHA-256 of the file.
        sha256: String,
        /// Where it came from.
        source: Source,
    },
    /// Not the file that was installed: damaged, cut short or replaced. Must not be loaded.
    Changed {
        /// SHA-256 of what was installed.
        expected: String,
        /// SHA-256 of what is there.
        found: String,
    },
    /// Not the published file, and without a record. Must not be loaded.
    Unrecorded {
        /// SHA-256 of the file.
        sha256: String,
    },
}

/// Weights that were hashed and found unchanged; made only by [`Cache::open_verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    name: String,
    path: PathBuf,
    sha256: String,
}

impl Verified {
    /// Name of the weights.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ggml file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the file, lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl Cache {
    /// Hashes the weights `name` and returns them if they may be loaded.
    ///
    /// Errors: [`WeightsError::NotInstalled`], [`WeightsError::Changed`], [`WeightsError::Unrecorded`].
    pub fn open_verified(&self, name: &str) -> Result<Verified, WeightsError> {
        refuse_speakers(name)?;
        self.open_unchanged(name)
    }

    /// As [`Cache::open_verified`], for the speaker networks too.
    pub(crate) fn open_unchanged(&self, name: &str) -> Result<Verified, WeightsError> {
        let path = self.path(name)?;
        let name = name.to_owned();
        match self.verify(&name)? {
            Verdict::Official { sha256 } | Verdict::Recorded { sha256, .. } => {
                Ok(Verified { name, path, sha256 })
            }
            Verdict::Changed { expected, found } => Err(WeightsError::Changed {
                name,
                path,
                expected,
                found,
            }),
            Verdict::Unrecorded { .. } => Err(WeightsError::Unrecorded { name, path }),
        }
    }

    /// Hashes the weights `name` and compares with the published hash and with the record. A published file that was put
    /// here by hand is adopted: it gets its record. Errors: [`WeightsError::NotInstalled`].
    pub fn verify(&self, name: &str) -> Result<Verdict, WeightsError> {
        self.verify_against(name, catalogue::find(name).map(|entry| entry.sha256))
    }

    /// As [`Cache::verify`], with the published hash given.
    pub(crate) fn verify_against(
        &self,
        name: &str,
        official: Option<&str>,
    ) -> Result<Verdict, WeightsError> {
        let Some(installed) = self.lookup(name)? else {
            return Err(WeightsError::NotInstalled {
                name: name.to_owned(),
                folder: self.folder().to_owned(),
            });
        };
        let found = fingerprint(&installed.path, &mut |_| ())?;
        let recorded = Sidecar::read(&self.sidecar_path(name)?)?;

        if official == Some(found.sha256.as_str()) {
            if recorded.is_none_or(|record| record.sha256 != found.sha256) {
                self.adopt(name, found.clone());
            }
            return Ok(Verdict::Official {
                sha256: found.sha256,
            });
        }
        Ok(match recorded {
            None => Verdict::Unrecorded {
                sha256: found.sha256,
            },
            Some(record) if record.sha256 == found.sha256 => Verdict::Recorded {
                sha256: found.sha256,
                source: record.source,
            },
            Some(record) => Verdict::Changed {
                expected: record.sha256,
                found: found.sha256,
            },
        })
    }

    /// Records a file that is known to be the published one. Failing (a read-only folder) costs only the record.
    fn adopt(&self, name: &str, found: Fingerprint) {
        if let Err(error) = self.record(name, found, Source::Official) {
            warn!(
                weights = name,
                error = &error as &dyn std::error::Error,
                "cannot record weights {name}"
            );
        }
    }
}

/// The speaker networks are no Whisper weights: whisper.cpp must not be given their file.
pub(crate) fn refuse_speakers(name: &str) -> Result<(), WeightsError> {
    if name == SPEAKERS {
        return Err(WeightsError::ReservedName);
    }
    Ok(())
}

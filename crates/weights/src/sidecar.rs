//! The record beside each installed file, `ggml-NAME.json`: what was installed, from where and when. Written by installation
//! and adoption, read by verification. It proves that a file is unchanged; it is no defence against who may write the folder.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::{WeightsError, hash::Fingerprint};

/// Where an installed file came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// Byte for byte the published file.
    Official,
    /// Converted from a CTranslate2 model on PyPI whose hash is published.
    ConvertedFromPypi {
        /// The wheels, each `project==version`.
        wheels: Vec<String>,
        /// SHA-256 of the joined `model.bin`.
        model_sha256: String,
    },
    /// Converted from files whose hashes are published.
    Converted {
        /// Their addresses, or `project==version` of a wheel.
        from: Vec<String>,
    },
    /// Converted or copied from a local path by an operator, who vouches for it.
    Imported {
        /// The folder or file that was imported.
        from: PathBuf,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Official => write!(f, "official"),
            Self::ConvertedFromPypi { wheels, .. } => {
                write!(f, "converted from PyPI {}", wheels.join(" + "))
            }
            Self::Converted { from } => write!(f, "converted from {}", from.join(" + ")),
            Self::Imported { from } => write!(f, "imported from {}", from.display()),
        }
    }
}

/// The content of a `ggml-NAME.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sidecar {
    /// SHA-256 of the ggml file at installation, lower-case hex.
    pub(crate) sha256: String,
    /// Its length in bytes.
    pub(crate) size_bytes: u64,
    /// Where it came from.
    pub(crate) source: Source,
    /// When it was installed, in milliseconds since 1970.
    pub(crate) installed_at_ms: u64,
}

impl Sidecar {
    /// A record made now.
    #[expect(
        clippy::disallowed_methods,
        reason = "a date for people, not for decisions"
    )]
    pub(crate) fn new(fingerprint: Fingerprint, source: Source) -> Self {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            sha256: fingerprint.sha256,
            size_bytes: fingerprint.size_bytes,
            source,
            installed_at_ms: since_1970.as_millis() as u64,
        }
    }

    /// The record at `path`; `None` if there is none, or none that can be understood: both mean that nothing is known.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, WeightsError> {
        match fs::read(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(WeightsError::io("read", path)(source)),
        }
    }

    /// The record as the text of its file.
    pub(crate) fn to_json(&self) -> String {
        // Strings, numbers and paths that came from UTF-8 arguments; a path that did not is the one way to fail.
        serde_json::to_string_pretty(self).unwrap_or_else(|_| {
            let nameless = Self {
                source: Source::Imported {
                    from: PathBuf::from("?"),
                },
                ..self.clone()
            };
            serde_json::to_string_pretty(&nameless).unwrap_or_default()
        })
    }
}

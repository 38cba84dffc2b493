//! `steno weights import`.

use std::path::Path;

use anyhow::Result;
use steno_weights::Cache;

use super::megabytes;
use crate::progress::{show_weights, weights_bar};

/// Copies or converts weights into the folder.
pub(super) fn run(cache: &Cache, name: &str, path: &Path) -> Result<()> {
    let bar = weights_bar(name);
    let imported = steno_weights::import(cache, name, path, &mut |progress| show_weights(&bar, progress));
    bar.finish_and_clear();
    let installed = imported?;
    eprintln!(
        "{name}: {} ({}); use it with STENO_MODEL={name}",
        installed.path.display(),
        megabytes(installed.size_bytes)
    );
    Ok(())
}

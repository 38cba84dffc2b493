//! `steno weights pull`, and the same for `steno up`.

use anyhow::Result;
use steno_weights::{Cache, Installed};

use super::megabytes;
use crate::progress::{show_weights, weights_bar};

/// Downloads weights, or finds that they are there.
pub(super) fn run(cache: &Cache, name: &str) -> Result<()> {
    let installed = pull_with_bar(cache, name)?;
    let source = installed.source.map(|source| format!(", {source}")).unwrap_or_default();
    eprintln!("{name}: {} ({}{source})", installed.path.display(), megabytes(installed.size_bytes));
    Ok(())
}

/// Downloads weights with a progress bar.
pub(crate) fn pull_with_bar(cache: &Cache, name: &str) -> Result<Installed> {
    let bar = weights_bar(name);
    let pulled = steno_weights::pull(cache, name, &mut |progress| show_weights(&bar, progress));
    bar.finish_and_clear();
    Ok(pulled?)
}

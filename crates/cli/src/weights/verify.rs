//! `steno weights verify`.

use std::io::{self, Write as _};

use anyhow::{Context, Result, bail};
use steno_weights::{Cache, Verdict};

/// Hashes weights and says what they are. Errors if some must not be loaded.
pub(super) fn run(cache: &Cache, name: Option<&str>) -> Result<()> {
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => cache.installed()?.into_iter().map(|weights| weights.name).collect(),
    };
    if names.is_empty() {
        eprintln!("no weights in {}: get some with `steno weights pull base`", cache.folder().display());
    }
    let mut bad = Vec::new();
    for name in names {
        let verdict = cache.verify(&name)?;
        writeln!(io::stdout(), "{name}: {}", text_of(&verdict, &name)).context("cannot write to standard output")?;
        if matches!(verdict, Verdict::Changed { .. } | Verdict::Unrecorded { .. }) {
            bad.push(name);
        }
    }
    if !bad.is_empty() {
        bail!("these weights must not be used: {}", bad.join(", "));
    }
    Ok(())
}

fn text_of(verdict: &Verdict, name: &str) -> String {
    match verdict {
        Verdict::Official { sha256 } => format!("good: the published file (sha256 {sha256})"),
        Verdict::Recorded { sha256, source } => format!("good: unchanged since it was {source} (sha256 {sha256})"),
        Verdict::Changed { expected, found } => format!(
            "BAD: sha256 {found}, but {expected} was installed; replace it with `steno weights pull {name}` or import"
        ),
        Verdict::Unrecorded { sha256 } => format!(
            "UNKNOWN: not the published file, and nothing records where it comes from (sha256 {sha256}); if you trust \
             it, import it from another folder with `steno weights import {name} PATH`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_files_end_with_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        run(&cache, None).unwrap();
        assert!(run(&cache, Some("base")).unwrap_err().to_string().contains("steno weights pull base"));
        std::fs::write(folder.path().join("ggml-mine.bin"), "anything").unwrap();
        assert_eq!(run(&cache, None).unwrap_err().to_string(), "these weights must not be used: mine");
    }
}

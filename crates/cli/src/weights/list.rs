//! `steno weights list`.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anyhow::{Context, Result};
use steno_weights::{Cache, Entry, Installed, catalogue};

use super::megabytes;

/// Prints what is published and what is installed. Verifies nothing.
pub(super) fn run(cache: &Cache) -> Result<()> {
    let table = table(catalogue::entries(), &cache.installed()?);
    io::stdout().write_all(table.as_bytes()).context("cannot write to standard output")
}

fn table(published: &[Entry], installed: &[Installed]) -> String {
    let mut table = String::new();
    let mut row = |name: &str, size: &str, state: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(table, "{}", format!("{name:<24} {size:>8}  {state}").trim_end());
    };
    row("NAME", "SIZE", "INSTALLED");
    for entry in published {
        let state = installed.iter().find(|weights| weights.name == entry.name).map(state).unwrap_or_default();
        row(entry.name, &megabytes(entry.size_bytes), &state);
    }
    for weights in installed.iter().filter(|weights| published.iter().all(|entry| entry.name != weights.name)) {
        row(&weights.name, &megabytes(weights.size_bytes), &state(weights));
    }
    table
}

fn state(weights: &Installed) -> String {
    match &weights.source {
        Some(source) => source.to_string(),
        None => format!("not verified: run `steno weights verify {}`", weights.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_ones_own_are_listed_after_the_published() {
        let own = Installed {
            name: "mine".to_owned(),
            path: "ggml-mine.bin".into(),
            size_bytes: 2_000_000,
            sha256: None,
            source: None,
            installed_at_ms: None,
        };
        let base = catalogue::find("base").unwrap().clone();
        assert_eq!(
            table(&[base], &[own]),
            "NAME                         SIZE  INSTALLED\n\
             base                       148 MB\n\
             mine                         2 MB  not verified: run `steno weights verify mine`\n"
        );
    }
}

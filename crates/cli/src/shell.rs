//! `steno completions` and `steno man`: made from the description of the command line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;

use crate::{Cli, print};

/// Arguments of `steno completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArguments {
    /// The shell.
    shell: Shell,
}

/// Arguments of `steno man`.
#[derive(Args, Debug)]
pub(crate) struct ManArguments {
    /// Folder to write a page for each command to; without it the page of steno itself is printed.
    #[arg(long, short)]
    output: Option<PathBuf>,
}

/// Prints the completions of a shell.
pub(crate) fn completions(arguments: &CompletionsArguments) -> anyhow::Result<()> {
    let mut script = Vec::new();
    let mut command = steno_settings::plain_help(Cli::command());
    clap_complete::generate(arguments.shell, &mut command, "steno", &mut script);
    Ok(print::bytes(&script)?)
}

/// Writes the manual.
pub(crate) fn man(arguments: &ManArguments) -> anyhow::Result<()> {
    let mut command = steno_settings::plain_help(Cli::command());
    command.build();
    let Some(folder) = &arguments.output else {
        return Ok(print::bytes(&page(command)?)?);
    };
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    write_pages(command, "steno", folder)
        .with_context(|| format!("cannot write to {}", folder.display()))
}

fn write_pages(command: Command, name: &str, folder: &Path) -> io::Result<()> {
    for inner in command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help")
    {
        write_pages(
            inner.clone(),
            &format!("{name}-{}", inner.get_name()),
            folder,
        )?;
    }
    fs::write(folder.join(format!("{name}.1")), page(command)?)
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_knows_every_command() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "steno", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(
                    script.contains(command.get_name()),
                    "{shell}: {}",
                    command.get_name()
                );
            }
        }
    }

    #[test]
    fn shells_complete_values() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "steno", &mut script);
            let script = String::from_utf8(script).unwrap();
            // Formats, statuses, languages and weights.
            for value in [
                "verbose_json",
                "processing",
                "yue",
                "large-v3-turbo",
                "translate",
            ] {
                assert!(script.contains(value), "{shell}: {value}");
            }
        }
    }

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        man(&ManArguments {
            output: Some(folder.path().to_owned()),
        })
        .unwrap();
        for name in [
            "steno",
            "steno-transcribe",
            "steno-weights-pull",
            "steno-doctor",
        ] {
            let page = fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
            assert!(page.contains(".SH SYNOPSIS"), "{name}");
        }
    }
}

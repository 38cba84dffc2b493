//! `steno keys`: the file of API keys, which the server reads. Only hashes are in it.

mod webhook_secret;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::output::write_private;
use crate::print;

/// Arguments of `steno keys`.
#[derive(Args, Debug)]
pub(crate) struct KeysArguments {
    /// The file. The server reads it at start and at SIGHUP.
    #[arg(
        long,
        env = "STENO_API_KEYS_FILE",
        global = true,
        default_value = "api-keys"
    )]
    api_keys_file: PathBuf,
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make a key and print it, this once.
    Add {
        /// Name of the key. Its jobs belong to this name.
        name: String,
    },
    /// Show the names of the keys.
    List,
    /// Remove a key.
    Remove {
        /// Name of the key.
        name: String,
    },
    /// Show the secret that signs webhooks, or make one.
    WebhookSecret(webhook_secret::SecretArguments),
}

/// Runs the command.
pub(crate) fn keys(arguments: &KeysArguments) -> anyhow::Result<()> {
    if let KeysCommand::WebhookSecret(secret) = &arguments.command {
        return webhook_secret::webhook_secret(secret);
    }
    let path = &arguments.api_keys_file;
    // Held until the file is replaced: several of these commands at a time would each keep its own key alone.
    let _lock = match arguments.command {
        KeysCommand::List | KeysCommand::WebhookSecret(_) => None,
        KeysCommand::Add { .. } | KeysCommand::Remove { .. } => Some(lock_folder_of(path)?),
    };

    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };

    let new = match &arguments.command {
        KeysCommand::WebhookSecret(_) => return Ok(()),
        KeysCommand::List => {
            names(&text).for_each(print::line);
            return Ok(());
        }
        KeysCommand::Add { name } => add(&text, name).map(|(text, key)| (text, Some(key)))?,
        KeysCommand::Remove { name } => (remove(&text, name)?, None),
    };

    let (text, key) = new;
    write_private(path, text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    // Only now: a key that is not in the file opens nothing.
    if let Some(key) = key {
        print::line(&key);
    }
    print::note("the server takes this up at its next start, or at SIGHUP");

    Ok(())
}

/// Waits for the lock (flock) of the folder that the file is in: the file itself is replaced.
fn lock_folder_of(path: &Path) -> anyhow::Result<File> {
    // A symbolic link stays, and what it leads to is replaced.
    let there = path.canonicalize();
    let folder = there
        .as_deref()
        .unwrap_or(path)
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let lock = File::open(folder).with_context(|| format!("cannot open {}", folder.display()))?;
    lock.lock()
        .with_context(|| format!("cannot lock {}", folder.display()))?;
    Ok(lock)
}

/// The text with a new key, and the key: 244 random bits.
pub(crate) fn add(text: &str, name: &str) -> anyhow::Result<(String, String)> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
        bail!("a name has 1 to 64 letters, digits, dots, dashes, underscores and at signs");
    }
    if names(text).any(|known| known == name) {
        bail!("there is a key of {name}; remove it first");
    }
    let key = format!(
        "steno_{}{}",
        Uuid::new_v4().simple(),
        Uuid::new_v4().simple()
    );
    let mut hash = String::new();
    for byte in Sha256::digest(&key) {
        // Writing to a String cannot fail.
        let _ = write!(hash, "{byte:02x}");
    }
    let separator = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    Ok((format!("{text}{separator}{name} sha256:{hash}\n"), key))
}

fn remove(text: &str, name: &str) -> anyhow::Result<String> {
    if !names(text).any(|known| known == name) {
        bail!("there is no key of {name}");
    }
    let kept = text
        .lines()
        .filter(|line| line.split_whitespace().next() != Some(name));
    Ok(kept.flat_map(|line| [line, "\n"]).collect())
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_and_go_and_are_nowhere_in_the_file() {
        let (one, alice) = add("# people", "alice").unwrap();
        let (two, bob) = add(&one, "bob").unwrap();
        assert_eq!(names(&two).collect::<Vec<_>>(), ["alice", "bob"]);
        assert!(alice != bob && !two.contains(&alice) && !two.contains(&alice[6..]));
        assert_eq!(remove(&two, "bob").unwrap(), one);
        assert!(
            add(&two, "alice").is_err()
                && add(&two, "a b").is_err()
                && remove(&two, "carol").is_err()
        );
    }
}

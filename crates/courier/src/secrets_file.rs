//! The file of secrets that sign webhooks: a line for each API key, `name whsec_… [whsec_…]`.
//!
//! A second secret on a line is the previous one: both sign until it is removed. The name `*` means all keys without a line of
//! their own, and servers without keys. `steno keys webhook-secret` writes the file; the courier reads it for each
//! webhook, so that a change needs no restart.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use crate::signature::{InvalidSecret, WebhookSecret};

/// The name that means all other keys.
const EVERY_OTHER: &str = "*";

/// Why there is no secret for a webhook. Messages never contain a secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file cannot be read or written.
    #[error("cannot use the file of webhook secrets {path} (STENO_WEBHOOK_SECRETS_FILE)")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line is wrong.
    #[error("line {line} of the file of webhook secrets is not `name whsec_…`")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with its secret.
        source: InvalidSecret,
    },
    /// No line fits.
    #[error("no webhook secret for this API key: run `steno keys webhook-secret`")]
    Missing,
    /// The system has no random bytes.
    #[error("cannot generate a webhook secret")]
    NoRandom(#[from] getrandom::Error),
}

/// The file of secrets.
#[derive(Clone, Debug)]
pub struct SecretsFile(PathBuf);

impl SecretsFile {
    /// Opens the file at `path`. If there is none, creates it with one secret for all keys.
    pub fn open(path: PathBuf) -> Result<Self, SecretsError> {
        let file = Self(path);
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file.0);
        match created {
            Ok(mut new) => {
                let secret = WebhookSecret::generate()?.reveal();
                let line = format!("{EVERY_OTHER} {secret}\n");
                let written = new.write_all(line.as_bytes()).and_then(|()| new.sync_all());
                written.map_err(|source| file.error(source))?;
                tracing::info!("made a secret for webhooks: `steno keys webhook-secret` shows it");
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(file.error(error)),
        }
        Ok(file)
    }

    /// The secrets of an API key, the current one first.
    pub fn secrets_of(&self, owner: &str) -> Result<Vec<WebhookSecret>, SecretsError> {
        let text = fs::read_to_string(&self.0).map_err(|source| self.error(source))?;
        find(&text, owner)
    }

    fn error(&self, source: io::Error) -> SecretsError {
        SecretsError::File {
            path: self.0.clone(),
            source,
        }
    }
}

fn find(text: &str, owner: &str) -> Result<Vec<WebhookSecret>, SecretsError> {
    let mut for_others = None;
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let Some(name) = words.next().filter(|name| !name.starts_with('#')) else {
            continue;
        };
        if name != owner && name != EVERY_OTHER {
            continue;
        }
        let secrets: Result<Vec<WebhookSecret>, _> = words.map(str::parse).collect();
        let secrets = secrets.map_err(|source| SecretsError::Line {
            line: index + 1,
            source,
        })?;
        if name == owner {
            return Ok(secrets);
        }
        for_others = Some(secrets);
    }
    for_others
        .filter(|secrets| !secrets.is_empty())
        .ok_or(SecretsError::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const TWO: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn check(text: &str, owner: &str, expected: &[&str]) {
        let secrets = find(text, owner).unwrap();
        let revealed: Vec<_> = secrets.iter().map(WebhookSecret::reveal).collect();
        assert_eq!(revealed, expected, "{owner}");
    }

    #[test]
    fn a_key_has_its_own_secrets_or_those_of_all_others() {
        let text = format!("# secrets\n\n* {ONE}\nalice {TWO} {ONE}\n");
        check(&text, "alice", &[TWO, ONE]);
        check(&text, "bob", &[ONE]);
        check(&text, "", &[ONE]);
        assert!(matches!(
            find("alice whsec_", "bob"),
            Err(SecretsError::Missing)
        ));
    }

    #[test]
    fn a_wrong_line_is_named_without_its_secret() {
        let error = find("\nalice whsec_c2VjcmV0", "alice").unwrap_err();
        assert!(error.to_string().contains("line 2"));
        assert!(!error.to_string().contains("c2VjcmV0"));
    }

    #[test]
    fn a_first_start_makes_a_secret_that_later_ones_keep() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhook-secrets");
        let first = SecretsFile::open(path.clone()).unwrap();
        let second = SecretsFile::open(path).unwrap();
        let secrets = first.secrets_of("").unwrap();

        assert_eq!(secrets.len(), 1);
        assert_eq!(second.secrets_of("alice").unwrap(), secrets);
    }
}

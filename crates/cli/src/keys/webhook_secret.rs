//! `steno keys webhook-secret`: the secrets that sign webhooks. The courier reads the file for each webhook.
//!
//! A line for each key, `name whsec_… [whsec_…]`: the current secret, and the one before until it is removed. `*` stands
//! for all keys without a line, and for servers without keys.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use uuid::Uuid;

use super::lock_folder_of;
use crate::output::write_private;
use crate::print;

/// The name that means all other keys.
const EVERY_OTHER: &str = "*";

/// Arguments of `steno keys webhook-secret`.
#[derive(Args, Debug)]
pub(crate) struct SecretArguments {
    /// Name of the API key that the secret belongs to. Without a name: the secret of all keys that have none of their own.
    #[arg(default_value = EVERY_OTHER)]
    name: String,
    /// Make a new secret. The old one signs too, until `--finish`.
    #[arg(long, conflicts_with = "finish")]
    rotate: bool,
    /// Remove the old secret after `--rotate`.
    #[arg(long)]
    finish: bool,
    /// Folder of the queue.
    #[arg(long, env = "STENO_DATA", default_value = "data")]
    data: PathBuf,
    /// The file [default: webhook-secrets in the data folder].
    #[arg(long, env = "STENO_WEBHOOK_SECRETS_FILE")]
    webhook_secrets_file: Option<PathBuf>,
}

/// Prints the current secret, and makes one where there is none.
pub(super) fn webhook_secret(arguments: &SecretArguments) -> anyhow::Result<()> {
    let file = arguments.webhook_secrets_file.clone();
    let path = file.unwrap_or_else(|| arguments.data.join("webhook-secrets"));
    let _lock = lock_folder_of(&path)?;
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };

    let before = secrets(&text, &arguments.name);
    let after = match (before.as_slice(), arguments.rotate, arguments.finish) {
        ([], false, true) => bail!("there is no secret of {}", arguments.name),
        ([], ..) => vec![generate()],
        ([current, ..], true, _) => vec![generate(), current.clone()],
        ([current, ..], _, true) => vec![current.clone()],
        (unchanged, ..) => unchanged.to_vec(),
    };
    if after != before {
        let text = replace(&text, &arguments.name, &after)?;
        write_private(&path, text.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    print::line(&after[0]);
    if after.len() > 1 {
        print::note("the secret before it signs as well until you run this with --finish");
    }
    Ok(())
}

/// 244 random bits.
fn generate() -> String {
    let halves = [Uuid::new_v4(), Uuid::new_v4()];
    let bytes: Vec<u8> = halves.iter().flat_map(|half| *half.as_bytes()).collect();

    format!("whsec_{}", STANDARD.encode(bytes))
}

/// The secrets in the line of a name, the current one first.
fn secrets(text: &str, name: &str) -> Vec<String> {
    let mut lines = text.lines().map(|line| line.split_whitespace());
    let line = lines.find_map(|mut words| (words.next() == Some(name)).then_some(words));

    line.map(|words| words.map(ToOwned::to_owned).collect())
        .unwrap_or_default()
}

/// The text with another line for a name.
fn replace(text: &str, name: &str, secrets: &[String]) -> anyhow::Result<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    if name != EVERY_OTHER && (name.is_empty() || name.len() > 64 || !name.chars().all(is_plain)) {
        bail!("a name has 1 to 64 letters, digits, dots, dashes, underscores and at signs");
    }
    let others = text
        .lines()
        .filter(|line| line.split_whitespace().next() != Some(name));
    let mut new: String = others.flat_map(|line| [line, "\n"]).collect();
    new.extend([name, " ", &secrets.join(" "), "\n"]);

    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_replaced_and_the_others_stay() {
        let text = "# secrets\n* whsec_a\nalice whsec_b\n";
        assert_eq!(secrets(text, "alice"), ["whsec_b"]);
        assert_eq!(secrets(text, "bob"), Vec::<String>::new());

        let two = ["whsec_c".to_owned(), "whsec_b".to_owned()];
        let text = replace(text, "alice", &two).unwrap();
        assert_eq!(text, "# secrets\n* whsec_a\nalice whsec_c whsec_b\n");
        assert!(replace(&text, "a b", &two).is_err());
    }

    #[test]
    fn a_secret_has_the_form_of_the_specification() {
        let secret = generate();
        let encoded = secret.strip_prefix("whsec_").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap().len(), 32);
        assert_ne!(secret, generate());
    }
}

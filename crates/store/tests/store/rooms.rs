//! Invariant: only `sqlite/` knows the database.

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

#[test]
fn sql_and_rusqlite_are_in_the_sqlite_folder_alone() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    files.retain(|path| !path.starts_with(source.join("sqlite")) && !path.ends_with("sqlite.rs"));
    assert!(files.len() > 30);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for word in [
            "rusqlite",
            "r2d2",
            "SELECT ",
            "UPDATE ",
            "INSERT ",
            "DELETE FROM",
            "PRAGMA",
        ] {
            assert!(!text.contains(word), "{word} in {}", path.display());
        }
    }
}

#[test]
fn every_statement_is_used() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sqlite");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let text: String = files
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for entry in fs::read_dir(source.join("sql")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name
            .strip_suffix(".sql")
            .expect("only statements are there");
        assert!(text.contains(&format!("sql!(\"{name}\")")), "{name}");
    }
}

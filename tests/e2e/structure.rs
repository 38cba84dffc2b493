//! House rules that a compiler does not check: dependencies point one way (docs/ARCHITECTURE.md), files are short and
//! start with their purpose, and every setting is documented.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let normal = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|needed| needed["kind"].is_null());
            (
                text(&package["name"]),
                normal.map(|needed| text(&needed["name"])).collect(),
            )
        })
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let dependencies = dependencies();
    let own = |name: &str| -> Vec<&str> {
        dependencies[name]
            .iter()
            .map(String::as_str)
            .filter(|needed| needed.starts_with("steno-"))
            .collect()
    };

    assert_eq!(own("steno-models"), Vec::<&str>::new());
    assert_eq!(own("steno-settings"), Vec::<&str>::new());
    assert_eq!(own("steno-weights"), Vec::<&str>::new());
    assert_eq!(own("steno-silero"), Vec::<&str>::new());
    assert_eq!(own("steno-speakers"), Vec::<&str>::new());
    assert_eq!(own("steno-engine"), Vec::<&str>::new());
    assert_eq!(own("steno-testbed"), Vec::<&str>::new());
    assert_eq!(own("steno-store"), ["steno-models"]);
    assert_eq!(
        own("steno-courier"),
        [
            "steno-models",
            "steno-runner",
            "steno-settings",
            "steno-store"
        ]
    );

    assert_eq!(own("steno-runner"), ["steno-store"]);
    assert_eq!(
        own("steno-api"),
        [
            "steno-models",
            "steno-runner",
            "steno-settings",
            "steno-store"
        ]
    );

    assert_eq!(
        own("steno-worker"),
        [
            "steno-engine",
            "steno-models",
            "steno-runner",
            "steno-settings",
            "steno-silero",
            "steno-speakers",
            "steno-store",
            "steno-weights"
        ]
    );

    assert_eq!(
        own("steno-cli"),
        [
            "steno-engine",
            "steno-models",
            "steno-settings",
            "steno-store",
            "steno-weights"
        ]
    );

    let foreign = |name: &str, part: &str| {
        dependencies[name]
            .iter()
            .any(|needed| needed.contains(part))
    };

    for name in ["steno-api", "steno-store", "steno-cli"] {
        assert!(
            !foreign(name, "whisper") && !foreign(name, "symphonia"),
            "{name} must not decode or infer"
        );
    }

    assert!(
        !foreign("steno-worker", "actix"),
        "the worker must not serve"
    );
}

#[test]
fn audio_and_engine_never_see_the_store() {
    let mut folders = vec![
        root().join("crates/worker/src/audio"),
        root().join("crates/worker/src/engine"),
    ];
    let mut files = vec![
        root().join("crates/worker/src/audio.rs"),
        root().join("crates/worker/src/engine.rs"),
    ];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let (inner, found): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        folders.extend(inner);
        files.extend(found);
    }
    assert!(files.len() > 6);
    for file in files {
        assert!(
            !fs::read_to_string(&file).unwrap().contains("steno_store"),
            "{}",
            file.display()
        );
    }
}

#[test]
fn every_setting_is_in_the_example_and_in_the_docs() {
    let example = fs::read_to_string(root().join("deploy/example.env")).unwrap();
    let operations = fs::read_to_string(root().join("docs/OPERATIONS.md")).unwrap();
    for setting in steno_settings::ALL {
        let name = format!("STENO_{}", setting.to_uppercase());
        assert!(
            example.contains(&format!("{name}=")),
            "{name} is not in deploy/example.env"
        );
        assert!(
            operations.contains(&format!("`{name}`")),
            "{name} is not in docs/OPERATIONS.md"
        );
    }

    // And the reverse: a documented setting that no program accepts ends every start.
    for line in example.lines() {
        let Some((name, _)) = line.trim_start_matches('#').split_once('=') else {
            continue;
        };
        let Some(name) = name.strip_prefix("STENO_") else {
            continue;
        };
        let name = name.to_lowercase();
        assert!(
            name == "config" || steno_settings::ALL.contains(&name.as_str()),
            "{name} is in deploy/example.env and not in steno_settings::ALL"
        );
    }
}

/// Longest source file, in lines. Longer ones hold more than one operation.
const MAX_LINES: usize = 400;

/// Rust files under version control below the given folders.
fn rust_files(folders: &[&str]) -> Vec<PathBuf> {
    let mut pending: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut files = Vec::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with("node_modules") {
                pending.extend(
                    fs::read_dir(path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    assert!(!files.is_empty());
    files
}

#[test]
fn source_files_are_short_and_start_with_their_purpose() {
    let mut faults = Vec::new();

    for file in rust_files(&["crates", "tests", "fuzz/targets"]) {
        let source = fs::read_to_string(&file).unwrap();
        let lines = source.lines().count();

        if lines > MAX_LINES {
            faults.push(format!("{}: {lines} lines", file.display()));
        }
        if !source.starts_with("//! ") {
            faults.push(format!("{}: does not start with //!", file.display()));
        }
    }

    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn rusqlite_is_only_in_the_sqlite_folder_of_the_store() {
    let mut faults = Vec::new();

    for file in rust_files(&["crates"]) {
        let is_sqlite = file.starts_with(root().join("crates/store/src/sqlite"))
            || file == root().join("crates/store/src/sqlite.rs");
        // Tests of a backend may look into its file.
        let is_test = file.starts_with(root().join("crates/store/tests"));
        if !is_sqlite && !is_test && fs::read_to_string(&file).unwrap().contains("rusqlite") {
            faults.push(file);
        }
    }

    assert!(faults.is_empty(), "rusqlite is used in {faults:#?}");
}

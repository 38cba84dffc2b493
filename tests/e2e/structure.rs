//! Invariant: dependencies point one way (docs/ARCHITECTURE.md), and every setting is documented.

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
    assert_eq!(own("steno-store"), ["steno-models"]);
    assert_eq!(own("steno-courier"), ["steno-models"]);

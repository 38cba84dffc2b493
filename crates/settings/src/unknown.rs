//! Environment variables that look like settings and are none.
//!
//! A misspelt `STENO_API_KEYS_FILE` would start a server that asks for no key.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use crate::parent::{PARENT_VARIABLE, SCRATCH_VARIABLE};
use crate::parse::ALL;

/// Known to every process, and no keys of the settings file.
const OTHERS: [&str; 4] = [
    "STENO_CONFIG",
    PARENT_VARIABLE,
    SCRATCH_VARIABLE,
    "STENO_COMMIT",
];
/// Variables of the fault tests.
const OF_TESTS: &str = "STENO_FAULTS";
/// Kubernetes and Docker set these for a service called `steno`.
const OF_SERVICES: [&str; 2] = ["STENO_SERVICE_", "STENO_PORT"];
/// More letters than these apart are two names.
const LONGEST_DISTANCE: usize = 4;

/// What is wrong with the environment: one line for each variable that begins with `STENO_` and is no setting.
pub(crate) fn problems(environment: impl Iterator<Item = (OsString, OsString)>) -> Vec<String> {
    let unknown = environment.filter(|(name, value)| is_unknown(name, value));
    let mut problems: Vec<_> = unknown
        .map(|(name, _)| problem(&name.to_string_lossy()))
        .collect();
    problems.sort();
    problems
}

fn is_unknown(name: &OsStr, value: &OsStr) -> bool {
    if !name.as_bytes().to_ascii_uppercase().starts_with(b"STENO_") {
        return false;
    }
    let Some(name) = name.to_str() else {
        return true;
    };
    let is_setting = name
        .strip_prefix("STENO_")
        .is_some_and(|key| ALL.iter().any(|known| known.to_ascii_uppercase() == key));
    !is_setting
        && !OTHERS.contains(&name)
        && !name.starts_with(OF_TESTS)
        && !is_of_service(name, value)
}

/// A service's port is an address such as `tcp://10.0.0.1:8080`: `STENO_PORT=9090` is a mistake.
fn is_of_service(name: &str, value: &OsStr) -> bool {
    let is_address = value.as_bytes().windows(3).any(|bytes| bytes == b"://");
    name.starts_with(OF_SERVICES[0])
        || (name.starts_with(OF_SERVICES[1]) && (is_address || name.contains("_TCP")))
}

fn problem(name: &str) -> String {
    let key = name.to_ascii_uppercase();
    let near = ALL
        .iter()
        .map(|known| format!("STENO_{}", known.to_ascii_uppercase()))
        .map(|known| (distance(&key, &known), known))
        .min();
    match near {
        Some((letters, known)) if letters <= LONGEST_DISTANCE => {
            format!("unknown setting {name} in the environment: did you mean {known}?")
        }
        _ => format!(
            "unknown setting {name} in the environment: docs/OPERATIONS.md lists those there are"
        ),
    }
}

/// Letters to insert, delete or replace to turn one word into another (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.bytes().enumerate() {
        let mut above_left = row[0];
        row[0] = line + 1;
        for (column, other_letter) in other.bytes().enumerate() {
            let replaced = above_left + usize::from(letter != other_letter);
            above_left = row[column + 1];
            row[column + 1] = replaced.min(above_left + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str) -> Vec<String> {
        problems(std::iter::once((name.into(), value.into())))
    }

    #[test]
    fn misspelt_settings_are_named_with_the_right_name() {
        for (wrong, right) in [
            ("STENO_API_KEY_FILE", "STENO_API_KEYS_FILE"),
            ("STENO_APIKEYS_FILE", "STENO_API_KEYS_FILE"),
            ("STENO_TLL", "STENO_TTL"),
            ("steno_bind", "STENO_BIND"),
        ] {
            let said = check(wrong, "x").join("");
            assert!(said.contains(wrong) && said.contains(right), "{said}");
        }
        assert_eq!(check("STENO_COLOUR_OF_THE_BAR", "x").len(), 1);
        assert_eq!(
            check("STENO_PORT", "9090").len(),
            1,
            "a port is part of STENO_BIND"
        );
    }

    #[test]
    fn settings_and_what_others_set_are_no_mistakes() {
        for name in [
            "STENO_API_KEYS_FILE",
            "STENO_CONFIG",
            "STENO_PARENT_PID",
            "STENO_FAULTS_SEED",
            "PATH",
            "STENOGRAPHY",
        ] {
            assert!(check(name, "x").is_empty(), "{name}");
        }
        for (name, value) in [
            ("STENO_SERVICE_HOST", "10.0.0.1"),
            ("STENO_PORT", "tcp://10.0.0.1:8080"),
            ("STENO_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ] {
            assert!(check(name, value).is_empty(), "Kubernetes sets {name}");
        }
    }
}

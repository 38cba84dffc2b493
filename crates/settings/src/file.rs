//! The settings file.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use crate::ALL;

/// Reads a settings file: TOML, keys are the settings' names in lower case without `STENO_`.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        format!(
            "cannot read the settings file {} (STENO_CONFIG): {error}",
            path.display()
        )
    })?;

    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        format!(
            "the settings file {} is not TOML: {}",
            path.display(),
            error.message()
        )
    })?;

    let mut settings = BTreeMap::new();
    let mut problems = Vec::new();
    for (key, value) in table {
        match value {
            _ if !ALL.contains(&key.as_str()) => {
                problems.push(format!("unknown setting `{key}`{}", hint(&key)));
            }
            Value::String(text) => drop(settings.insert(key, text)),
            Value::Integer(number) => drop(settings.insert(key, number.to_string())),
            Value::Boolean(truth) => drop(settings.insert(key, truth.to_string())),
            _ => problems.push(format!(
                "`{key}` must be a text, a whole number, true or false"
            )),
        }
    }

    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(format!(
            "settings file {}: {}",
            path.display(),
            problems.join("; ")
        ))
    }
}

/// The usual mistake is the name of the environment variable.
fn hint(key: &str) -> String {
    let name = key.to_ascii_lowercase();
    let name = name.trim_start_matches("steno_");
    if ALL.contains(&name) {
        format!(" (write `{name}`)")
    } else {
        format!("; known are {}", ALL.join(", "))
    }
}

//! The names by which clients of OpenAI's API ask for weights, and the weights that each one means.
//!
//! Used below `/v1`. Native calls take the names of installed weights only.

/// OpenAI's name for the default weights, and the one to advise.
pub(crate) const DEFAULT_MODEL: &str = "whisper-1";

/// Other names of the default weights that `GET /v1/models` lists.
const DEFAULT_NAMES: [&str; 6] = [
    "whisper",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-transcribe-diarize",
    "gpt-transcribe",
    "gpt-realtime-whisper",
];

/// What other services put before the name of the weights.
const PREFIXES: [&str; 3] = ["faster-whisper-", "whisper-", "ggml-"];

/// A name that an operator has given to weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelAlias {
    /// What clients ask for.
    pub name: String,
    /// The weights they get.
    pub weights: String,
}

/// Reads an alias as it is written in `STENO_MODEL_ALIASES`.
pub(crate) fn parse_alias(text: &str) -> Result<ModelAlias, String> {
    match text
        .split_once('=')
        .map(|(name, weights)| (name.trim(), weights.trim()))
    {
        Some((name, weights)) if !name.is_empty() && !weights.is_empty() => Ok(ModelAlias {
            name: name.to_owned(),
            weights: weights.to_owned(),
        }),
        _ => Err("an alias is NAME=WEIGHTS, as best=large-v3".to_owned()),
    }
}

/// The weights that a name means, among the `installed` ones, of which the first are the default. `None` if it means none.
pub(crate) fn resolve<'a>(
    name: &str,
    installed: &'a [String],
    aliases: &[ModelAlias],
) -> Option<&'a String> {
    let find = |name: &str| installed.iter().find(|known| known.as_str() == name);
    let name = name.trim();

    if let Some(weights) = find(name) {
        return Some(weights);
    }
    if let Some(alias) = aliases.iter().find(|alias| alias.name == name) {
        return find(&alias.weights);
    }
    if means_default(name) {
        return installed.first();
    }
    // openai/whisper-base, Systran/faster-whisper-base, whisper-base, ggml-base.bin
    let last = name.rsplit('/').next().unwrap_or_default();
    let bare = PREFIXES
        .iter()
        .find_map(|prefix| last.strip_prefix(prefix))
        .unwrap_or(last);
    let bare = bare
        .strip_suffix(".bin")
        .or_else(|| bare.strip_suffix("-ct2"))
        .unwrap_or(bare);
    let latest = match bare {
        "turbo" => "large-v3-turbo",
        "large" => "large-v3",
        other => other,
    };
    find(bare)
        .or_else(|| find(latest))
        .or_else(|| means_default(last).then(|| installed.first()).flatten())
}

/// Every name that `GET /v1/models` lists: the installed weights, the default's other names, aliases, and the names that
/// other services have for installed weights.
pub(crate) fn all(installed: &[String], aliases: &[ModelAlias]) -> Vec<String> {
    let mut names: Vec<String> = installed.iter().take(1).cloned().collect();
    names.push(DEFAULT_MODEL.to_owned());
    names.extend(installed.iter().skip(1).cloned());
    names.extend(DEFAULT_NAMES.map(ToOwned::to_owned));
    names.extend(
        aliases
            .iter()
            .filter(|alias| installed.contains(&alias.weights))
            .map(|alias| alias.name.clone()),
    );
    for weights in installed {
        names.extend([
            format!("whisper-{weights}"),
            format!("openai/whisper-{weights}"),
            format!("Systran/faster-whisper-{weights}"),
        ]);
    }

    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// Whether a name is one of OpenAI's models that transcribe, also with a date behind it.
fn means_default(name: &str) -> bool {
    name.is_empty()
        || name == DEFAULT_MODEL
        || DEFAULT_NAMES.contains(&name)
        || (name.starts_with("gpt-") && name.contains("transcribe"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed() -> Vec<String> {
        ["base", "small.en", "large-v3"]
            .map(ToOwned::to_owned)
            .to_vec()
    }

    fn check(name: &str, expected: Option<&str>) {
        let aliases = [
            parse_alias("best=large-v3").unwrap(),
            parse_alias("gone = medium").unwrap(),
        ];
        let installed = installed();
        assert_eq!(
            resolve(name, &installed, &aliases).map(String::as_str),
            expected,
            "{name}"
        );
    }

    #[test]
    fn names_of_other_services_mean_the_weights() {
        for name in [
            "",
            "whisper",
            "whisper-1",
            "openai/whisper-1",
            "gpt-4o-transcribe",
            "gpt-4o-mini-transcribe",
            "gpt-4o-mini-transcribe-2025-12-15",
            "gpt-4o-transcribe-diarize",
            "gpt-transcribe",
            "base",
            "whisper-base",
            "openai/whisper-base",
            "Systran/faster-whisper-base",
            "ggml-base.bin",
        ] {
            check(name, Some("base"));
        }

        check("Systran/faster-whisper-small.en", Some("small.en"));
        check("large", Some("large-v3"));
        check("best", Some("large-v3"));

        for name in [
            "gone",
            "medium",
            "whisper-2",
            "openai/whisper-medium",
            "../../etc/passwd",
            "tts-1",
            "turbo",
        ] {
            check(name, None);
        }
    }

    #[test]
    fn every_name_that_is_listed_means_weights() {
        let aliases = [
            parse_alias("best=large-v3").unwrap(),
            parse_alias("gone=medium").unwrap(),
        ];
        let installed = installed();
        let names = all(&installed, &aliases);
        assert_eq!(names[..4], ["base", "whisper-1", "small.en", "large-v3"]);
        assert!(names.contains(&"best".to_owned()) && !names.contains(&"gone".to_owned()));
        assert!(
            names
                .iter()
                .all(|name| resolve(name, &installed, &aliases).is_some())
        );
    }

    #[test]
    fn an_alias_has_a_name_and_weights() {
        for text in ["best", "=base", "best=", ""] {
            assert!(parse_alias(text).is_err(), "{text}");
        }
    }
}

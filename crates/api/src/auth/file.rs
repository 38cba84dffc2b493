//! The file of API keys: a line for each, `name sha256:<64 hex digits>` and, where a key has limits of its own, any of
//! `requests_per_second=`, `max_jobs=` and `max_bytes=`.

use std::num::NonZeroU32;

use anyhow::{Context, bail};
use steno_settings::parse_bytes;
use steno_store::Quota;

/// What a key may do. `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyLimits {
    /// Calls a second.
    pub(crate) requests_per_second: Option<NonZeroU32>,
    /// What its unfinished jobs may come to.
    pub(crate) quota: Quota,
}

/// A line of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) sha256: [u8; 32],
    pub(super) limits: KeyLimits,
}

/// Reads the file's text. `limits` are those of keys that name none.
pub(super) fn parse(text: &str, limits: KeyLimits) -> anyhow::Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    // Some editors put a byte order mark at the start.
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line is not shown, because it may contain a key.
        let number = index + 1;
        let entry = parse_line(line, limits).with_context(|| {
            format!(
                "line {number} is not `name sha256:<64 hex digits>`, with limits behind it if it has any: \
                 requests_per_second=10 max_jobs=100 max_bytes=10GiB"
            )
        })?;
        if entries.iter().any(|known| known.name == entry.name) {
            bail!("line {number} has a name that is taken");
        }
        if entries.iter().any(|known| known.sha256 == entry.sha256) {
            bail!("line {number} has a key that is taken: jobs belong to one name");
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn parse_line(line: &str, mut limits: KeyLimits) -> Option<Entry> {
    let mut words = line.split_whitespace();
    let (name, hash) = (words.next()?, words.next()?);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    if name.len() > 64 || !name.chars().all(is_plain) {
        return None;
    }
    let hex = hash
        .strip_prefix("sha256:")
        .filter(|hex| hex.len() == 64 && hex.is_ascii())?;
    let mut sha256 = [0; 32];
    for (byte, digits) in sha256.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    }
    for word in words {
        let (limit, value) = word.split_once('=')?;
        match limit {
            "requests_per_second" => limits.requests_per_second = Some(value.parse().ok()?),
            "max_jobs" => limits.quota.jobs = Some(value.parse().ok()?),
            "max_bytes" => limits.quota.stored_bytes = Some(parse_bytes(value).ok()?),
            _ => return None,
        }
    }
    Some(Entry {
        name: name.to_owned(),
        sha256,
        limits,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    const OTHER: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

    #[test]
    fn a_key_has_its_own_limits_or_those_of_all() {
        let all = KeyLimits {
            quota: Quota {
                jobs: Some(5),
                stored_bytes: None,
            },
            ..KeyLimits::default()
        };
        let text = format!(
            "# people\n\nalice {HASH}\nbob {OTHER} max_jobs=9 max_bytes=1GiB requests_per_second=3\n"
        );
        let keys = parse(&text, all).unwrap();
        assert_eq!((keys[0].name.as_str(), keys[0].limits), ("alice", all));
        let quota = Quota {
            jobs: Some(9),
            stored_bytes: Some(1 << 30),
        };
        assert_eq!(
            keys[1].limits,
            KeyLimits {
                requests_per_second: NonZeroU32::new(3),
                quota
            }
        );
    }

    #[test]
    fn a_file_that_is_wrong_says_where_and_shows_no_key() {
        for text in [
            "alice secret",
            "alice sha256:12",
            "alice",
            &format!("a {HASH}\na {OTHER}"),
            &format!("a {HASH}\nb {HASH}"),
            &format!("a/b {HASH}"),
            &format!("a {HASH} max_jobs=secret"),
            &format!("a {HASH} requests_per_second=0"),
            &format!("a {HASH} secret"),
        ] {
            let error = format!("{:#}", parse(text, KeyLimits::default()).unwrap_err());
            assert!(
                error.contains("line ") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}

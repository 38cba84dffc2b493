//! Whether recordings can be kept at the place that `STENO_STORAGE_URL` names.

use super::Finding;

pub(super) fn storage(url: &str) -> Finding {
    match steno_store::probe_storage(url) {
        Ok(place) => Finding::ok("storage", format!("{place} can be used")),
        Err(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            let reason = source.map(|source| format!(": {source}"));
            let found = format!("{error}{}", reason.unwrap_or_default());
            Finding::fail(
                "storage",
                found,
                "correct STENO_STORAGE_URL, or the credentials and rights of the key (docs/OPERATIONS.md, Object storage)",
            )
        }
    }
}

//! Invariant: an option of a submission is known in every place where it must be.

use std::fs;
use std::path::Path;

use steno_models::OPTIONS;

/// The places of an option besides its row in `steno_models::OPTIONS` and its field in `TranscribeRequest`. The `OpenAPI`
/// document has it by itself: `UPDATE_SNAPSHOTS=1 cargo test -p steno-api` writes it.
#[test]
fn every_option_is_in_every_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let reference = read("docs/API.md");
    let described = read("docs/openapi.json");
    let flags = read("crates/cli/src/transcribe/options.rs");

    for option in OPTIONS {
        let name = option.name;
        assert!(
            reference.contains(&format!("`{name}`")),
            "{name} is not in docs/API.md"
        );
        assert!(
            described.contains(&format!("\"{name}\"")),
            "{name} is not in docs/openapi.json"
        );
        assert!(
            flags.contains(&format!("\"{name}\"")),
            "{name} has no flag in crates/cli/src/transcribe/options.rs"
        );
    }
}

//! Arbitrary bytes as weights: only checked weights are installed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steno_weights::{Cache, import};

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let cache = Cache::new(folder.path().join("cache"));
    // As a ggml file, and as the two parts of a CTranslate2 folder.
    let file = folder.path().join("weights");
    std::fs::write(&file, bytes).unwrap();
    let as_file = import(&cache, "mine", &file, &mut |_| {});
    let parts = folder.path().join("parts");
    std::fs::create_dir(&parts).unwrap();
    let (model, vocabulary) = bytes.split_at(bytes.len() / 2);
    std::fs::write(parts.join("model.bin"), model).unwrap();
    std::fs::write(parts.join("vocabulary.txt"), vocabulary).unwrap();
    let as_folder = import(&cache, "other", &parts, &mut |_| {});
    for (name, outcome) in [("mine", as_file), ("other", as_folder)] {
        assert_eq!(
            cache.open_verified(name).is_ok(),
            outcome.is_ok(),
            "{outcome:?}"
        );
    }
});

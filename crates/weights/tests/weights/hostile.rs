//! Damaged and hostile input: always an error that says what is wrong, never a panic, never a file in the cache.

use std::fs;

use steno_weights::{Cache, WeightsError, import};

use crate::model_fixture::{Fixture, Stored, write_model};

/// The message of the error that importing `model` as a `model.bin` gives.
fn refused(model: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), model);
    let cache = Cache::new(folder.path().join("cache"));
    let error = import(&cache, "mine", folder.path(), &mut |_| ()).unwrap_err();
    assert!(matches!(error, WeightsError::Model { .. }), "{error:?}");
    assert_eq!(cache.installed().unwrap(), []);
    let left: Vec<_> = fs::read_dir(cache.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, [".lock"], "an unfinished file is left");
    error.to_string()
}

/// As `refused`, after a change to a good model.
fn refused_with(change: impl FnOnce(&mut Fixture)) -> String {
    let mut fixture = Fixture::new(Stored::Int8);
    change(&mut fixture);
    refused(&fixture.to_bytes())
}

#[test]
fn a_model_cut_anywhere_is_refused() {
    let model = Fixture::new(Stored::F16).to_bytes();
    for length in [
        0,
        3,
        4,
        6,
        20,
        24,
        30,
        100,
        1000,
        model.len() / 2,
        model.len() - 1,
    ] {
        let message = refused(&model[..length]);
        assert!(
            message.contains("it ends") || message.contains("which cannot be"),
            "{length}: {message}"
        );
    }
}

#[test]
fn a_model_of_another_version_or_kind_is_refused() {
    assert!(refused_with(|model| model.version = 5).contains("binary version is 5"));
    assert!(
        refused_with(|model| model.spec = "TransformerSpec".to_owned())
            .contains("not a WhisperSpec")
    );
}

#[test]
fn counts_beyond_the_file_are_refused() {
    let mut model = Fixture::new(Stored::F16).to_bytes();
    let count_at = 4 + 2 + "WhisperSpec".len() + 1 + 4;
    model[count_at..count_at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(refused(&model).contains("4294967295 tensors"));
}

#[test]
fn shapes_that_overflow_or_disagree_are_refused() {
    let bias = "encoder/conv1/bias";
    assert!(
        refused_with(|model| model.tensor_mut(bias).1 = vec![u32::MAX; 4])
            .contains("not what its shape needs")
    );
    assert!(
        refused_with(|model| model.tensor_mut(bias).1 = vec![8; 200]).contains("200 dimensions")
    );
    assert!(refused_with(|model| model.tensor_mut(bias).2 = 9).contains("unknown element type 9"));
    assert!(
        refused_with(|model| model.tensor_mut(bias).1 = vec![4, 2]).contains("fits no Whisper")
    );
    let empty = |model: &mut Fixture| {
        let tensor = model.tensor_mut("encoder/position_encodings/encodings");
        (tensor.1, tensor.3) = (vec![0, u32::MAX, u32::MAX, u32::MAX], Vec::new());
    };
    assert!(refused_with(empty).contains("cannot be [0,"));
}

#[test]
fn a_model_with_parts_missing_is_refused() {
    let without = |name: &'static str| {
        move |model: &mut Fixture| model.tensors.retain(|tensor| tensor.0 != name)
    };
    assert!(refused_with(without("encoder/conv2/bias")).contains("no tensor encoder/conv2/bias"));
    assert!(refused_with(without("decoder/layer_0/ffn/linear_0/weight")).contains("no layers"));
    assert!(
        refused_with(without("encoder/conv2/weight_scale"))
            .contains("no tensor encoder/conv2/weight_scale")
    );
    assert!(
        refused_with(without("decoder/projection/weight"))
            .contains("names a tensor that is not there")
    );
}

#[test]
fn values_that_cannot_be_converted_are_refused() {
    let scale = "encoder/conv2/weight_scale";
    assert!(
        refused_with(|model| model.tensor_mut(scale).3.fill(0))
            .contains("nothing can be divided by")
    );
    let mut model = Fixture::new(Stored::F32);
    model.tensor_mut("encoder/conv2/weight").3[..4].copy_from_slice(&1e6_f32.to_le_bytes());
    assert!(refused(&model.to_bytes()).contains("half precision cannot"));
    assert!(
        refused_with(|model| model.tensor_mut("encoder/num_heads").3 = vec![3, 0])
            .contains("3 heads")
    );
}

#[test]
fn random_damage_never_panics() {
    let model = Fixture::new(Stored::F16).to_bytes();
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().join("cache"));
    write_model(folder.path(), &model);
    // The embeddings are last: damage before them hits names, shapes and sizes.
    let index_end = 15_000;
    let mut state = 1_u64;
    for _ in 0..80 {
        let mut damaged = model.clone();
        for _ in 0..4 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            damaged[(state >> 33) as usize % index_end] = (state >> 20) as u8;
        }
        fs::write(folder.path().join("model.bin"), &damaged).unwrap();
        // Damage to a value is no error; anything else is one of a model.
        if let Err(error) = import(&cache, "mine", folder.path(), &mut |_| ()) {
            assert!(matches!(error, WeightsError::Model { .. }), "{error:?}");
        }
    }
}

#[test]
fn a_ggml_file_whose_sizes_do_not_add_up_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), &Fixture::new(Stored::F16).to_bytes());
    let cache = Cache::new(folder.path().join("cache"));
    let good = fs::read(
        import(&cache, "mine", folder.path(), &mut |_| ())
            .unwrap()
            .path,
    )
    .unwrap();
    let path = folder.path().join("file.bin");
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = import(&cache, "other", &path, &mut |_| ()).unwrap_err();
        assert!(matches!(error, WeightsError::Ggml { .. }), "{error:?}");
        error.to_string()
    };
    let with_word = |at: usize, word: i32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        bytes
    };

    let tokens_at = 4 * (12 + 2 + 80 * 201);
    let tensors_at = {
        let mut at = tokens_at + 4;
        for _ in 0..50_257 {
            at += 4 + i32::from_le_bytes(good[at..at + 4].try_into().unwrap()) as usize;
        }
        at
    };
    assert!(refused(&good[..good.len() - 1]).contains("ends too early"));
    assert!(refused(&[good.as_slice(), &[0; 4]].concat()).contains("count of dimensions: 0"));
    assert!(refused(&good[..tensors_at]).contains("no tensors"));
    assert!(refused(&with_word(0, 0)).contains("does not begin"));
    assert!(refused(&with_word(4, -1)).contains("impossible model size: -1"));
    assert!(refused(&with_word(48, i32::MAX)).contains("mel filters"));
    assert!(refused(&with_word(tokens_at, i32::MAX)).contains("count of tokens"));
    assert!(refused(&with_word(tokens_at + 4, i32::MIN)).contains("token length"));
    assert!(refused(&with_word(tensors_at, 4)).contains("count of dimensions: 4"));
    assert!(refused(&with_word(tensors_at + 4, i32::MAX)).contains("tensor name length"));
    assert!(refused(&with_word(tensors_at + 8, 77)).contains("unknown type 77"));
    assert!(refused(&with_word(tensors_at + 12, i32::MAX)).contains("impossible dimension"));
    assert!(refused(&with_word(tensors_at + 12, 1 << 20)).contains("ends too early"));
}

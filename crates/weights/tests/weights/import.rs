//! Conversion of a CTranslate2 folder, and import of ggml files.

use std::fs;

use steno_weights::{Cache, Source, Stage, Verdict, import};

use crate::model_fixture::{
    Fixture, Ggml, N_VOCAB, STATE, Stored, exact_half, value, vocabulary, write_model,
};

fn convert(fixture: &Fixture) -> (tempfile::TempDir, Ggml) {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), &fixture.to_bytes());
    let cache = Cache::new(folder.path().join("cache"));
    let installed = import(&cache, "mine", folder.path(), &mut |_| ()).unwrap();
    let ggml = Ggml::read(&installed.path);
    (folder, ggml)
}

#[test]
fn the_header_has_the_sizes_of_the_tensors() {
    let (_folder, ggml) = convert(&Fixture::new(Stored::F16));
    let state = STATE as i32;
    assert_eq!(
        ggml.header,
        [
            0x6767_6d6c,
            N_VOCAB as i32,
            4,
            state,
            2,
            1,
            3,
            state,
            2,
            1,
            80,
            1
        ]
    );
    assert_eq!(ggml.mel_dims, [80, 201]);
}

#[test]
fn the_sizes_of_large_v3_and_of_english_models_are_known() {
    for (vocabulary, mels) in [(51_866_u32, 128_u32), (51_864, 80)] {
        let mut fixture = Fixture::new(Stored::F16);
        for (name, dims) in [
            ("decoder/projection/weight", vec![vocabulary, STATE]),
            ("encoder/conv1/weight", vec![STATE, mels, 3]),
        ] {
            let tensor = fixture.tensor_mut(name);
            tensor
                .3
                .resize(2 * dims.iter().product::<u32>() as usize, 0);
            tensor.1 = dims;
        }
        let (_folder, ggml) = convert(&fixture);
        assert_eq!(
            (ggml.header[1], ggml.header[10]),
            (vocabulary as i32, mels as i32)
        );
        assert_eq!(ggml.mel_dims, [mels as i32, 201]);
        assert_eq!(
            ggml.tensor("encoder.conv1.weight").dims,
            [8, mels as i32, 3]
        );
    }
}

#[test]
fn tokens_are_written_as_raw_bytes_without_the_special_ones() {
    let (_folder, ggml) = convert(&Fixture::new(Stored::F16));
    assert_eq!(ggml.tokens.len(), 50_257);
    assert_eq!(ggml.tokens[42], b" 42");
    assert_eq!(ggml.tokens[50_256], b"");
}

#[test]
fn tensors_have_whisper_cpps_names_order_shapes_and_types() {
    let (_folder, ggml) = convert(&Fixture::new(Stored::F16));
    let found: Vec<String> = ggml
        .tensors
        .iter()
        .map(|tensor| {
            format!(
                "{} {:?} {}",
                tensor.name,
                tensor.dims,
                if tensor.is_half { "f16" } else { "f32" }
            )
        })
        .collect();

    let block = |side: &str| {
        [
            "mlp_ln.weight [8] f32",
            "mlp_ln.bias [8] f32",
            "mlp.0.weight [32, 8] f16",
            "mlp.0.bias [32] f32",
            "mlp.2.weight [8, 32] f16",
            "mlp.2.bias [8] f32",
            "attn_ln.weight [8] f32",
            "attn_ln.bias [8] f32",
            "attn.query.weight [8, 8] f16",
            "attn.query.bias [8] f32",
            "attn.key.weight [8, 8] f16",
            "attn.value.weight [8, 8] f16",
            "attn.value.bias [8] f32",
            "attn.out.weight [8, 8] f16",
            "attn.out.bias [8] f32",
        ]
        .map(|line| format!("{side}.blocks.0.{line}"))
    };

    let mut expected = vec![
        "decoder.positional_embedding [3, 8] f32".to_owned(),
        "encoder.positional_embedding [4, 8] f32".to_owned(),
        "decoder.token_embedding.weight [51865, 8] f16".to_owned(),
    ];

    expected.extend(block("decoder"));
    expected.extend(
        block("decoder")
            .into_iter()
            .skip(6)
            .map(|line| line.replace("attn", "cross_attn")),
    );

    expected.extend(["decoder.ln.weight [8] f32", "decoder.ln.bias [8] f32"].map(str::to_owned));
    expected.extend(
        [
            "encoder.conv1.weight [8, 80, 3] f16",
            "encoder.conv1.bias [8, 1] f32",
        ]
        .map(str::to_owned),
    );

    expected.extend(
        [
            "encoder.conv2.weight [8, 8, 3] f16",
            "encoder.conv2.bias [8, 1] f32",
        ]
        .map(str::to_owned),
    );

    expected.extend(block("encoder"));
    expected.extend(
        [
            "encoder.ln_post.weight [8] f32",
            "encoder.ln_post.bias [8] f32",
        ]
        .map(str::to_owned),
    );

    assert_eq!(found, expected);
}

#[test]
fn joined_attention_matrices_are_split_by_rows() {
    let (_folder, ggml) = convert(&Fixture::new(Stored::F32));
    let floats = |name: &str| -> Vec<f32> {
        ggml.tensor(name)
            .data
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    };
    let rows = |name: &str, from: usize| -> Vec<f32> {
        (from..from + 8).map(|index| value(name, index)).collect()
    };
    assert_eq!(
        floats("encoder.blocks.0.attn.value.bias"),
        rows("encoder/layer_0/self_attention/linear_0/bias", 16)
    );
    assert_eq!(
        floats("decoder.blocks.0.cross_attn.value.bias"),
        rows("decoder/layer_0/attention/linear_1/bias", 8)
    );

    let joined = "encoder/layer_0/self_attention/linear_0/weight";
    let key: Vec<u8> = (64..128)
        .flat_map(|index| exact_half(value(joined, index)).to_le_bytes())
        .collect();
    assert_eq!(ggml.tensor("encoder.blocks.0.attn.key.weight").data, key);
}

#[test]
fn every_element_type_gives_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().join("cache"));
    let hashes = [Stored::F32, Stored::F16, Stored::Bf16, Stored::Int8].map(|stored| {
        write_model(folder.path(), &Fixture::new(stored).to_bytes());
        import(&cache, "mine", folder.path(), &mut |_| ())
            .unwrap()
            .sha256
    });
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
}

#[test]
fn every_form_of_the_vocabulary_gives_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().join("cache"));
    write_model(folder.path(), &Fixture::new(Stored::F16).to_bytes());
    let from_text = import(&cache, "mine", folder.path(), &mut |_| ()).unwrap();

    fs::remove_file(folder.path().join("vocabulary.txt")).unwrap();
    let ranks: serde_json::Map<String, serde_json::Value> = vocabulary()
        .into_iter()
        .enumerate()
        .map(|(rank, token)| (token, rank.into()))
        .collect();
    let tokenizer = serde_json::json!({ "model": { "vocab": ranks }, "added_tokens": [{ "id": 50_256, "content": "" }] });
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let from_tokenizer = import(&cache, "mine", folder.path(), &mut |_| ()).unwrap();

    fs::write(
        folder.path().join("vocabulary.json"),
        serde_json::to_string(&vocabulary()).unwrap(),
    )
    .unwrap();
    let from_list = import(&cache, "mine", folder.path(), &mut |_| ()).unwrap();
    assert_eq!(from_text.sha256, from_tokenizer.sha256);
    assert_eq!(from_text.sha256, from_list.sha256);
}

#[test]
fn conversion_reports_its_progress_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), &Fixture::new(Stored::F16).to_bytes());
    let cache = Cache::new(folder.path().join("cache"));
    let mut last = None;
    let installed = import(&cache, "mine", folder.path(), &mut |progress| {
        last = Some(progress);
    })
    .unwrap();
    let last = last.unwrap();
    assert_eq!(last.stage, Stage::Convert);
    assert_eq!(last.bytes_total, Some(installed.size_bytes));
    assert_eq!(last.bytes_done, installed.size_bytes);
}

#[test]
fn an_imported_model_is_recorded_with_its_origin() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), &Fixture::new(Stored::F16).to_bytes());
    let cache = Cache::new(folder.path().join("cache"));
    let installed = import(&cache, "mine", folder.path(), &mut |_| ()).unwrap();
    let source = Source::Imported {
        from: folder.path().to_owned(),
    };
    assert_eq!(installed.source, Some(source.clone()));
    assert_eq!(cache.installed().unwrap(), std::slice::from_ref(&installed));
    assert_eq!(
        cache.verify("mine").unwrap(),
        Verdict::Recorded {
            sha256: installed.sha256.unwrap(),
            source
        }
    );
}

#[test]
fn a_ggml_file_is_copied_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), &Fixture::new(Stored::F16).to_bytes());
    let converted = import(
        &Cache::new(folder.path().join("a")),
        "mine",
        folder.path(),
        &mut |_| (),
    )
    .unwrap();
    let cache = Cache::new(folder.path().join("b"));
    let copied = import(&cache, "copy", &converted.path, &mut |_| ()).unwrap();
    assert_eq!(copied.sha256, converted.sha256);
    assert_eq!(cache.open_verified("copy").unwrap().path(), copied.path);
}

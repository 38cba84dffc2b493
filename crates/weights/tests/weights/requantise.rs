//! Weights rewritten in memory in another number format.

use std::fs;

use steno_weights::{Cache, Precision, import, requantised};

use crate::model_fixture::{Fixture, Ggml, Stored, value, write_model};

/// The upper half of each number's bits, which is bfloat16 for the numbers of the fixture.
fn upper_halves(precision: Precision, numbers: &[f32], row: usize) -> Vec<u8> {
    assert_eq!(precision, Precision::Bf16);
    assert_eq!(numbers.len() % row, 0);
    numbers
        .iter()
        .flat_map(|number| ((number.to_bits() >> 16) as u16).to_le_bytes())
        .collect()
}

#[test]
fn matrices_are_rewritten_and_the_rest_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), &Fixture::new(Stored::F16).to_bytes());
    let cache = Cache::new(folder.path().join("cache"));
    let installed = import(&cache, "mine", folder.path(), &mut |_| ()).unwrap();
    let before = Ggml::read(&installed.path);
    let weights = cache.open_verified("mine").unwrap();

    let bytes = requantised(&weights, Precision::Bf16, &upper_halves)
        .unwrap()
        .expect("the file is half precision");
    let path = folder.path().join("rewritten");
    fs::write(&path, bytes).unwrap();
    let after = Ggml::read(&path);

    assert_eq!(after.header[..11], before.header[..11]);
    assert_eq!(after.header[11], 24, "ggml's number for bfloat16");
    assert!(after.tokens == before.tokens && after.tensors.len() == before.tensors.len());
    for (after, before) in after.tensors.iter().zip(&before.tensors) {
        assert_eq!((&after.name, &after.dims), (&before.name, &before.dims));
        let is_matrix = before.is_half && before.dims.len() == 2;
        assert_eq!(
            after.kind,
            if is_matrix {
                30
            } else {
                i32::from(before.is_half)
            },
            "{}",
            after.name
        );
        assert_eq!(after.data == before.data, !is_matrix, "{}", after.name);
    }
    let matrix = after.tensor("encoder.blocks.0.mlp.0.weight");
    let first = u16::from_le_bytes([matrix.data[2], matrix.data[3]]);
    let expected = value("encoder/layer_0/ffn/linear_0/weight", 1);
    assert_eq!(
        f32::from_bits(u32::from(first) << 16).to_bits(),
        expected.to_bits()
    );
}

#[test]
fn what_cannot_be_rewritten_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), &Fixture::new(Stored::F16).to_bytes());
    let cache = Cache::new(folder.path().join("cache"));
    import(&cache, "mine", folder.path(), &mut |_| ()).unwrap();
    let weights = cache.open_verified("mine").unwrap();
    // Rows of 8 do not come in blocks of 32.
    let quantise =
        |_: Precision, _: &[f32], _: usize| -> Vec<u8> { panic!("there is nothing to quantise") };
    assert!(
        requantised(&weights, Precision::Q8_0, &quantise)
            .unwrap()
            .is_none()
    );
}

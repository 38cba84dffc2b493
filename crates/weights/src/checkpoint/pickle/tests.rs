//! Tests of the pickle reader.

use super::*;

/// A pickle with one tensor `a`: 2 by 3 values at offset 1 of the f32 storage `7`.
fn one_tensor() -> Vec<u8> {
    let mut pickle =
        b"\x80\x02}q\x00(X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n".to_vec();
    pickle.extend_from_slice(b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\n");
    pickle.extend_from_slice(b"X\x01\x00\x00\x007X\x03\x00\x00\x00cpuK\x08tQ");
    pickle.extend_from_slice(
        b"K\x01K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\nOrderedDict\n)RtRu.",
    );
    pickle
}

#[test]
fn a_tensor_is_described() {
    let machine = Machine::run(&one_tensor()).unwrap();
    let entries = machine.state_dict().unwrap();
    let [(name, Value::Tensor(index))] = entries.as_slice() else {
        panic!("{entries:?}")
    };
    assert_eq!(name, "a");

    let tensor = machine.tensor(*index);
    assert_eq!(tensor.storage, "7");
    assert_eq!(tensor.offset, 1);
    assert_eq!(tensor.shape, [2, 3]);
    assert!(tensor.is_float && tensor.is_contiguous());
}

#[test]
fn a_pickle_that_names_a_program_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("made");
    let command = format!("touch {}", file.display());
    let mut pickle = b"\x80\x02cposix\nsystem\nX".to_vec();
    pickle.extend_from_slice(&(command.len() as u32).to_le_bytes());
    pickle.extend_from_slice(command.as_bytes());
    pickle.extend_from_slice(b"\x85R.");

    let machine = Machine::run(&pickle).unwrap();
    assert!(machine.state_dict().is_err());
    assert!(!file.exists());
}

#[test]
fn every_shortened_or_changed_pickle_is_an_error_or_data() {
    let pickle = one_tensor();
    for end in 0..pickle.len() {
        assert!(Machine::run(&pickle[..end]).is_err(), "cut at {end}");
    }
    for place in 0..pickle.len() {
        for value in [0, 1, b'(', b'R', b'Q', b'u', b'j', 0xff] {
            let mut changed = pickle.clone();
            changed[place] = value;
            if let Ok(machine) = Machine::run(&changed) {
                let _ = machine.state_dict();
            }
        }
    }
}

#[test]
fn a_storage_key_leads_nowhere_else_in_the_zip() {
    let pickle =
        String::from_utf8_lossy(&one_tensor()).replace("\u{1}\0\0\u{0}7X", "\u{1}\0\0\0/X");
    assert!(Machine::run(pickle.as_bytes()).is_err());
}

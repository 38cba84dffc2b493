//! Tests of the bytes of a block.

use super::*;
use crate::timeline::windows;

/// A recording of 31 s.
const SAMPLES: usize = 500_000;

fn vector(seed: usize) -> Vec<f32> {
    let value = |index: usize| ((index * 31 + seed * 17) % 101) as f32 - 50.0;
    let vector: Vec<f32> = (0..DIMENSIONS).map(value).collect();
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter().map(|value| value / length).collect()
}

fn embedded(pieces: Vec<Piece>) -> Vec<EmbeddedPiece> {
    let embed = |piece: Piece| EmbeddedPiece {
        piece,
        vector: vector(piece.from),
    };
    pieces.into_iter().map(embed).collect()
}

/// The windows of the recording, with a run of each form.
fn example() -> (Range<usize>, Vec<EmbeddedRun>) {
    let windows = windows(SAMPLES);
    let run = |window: usize, from: usize, to: usize, speakers| Run {
        window,
        speakers,
        from: windows[window].from + from,
        to: windows[window].from + to,
    };
    let long = run(1, 0, 250, 0b010);
    let runs = vec![
        EmbeddedRun {
            run: run(0, 3, 9, 0b001),
            labelled: Vec::new(),
            founding: None,
        },
        EmbeddedRun {
            run: run(0, 20, 80, 0b011),
            labelled: Vec::new(),
            founding: None,
        },
        EmbeddedRun {
            run: run(0, 90, 290, 0b100),
            labelled: embedded(run(0, 90, 290, 0b100).pieces()),
            founding: None,
        },
        EmbeddedRun {
            run: long,
            labelled: embedded(long.fine_pieces()),
            founding: Some(embedded(long.pieces())),
        },
    ];
    (0..windows.len(), runs)
}

fn decode(bytes: &[u8]) -> Result<Vec<EmbeddedRun>, SpeakersError> {
    BlockVoices::from_bytes(bytes.to_vec()).decode(SAMPLES, &(0..SAMPLES))
}

#[test]
fn what_is_read_is_what_was_written_but_for_rounding() {
    let (windows, runs) = example();
    let bytes = BlockVoices::encode(windows, &runs).into_bytes();
    let read = decode(&bytes).unwrap();

    assert_eq!(read.len(), runs.len());
    for (read, written) in read.iter().zip(&runs) {
        assert_eq!(read.run, written.run);
        assert_eq!(read.founding.is_some(), written.founding.is_some());
        let all = |run: &EmbeddedRun| -> Vec<EmbeddedPiece> {
            let founding = run.founding.iter().flatten();
            run.labelled.iter().chain(founding).cloned().collect()
        };
        let (read, written) = (all(read), all(written));
        assert_eq!(read.len(), written.len());
        for (read, written) in read.iter().zip(&written) {
            assert_eq!(read.piece, written.piece);
            let pairs = read.vector.iter().zip(&written.vector);
            for (read, written) in pairs {
                assert!((read - written).abs() < 3e-5, "{read} {written}");
            }
        }
    }
}

#[test]
fn what_is_read_and_written_again_is_the_same() {
    let (windows, runs) = example();
    let bytes = BlockVoices::encode(windows.clone(), &runs).into_bytes();
    let again = BlockVoices::encode(windows, &decode(&bytes).unwrap());
    assert_eq!(again.into_bytes(), bytes);
}

#[test]
fn bytes_that_are_cut_off_or_go_on_are_an_error() {
    let (windows, runs) = example();
    let mut bytes = BlockVoices::encode(windows, &runs).into_bytes();
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
    }
    bytes.push(0);
    assert!(decode(&bytes).is_err());
}

#[test]
fn another_form_and_another_block_are_an_error() {
    let (windows, runs) = example();
    let voices = BlockVoices::encode(windows, &runs);
    assert!(voices.decode(SAMPLES, &(0..SAMPLES / 2)).is_err());
    assert!(voices.decode(SAMPLES * 2, &(0..SAMPLES * 2)).is_err());

    let mut bytes = voices.into_bytes();
    bytes[0] += 1;
    let error = decode(&bytes).unwrap_err().to_string();
    assert!(error.contains("another release"), "{error}");
}

#[test]
fn damaged_bytes_give_an_error_or_runs_in_their_windows() {
    let (range, runs) = example();
    let bytes = BlockVoices::encode(range, &runs).into_bytes();
    let windows = windows(SAMPLES);
    let mut refused = 0;
    for place in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[place] ^= change;
            let Ok(runs) = decode(&damaged) else {
                refused += 1;
                continue;
            };
            for EmbeddedRun { run, labelled, .. } in runs {
                let window = windows[run.window];
                assert!(window.from <= run.from && run.from < run.to && run.to <= window.to);
                for EmbeddedPiece { piece, vector } in labelled {
                    assert!(run.from <= piece.from && piece.to <= run.to);
                    let length: f32 = vector.iter().map(|value| value * value).sum();
                    assert!((length - 1.0).abs() < 1e-3);
                }
            }
        }
    }
    assert!(refused > 0);
}

#[test]
fn an_embedding_without_a_length_is_an_error() {
    let (windows, mut runs) = example();
    for value in [0.0, f32::NAN, f32::INFINITY] {
        runs[2].labelled[0].vector = vec![value; DIMENSIONS];
        let bytes = BlockVoices::encode(windows.clone(), &runs).into_bytes();
        assert!(decode(&bytes).is_err(), "{value}");
    }
}

#[test]
fn voices_are_not_shown() {
    let (windows, runs) = example();
    let voices = BlockVoices::encode(windows, &runs);
    let length = voices.clone().into_bytes().len();
    assert_eq!(
        format!("{voices:?}"),
        format!("BlockVoices({length} bytes)")
    );

    let piece = &runs[2].labelled[0];
    assert!(!format!("{piece:?}").contains("vector"));
}

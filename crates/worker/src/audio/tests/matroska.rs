//! Matroska files, built here element by element: every sample is decoded at its time, whatever fields are missing.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::*;

const UNKNOWN_SIZE: &[u8] = &[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
/// Samples of one block: 100 ms.
const BLOCK: usize = 1_600;

/// An element of a known size.
fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    let mut size = (content.len() as u64).to_be_bytes();
    size[0] = 0x01;
    [id, &size, content].concat()
}

/// A file of 16 kHz mono PCM tracks.
struct Mkv {
    /// Default flag of each track, if it has one.
    defaults: Vec<Option<u8>>,
    codec: &'static [u8],
    encodings: Vec<u8>,
    /// Elements between the tracks and the first cluster.
    extra: Vec<u8>,
    clusters: Vec<u8>,
    known_sizes: bool,
}

impl Mkv {
    fn new() -> Self {
        Self {
            defaults: vec![None],
            codec: b"A_PCM/INT/LIT",
            encodings: Vec::new(),
            extra: Vec::new(),
            clusters: Vec::new(),
            known_sizes: true,
        }
    }

    /// A cluster at `ms` with one block of a track.
    fn block(mut self, ms: u32, track: u8, content: &[u8]) -> Self {
        let block = [&[0x80 | track, 0, 0, 0x80][..], content].concat();
        let cluster = [
            element(&[0xe7], &ms.to_be_bytes()),
            element(&[0xa3], &block),
        ]
        .concat();
        self.clusters.extend(if self.known_sizes {
            element(&[0x1f, 0x43, 0xb6, 0x75], &cluster)
        } else {
            [&[0x1f, 0x43, 0xb6, 0x75], UNKNOWN_SIZE, &cluster].concat()
        });
        self
    }

    /// A cluster with one block of track 1, which holds a frame `count` times: fixed lacing.
    fn laced(mut self, frame: &[u8], count: u8) -> Self {
        let head = [0x81, 0, 0, 0x84, count - 1];
        let block = [&head[..], &frame.repeat(usize::from(count))].concat();
        let cluster = [
            element(&[0xe7], &0_u32.to_be_bytes()),
            element(&[0xa3], &block),
        ]
        .concat();
        self.clusters
            .extend(element(&[0x1f, 0x43, 0xb6, 0x75], &cluster));
        self
    }

    /// Blocks of a track with tone, from `ms` on.
    fn tone(mut self, ms: u32, track: u8, blocks: u32) -> Self {
        let samples = tone(16_000, blocks * BLOCK as u32, &[1.0]);
        for (index, samples) in samples.chunks(2 * BLOCK).enumerate() {
            self = self.block(ms + index as u32 * 100, track, samples);
        }
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let audio = [
            element(&[0xb5], &16_000_f64.to_be_bytes()),
            element(&[0x9f], &[1]),
            element(&[0x62, 0x64], &[16]),
        ];

        let entry = |(index, default): (usize, &Option<u8>)| {
            let mut entry = element(&[0xd7], &[index as u8 + 1]);
            entry.extend(element(&[0x73, 0xc5], &[index as u8 + 1]));
            entry.extend(element(&[0x83], &[2]));
            entry.extend(
                default
                    .map(|flag| element(&[0x88], &[flag]))
                    .unwrap_or_default(),
            );
            let codec = if *default == Some(9) {
                b"A_AC3"
            } else {
                self.codec
            };
            entry.extend(element(&[0x86], codec));
            entry.extend(element(&[0xe1], &audio.concat()));
            entry.extend(&self.encodings);
            element(&[0xae], &entry)
        };

        let tracks: Vec<u8> = self.defaults.iter().enumerate().flat_map(entry).collect();
        let segment = [
            element(
                &[0x15, 0x49, 0xa9, 0x66],
                &element(&[0x2a, 0xd7, 0xb1], &1_000_000_u32.to_be_bytes()),
            ),
            element(&[0x16, 0x54, 0xae, 0x6b], &tracks),
            self.extra.clone(),
            self.clusters.clone(),
        ]
        .concat();

        let head = element(
            &[0x1a, 0x45, 0xdf, 0xa3],
            &element(&[0x42, 0x82], b"matroska"),
        );
        let segment = if self.known_sizes {
            element(&[0x18, 0x53, 0x80, 0x67], &segment)
        } else {
            [&[0x18, 0x53, 0x80, 0x67], UNKNOWN_SIZE, &segment].concat()
        };

        [head, segment].concat()
    }
}

/// Whether there is tone in the middle of each tenth of a second.
fn sounds(samples: &[f32]) -> Vec<bool> {
    samples
        .chunks(BLOCK)
        .map(|chunk| rms(&chunk[chunk.len() / 4..chunk.len() * 3 / 4]) > 0.1)
        .collect()
}

fn check_sound(file: &[u8], expected: &str) -> Recording {
    let (recording, samples) = check(file);
    let found: String = sounds(&samples)
        .iter()
        .map(|&sound| if sound { '#' } else { '.' })
        .collect();
    assert_eq!(found, expected);
    recording
}

#[test]
fn gaps_and_late_starts_keep_their_time() {
    check_sound(
        &Mkv::new().tone(0, 1, 3).tone(800, 1, 2).bytes(),
        "###.....##",
    );
    check_sound(&Mkv::new().tone(500, 1, 3).bytes(), ".....###");
    // Cut out of a longer recording: its clock begins late.
    check_sound(&Mkv::new().tone(3_600_000, 1, 3).bytes(), "###");
}

#[test]
fn silence_of_gaps_counts_against_the_limit() {
    let file = Mkv::new().tone(0, 1, 3).tone(3_000, 1, 2).bytes();
    let limits = Limits {
        max_seconds: 3,
        ..Limits::default()
    };
    assert!(matches!(
        prepare_bytes(&file, &limits),
        Err(AudioError::TooLong { limit_seconds: 3 })
    ));
    // A clock that leaps beyond all limits is wrong.
    let file = Mkv::new().tone(0, 1, 3).tone(90_000_000, 1, 2).bytes();
    let (recording, _) = prepare_bytes(&file, &limits).unwrap();
    assert_eq!(recording.duration_ms, 500);
}

#[test]
fn live_files_of_unknown_sizes_are_whole_and_cut_ones_are_not() {
    let live = Mkv {
        known_sizes: false,
        ..Mkv::new()
    }
    .tone(0, 1, 5)
    .bytes();
    assert!(!check_sound(&live, "#####").truncated);
    assert!(check_sound(&live[..live.len() - 1_000], "####").truncated);

    let whole = Mkv::new().tone(0, 1, 5).bytes();
    assert!(!check_sound(&whole, "#####").truncated);
    assert!(check_sound(&whole[..whole.len() - 1_000], "####").truncated);
}

#[test]
fn joined_files_are_heard_to_their_end() {
    let first = Mkv {
        known_sizes: false,
        ..Mkv::new()
    }
    .tone(0, 1, 3)
    .bytes();
    let second = Mkv::new().tone(0, 1, 2).bytes();
    check_sound(&[first.clone(), second.clone()].concat(), "#####");
    check_sound(&[second, first.clone()].concat(), "#####");

    // The clock of the second one runs on.
    let later = Mkv::new().tone(300, 1, 2).bytes();
    check_sound(&[first, later].concat(), "#####");
}

#[test]
fn frames_of_one_block_unpack_to_a_bounded_size() {
    let compression = [element(&[0x42, 0x54], &[0]), element(&[0x42, 0x55], b"")].concat();
    let encoding = element(&[0x62, 0x40], &element(&[0x50, 0x34], &compression));
    // A block of 8 frames, each of which unpacks to two minutes of silence: 31 MB in all.
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(&vec![0; 120 * 32_000]).unwrap();
    let frame = zlib.finish().unwrap();
    let file = Mkv {
        encodings: element(&[0x6d, 0x80], &encoding),
        ..Mkv::new()
    };
    let (recording, _) = check(&file.laced(&frame, 8).bytes());
    let whole = recording.duration_ms - recording.damaged_ms;
    assert_eq!((whole, recording.damaged_ms), (600_000, 360_000));
}

#[test]
fn compressed_frames_are_unpacked() {
    let settings = |algorithm: u8, settings: &[u8]| {
        let compression = [
            element(&[0x42, 0x54], &[algorithm]),
            element(&[0x42, 0x55], settings),
        ]
        .concat();
        let encoding = element(&[0x62, 0x40], &element(&[0x50, 0x34], &compression));
        element(&[0x6d, 0x80], &encoding)
    };
    let samples = tone(16_000, BLOCK as u32, &[1.0]);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&samples).unwrap();
    let packed = Mkv {
        encodings: settings(0, b""),
        ..Mkv::new()
    }
    .block(0, 1, &zlib.finish().unwrap());
    check_sound(&packed.bytes(), "#");

    let stripped = Mkv {
        encodings: settings(3, &samples[..8]),
        ..Mkv::new()
    }
    .block(0, 1, &samples[8..]);
    check_sound(&stripped.bytes(), "#");

    // One frame that cannot be unpacked is lost and counted.
    let damaged = Mkv {
        encodings: settings(0, b""),
        ..Mkv::new()
    };
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&samples).unwrap();
    let good = zlib.finish().unwrap();
    let damaged = damaged
        .block(0, 1, &good)
        .block(100, 1, b"nonsense")
        .block(200, 1, &good)
        .bytes();
    assert_eq!(check_sound(&damaged, "#.#").damaged_ms, 100);
}

#[test]
fn damage_between_clusters_is_silence_that_is_counted() {
    let mut file = Mkv {
        known_sizes: false,
        ..Mkv::new()
    }
    .tone(0, 1, 6)
    .bytes();
    let cluster = 2 * BLOCK + 38;
    let at = file.len() - 3 * cluster;
    file[at - cluster..at].fill(0);
    let (recording, samples) = check(&file);
    assert_eq!(samples.len(), 6 * BLOCK);
    assert_eq!(recording.damaged_ms, 100);
    assert!(*sounds(&samples).last().unwrap());
}

#[test]
fn large_attachments_are_skipped() {
    let attachment = element(&[0x19, 0x41, 0xa4, 0x69], &vec![7; 70 << 20]);
    check_sound(
        &Mkv {
            extra: attachment,
            ..Mkv::new()
        }
        .tone(0, 1, 3)
        .bytes(),
        "###",
    );
}

#[test]
fn the_track_with_sound_is_found_and_any_can_be_chosen() {
    let silent = vec![0; 2 * BLOCK];
    let file = |defaults: &[Option<u8>]| {
        let mut mkv = Mkv {
            defaults: defaults.to_vec(),
            ..Mkv::new()
        };
        for at in [0, 100, 200] {
            mkv = mkv.block(at, 1, &silent).tone(at, 2, 1);
        }
        mkv.bytes()
    };
    check_sound(&file(&[None, None]), "###");
    check_sound(&file(&[Some(1), Some(0)]), "###");
    // The codec of the first, here AC-3, is not known.
    check_sound(&file(&[Some(9), Some(0)]), "###");

    let choose = |number| {
        let dir = tempfile::tempdir().unwrap();
        let (input, spool) = (dir.path().join("input"), dir.path().join("spool"));
        std::fs::write(&input, file(&[None, None])).unwrap();
        let recording = prepare(
            &input,
            &spool,
            &Limits::default(),
            TrackChoice::Number(number),
            &Never,
        )?;
        let samples = read_span(&spool, &Span::whole(0, recording.duration_ms * 16)).unwrap();
        Ok::<_, AudioError>(rms(&samples))
    };
    assert!(choose(1).unwrap() < 0.01 && choose(2).unwrap() > 0.1);
    let error = choose(3).unwrap_err();
    assert!(
        matches!(&error, AudioError::UnsupportedMedia(reason) if reason.contains("no audio track 3")),
        "{error:?}"
    );
}

#[test]
fn an_absent_default_flag_means_default() {
    // The second says that it is not the default.
    let mut mkv = Mkv {
        defaults: vec![Some(0), None],
        ..Mkv::new()
    };
    let quiet: Vec<u8> = tone(16_000, BLOCK as u32, &[0.1]);
    for at in [0, 100] {
        mkv = mkv.block(at, 1, &quiet).tone(at, 2, 1);
    }
    check_sound(&mkv.bytes(), "##");
}

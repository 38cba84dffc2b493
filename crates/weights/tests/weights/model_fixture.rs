//! A tiny CTranslate2 Whisper model, and a reader for the ggml files made of it. Used by the tests of this folder.
//!
//! Every value is a multiple of 1/64 up to 1: exact in each element type, so that all must give the same ggml file.

use std::{fs, path::Path};

pub(crate) const STATE: u32 = 8;
pub(crate) const N_VOCAB: u32 = 51_865;

/// How the matrices of the fixture are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    F32,
    F16,
    Bf16,
    Int8,
}

/// A model to be written as `model.bin`.
pub(crate) struct Fixture {
    pub(crate) version: u32,
    pub(crate) spec: String,
    pub(crate) tensors: Vec<(String, Vec<u32>, u8, Vec<u8>)>,
    pub(crate) aliases: Vec<(String, String)>,
}

/// The value of element `index` of the tensor `name`.
pub(crate) fn value(name: &str, index: usize) -> f32 {
    let seed: usize = name.bytes().map(usize::from).sum();
    ((seed + index * 7) % 129) as f32 / 64.0 - 1.0
}

impl Fixture {
    /// One encoder and one decoder layer, 8 wide.
    pub(crate) fn new(stored: Stored) -> Self {
        let mut fixture = Self {
            version: 6,
            spec: "WhisperSpec".to_owned(),
            tensors: Vec::new(),
            aliases: Vec::new(),
        };

        let s = STATE;
        for (side, context) in [("encoder", 4), ("decoder", 3)] {
            fixture
                .tensors
                .push((format!("{side}/num_heads"), vec![], 2, vec![2, 0]));
            fixture.vector(
                &format!("{side}/position_encodings/encodings"),
                &[context, s],
            );
            fixture.norm(&format!("{side}/layer_norm"));
            let layer = format!("{side}/layer_0");
            fixture.norm(&format!("{layer}/ffn/layer_norm"));
            fixture.linear(&format!("{layer}/ffn/linear_0"), 4 * s, s, stored);
            fixture.linear(&format!("{layer}/ffn/linear_1"), s, 4 * s, stored);
            fixture.norm(&format!("{layer}/self_attention/layer_norm"));
            fixture.linear(
                &format!("{layer}/self_attention/linear_0"),
                3 * s,
                s,
                stored,
            );
            fixture.linear(&format!("{layer}/self_attention/linear_1"), s, s, stored);
        }

        fixture.norm("decoder/layer_0/attention/layer_norm");
        fixture.linear("decoder/layer_0/attention/linear_0", s, s, stored);
        fixture.linear("decoder/layer_0/attention/linear_1", 2 * s, s, stored);
        fixture.linear("decoder/layer_0/attention/linear_2", s, s, stored);
        for (name, channels) in [("conv1", 80), ("conv2", s)] {
            fixture.matrix(&format!("encoder/{name}/weight"), &[s, channels, 3], stored);
            fixture.vector(&format!("encoder/{name}/bias"), &[s]);
        }
        // Last, and under another name: whichever of embeddings and projection comes first gets the alias.
        fixture.matrix("decoder/projection/weight", &[N_VOCAB, s], stored);
        fixture.aliases.push((
            "decoder/embeddings/weight".to_owned(),
            "decoder/projection/weight".to_owned(),
        ));

        fixture
    }

    /// Bytes of `model.bin`.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.version.to_le_bytes());
        string(&mut bytes, &self.spec);
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend((self.tensors.len() as u32).to_le_bytes());
        for (name, dims, dtype, data) in &self.tensors {
            string(&mut bytes, name);
            bytes.push(dims.len() as u8);
            bytes.extend(dims.iter().flat_map(|dim| dim.to_le_bytes()));
            bytes.push(*dtype);
            bytes.extend((data.len() as u32).to_le_bytes());
            bytes.extend(data);
        }
        bytes.extend((self.aliases.len() as u32).to_le_bytes());
        for (alias, target) in &self.aliases {
            string(&mut bytes, alias);
            string(&mut bytes, target);
        }
        bytes
    }

    /// The tensor called `name`.
    pub(crate) fn tensor_mut(&mut self, name: &str) -> &mut (String, Vec<u32>, u8, Vec<u8>) {
        self.tensors
            .iter_mut()
            .find(|tensor| tensor.0 == name)
            .unwrap()
    }

    fn norm(&mut self, name: &str) {
        self.vector(&format!("{name}/gamma"), &[STATE]);
        self.vector(&format!("{name}/beta"), &[STATE]);
    }

    fn linear(&mut self, name: &str, rows: u32, columns: u32, stored: Stored) {
        self.matrix(&format!("{name}/weight"), &[rows, columns], stored);
        self.vector(&format!("{name}/bias"), &[rows]);
    }

    fn vector(&mut self, name: &str, dims: &[u32]) {
        self.matrix(name, dims, Stored::F32);
    }

    fn matrix(&mut self, name: &str, dims: &[u32], stored: Stored) {
        let count = dims.iter().product::<u32>() as usize;
        let values = (0..count).map(|index| value(name, index));
        let (dtype, data) = match stored {
            Stored::F32 => (0, values.flat_map(f32::to_le_bytes).collect()),
            Stored::F16 => (
                4,
                values.flat_map(|v| exact_half(v).to_le_bytes()).collect(),
            ),
            Stored::Bf16 => (
                5,
                values
                    .flat_map(|v| ((v.to_bits() >> 16) as u16).to_le_bytes())
                    .collect(),
            ),
            Stored::Int8 => (1, values.map(|v| (v * 64.0) as i8 as u8).collect()),
        };
        self.tensors
            .push((name.to_owned(), dims.to_vec(), dtype, data));
        if stored == Stored::Int8 {
            let scales = (0..dims[0]).flat_map(|_| 64.0_f32.to_le_bytes()).collect();
            self.tensors
                .push((format!("{name}_scale"), vec![dims[0]], 0, scales));
        }
    }
}

/// Writes the fixture's `model.bin` and a `vocabulary.txt` into `folder`.
pub(crate) fn write_model(folder: &Path, model: &[u8]) {
    fs::write(folder.join("model.bin"), model).unwrap();
    fs::write(folder.join("vocabulary.txt"), vocabulary().join("\n")).unwrap();
}

/// Tokens in GPT-2's alphabet: a space and the rank; rank 50256 is empty, as in Whisper's.
pub(crate) fn vocabulary() -> Vec<String> {
    (0..N_VOCAB)
        .map(|rank| {
            if rank == 50_256 {
                String::new()
            } else {
                format!("Ġ{rank}")
            }
        })
        .collect()
}

/// For the multiples of 1/64 up to 1 that the fixture has.
pub(crate) fn exact_half(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.abs() < 1.0 / 128.0 {
        return 0;
    }
    let exponent = (bits >> 23 & 0xff) - 112;
    (bits >> 16 & 0x8000) as u16 | (exponent << 10) as u16 | (bits >> 13 & 0x3ff) as u16
}

fn string(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u16 + 1).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

/// A ggml file taken apart.
pub(crate) struct Ggml {
    pub(crate) header: Vec<i32>,
    pub(crate) mel_dims: [i32; 2],
    pub(crate) tokens: Vec<Vec<u8>>,
    pub(crate) tensors: Vec<GgmlTensor>,
}

/// One tensor; `dims` outermost first.
pub(crate) struct GgmlTensor {
    pub(crate) name: String,
    pub(crate) dims: Vec<i32>,
    pub(crate) is_half: bool,
    /// ggml's number for the type of its elements.
    pub(crate) kind: i32,
    pub(crate) data: Vec<u8>,
}

impl Ggml {
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let mut rest = bytes.as_slice();
        let header = (0..12).map(|_| word(&mut rest)).collect();
        let mel_dims = [word(&mut rest), word(&mut rest)];
        take(&mut rest, (mel_dims[0] * mel_dims[1] * 4) as usize);
        let mut tokens = Vec::new();
        for _ in 0..word(&mut rest) {
            let length = word(&mut rest) as usize;
            tokens.push(take(&mut rest, length).to_vec());
        }
        let mut tensors = Vec::new();
        while !rest.is_empty() {
            let (rank, name_length, kind) =
                (word(&mut rest), word(&mut rest) as usize, word(&mut rest));
            let mut dims: Vec<i32> = (0..rank).map(|_| word(&mut rest)).collect();
            dims.reverse();
            let name = String::from_utf8(take(&mut rest, name_length).to_vec()).unwrap();
            let size = if kind == 0 { 4 } else { 2 };
            let data = take(&mut rest, dims.iter().product::<i32>() as usize * size).to_vec();
            tensors.push(GgmlTensor {
                name,
                dims,
                is_half: kind == 1,
                kind,
                data,
            });
        }

        Self {
            header,
            mel_dims,
            tokens,
            tensors,
        }
    }

    pub(crate) fn tensor(&self, name: &str) -> &GgmlTensor {
        self.tensors
            .iter()
            .find(|tensor| tensor.name == name)
            .unwrap()
    }
}

fn word(rest: &mut &[u8]) -> i32 {
    i32::from_le_bytes(take(rest, 4).try_into().unwrap())
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(count);
    *rest = left;
    taken
}

//! The ggml form of a Whisper model: its header, and a check of a whole file's structure. The converter writes with this,
//! import checks with it. Never reads tensor data.
//!
//! whisper.cpp reads the sizes in a file without checking them, so a file from an unknown source is walked here first: every
//! length must be plausible and the tensors must end exactly where the file ends.

use std::{
    fs::File,
    io::{BufReader, Read, Write},
    path::Path,
};

use crate::{WeightsError, mel};

/// `ggml`, the first word of every file.
const MAGIC: i32 = 0x6767_6d6c;
/// `ftype` of a file whose matrices are half precision.
const FTYPE_F16: i32 = 1;
/// The longest token of any Whisper vocabulary has 128 bytes, the longest tensor name 44.
const MAX_TEXT_BYTES: i32 = 1024;

/// What a tensor's elements are in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    F16,
}

impl Element {
    /// Its number in the file.
    pub(crate) fn id(self) -> i32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
        }
    }

    /// Bytes of one element.
    pub(crate) fn size(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

/// The numbers that describe a model, in the order of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_field_names,
    reason = "the names whisper.cpp gives them"
)]
pub(crate) struct Hyperparameters {
    pub(crate) n_vocab: i32,
    pub(crate) n_audio_ctx: i32,
    pub(crate) n_audio_state: i32,
    pub(crate) n_audio_head: i32,
    pub(crate) n_audio_layer: i32,
    pub(crate) n_text_ctx: i32,
    pub(crate) n_text_state: i32,
    pub(crate) n_text_head: i32,
    pub(crate) n_text_layer: i32,
    pub(crate) n_mels: i32,
}

/// Writes everything that comes before the tensors.
pub(crate) fn write_header(
    out: &mut impl Write,
    parameters: Hyperparameters,
    tokens: &[Vec<u8>],
) -> std::io::Result<()> {
    let p = parameters;
    let words = [
        MAGIC,
        p.n_vocab,
        p.n_audio_ctx,
        p.n_audio_state,
        p.n_audio_head,
        p.n_audio_layer,
        p.n_text_ctx,
        p.n_text_state,
        p.n_text_head,
        p.n_text_layer,
        p.n_mels,
        FTYPE_F16,
        p.n_mels,
        mel::BINS as i32,
    ];

    for word in words {
        out.write_all(&word.to_le_bytes())?;
    }
    for value in mel::filters(p.n_mels as usize) {
        out.write_all(&value.to_le_bytes())?;
    }
    out.write_all(&(tokens.len() as i32).to_le_bytes())?;
    for token in tokens {
        out.write_all(&(token.len() as i32).to_le_bytes())?;
        out.write_all(token)?;
    }

    Ok(())
}

/// Checks that the file at `path` is a whole Whisper model whose sizes agree. Errors: [`WeightsError::Ggml`].
pub(crate) fn check(path: &Path) -> Result<(), WeightsError> {
    let file = File::open(path).map_err(WeightsError::io("open", path))?;
    let left = file
        .metadata()
        .map_err(WeightsError::io("read", path))?
        .len();
    let mut walk = Walk {
        path,
        reader: BufReader::new(file),
        left,
    };
    walk.header()?;
    let mut tensors = 0;
    while walk.left > 0 {
        walk.tensor()?;
        tensors += 1;
    }
    if tensors == 0 {
        return Err(walk.problem("it has no tensors"));
    }
    Ok(())
}

/// A position in a file that is being checked.
struct Walk<'a> {
    path: &'a Path,
    reader: BufReader<File>,
    left: u64,
}

impl Walk<'_> {
    fn header(&mut self) -> Result<(), WeightsError> {
        if self.word()? != MAGIC {
            return Err(self.problem("it does not begin as ggml Whisper files do"));
        }
        // Far above any Whisper model; low enough that no product of two overflows.
        let limits = [
            100_000, 10_000, 10_000, 1_000, 1_000, 10_000, 10_000, 1_000, 1_000, 128,
        ];
        for limit in limits {
            self.word_within(1, limit, "model size")?;
        }
        self.word_within(0, 10_000, "file type")?;
        let n_mels = self.word_within(1, 128, "count of mel filters")?;
        let bins = self.word_within(1, mel::BINS as i32, "count of frequency bins")?;
        self.skip(n_mels * bins * 4)?;
        for _ in 0..self.word_within(1, 100_000, "count of tokens")? {
            let length = self.word_within(0, MAX_TEXT_BYTES, "token length")?;
            self.skip(length)?;
        }
        Ok(())
    }

    fn tensor(&mut self) -> Result<(), WeightsError> {
        let rank = self.word_within(1, 3, "count of dimensions")?;
        let name_length = self.word_within(1, MAX_TEXT_BYTES, "tensor name length")?;
        let element = self.word()?;
        let Some((block_elements, block_bytes)) = block(element) else {
            return Err(self.problem(format!("it has a tensor of the unknown type {element}")));
        };
        let mut elements = 1;
        for dimension in 0..rank {
            let length = self.word_within(1, 1 << 20, "dimension")?;
            if dimension == 0 && length % block_elements != 0 {
                return Err(self.problem("it has a quantised tensor with a broken row"));
            }
            elements *= length; // at most 2⁶⁰
        }
        self.skip(name_length)?;
        self.skip(elements / block_elements * block_bytes)
    }

    fn word_within(&mut self, low: i32, high: i32, what: &str) -> Result<u64, WeightsError> {
        let word = self.word()?;
        if word < low || word > high {
            return Err(self.problem(format!("it has an impossible {what}: {word}")));
        }
        Ok(word as u64)
    }

    fn word(&mut self) -> Result<i32, WeightsError> {
        self.take(4)?;
        let mut bytes = [0; 4];
        self.reader
            .read_exact(&mut bytes)
            .map_err(WeightsError::io("read", self.path))?;
        Ok(i32::from_le_bytes(bytes))
    }

    fn skip(&mut self, count: u64) -> Result<(), WeightsError> {
        self.take(count)?;
        self.reader
            .seek_relative(count as i64)
            .map_err(WeightsError::io("read", self.path))
    }

    fn take(&mut self, count: u64) -> Result<(), WeightsError> {
        match self.left.checked_sub(count) {
            Some(left) => self.left = left,
            None => return Err(self.problem("it ends too early; fetch it again")),
        }
        Ok(())
    }

    fn problem(&self, problem: impl Into<String>) -> WeightsError {
        WeightsError::Ggml {
            path: self.path.to_owned(),
            problem: problem.into(),
        }
    }
}

/// Elements and bytes of one block of a ggml type, for the types Whisper files are published in.
fn block(element: i32) -> Option<(u64, u64)> {
    Some(match element {
        0 => (1, 4),
        1 => (1, 2),
        2 => (32, 18), // q4_0
        3 => (32, 20), // q4_1
        6 => (32, 22), // q5_0
        7 => (32, 24), // q5_1
        8 => (32, 34), // q8_0
        _ => return None,
    })
}

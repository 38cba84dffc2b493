//! Reads Whisper weights in ggml form: sizes, mel filters, vocabulary, tensors. Tensors are read one by one, as `f32`,
//! whatever the file stores. Checks every length, because a file may be damaged; the caller verifies its origin.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::LoadError;
use crate::element::Element;

/// `ggml`, the first word of every file.
const MAGIC: u32 = 0x6767_6d6c;
/// Quantised files have their quantisation version times this in the file type, which is not needed.
const MAX_FILE_TYPE: u32 = 10_000;
/// Frequency bins of a spectrogram of 400 samples.
pub(crate) const BINS: usize = 201;
/// Larger than any text in a published file.
const MAX_TEXT_BYTES: u32 = 1024;

/// The sizes of a model, under the names of `whisper.cpp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimensions {
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// Frames of the encoder for 30 s: 1500.
    pub audio_context: usize,
    /// Values per frame and per token.
    pub state: usize,
    /// Attention heads of every layer.
    pub heads: usize,
    /// Layers of the encoder.
    pub audio_layers: usize,
    /// Tokens that the decoder can look back on: 448.
    pub text_context: usize,
    /// Layers of the decoder.
    pub text_layers: usize,
    /// Bands of the spectrogram: 80 or 128.
    pub mels: usize,
}

/// A tensor's place in the file.
struct Entry {
    element: Element,
    /// Slowest dimension first.
    shape: Vec<usize>,
    offset: u64,
}

/// An open file of weights.
pub(crate) struct WeightsFile {
    reader: BufReader<File>,
    tensors: HashMap<String, Entry>,
    pub(crate) dimensions: Dimensions,
    /// Weights of the mel bands: `mels` rows of [`BINS`].
    pub(crate) mel_filters: Vec<f32>,
    /// Bytes of each token that is text.
    pub(crate) tokens: Vec<Vec<u8>>,
}

impl WeightsFile {
    /// Reads everything but the tensors' data.
    pub(crate) fn open(path: &Path) -> Result<Self, LoadError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut reader = BufReader::new(file);
        if read_word(&mut reader)? != MAGIC {
            return Err(malformed("it does not begin as ggml files do"));
        }

        let dimensions = read_dimensions(&mut reader)?;
        let mel_filters = read_mel_filters(&mut reader, dimensions.mels)?;
        let tokens = read_tokens(&mut reader, dimensions.vocabulary)?;
        let tensors = read_index(&mut reader, length)?;

        Ok(Self {
            reader,
            tensors,
            dimensions,
            mel_filters,
            tokens,
        })
    }

    /// The values of a tensor that must have this shape, slowest dimension first.
    pub(crate) fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let entry = self
            .tensors
            .get(name)
            .ok_or_else(|| malformed(format!("it has no tensor {name}")))?;
        if without_ones(&entry.shape) != without_ones(shape) {
            let found = &entry.shape;
            return Err(malformed(format!("{name} is {found:?}, not {shape:?}")));
        }

        let elements = shape.iter().product();
        let mut bytes = vec![0; entry.element.bytes(elements) as usize];
        self.reader.seek(SeekFrom::Start(entry.offset))?;
        self.reader.read_exact(&mut bytes)?;
        Ok(entry.element.to_f32(&bytes, elements))
    }
}

fn without_ones(shape: &[usize]) -> Vec<usize> {
    shape.iter().copied().filter(|size| *size != 1).collect()
}

fn read_dimensions(reader: &mut impl Read) -> Result<Dimensions, LoadError> {
    let mut size = |what, most| read_size(reader, what, most);
    let vocabulary = size("vocabulary", 100_000)?;
    let audio_context = size("audio context", 10_000)?;
    let state = size("audio state", 10_000)?;
    let heads = size("audio heads", 1_000)?;
    let audio_layers = size("audio layers", 1_000)?;
    let text_context = size("text context", 10_000)?;
    let text_state = size("text state", 10_000)?;
    let text_heads = size("text heads", 1_000)?;
    let text_layers = size("text layers", 1_000)?;
    let mels = size("mel bands", 128)?;

    let file_type = read_word(reader)?;
    if file_type > MAX_FILE_TYPE {
        return Err(malformed(format!("its type is {file_type}")));
    }
    if (text_state, text_heads) != (state, heads) {
        let problem = "its encoder and decoder differ in width";
        return Err(LoadError::Unsupported(problem.to_owned()));
    }
    Ok(Dimensions {
        vocabulary,
        audio_context,
        state,
        heads,
        audio_layers,
        text_context,
        text_layers,
        mels,
    })
}

fn read_mel_filters(reader: &mut impl Read, mels: usize) -> Result<Vec<f32>, LoadError> {
    let found_mels = read_size(reader, "mel filters", 128)?;
    let found_bins = read_size(reader, "frequency bins", 10_000)?;
    if (found_mels, found_bins) != (mels, BINS) {
        return Err(malformed(format!(
            "its mel filters are {found_mels} by {found_bins}"
        )));
    }
    let mut bytes = vec![0; mels * BINS * 4];
    reader.read_exact(&mut bytes)?;
    Ok(Element::F32.to_f32(&bytes, mels * BINS))
}

fn read_tokens(reader: &mut impl Read, vocabulary: usize) -> Result<Vec<Vec<u8>>, LoadError> {
    let count = read_size(reader, "tokens", 100_000)?;
    if count > vocabulary {
        return Err(malformed("it has more tokens than its vocabulary"));
    }
    let mut tokens = Vec::with_capacity(count);
    for _ in 0..count {
        tokens.push(read_text(reader)?);
    }
    Ok(tokens)
}

fn read_index(
    reader: &mut BufReader<File>,
    length: u64,
) -> Result<HashMap<String, Entry>, LoadError> {
    let mut tensors = HashMap::new();
    while reader.stream_position()? < length {
        let rank = read_size(reader, "dimensions", 4)?;
        let name_length = read_word(reader)?;
        let element = Element::from_id(read_word(reader)?)
            .ok_or_else(|| malformed("it has a tensor of an unknown type"))?;

        // The file has the fastest dimension first.
        let mut shape = Vec::with_capacity(rank);
        for _ in 0..rank {
            shape.insert(0, read_size(reader, "dimension", 1 << 20)?);
        }
        let name = read_text_of(reader, name_length)?;
        let name = String::from_utf8(name).map_err(|_| malformed("a tensor's name is no text"))?;

        let row = shape.last().copied().unwrap_or(1);
        if row % element.block_elements() != 0 {
            return Err(malformed(format!("{name} has broken rows")));
        }
        let elements = shape
            .iter()
            .try_fold(1_usize, |product, size| product.checked_mul(*size))
            .ok_or_else(|| malformed(format!("{name} is too large")))?;
        let offset = reader.stream_position()?;
        let bytes = element.bytes(elements);
        if bytes > length - offset {
            return Err(malformed("it ends inside a tensor"));
        }
        reader.seek_relative(bytes as i64)?;
        tensors.insert(
            name,
            Entry {
                element,
                shape,
                offset,
            },
        );
    }
    Ok(tensors)
}

fn read_size(reader: &mut impl Read, what: &str, most: u32) -> Result<usize, LoadError> {
    let word = read_word(reader)?;
    if word == 0 || word > most {
        return Err(malformed(format!("its count of {what} is {word}")));
    }
    Ok(word as usize)
}

fn read_text(reader: &mut impl Read) -> Result<Vec<u8>, LoadError> {
    let length = read_word(reader)?;
    read_text_of(reader, length)
}

fn read_text_of(reader: &mut impl Read, length: u32) -> Result<Vec<u8>, LoadError> {
    if length > MAX_TEXT_BYTES {
        return Err(malformed(format!("it has a text of {length} bytes")));
    }
    let mut bytes = vec![0; length as usize];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_word(reader: &mut impl Read) -> Result<u32, LoadError> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

pub(crate) fn malformed(problem: impl Into<String>) -> LoadError {
    LoadError::Malformed(problem.into())
}

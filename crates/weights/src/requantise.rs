//! A weights file rewritten in memory with matrices of another number format, for the worker to load. Never writes a file.
//!
//! The numbers themselves are made by the caller's quantiser, which is ggml's own: this only knows where they are.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::WeightsError;
use crate::float::f32_from_f16;
use crate::ggml::Element;
use crate::verify::Verified;

/// How the numbers of a model's matrices are kept in memory. Biases, norms and convolutions keep what the file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Half precision, 16 bits: what the published files hold.
    F16,
    /// bfloat16, 16 bits with the range of f32: fast on processors that multiply it.
    Bf16,
    /// 8-bit integers in blocks of 32 with a scale: half the memory.
    Q8_0,
}

impl Precision {
    /// ggml's number for the type of a tensor.
    pub fn tensor_type(self) -> i32 {
        match self {
            Self::F16 => Element::F16.id(),
            Self::Q8_0 => 8,
            Self::Bf16 => 30,
        }
    }

    /// ggml's number for a whole file; quantised ones carry the version of the format, 2, in thousands.
    fn file_type(self) -> i32 {
        match self {
            Self::F16 => 1,
            Self::Q8_0 => 2007,
            Self::Bf16 => 24,
        }
    }

    /// Numbers of a row come in blocks of this many.
    fn block(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 1,
            Self::Q8_0 => 32,
        }
    }
}

/// Turns rows of numbers into bytes of a precision; the last argument is the length of a row.
pub type Quantise<'a> = &'a dyn Fn(Precision, &[f32], usize) -> Vec<u8>;

/// Words before the file type in the header.
const WORDS_BEFORE_FILE_TYPE: usize = 11;

/// The weights with their half-precision matrices in another precision, or `None` if the file has none that can be: it is
/// quantised already, or its rows do not come in whole blocks.
pub fn requantised(
    weights: &Verified,
    precision: Precision,
    quantise: Quantise<'_>,
) -> Result<Option<Vec<u8>>, WeightsError> {
    let path = weights.path();
    let file = File::open(path).map_err(WeightsError::io("open", path))?;
    let left = file
        .metadata()
        .map_err(WeightsError::io("read", path))?
        .len();
    let mut rewriter = Rewriter {
        path,
        reader: BufReader::new(file),
        left,
        out: Vec::with_capacity(left as usize),
    };
    let changed = rewriter.header(precision)? && rewriter.tensors(precision, quantise)?;
    Ok(changed.then_some(rewriter.out))
}

struct Rewriter<'a> {
    path: &'a Path,
    reader: BufReader<File>,
    left: u64,
    out: Vec<u8>,
}

impl Rewriter<'_> {
    /// Whether the file holds half-precision matrices, as its header says.
    fn header(&mut self, precision: Precision) -> Result<bool, WeightsError> {
        self.copy(WORDS_BEFORE_FILE_TYPE * 4)?;
        if self.word()? != Precision::F16.file_type() {
            return Ok(false);
        }
        self.write_word(precision.file_type());
        let (mels, bins) = (self.copy_word()?, self.copy_word()?);
        self.copy(mels as usize * bins as usize * 4)?;
        for _ in 0..self.copy_word()? {
            let length = self.copy_word()?;
            self.copy(length as usize)?;
        }
        Ok(true)
    }

    /// Whether every matrix could be rewritten.
    fn tensors(
        &mut self,
        precision: Precision,
        quantise: Quantise<'_>,
    ) -> Result<bool, WeightsError> {
        while self.left > 0 {
            let (rank, name_length, element) = (self.word()?, self.word()?, self.word()?);
            let is_matrix = rank == 2 && element == Element::F16.id();
            let written = if is_matrix {
                precision.tensor_type()
            } else {
                element
            };
            for word in [rank, name_length, written] {
                self.write_word(word);
            }
            let mut dimensions = Vec::with_capacity(rank as usize);
            for _ in 0..rank {
                dimensions.push(self.copy_word()? as usize);
            }
            self.copy(name_length as usize)?;
            let count: usize = dimensions.iter().product();
            if !is_matrix {
                let size = if element == Element::F16.id() {
                    Element::F16.size()
                } else {
                    Element::F32.size()
                };
                self.copy(count * size as usize)?;
                continue;
            }
            if !dimensions[0].is_multiple_of(precision.block()) {
                return Ok(false);
            }
            let halves = self.take(count * 2)?;
            let numbers: Vec<f32> = halves
                .chunks_exact(2)
                .map(|pair| f32_from_f16(u16::from_le_bytes([pair[0], pair[1]])))
                .collect();
            self.out
                .extend(quantise(precision, &numbers, dimensions[0]));
        }

        Ok(true)
    }

    fn copy(&mut self, count: usize) -> Result<(), WeightsError> {
        let bytes = self.take(count)?;
        self.out.extend(bytes);
        Ok(())
    }

    fn copy_word(&mut self) -> Result<i32, WeightsError> {
        let word = self.word()?;
        self.write_word(word);
        Ok(word)
    }

    fn write_word(&mut self, word: i32) {
        self.out.extend(word.to_le_bytes());
    }

    fn word(&mut self) -> Result<i32, WeightsError> {
        let bytes = self.take(4)?;
        Ok(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn take(&mut self, count: usize) -> Result<Vec<u8>, WeightsError> {
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| WeightsError::Ggml {
                path: self.path.to_owned(),
                problem: "it ends too early; fetch it again".to_owned(),
            })?;
        let mut bytes = vec![0; count];
        self.reader
            .read_exact(&mut bytes)
            .map_err(WeightsError::io("read", self.path))?;
        Ok(bytes)
    }
}

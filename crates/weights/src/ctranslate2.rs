//! Reading a CTranslate2 `model.bin` (binary version 6): an index of its tensors, then rows of one tensor at a time. Called
//! by the converter. Trusts no size in the file: nothing is allocated or read that the file's own length does not cover.
//!
//! Layout, little endian: `u32 version, str spec, u32 revision, u32 n`, n times `str name, u8 rank, u32 dims[rank], u8 dtype,
//! u32 bytes, data`, then `u32 m` and m times `str alias, str target`; a `str` is `u16 length` with the final NUL, and bytes.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use crate::WeightsError;

/// Smallest tensor entry: a name of one NUL, rank, dtype and byte count.
const MIN_TENSOR_BYTES: u64 = 2 + 1 + 1 + 1 + 4;
/// Smallest alias entry: two names of one NUL.
const MIN_ALIAS_BYTES: u64 = 2 * (2 + 1);
/// Whisper's tensors have at most three dimensions.
const MAX_RANK: u8 = 4;
/// The largest Whisper model has about 1,300 tensors; each costs memory beyond its bytes in the file.
const MAX_ENTRIES: u32 = 100_000;

/// How a tensor's elements are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtype {
    F32,
    I8,
    I16,
    I32,
    F16,
    Bf16,
}

impl Dtype {
    fn from_id(id: u8) -> Option<Self> {
        Some(match id {
            0 => Self::F32,
            1 => Self::I8,
            2 => Self::I16,
            3 => Self::I32,
            4 => Self::F16,
            5 => Self::Bf16,
            _ => return None,
        })
    }

    /// Bytes of one element.
    pub(crate) fn size(self) -> u64 {
        match self {
            Self::I8 => 1,
            Self::I16 | Self::F16 | Self::Bf16 => 2,
            Self::F32 | Self::I32 => 4,
        }
    }
}

/// Where a tensor is in the file. Its data lies inside the file and is as long as its shape says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tensor {
    /// Name in the file, after aliases.
    pub(crate) name: String,
    /// Shape, outermost first; empty for a scalar.
    pub(crate) dims: Vec<u32>,
    /// Element type.
    pub(crate) dtype: Dtype,
    offset: u64,
}

impl Tensor {
    /// Length of the outermost dimension; 1 for a scalar.
    pub(crate) fn rows(&self) -> u64 {
        self.dims.first().map_or(1, |rows| u64::from(*rows))
    }

    /// Elements of one row.
    pub(crate) fn row_len(&self) -> u64 {
        // Saturating: a dimension of 0 lets the others be anything.
        self.dims
            .iter()
            .skip(1)
            .fold(1, |product, dim| product.saturating_mul(u64::from(*dim)))
    }
}

/// An open `model.bin`.
pub(crate) struct Model {
    path: PathBuf,
    reader: BufReader<File>,
    len: u64,
    position: u64,
    tensors: HashMap<String, Tensor>,
    aliases: HashMap<String, String>,
}

impl Model {
    /// Reads the index of the model at `path`. Errors: [`WeightsError::Model`] for anything but a whole Whisper model.
    pub(crate) fn open(path: &Path) -> Result<Self, WeightsError> {
        let file = File::open(path).map_err(WeightsError::io("open", path))?;
        let len = file
            .metadata()
            .map_err(WeightsError::io("read", path))?
            .len();
        let mut model = Self {
            path: path.to_owned(),
            reader: BufReader::new(file),
            len,
            position: 0,
            tensors: HashMap::new(),
            aliases: HashMap::new(),
        };
        model.read_index()?;
        Ok(model)
    }

    /// The tensor called `name`, directly or by an alias; `None` if there is none.
    pub(crate) fn find(&self, name: &str) -> Option<&Tensor> {
        self.tensors
            .get(name)
            .or_else(|| self.tensors.get(self.aliases.get(name)?))
    }

    /// The tensor called `name`; a model without it cannot be converted.
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor, WeightsError> {
        self.find(name)
            .cloned()
            .ok_or_else(|| self.problem(format!("it has no tensor {name}")))
    }

    /// The value of the whole-number scalar called `name`; `None` if there is no such scalar.
    pub(crate) fn scalar(&mut self, name: &str) -> Result<Option<i32>, WeightsError> {
        let Some(tensor) = self
            .find(name)
            .filter(|tensor| tensor.dims.is_empty())
            .cloned()
        else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        self.read_elements(&tensor, 0, 1, &mut bytes)?;
        Ok(match (tensor.dtype, bytes.as_slice()) {
            (Dtype::I8, &[a]) => Some(i32::from(a as i8)),
            (Dtype::I16, &[a, b]) => Some(i32::from(i16::from_le_bytes([a, b]))),
            (Dtype::I32, &[a, b, c, d]) => Some(i32::from_le_bytes([a, b, c, d])),
            _ => None,
        })
    }

    /// Reads `elements` of `tensor` from element `start` on into `buffer`, as raw little-endian bytes.
    pub(crate) fn read_elements(
        &mut self,
        tensor: &Tensor,
        start: u64,
        elements: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), WeightsError> {
        let size = tensor.dtype.size();
        buffer.resize(elements * size as usize, 0);
        self.reader
            .seek(SeekFrom::Start(tensor.offset + start * size))
            .and_then(|_| self.reader.read_exact(buffer))
            .map_err(WeightsError::io("read", &self.path))
    }

    /// An error about this file.
    pub(crate) fn problem(&self, problem: impl Into<String>) -> WeightsError {
        WeightsError::Model {
            path: self.path.clone(),
            problem: problem.into(),
        }
    }

    fn read_index(&mut self) -> Result<(), WeightsError> {
        let version = self.u32()?;
        if version != 6 {
            return Err(self.problem(format!(
                "its binary version is {version}, only 6 is known; convert it again"
            )));
        }
        let spec = self.string()?;
        if spec != "WhisperSpec" {
            return Err(self.problem(format!("it is a {spec:?} model, not a WhisperSpec")));
        }
        let _revision = self.u32()?;
        let count = self.u32()?;
        self.fits(count, MIN_TENSOR_BYTES, "tensors")?;
        for _ in 0..count {
            let tensor = self.tensor_entry()?;
            self.tensors.insert(tensor.name.clone(), tensor);
        }
        let count = self.u32()?;
        self.fits(count, MIN_ALIAS_BYTES, "aliases")?;
        for _ in 0..count {
            let (alias, target) = (self.string()?, self.string()?);
            if !self.tensors.contains_key(&target) {
                return Err(self.problem(format!(
                    "the alias {alias} names a tensor that is not there"
                )));
            }
            self.aliases.insert(alias, target);
        }
        Ok(())
    }

    fn tensor_entry(&mut self) -> Result<Tensor, WeightsError> {
        let name = self.string()?;
        let rank = self.bytes::<1>()?[0];
        if rank > MAX_RANK {
            return Err(self.problem(format!("the tensor {name} has {rank} dimensions")));
        }
        let dims = (0..rank)
            .map(|_| self.u32())
            .collect::<Result<Vec<_>, _>>()?;
        let id = self.bytes::<1>()?[0];
        let Some(dtype) = Dtype::from_id(id) else {
            return Err(self.problem(format!(
                "the tensor {name} has the unknown element type {id}"
            )));
        };

        let stored = u64::from(self.u32()?);
        let expected = dims.iter().try_fold(dtype.size(), |bytes, dim| {
            bytes.checked_mul(u64::from(*dim))
        });
        if expected != Some(stored) {
            return Err(self.problem(format!(
                "the tensor {name} has {stored} bytes, which is not what its shape needs"
            )));
        }

        let offset = self.position;
        self.skip(stored)?;

        Ok(Tensor {
            name,
            dims,
            dtype,
            offset,
        })
    }

    /// Refuses a count that does not fit into the remaining file.
    fn fits(&self, count: u32, min_bytes: u64, what: &str) -> Result<(), WeightsError> {
        if count > MAX_ENTRIES || u64::from(count) > (self.len - self.position) / min_bytes {
            return Err(self.problem(format!("it announces {count} {what}, which cannot be")));
        }
        Ok(())
    }

    fn skip(&mut self, count: u64) -> Result<(), WeightsError> {
        if count > self.len - self.position {
            return Err(self.problem("it ends in the middle of a tensor; fetch it again"));
        }
        self.position += count;
        self.reader
            .seek_relative(count as i64)
            .map_err(WeightsError::io("read", &self.path))
    }

    fn string(&mut self) -> Result<String, WeightsError> {
        let length = u16::from_le_bytes(self.bytes()?);
        let mut bytes = vec![0; usize::from(length)];
        self.fill(&mut bytes)?;
        if bytes.pop() != Some(0) {
            return Err(self.problem("a name in it does not end as names do"));
        }
        String::from_utf8(bytes).map_err(|_| self.problem("a name in it is not UTF-8"))
    }

    fn u32(&mut self) -> Result<u32, WeightsError> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], WeightsError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), WeightsError> {
        match self.reader.read_exact(bytes) {
            Ok(()) => {
                self.position += bytes.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.problem("it ends too early; fetch it again"))
            }
            Err(source) => Err(WeightsError::io("read", &self.path)(source)),
        }
    }
}

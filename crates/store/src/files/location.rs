//! `STENO_STORAGE_URL`: the place of recordings and spools.

use std::path::PathBuf;

use object_store::path::Path;
use url::Url;

use super::bucket::probe;
use crate::StoreError;

/// The place of recordings and spools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// A folder other than the data folder.
    Folder(PathBuf),
    /// A bucket of S3-compatible storage.
    Bucket(BucketLocation),
}

/// A bucket, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BucketLocation {
    pub(crate) bucket: String,
    /// What all keys begin with, without a slash at either end; may be empty.
    pub(crate) prefix: String,
    /// `None` for the one that AWS's variables name, else Amazon's.
    pub(crate) endpoint: Option<String>,
    /// `None` for the one that AWS's variables name, else `us-east-1`.
    pub(crate) region: Option<String>,
    /// A file of credentials in AWS's format; `None` for AWS's variables, else its shared file.
    pub(crate) credentials: Option<PathBuf>,
}

impl Location {
    /// Reads `s3://bucket/prefix`, with `?endpoint=`, `?region=` and `?credentials=`, or `file:///folder`.
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        let url = Url::parse(text).map_err(|_| wrong("it is no URL"))?;
        // The message of the error must not repeat it.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "credentials do not belong into it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ));
        }
        match url.scheme() {
            "file" => url
                .to_file_path()
                // Without a slash at the end, so that equal places have one form.
                .map(|folder| Self::Folder(folder.components().collect()))
                .map_err(|()| wrong("a folder is written as file:///folder")),
            "s3" => BucketLocation::parse(&url).map(Self::Bucket),
            _ => Err(wrong("it must begin with s3:// or file:///")),
        }
    }
}

/// Checks whether files can be kept at the place that `url` names. Returns the place, without credentials.
pub fn probe_storage(url: &str) -> Result<String, StoreError> {
    match Location::parse(url)? {
        Location::Folder(root) => {
            std::fs::read_dir(&root).map_err(StoreError::file("list", &root))?;
            Ok(root.display().to_string())
        }
        Location::Bucket(location) => {
            probe(&location)?;
            Ok(location.to_string())
        }
    }
}

impl BucketLocation {
    fn parse(url: &Url) -> Result<Self, StoreError> {
        let bucket = url.host_str().unwrap_or_default();
        if bucket.is_empty() || url.port().is_some() {
            return Err(wrong("a bucket is written as s3://bucket/prefix"));
        }
        let prefix = Path::from_url_path(url.path())
            .map_err(|_| wrong("its prefix cannot be part of a key"))?;

        let mut location = Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_string(),
            endpoint: None,
            region: None,
            credentials: None,
        };
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "endpoint" => location.endpoint = Some(value.trim_end_matches('/').to_owned()),
                "region" => location.region = Some(value.into_owned()),
                "credentials" => location.credentials = Some(PathBuf::from(value.as_ref())),
                _ => {
                    return Err(wrong(
                        "it takes only ?endpoint=, ?region= and ?credentials=",
                    ));
                }
            }
        }
        Ok(location)
    }

    /// The key of a file.
    pub(crate) fn key(&self, path: &str) -> Path {
        Path::from(self.prefix.as_str())
            .parts()
            .chain(Path::from(path).parts())
            .collect()
    }
}

impl std::fmt::Display for BucketLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if self.prefix.is_empty() {
            return Ok(());
        }
        write!(f, "/{}", self.prefix)
    }
}

fn wrong(problem: &'static str) -> StoreError {
    StoreError::StorageUrl {
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(text: &str) -> BucketLocation {
        match Location::parse(text).unwrap() {
            Location::Bucket(location) => location,
            Location::Folder(folder) => panic!("{}", folder.display()),
        }
    }

    #[test]
    fn urls_of_buckets_and_folders_are_read() {
        let location = bucket("s3://recordings/steno/a?endpoint=http://minio:9000/&region=eu-1");
        assert_eq!(location.to_string(), "s3://recordings/steno/a");
        assert_eq!(location.endpoint.as_deref(), Some("http://minio:9000"));
        assert_eq!(location.region.as_deref(), Some("eu-1"));
        assert_eq!(location.key("audio/x").as_ref(), "steno/a/audio/x");

        for text in ["s3://recordings", "s3://recordings/"] {
            let location = bucket(text);
            assert_eq!(location.to_string(), "s3://recordings");
            assert_eq!(location.key("spool/x").as_ref(), "spool/x");
        }
        for text in ["file:///srv/steno", "file:///srv/steno/"] {
            let Location::Folder(folder) = Location::parse(text).unwrap() else {
                panic!("{text}")
            };
            assert_eq!(folder.to_str(), Some("/srv/steno"), "{text}");
        }
    }

    #[test]
    fn a_wrong_url_is_refused_without_repeating_it() {
        for text in [
            "recordings",
            "http://minio/recordings",
            "s3:///prefix",
            "s3://minio:9000/bucket",
            "s3://key:hush@recordings",
            "s3://recordings?secret=hush",
            "file://host/folder",
        ] {
            let error = Location::parse(text).unwrap_err();
            assert!(error.needs_operator(), "{text}");
            assert!(!format!("{error} {error:?}").contains("hush"), "{text}");
        }
    }
}

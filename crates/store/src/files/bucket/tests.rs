//! Deletions at a server that answers 404 for an object that is gone.

use std::io::Write as _;

use steno_testbed::S3;

use super::{Bucket, client};
use crate::DataDir;
use crate::files::location::Location;

#[test]
fn an_object_that_is_gone_counts_as_deleted_also_without_bulk_deletion() {
    let server = S3::start();
    let name = server.create_bucket();
    let mut credentials = tempfile::NamedTempFile::new().unwrap();
    let (key, secret) = (S3::ACCESS_KEY, S3::SECRET_KEY);
    write!(
        credentials,
        "[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
    )
    .unwrap();
    let url = format!(
        "s3://{name}/a%20prefix?endpoint={}&region={}&credentials={}",
        server.endpoint(),
        S3::REGION,
        credentials.path().display()
    );
    let Location::Bucket(location) = Location::parse(&url).unwrap() else {
        panic!("{url}")
    };
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::create(folder.path()).unwrap();
    // As with AWS_DISABLE_BULK_DELETE=true.
    let client = client::configure(&location)
        .unwrap()
        .with_disable_bulk_delete(true)
        .build()
        .unwrap();
    let mut bucket = Bucket::new(&data, location).unwrap();
    bucket.client = client;
    let path = |name: &str| format!("audio/{name}");
    let key = bucket.location.key(&path("there"));
    bucket.block_on(bucket.put_once(&key, "x".into())).unwrap();

    let deleted = bucket.delete(vec![path("gone"), path("there")]);
    assert!(deleted.failed.is_none(), "{:?}", deleted.failed);
    assert_eq!(deleted.paths, [path("gone"), path("there")]);
    assert_eq!(server.keys(&name), Vec::<String>::new());

    // A storage that does not answer has deleted nothing.
    server.stop();
    let deleted = bucket.delete(vec![path("gone")]);
    assert!(deleted.failed.is_some());
    assert_eq!(deleted.paths, Vec::<String>::new());
}

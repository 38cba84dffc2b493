//! Whether a bucket can be used: for `steno doctor`, without a queue.

use object_store::ObjectStoreExt as _;
use uuid::Uuid;

use super::client;
use crate::StoreError;
use crate::files::location::BucketLocation;

/// What is written, read and deleted again.
const CONTENT: &str = "a probe of steno doctor";

/// Writes, reads and deletes an object.
pub(crate) fn probe(location: &BucketLocation) -> Result<(), StoreError> {
    let object = format!("probe-{}", Uuid::new_v4().simple());
    let key = location.key(&object);
    let client = client::build(location)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StoreError::file("start threads for", location.to_string()))?;

    let failed = |action: &'static str| {
        let object = format!("{location}/{object}");
        move |source| StoreError::Storage {
            action,
            object,
            source: Box::new(source),
        }
    };
    runtime.block_on(async {
        let written = client.put(&key, CONTENT.into()).await;
        written.map_err(failed("write"))?;
        let read = async { client.get(&key).await?.bytes().await }.await;
        let deleted = client.delete(&key).await;
        read.map_err(failed("read"))?;
        deleted.map_err(failed("delete"))
    })
}

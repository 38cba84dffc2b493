//! The place of a job in the queue.

use crate::StoreError;
use crate::tx::Tx;

/// Place of a job in the queue, 1 is next; `None` if it is not there any more.
pub(crate) fn position(tx: &Tx<'_>, seq: i64) -> Result<Option<u64>, StoreError> {
    Ok(tx.count_jobs_ahead(seq)?.map(|ahead| ahead + 1))
}

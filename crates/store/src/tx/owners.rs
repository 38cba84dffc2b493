//! Statements about owners: their turns, what they have in the queue, and their uploads in progress.

use steno_models::JobId;

use crate::StoreError;
use crate::jobs::quota::Usage;
use crate::tx::statement::text;
use crate::tx::{ReservedUpload, Tx, parameters, sql};

impl Tx<'_> {
    /// Puts the cost of a task on its owner's account, which was at `served_ms` when the task was chosen.
    pub(crate) fn charge_owner(
        &self,
        owner: &str,
        cost_ms: i64,
        served_ms: i64,
    ) -> Result<(), StoreError> {
        let advance = parameters! {":served_ms": served_ms};
        let charge = parameters! {":owner": owner, ":cost_ms": cost_ms};
        match self {
            Self::Sqlite(tx) => {
                tx.execute(text!("sqlite/sql", "advance_fairness"), advance)?;
                tx.execute(text!("sqlite/sql", "charge_owner"), charge)?;
            }
            Self::Postgres(tx) => {
                let both = [advance, charge].concat();
                tx.execute_ahead(sql!("charge_owner", by_backend), &both)?;
            }
        }
        Ok(())
    }

    /// What an owner has, without the upload `own`.
    pub(crate) fn usage(&self, owner: &str, own: Option<JobId>) -> Result<Usage, StoreError> {
        let own = own.as_ref().map(JobId::as_bytes);
        let parameters = parameters! {":owner": owner, ":own": own};
        self.one(sql!("usage"), parameters, |row| {
            let count = |column: &str| row.get::<i64>(column).map(|value| value.max(0) as u64);
            let uploads = count("uploads")?;
            Ok(Usage {
                jobs: count("jobs")? + uploads,
                stored_jobs: count("stored_jobs")? + uploads,
                stored_bytes: count("stored_bytes")?.saturating_add(count("upload_bytes")?),
            })
        })
    }

    pub(crate) fn reserve_upload(
        &self,
        upload: JobId,
        owner: &str,
        bytes: u64,
        process: &str,
    ) -> Result<(), StoreError> {
        let parameters = parameters! {
            ":id": upload.as_bytes(),
            ":owner": owner,
            ":bytes": i64::try_from(bytes).unwrap_or(i64::MAX),
            ":process": process,
        };
        self.run(sql!("reserve_upload", by_backend), parameters)
    }

    pub(crate) fn any_upload(&self, upload: JobId) -> Result<bool, StoreError> {
        self.exists(sql!("any_upload"), parameters! {":id": upload.as_bytes()})
    }

    pub(crate) fn list_uploads(&self) -> Result<Vec<ReservedUpload>, StoreError> {
        self.all(sql!("list_uploads"), &[], |row| {
            Ok(ReservedUpload {
                id: JobId::from_bytes(row.get(0)?),
                process: row.get(1)?,
            })
        })
    }

    pub(crate) fn delete_upload(&self, upload: JobId) -> Result<(), StoreError> {
        self.run(
            sql!("delete_upload"),
            parameters! {":id": upload.as_bytes()},
        )
    }
}

//! Statements about the processes that claim tasks, and the weights that they have.

use crate::StoreError;
use crate::runs::registry::RegisteredWorker;
use crate::tx::{NewRun, Registered, Tx, parameters, sql};

impl Tx<'_> {
    pub(crate) fn register_run(&self, run: &NewRun<'_>) -> Result<(), StoreError> {
        let parameters = parameters! {
            ":run_id": run.run_id,
            ":boot_id": run.boot_id,
            ":lease_until": run.lease_until,
            ":pid": std::process::id(),
            ":slots": run.slots,
            ":model": run.model,
            ":version": run.version,
            ":role": run.role,
            ":now": run.now.ms(),
        };
        self.run(sql!("register_run"), parameters)
    }

    pub(crate) fn is_same_lease(&self, run: &Registered) -> Result<bool, StoreError> {
        let parameters = parameters! {":run_id": run.run_id, ":lease_until": run.lease_until};
        self.exists(sql!("is_same_lease"), parameters)
    }

    pub(crate) fn extend_lease(&self, run_id: &str, lease_until: i64) -> Result<usize, StoreError> {
        let parameters = parameters! {":run_id": run_id, ":lease_until": lease_until};
        self.execute(sql!("extend_lease"), parameters)
    }

    pub(crate) fn delete_run(&self, run_id: &str) -> Result<(), StoreError> {
        self.run(sql!("delete_run"), parameters! {":run_id": run_id})
    }

    pub(crate) fn registered_runs(&self) -> Result<Vec<Registered>, StoreError> {
        self.all(sql!("registered_runs"), &[], |row| {
            Ok(Registered {
                run_id: row.get(0)?,
                boot_id: row.get(1)?,
                lease_until: row.get(2)?,
            })
        })
    }

    pub(crate) fn registered_workers(&self) -> Result<Vec<RegisteredWorker>, StoreError> {
        self.all(sql!("registered_workers"), &[], |row| {
            Ok(RegisteredWorker {
                slots: row.get(0)?,
                model: row.get(1)?,
                version: row.get(2)?,
            })
        })
    }

    pub(crate) fn count_runs(&self, role: &str) -> Result<u64, StoreError> {
        self.one(sql!("count_runs"), parameters! {":role": role}, |row| {
            Ok(row.get::<i64>(0)? as u64)
        })
    }

    pub(crate) fn delete_models(&self) -> Result<(), StoreError> {
        self.run(sql!("delete_models"), &[])
    }

    pub(crate) fn insert_model(&self, name: &str) -> Result<(), StoreError> {
        self.run(sql!("insert_model"), parameters! {":name": name})
    }

    pub(crate) fn list_models(&self) -> Result<Vec<String>, StoreError> {
        self.all(sql!("list_models"), &[], |row| row.get(0))
    }
}

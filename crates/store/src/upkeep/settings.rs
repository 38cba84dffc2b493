//! Settings that have to be the same in every process of a queue: differences are logged at the start. The place of files is not one of
//! them: a difference there is an error (`place_of_files.rs`).
//!
//! A difference is no error. An operator changes a setting by restarting one process after the other, and the first would
//! not start beside those that still have the old value.

use crate::tx::Tx;
use crate::{Store, StoreError};

/// A setting whose value differs from that of the process that started before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingDifference {
    /// Name of the environment variable.
    pub name: &'static str,
    /// The value of the process that started before, with its unit.
    pub stored: String,
    /// The value of this process, with its unit.
    pub own: String,
}

impl Store {
    /// Compares this process's settings with those of the process that started before, logs a warning for each difference,
    /// and stores its own. To be called once, when an api, a worker or a courier starts. Fails with [`StoreError::OtherPlace`] if the
    /// files of the queue are at another place.
    pub fn compare_settings(&self) -> Result<Vec<SettingDifference>, StoreError> {
        self.settle_place_of_files()?;
        let own = self.shared_settings();
        let differences = self.read(|tx| differences(tx, &own))?;
        for difference in &differences {
            tracing::warn!(
                "{} is {} here and {} in the process that started before: set the same value for the api and all workers \
                 and restart those that have another",
                difference.name,
                difference.own,
                difference.stored
            );
        }

        if !self.read(|tx| is_stored(tx, &own))? {
            self.write_in_free_space(|tx, _| {
                for (name, value) in &own {
                    tx.set_setting(name, value)?;
                }
                Ok(())
            })?;
        }
        Ok(differences)
    }

    fn shared_settings(&self) -> [(&'static str, String); 3] {
        let ms = |duration: std::time::Duration| format!("{} ms", duration.as_millis());
        [
            ("STENO_TTL", ms(self.settings.ttl)),
            ("STENO_RETRIEVAL_GRACE", ms(self.settings.retrieval_grace)),
            ("STENO_LEASE", ms(self.settings.lease)),
        ]
    }
}

fn differences(
    tx: &Tx<'_>,
    own: &[(&'static str, String)],
) -> Result<Vec<SettingDifference>, StoreError> {
    let mut differences = Vec::new();
    for (name, own) in own {
        if let Some(stored) = tx.get_setting(name)?
            && stored != *own
        {
            differences.push(SettingDifference {
                name,
                stored,
                own: own.clone(),
            });
        }
    }
    Ok(differences)
}

fn is_stored(tx: &Tx<'_>, own: &[(&'static str, String)]) -> Result<bool, StoreError> {
    for (name, own) in own {
        if tx.get_setting(name)?.as_ref() != Some(own) {
            return Ok(false);
        }
    }
    Ok(true)
}

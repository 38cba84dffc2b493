//! [`Place`]: where a queue is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{DatabaseAddress, StoreError};

/// Where a queue is.
#[derive(Clone, Debug)]
pub struct Place {
    /// The data folder.
    pub data: PathBuf,
    /// The PostgreSQL that has the rows; `None` for a file in the data folder.
    pub database: Option<DatabaseAddress>,
}

impl From<&Path> for Place {
    fn from(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            database: None,
        }
    }
}

impl From<&PathBuf> for Place {
    fn from(data: &PathBuf) -> Self {
        data.as_path().into()
    }
}

impl Place {
    /// A queue whose rows are at `database_url`, if one is given. Its password may be in a file of its own; `ca_file` holds the
    /// certificates to trust instead of the system's.
    pub fn new(
        data: &Path,
        database_url: Option<&str>,
        password_file: Option<&Path>,
        ca_file: Option<&Path>,
    ) -> Result<Self, StoreError> {
        let Some(url) = database_url.filter(|url| !url.is_empty()) else {
            return Ok(data.into());
        };
        let password = password_file.map(|file| {
            let password = fs::read_to_string(file);
            password.map_err(StoreError::file("read the database password in", file))
        });
        let password = password.transpose()?;
        let password = password.as_deref().map(str::trim_end);

        Ok(Self {
            data: data.to_owned(),
            database: Some(DatabaseAddress::parse(url, password, ca_file)?),
        })
    }

    /// Whether the rows are in the data folder.
    pub(crate) fn has_rows_in_folder(&self) -> bool {
        self.database.is_none()
    }
}

//! Stands in for the address of a database in programs that are built without PostgreSQL: they refuse every address.

use std::path::Path;

use super::Never;

/// Has no value.
#[derive(Clone, Debug)]
pub struct DatabaseAddress(pub(super) Never);

/// Why an address cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The program has no code for PostgreSQL.
    #[error(
        "needs PostgreSQL, which this program was built without: use a program with the cargo feature `postgres`, \
         or unset it to keep the rows in STENO_DATA"
    )]
    NotBuilt,
}

impl DatabaseAddress {
    /// Refuses every address.
    pub fn parse(
        _url: &str,
        _password: Option<&str>,
        _ca_file: Option<&Path>,
    ) -> Result<Self, AddressError> {
        Err(AddressError::NotBuilt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Place;

    #[test]
    fn an_address_is_refused_with_what_to_do() {
        let place = Place::new(Path::new("data"), Some("postgres://db/queue"), None, None);
        let message = place.err().unwrap().to_string();
        assert!(message.contains("built without"), "{message}");
        assert!(message.contains("cargo feature `postgres`"), "{message}");
    }
}

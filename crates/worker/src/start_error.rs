//! Whether a start that failed is worth another try.

use steno_store::StoreError;
use steno_weights::WeightsError;

use crate::engine::{EngineError, LoadError};

/// Whether a start that failed with `error` fails again until a person changes something: settings,
/// the data folder, the weights, or the build.
pub fn needs_operator(error: &anyhow::Error) -> bool {
    let is_permanent = |cause: &(dyn std::error::Error + 'static)| {
        if let Some(error) = cause.downcast_ref::<StoreError>() {
            return error.needs_operator();
        }
        if let Some(error) = cause.downcast_ref::<WeightsError>() {
            return is_about_installation(error);
        }
        let error = match cause.downcast_ref::<LoadError>() {
            Some(LoadError::Engine(error)) => Some(error),
            _ => cause.downcast_ref::<EngineError>(),
        };
        error.is_some_and(EngineError::needs_operator)
    };
    error.chain().any(is_permanent)
}

/// Weights that are missing or wrong stay so; a download or a disk may do better next time.
fn is_about_installation(error: &WeightsError) -> bool {
    match error {
        WeightsError::NotInstalled { .. }
        | WeightsError::Unrecorded { .. }
        | WeightsError::Changed { .. }
        | WeightsError::UnknownName { .. }
        | WeightsError::InvalidName { .. } => true,
        WeightsError::Io { source, .. } => source.kind() == std::io::ErrorKind::PermissionDenied,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn lasting_errors_are_distinguished_from_passing_ones() {
        let folder = std::path::PathBuf::from("weights");
        let missing = WeightsError::NotInstalled {
            name: "base".to_owned(),
            folder,
        };
        let missing =
            anyhow::Error::from(LoadError::from(missing)).context("cannot load the weights");
        assert!(needs_operator(&missing));

        let no_queue = Err::<(), _>(StoreError::NoQueue {
            path: "data".into(),
        })
        .context("cannot open")
        .unwrap_err();
        assert!(needs_operator(&no_queue));
        assert!(!needs_operator(&anyhow::anyhow!("the network is down")));
    }
}

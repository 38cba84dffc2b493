//! `steno delete`.

use clap::Args;
use steno_models::JobId;

use crate::ServerArguments;

/// Arguments of `steno delete`.
#[derive(Args, Debug)]
pub(crate) struct DeleteArguments {
    /// The job.
    id: JobId,
    #[command(flatten)]
    server: ServerArguments,
}

/// Cancels or deletes a job.
pub(crate) fn delete(arguments: &DeleteArguments) -> anyhow::Result<()> {
    Ok(arguments.server.client().delete(&arguments.id)?)
}

//! `steno delete`.

use clap::Args;
use steno_models::JobId;

use crate::server::ServerArguments;

/// Arguments of `steno delete`.
#[derive(Args, Debug)]
pub(crate) struct DeleteArguments {
    /// The jobs.
    #[arg(required = true)]
    ids: Vec<JobId>,
    #[command(flatten)]
    server: ServerArguments,
}

/// Cancels or deletes jobs.
pub(crate) fn delete(arguments: &DeleteArguments) -> anyhow::Result<()> {
    let client = arguments.server.client();
    Ok(arguments.ids.iter().try_for_each(|id| client.delete(id))?)
}

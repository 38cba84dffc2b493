//! `steno init`: makes the queue of a machine, once. The services refuse to start without one, so that a
//! disk that is not mounted does not become a new, empty queue.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use steno_settings::DatabaseSettings;
use steno_store::{Place, Store};

use crate::print;

/// Arguments of `steno init`.
#[derive(Args, Debug)]
pub(crate) struct InitArguments {
    /// Folder of the queue and the audio; empty, or not there yet.
    #[arg(long, env = "STENO_DATA", default_value = "data")]
    data: PathBuf,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Runs the command.
pub(crate) fn init(arguments: &InitArguments) -> anyhow::Result<()> {
    let folder = &arguments.data;
    let database = &arguments.database;
    let password_file = database.password_file();
    let place = Place::new(
        folder,
        database.url(),
        password_file.as_deref(),
        database.ca_file(),
    )?;
    let is_new = Store::init(place)
        .with_context(|| format!("cannot make a queue in {}", folder.display()))?;
    if is_new {
        print::line(&format!("made a new queue in {}", folder.display()));
    } else {
        print::line(&format!(
            "there is a queue in {} already; it stays as it is",
            folder.display()
        ));
    }
    Ok(())
}

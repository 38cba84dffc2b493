//! What `steno doctor` asks a running server.

use super::{DoctorArguments, Finding};
use crate::client::CallError;

/// Whether a server answers, and what it reports.
pub(super) fn server(arguments: &DoctorArguments) -> Finding {
    let client = arguments.server.client();
    let url = arguments.server.url();
    match client.check_ready().and_then(|()| client.models()) {
        Ok(models) => Finding::ok(
            "server",
            format!("{url} is ready, with the models {}", models.join(", ")),
        ),
        Err(CallError::Unreachable(reason)) => {
            let found = format!("{url} does not answer ({reason})");
            Finding::warn(
                "server",
                found,
                "start one with steno up, or name it with --url",
            )
        }
        Err(error) if error.wants_key() => {
            let found = format!("{url} is ready, and asks for an API key");
            Finding::warn(
                "server",
                found,
                "set STENO_API_KEY to a key that it knows, to look at its models",
            )
        }
        Err(error) => Finding::fail("server", format!("{url} is not ready"), error.to_string()),
    }
}

/// Whether a courier runs, which fetches recordings by address and sends webhooks. `None` if no
/// server reports it.
pub(super) fn courier(arguments: &DoctorArguments) -> Option<Finding> {
    if arguments.server.client().has_couriers()? {
        return Some(Finding::ok("courier", "one runs"));
    }
    Some(Finding::warn(
        "courier",
        "none runs: recordings are not fetched from addresses, and webhooks wait",
        "start steno-courier with the data folder of the server; steno up does it",
    ))
}

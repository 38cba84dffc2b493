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
                "set STENO_API_KEY to one of its keys, so that its models can be checked",
            )
        }
        Err(error) => Finding::fail("server", format!("{url} is not ready"), error.to_string()),
    }
}

/// Which workers run, with their engine and device. `None` if no server reports them.
pub(super) fn workers(arguments: &DoctorArguments) -> Option<Finding> {
    let readiness = arguments.server.client().readiness()?;
    let workers = readiness.get("workers")?.as_array()?.iter();
    let described = workers.map(|worker| {
        let slots = worker.get("slots")?.as_u64()?;
        let model = worker.get("model")?.as_str()?;
        let version = worker.get("version")?.as_str()?;
        Some(format!("{slots} slots, {model}, {version}"))
    });
    let workers = described.collect::<Option<Vec<_>>>()?;
    if workers.is_empty() {
        return Some(Finding::warn(
            "workers",
            "none runs: jobs wait",
            "start steno-worker with the data folder of the server; steno up does it",
        ));
    }
    Some(Finding::ok("workers", workers.join("; ")))
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

//! A worker process without an engine, which tests kill, stop and cut off: claims one task and keeps it by heartbeats. Before that,
//! it reserves an upload for the owner `uploader`, as an api does.
//!
//! Arguments: the data folder, the address of the database, and the lease in milliseconds. Prints
//! `claimed` when it has a task, and `lost` when other processes have declared its run dead, and
//! then ends.

use std::io::Write as _;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use steno_models::JobId;
use steno_store::{Place, Quota, RunSettings, Store, StoreError, StoreSettings, TaskKind};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("an argument is missing");
    let data = PathBuf::from(next()?);
    let url = next()?;
    let lease = Duration::from_millis(next()?.parse()?);

    let settings = StoreSettings {
        ttl: Duration::from_secs(3600),
        retrieval_grace: Duration::from_secs(60),
        lease,
    };
    let place = Place::new(&data, Some(&url), None, None)?;
    let store = Store::open(place, settings)?;
    let clock = store.clock();
    let run = store.begin_run()?;
    store.register_run(clock.now(), &run, &RunSettings::default())?;

    let quota = Quota {
        jobs: Some(1),
        ..Quota::default()
    };
    store
        .reserve_upload("uploader", quota, JobId::random(), 1)?
        .into_result()
        .map_err(|_| "the upload is beyond the quota")?;

    while store
        .claim_task(clock.now(), &run, &TaskKind::ALL)?
        .is_none()
    {
        thread::sleep(Duration::from_millis(10));
    }
    say("claimed")?;
    loop {
        thread::sleep(settings.heartbeat_interval());
        // Other errors pass: the database may be away for a moment.
        if let Err(StoreError::RunLost) = store.heartbeat(clock.now(), &run) {
            return Ok(say("lost")?);
        }
    }
}

fn say(word: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout();
    writeln!(output, "{word}")?;
    output.flush()
}

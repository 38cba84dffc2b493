//! An api with a hung event loop does not feed the watchdog, so the service manager restarts it.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use steno_e2e::{Settings, eventually};

use crate::shim;

#[test]
fn an_event_loop_that_hangs_starves_the_watchdog() {
    let mut service = Settings::with_workers(0).start_nothing();
    let (hang, path) = (
        service.scratch().join("hang"),
        service.scratch().join("notify"),
    );
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(4)))
        .unwrap();
    // Read the queue, because the api blocks when the manager's queue is full.
    let next = || {
        let mut message = [0; 256];
        match manager.recv(&mut message) {
            Ok(length) => Some(message[..length].to_vec()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    };
    let is_fed = || {
        next()
            .filter(|message| message.starts_with(b"WATCHDOG=1"))
            .map(drop)
    };
    let mut environment = shim::hang_environment(&hang);
    environment.push(("NOTIFY_SOCKET", path.to_str().unwrap().to_owned()));
    assert!(service.try_start_api(&shim::borrowed(&environment)));
    eventually("the watchdog is fed while all event loops run", &is_fed);

    std::fs::write(&hang, "").unwrap();
    let api = service.api.as_ref().unwrap();
    eventually("the watchdog is not fed while one event loop hangs", || {
        (next().is_none() && api.log().contains("an event loop has not turned")).then_some(())
    });

    std::fs::remove_file(&hang).unwrap();
    eventually("it is fed again", &is_fed);
}

//! Signals as events that the supervisor can wait for with a limit.

use std::io;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use signal_hook::consts::SIGCHLD;
use signal_hook::iterator::Signals;

/// What the supervisor wakes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A child may have ended.
    Child,
    /// Someone wants everything to end.
    Stop,
}

/// Takes the given signals from now on. The thread lives as long as the process.
pub(super) fn listen(signals: &[i32]) -> io::Result<Receiver<Event>> {
    let mut signals = Signals::new(signals)?;
    let (sender, events) = mpsc::channel();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let event = if signal == SIGCHLD { Event::Child } else { Event::Stop };
            if sender.send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(events)
}

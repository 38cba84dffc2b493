//! [`WakeListener`]: the receiving end of the signals, one for each loop that waits for them.

use std::time::Duration;

use super::local::WakeSocket;
use super::message::WakeMessage;
use crate::postgres::session::Inbox;

/// Receives the messages for one audience for as long as it lives.
#[derive(Debug)]
pub struct WakeListener(Source);

#[derive(Debug)]
enum Source {
    Local(WakeSocket),
    Session(Inbox),
}

impl WakeListener {
    pub(super) fn local(socket: WakeSocket) -> Self {
        Self(Source::Local(socket))
    }

    pub(super) fn session(inbox: Inbox) -> Self {
        Self(Source::Session(inbox))
    }

    /// Waits for a message, at most `limit` (not zero). `None` when the time is over, a signal of the system came, or the
    /// message is not known to this version.
    pub fn receive(&self, limit: Duration) -> Option<WakeMessage> {
        match &self.0 {
            Source::Local(socket) => socket.receive(limit),
            Source::Session(inbox) => inbox.receive(limit),
        }
    }
}

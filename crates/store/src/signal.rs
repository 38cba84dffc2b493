//! Signals between the processes of a queue: [`Signals`] sends, [`WakeListener`] receives.
//!
//! A signal is a hint: it may be lost, so receivers also poll. Sending never blocks and never fails.

pub(crate) mod listener;
mod local;
pub(crate) mod message;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use self::listener::WakeListener;
use self::local::WakeSocket;
use self::message::{Audience, WakeMessage};
use crate::postgres::session::Session;
use crate::{DataDir, Store, StoreError};

/// How the processes of this queue wake each other.
pub(crate) enum Signals {
    /// Datagrams to the sockets in the data folder: every process is on this machine.
    Local(DataDir),
    /// Notifications of the database: processes may be on many machines.
    Session(Arc<Session>),
}

impl Signals {
    /// Sends messages to every process they are for. Called after the commit that they report.
    pub(crate) fn send(&self, messages: impl IntoIterator<Item = WakeMessage>) {
        match self {
            Self::Local(data) => {
                for message in messages {
                    local::send(data, message);
                }
            }
            Self::Session(session) => session.send(messages),
        }
    }

    fn listen(&self, audience: Audience) -> Result<WakeListener, StoreError> {
        match self {
            Self::Local(data) => {
                let name = Uuid::new_v4().simple().to_string();
                WakeSocket::bind(data, audience, &name).map(WakeListener::local)
            }
            Self::Session(session) => Ok(WakeListener::session(session.listen(audience))),
        }
    }
}

impl Store {
    /// Begins to receive the messages for an audience.
    pub fn listen(&self, audience: Audience) -> Result<WakeListener, StoreError> {
        self.signals.listen(audience)
    }

    /// A number that changes whenever another process, or this one, may have committed. Costs microseconds.
    ///
    /// The fallback for lost messages: compare it about once a second.
    pub fn version(&self) -> Result<i64, StoreError> {
        match &self.signals {
            Signals::Local(_) => self.database.version(),
            Signals::Session(session) => Ok(session.version()),
        }
    }

    /// Longest pause between two polls of what is due by time, or was not announced.
    pub fn poll_interval(&self) -> Duration {
        match &self.signals {
            Signals::Local(_) => Duration::from_secs(1),
            // A poll is a statement on a server that others use too.
            Signals::Session(_) => Duration::from_secs(5),
        }
    }
}

//! Signals between the processes of a queue: [`Signals`] sends, [`WakeListener`] receives.
//!
//! A signal is a hint: it may be lost, so receivers also poll. Sending never blocks and never fails.

pub(crate) mod listener;
mod local;
pub(crate) mod message;

use uuid::Uuid;

use self::listener::WakeListener;
use self::local::WakeSocket;
use self::message::{Audience, WakeMessage};
use crate::{DataDir, Store, StoreError};

/// How the processes of this queue wake each other.
pub(crate) enum Signals {
    /// Datagrams to the sockets in the data folder: every process is on this machine.
    Local(DataDir),
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
        }
    }

    fn listen(&self, audience: Audience) -> Result<WakeListener, StoreError> {
        match self {
            Self::Local(data) => {
                let name = Uuid::new_v4().simple().to_string();
                WakeSocket::bind(data, audience, &name).map(WakeListener::local)
            }
        }
    }
}

impl Store {
    /// Begins to receive the messages for an audience.
    pub fn listen(&self, audience: Audience) -> Result<WakeListener, StoreError> {
        self.signals.listen(audience)
    }
}

//! [`Session`]: a process's direct connection to the database, beside the pool that runs transactions.
//!
//! It carries what belongs to a connection and not to a transaction: messages to other processes
//! (LISTEN and NOTIFY), the proof that this process lives (a session-level lock), its seat on the
//! watch, and the clock. Its thread reconnects for as long as the process lives. No caller waits
//! for a connection: a call that needs one returns without a result meanwhile, and the pool, the
//! leases and the fallback poll take over.

mod clock;
mod connection;
mod outbox;
mod state;
#[cfg(test)]
mod tests;
mod thread;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

pub(crate) use self::clock::DatabaseClock;
pub(crate) use self::connection::{Connect, ConnectError, Direct};
use self::state::State;
pub(crate) use self::state::{Inbox, ProcessKey};
use self::thread::Command;
use crate::Clock;
use crate::runs::absence::{Absent, Suspects};
use crate::signal::message::{Audience, WakeMessage};

/// A process's direct connection to the database.
pub(crate) struct Session {
    state: Arc<State>,
    commands: UnboundedSender<Command>,
    thread: Option<JoinHandle<()>>,
}

/// The proof that a run lives. When it is dropped, the run no longer counts as proven.
#[derive(Debug)]
pub(crate) struct SessionProof {
    commands: UnboundedSender<Command>,
    run_id: String,
}

impl Drop for SessionProof {
    fn drop(&mut self) {
        let run_id = std::mem::take(&mut self.run_id);
        // Without a session, the lease decides.
        let _ = self.commands.send(Command::ForgetProof { run_id });
    }
}

impl Session {
    /// Connects. `host` is the clock of this machine, of which only the rate counts.
    pub(crate) fn open(
        connect: Arc<dyn Connect>,
        key: ProcessKey,
        host: Arc<dyn Clock>,
    ) -> Result<Self, ConnectError> {
        let state = Arc::new(State::new(key, host));
        let (commands, received) = unbounded_channel();
        let (is_open, opened) = mpsc::sync_channel(1);
        let own_state = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("database session".to_owned())
            .spawn(move || thread::run(&*connect, &own_state, received, &is_open))
            .map_err(ConnectError::Thread)?;

        match opened.recv() {
            Ok(outcome) => outcome?,
            Err(_) => return Err(ConnectError::Ended),
        }
        Ok(Self {
            state,
            commands,
            thread: Some(thread),
        })
    }

    /// The lock that proves that this process lives.
    pub(crate) fn key(&self) -> ProcessKey {
        self.state.key
    }

    /// The clock of the database.
    pub(crate) fn clock(&self) -> DatabaseClock {
        DatabaseClock::new(Arc::clone(&self.state))
    }

    /// A number that changes at each poll, and whenever messages may have been missed.
    pub(crate) fn version(&self) -> i64 {
        self.state.version()
    }

    /// Counts the connections that this session has had.
    pub(crate) fn generation(&self) -> u64 {
        self.state.generation()
    }

    /// Sends messages, a few milliseconds later and together with those that follow meanwhile.
    pub(crate) fn send(&self, messages: impl IntoIterator<Item = WakeMessage>) {
        if self.state.outbox.put(messages) {
            let _ = self.commands.send(Command::Flush);
        }
    }

    /// Begins to receive the messages for an audience.
    pub(crate) fn listen(&self, audience: Audience) -> Inbox {
        let inbox = self.state.listen(audience);
        let (reply, answer) = mpsc::sync_channel(1);
        // Without a connection, the next one listens, and the inbox says that messages were missed.
        let _ = self.ask(Command::Listen { reply }, &answer);
        inbox
    }

    /// Whether this process has a seat on the watch, and so checks for dead processes each second.
    /// The first call asks for a seat.
    pub(crate) fn is_on_watch(&self) -> bool {
        if self.state.ask_for_watch() {
            let _ = self.commands.send(Command::Poll);
        }
        self.state.is_on_watch()
    }

    /// Begins to prove that a run of this process lives.
    pub(crate) fn prove(&self, run_id: &str) -> SessionProof {
        SessionProof {
            commands: self.commands.clone(),
            run_id: run_id.to_owned(),
        }
    }

    /// Extends the lease of a run. `None` without a connection; else whether the run is still registered.
    pub(crate) fn extend_lease(&self, run_id: &str, lease_until: i64) -> Option<bool> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.ask(
            Command::ExtendLease {
                run_id: run_id.to_owned(),
                lease_until,
                reply,
            },
            &answer,
        )
    }

    /// The runs that may be dead. `None` without a connection.
    pub(crate) fn suspects(&self, now_ms: i64) -> Option<Suspects> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.ask(Command::Suspects { now_ms, reply }, &answer)
    }

    /// Which of the processes have no connection. `None` if this process has none itself.
    pub(crate) fn absent_processes(&self, processes: Vec<String>) -> Option<Absent> {
        if processes.is_empty() {
            return Some(Absent::default());
        }
        let (reply, answer) = mpsc::sync_channel(1);
        self.ask(Command::AbsentProcesses { processes, reply }, &answer)
    }

    /// How long the present connection has been open, if it replaced one that was lost.
    pub(crate) fn since_reconnection(&self) -> Option<Duration> {
        self.state.since_reconnection()
    }

    fn ask<T>(&self, command: Command, answer: &Receiver<T>) -> Option<T> {
        self.commands.send(command).ok()?;
        // The thread answers within the limit of a statement, or drops the reply.
        answer.recv().ok()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Close);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

//! Stands in for the session with a database in programs that are built without PostgreSQL. None of its types has a value.

use std::time::Duration;

use crate::runs::absence::{Absent, Suspects};
use crate::signal::message::{Audience, WakeMessage};
use crate::{Clock, Now};

/// Has no value.
pub(crate) enum Session {}

/// Has no value.
#[derive(Debug)]
pub(crate) enum SessionProof {}

/// Has no value.
#[derive(Debug)]
pub(crate) enum Inbox {}

/// Has no value.
pub(crate) enum DatabaseClock {}

/// Has no value.
#[derive(Clone, Copy)]
pub(crate) enum ProcessKey {}

impl ProcessKey {
    pub(crate) fn number(self) -> i64 {
        match self {}
    }
}

impl Inbox {
    pub(crate) fn receive(&self, _limit: Duration) -> Option<WakeMessage> {
        match *self {}
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> Now {
        match *self {}
    }
}

impl Session {
    pub(crate) fn key(&self) -> ProcessKey {
        match *self {}
    }

    pub(crate) fn clock(&self) -> DatabaseClock {
        match *self {}
    }

    pub(crate) fn version(&self) -> i64 {
        match *self {}
    }

    pub(crate) fn generation(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn send(&self, _messages: impl IntoIterator<Item = WakeMessage>) {
        match *self {}
    }

    pub(crate) fn listen(&self, _audience: Audience) -> Inbox {
        match *self {}
    }

    pub(crate) fn is_on_watch(&self) -> bool {
        match *self {}
    }

    pub(crate) fn prove(&self, _run_id: &str) -> SessionProof {
        match *self {}
    }

    pub(crate) fn extend_lease(&self, _run_id: &str, _lease_until: i64) -> Option<bool> {
        match *self {}
    }

    pub(crate) fn suspects(&self, _now_ms: i64) -> Option<Suspects> {
        match *self {}
    }

    pub(crate) fn absent_processes(&self, _processes: Vec<String>) -> Option<Absent> {
        match *self {}
    }

    pub(crate) fn since_reconnection(&self) -> Option<Duration> {
        match *self {}
    }
}

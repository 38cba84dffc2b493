//! Reads what a client still sends after the answer to a broken body, so that the client can read that answer.
//!
//! A socket that is closed with unread bytes resets the connection, and a reset deletes the answer that the client has
//! not read. actix does the same for the bodies that it refuses itself. Called by [`connection`](super) alone.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};

/// Longest time for a client to read its answer and to close its end.
const LIMIT: Duration = Duration::from_secs(5);
/// Most connections at a time; further ones are closed at once.
const MAX_CONNECTIONS: usize = 256;
/// Most bytes that are read from one connection at a time, so that one connection cannot occupy the
/// thread.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Connections that are only read from until their clients close them.
#[derive(Debug, Default)]
pub(super) struct Lingering(Mutex<Vec<(OwnedFd, Instant)>>);

impl Lingering {
    /// Ends the sending direction of a connection and keeps the other open for a while.
    pub(super) fn add(&self, socket: OwnedFd) {
        let mut sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sockets.len() < MAX_CONNECTIONS && shutdown(&socket, Shutdown::Write).is_ok() {
            sockets.push((socket, Instant::now()));
        }
    }

    /// Reads what has arrived. Closes connections that their clients have closed or whose time
    /// limit is over.
    pub(super) fn drain(&self) {
        let mut sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = vec![0; 64 * 1024];
        sockets.retain(|(socket, since)| {
            since.elapsed() < LIMIT && is_open_after_reading(socket, &mut buffer)
        });
    }
}

/// Reads and drops what has arrived. Returns whether more may arrive.
fn is_open_after_reading(socket: &OwnedFd, buffer: &mut [u8]) -> bool {
    let mut total = 0;
    while total < MAX_BYTES {
        match recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return false,
            Ok((read, _)) => total += read,
            Err(error) => return error == Errno::AGAIN || error == Errno::INTR,
        }
    }
    true
}

//! Connections: how many there are, and of the one a call came over, whether its client is still there.
#![expect(
    unsafe_code,
    reason = "actix lends the socket once, when it is accepted, and names it by nothing but its number"
)]

use std::any::Any;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

/// The connection of a call. Use it while the call is answered: its number means nothing afterwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection(Option<RawFd>);

/// How many connections are open.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenConnections(Arc<AtomicUsize>);

/// Counts one connection for as long as it is open.
struct Counted(OpenConnections);

impl OpenConnections {
    /// Called by actix for every connection it accepts.
    pub(crate) fn remember(&self, connection: &dyn Any, data: &mut Extensions) {
        self.0.fetch_add(1, Ordering::Relaxed);
        data.insert(Counted(self.clone()));
        data.insert(Connection(connection.downcast_ref::<TcpStream>().map(TcpStream::as_raw_fd)));
    }

    /// Their number.
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    /// That of a call.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        request.conn_data::<Self>().copied().unwrap_or(Self(None))
    }

    /// Whether the client has not closed its end. One that has gone away without a word counts as there.
    pub(crate) fn is_open(self) -> bool {
        let Some(fd) = self.0 else { return true };
        // SAFETY: actix owns the socket until the answer is written, and this is asked before that.
        let socket = unsafe { BorrowedFd::borrow_raw(fd) };
        let mut byte = [0; 1];
        match recv(socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((read, _)) => read > 0,
            Err(error) => error == Errno::AGAIN || error == Errno::INTR,
        }
    }
}

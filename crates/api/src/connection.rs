//! Connections: how many there are, whether a client is still there, and the end of idle and of greedy ones.
//!
//! actix limits the time of a client's first head and of its uploads. Between two calls it has no limit of its own for a
//! client that has begun a head, or that owes the remainder of a refused body; and it keeps up to 128 KiB of each
//! unfinished head.

mod linger;
mod unanswered;

use std::any::Any;
use std::collections::HashMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Extensions, ServiceRequest};
use actix_web::rt::net::TcpStream;
use actix_web::web::Bytes;
use rustix::io::{Errno, ioctl_fionread};
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown, sockopt};
use tokio::sync::watch;

pub(crate) use unanswered::broken_body;

use linger::Lingering;
use unanswered::Unanswered;

use crate::key_calls::KeyCall;
use crate::tcp;

/// How long a connection may be without a call while there are more than are served: those that ask for something come first.
const CROWDED_IDLE_LIMIT: Duration = Duration::from_secs(1);
/// Pause between two checks for idle connections and unfinished heads.
const TICK: Duration = Duration::from_millis(250);
/// Largest head of a request. actix would keep one of 128 KiB until its time is over.
const MAX_HEAD_BYTES: u64 = 32 * 1024;
/// Most bytes of unfinished heads of all connections together.
const MAX_HEADS_BYTES: u64 = 32 * 1024 * 1024;

/// The connection of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection(Option<Arc<Socket>>);

/// A connection, by a handle of our own: actix's is known by its number alone, which means another one later.
#[derive(Debug)]
struct Socket {
    handle: OwnedFd,
    activity: Mutex<Activity>,
    /// Whether its client may still send a broken body when actix closes it.
    must_linger: AtomicBool,
    lingering: Arc<Lingering>,
}

#[derive(Clone, Copy, Debug)]
struct Activity {
    /// Calls that are not answered to the end.
    calls: usize,
    /// When the last of them was, or when the connection was made.
    idle_since: Instant,
    /// Bytes that had come in by then.
    received_before: u64,
    /// Whether the head of the next call was too large at the last check.
    was_large: bool,
}

/// The connections that are open, and how long each may leave what it was sent.
#[derive(Clone, Debug)]
pub(crate) struct OpenConnections {
    open: Arc<Mutex<HashMap<u64, Connection>>>,
    next_id: Arc<AtomicU64>,
    lingering: Arc<Lingering>,
    send_timeout: Duration,
}

/// Counts one connection for as long as actix has it.
struct Counted(OpenConnections, u64);

impl OpenConnections {
    pub(crate) fn new(send_timeout: Duration) -> Self {
        Self {
            open: Arc::default(),
            next_id: Arc::default(),
            lingering: Arc::default(),
            send_timeout,
        }
    }

    /// Called by actix for every connection it accepts.
    pub(crate) fn remember(&self, connection: &dyn Any, data: &mut Extensions) {
        let connection = Connection(
            connection
                .downcast_ref()
                .and_then(|stream| self.watch_over(stream)),
        );
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(id, connection.clone());
        data.insert(Counted(self.clone(), id));
        data.insert(connection);
    }

    /// A handle for a connection; `None` if there can be no more files: it is served, but not watched over.
    fn watch_over(&self, stream: &TcpStream) -> Option<Arc<Socket>> {
        // The kernel ends it then, also if it is there and reads nothing. Where it cannot, the connection stays as it is.
        let timeout_ms = self.send_timeout.as_millis().try_into().unwrap_or(u32::MAX);
        let _ = sockopt::set_tcp_user_timeout(stream, timeout_ms);
        let handle = stream.as_fd().try_clone_to_owned().ok()?;
        let activity = Mutex::new(Activity {
            calls: 0,
            idle_since: Instant::now(),
            received_before: 0,
            was_large: false,
        });
        Some(Arc::new(Socket {
            handle,
            activity,
            must_linger: AtomicBool::new(false),
            lingering: Arc::clone(&self.lingering),
        }))
    }

    /// Their number.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Ends those that have been without a call for `limit`.
    fn end_idle(&self, limit: Duration) {
        for socket in self
            .lock()
            .values()
            .filter_map(|connection| connection.0.as_ref())
        {
            let activity = *socket.lock();
            if activity.calls == 0 && activity.idle_since.elapsed() >= limit {
                // It may have ended in this moment. actix sees the end, and lets go of it.
                let _ = shutdown(&socket.handle, Shutdown::Both);
            }
        }
    }

    /// Ends connections with a head that is too large, and those with the largest ones while all heads together are.
    fn end_greedy(&self) {
        let mut heads: Vec<(u64, Arc<Socket>)> = self
            .lock()
            .values()
            .filter_map(|connection| connection.0.clone())
            .filter_map(|socket| Some((socket.unfinished_head_bytes()?, socket)))
            .collect();
        heads.sort_unstable_by_key(|(bytes, _)| *bytes);
        let mut total: u64 = heads.iter().map(|(bytes, _)| bytes).sum();

        while let Some((bytes, socket)) = heads.pop() {
            if bytes <= MAX_HEAD_BYTES && total <= MAX_HEADS_BYTES {
                break;
            }
            // A valid call looks the same for a moment: a part of its body was read, and its
            // handler has not begun.
            if total <= MAX_HEADS_BYTES && !std::mem::replace(&mut socket.lock().was_large, true) {
                continue;
            }
            total -= bytes;
            let _ = shutdown(&socket.handle, Shutdown::Both);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Connection>> {
        // The map is whole after every statement, even if a thread died between two.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread that ends connections that have been without a call for `idle_limit`. It ends soon after `stopping`.
pub(crate) fn start_watch(
    connections: OpenConnections,
    most_served: usize,
    idle_limit: Duration,
    stopping: watch::Receiver<bool>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        while !*stopping.borrow() {
            let is_crowded = connections.count() > most_served;
            connections.end_idle(if is_crowded {
                CROWDED_IDLE_LIMIT
            } else {
                idle_limit
            });
            connections.end_greedy();
            connections.lingering.drain();
            thread::sleep(TICK);
        }
    })
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if *self.must_linger.get_mut()
            && let Ok(handle) = self.handle.try_clone()
        {
            self.lingering.add(handle);
        }
    }
}

impl Socket {
    /// Bytes that the server has read since the last call, and that have made no call: those of an unfinished head. `None`
    /// during a call.
    fn unfinished_head_bytes(&self) -> Option<u64> {
        let activity = *self.lock();
        if activity.calls > 0 {
            return None;
        }
        // What the kernel still has does not count: the server may be about to make a call of it.
        let unread = ioctl_fionread(&self.handle).unwrap_or(u64::MAX);
        let received = tcp::info(self.handle.as_fd()).ok()?.received_bytes;
        Some(
            received
                .saturating_sub(activity.received_before)
                .saturating_sub(unread),
        )
    }

    fn lock(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// The connection of a request.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        request.conn_data::<Self>().cloned().unwrap_or_default()
    }

    /// Whether the client has not closed its end. One that vanished without a packet counts as there.
    pub(crate) fn is_open(&self) -> bool {
        let Some(socket) = &self.0 else { return true };
        let mut byte = [0; 1];
        match recv(
            &socket.handle,
            &mut byte,
            RecvFlags::PEEK | RecvFlags::DONTWAIT,
        ) {
            Ok((read, _)) => read > 0,
            Err(error) => error == Errno::AGAIN || error == Errno::INTR,
        }
    }

    /// Keeps a closing connection readable for a while, so that a client that still sends can read
    /// its answer.
    fn linger(&self) {
        if let Some(socket) = &self.0 {
            socket.must_linger.store(true, Ordering::Relaxed);
        }
    }

    /// Sends bytes without actix, which has dropped the connection. Bytes that the kernel does not
    /// accept at once are lost.
    fn send(&self, bytes: &[u8]) {
        if let Some(socket) = &self.0 {
            let _ = send(
                &socket.handle,
                bytes,
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            );
        }
    }

    /// Bytes that were handed to the kernel and not acknowledged by the client's; 0 where that cannot be known.
    pub(crate) fn unacknowledged_bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |socket| {
            tcp::unacknowledged_bytes(socket.handle.as_fd()).unwrap_or(0)
        })
    }

    /// The state of the connection, where that can be known.
    pub(crate) fn info(&self) -> Option<tcp::Info> {
        tcp::info(self.0.as_ref()?.handle.as_fd()).ok()
    }
}

/// A call that goes on, until this is dropped.
pub(crate) struct Call {
    connection: Connection,
    /// Its place among the calls of its API key, given back with it.
    of_key: Option<KeyCall>,
    /// `None` once the call has an answer.
    unanswered: Option<Unanswered>,
}

impl Call {
    pub(crate) fn begin(request: &ServiceRequest) -> Self {
        let connection = request
            .request()
            .conn_data::<Connection>()
            .cloned()
            .unwrap_or_default();
        if let Some(socket) = &connection.0 {
            let mut activity = socket.lock();
            activity.calls += 1;
            activity.was_large = false;
        }
        Self {
            connection,
            of_key: None,
            unanswered: Some(Unanswered::of(request)),
        }
    }

    /// Keeps its place among the calls of its API key until it ends.
    pub(crate) fn count_for_key(&mut self, of_key: Option<KeyCall>) {
        self.of_key = of_key;
    }

    /// The same body, with whose end the call ends.
    pub(crate) fn with_body(mut self, body: BoxBody) -> BoxBody {
        self.unanswered = None;
        BoxBody::new(CallBody { body, _call: self })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(unanswered) = self.unanswered.take() {
            unanswered.answer(&self.connection);
        }
        if let Some(socket) = &self.connection.0 {
            let received = tcp::info(socket.handle.as_fd()).map_or(0, |info| info.received_bytes);
            let mut activity = socket.lock();
            activity.calls -= 1;
            activity.idle_since = Instant::now();
            activity.received_before = received;
        }
    }
}

struct CallBody {
    body: BoxBody,
    _call: Call,
}

impl MessageBody for CallBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_pin_mut().poll_next(context)
    }
}

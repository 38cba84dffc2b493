//! Waking other processes: one datagram after a commit, to every socket in `run/wake`.
//!
//! A datagram is a hint. It may be lost, so receivers also poll the database about once a second; and every
//! error here is ignored, and nothing ever blocks.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use steno_models::JobId;

use crate::files::data_dir::unlink;
use crate::{ClaimId, DataDir, StoreError};

/// What a datagram says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeMessage {
    /// There is work to claim. To workers.
    Work,
    /// The job of this claim was deleted: stop. To workers.
    Cancel(ClaimId),
    /// The job changed in a way its client may wait for, or has a webhook to send. To apis and couriers.
    Changed(JobId),
}

impl WakeMessage {
    /// The kinds of process it is for, which is how the names of their sockets begin.
    fn audience(self) -> &'static [&'static str] {
        match self {
            Self::Work | Self::Cancel(_) => &["worker-"],
            Self::Changed(_) => &["api-", "courier-"],
        }
    }

    fn parse(datagram: &[u8]) -> Option<Self> {
        let text = str::from_utf8(datagram).ok()?;
        match text.split_at_checked(1)? {
            ("W", "") => Some(Self::Work),
            ("C", claim) => claim.parse().ok().map(Self::Cancel),
            ("J", job) => job.parse().ok().map(Self::Changed),
            _ => None,
        }
    }
}

impl fmt::Display for WakeMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work => f.write_str("W"),
            Self::Cancel(claim) => write!(f, "C{claim}"),
            Self::Changed(job) => write!(f, "J{job}"),
        }
    }
}

/// A process's own socket, on which it is woken. The socket file goes with it.
#[derive(Debug)]
pub struct WakeSocket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl WakeSocket {
    /// Binds `run/wake/worker-<run_id>.sock`.
    pub fn bind_worker(data: &DataDir, run_id: &str) -> Result<Self, StoreError> {
        Self::bind(data, &format!("worker-{run_id}.sock"))
    }

    /// Binds `run/wake/api-<run_id>.sock`.
    pub fn bind_api(data: &DataDir, run_id: &str) -> Result<Self, StoreError> {
        Self::bind(data, &format!("api-{run_id}.sock"))
    }

    /// Binds `run/wake/courier-<run_id>.sock`.
    pub fn bind_courier(data: &DataDir, run_id: &str) -> Result<Self, StoreError> {
        Self::bind(data, &format!("courier-{run_id}.sock"))
    }

    fn bind(data: &DataDir, name: &str) -> Result<Self, StoreError> {
        let folder = Folder::open(data).map_err(StoreError::file("open folder", data.wake()))?;
        let path = data.wake().join(name);
        let socket = UnixDatagram::bind(folder.address(name))
            .map_err(StoreError::file("bind socket", &path))?;
        Ok(Self { socket, path })
    }

    /// Waits for a message, at most `limit` (not zero). `None` when the time is over, a signal came, or the datagram says
    /// nothing known.
    pub fn receive(&self, limit: Duration) -> Option<WakeMessage> {
        let mut buffer = [0; 64];
        self.socket.set_read_timeout(Some(limit)).ok()?;
        let length = self.socket.recv(&mut buffer).ok()?;
        WakeMessage::parse(&buffer[..length])
    }
}

impl Drop for WakeSocket {
    fn drop(&mut self) {
        let _ = unlink(&self.path);
    }
}

/// Sends a message to every process it is for.
pub(crate) fn send(data: &DataDir, message: WakeMessage) {
    // The fallback poll covers a lost message.
    let _ = try_send(data, message);
}

fn is_for(message: WakeMessage, socket: &str) -> bool {
    let audience = message.audience();
    audience.iter().any(|prefix| socket.starts_with(prefix))
}

fn try_send(data: &DataDir, message: WakeMessage) -> io::Result<()> {
    let folder = Folder::open(data)?;
    let socket = UnixDatagram::unbound()?;
    // A full queue means that the process is awake already.
    socket.set_nonblocking(true)?;
    let datagram = message.to_string();
    for entry in fs::read_dir(data.wake())? {
        let name = entry?.file_name();
        let Some(name) = name.to_str().filter(|name| is_for(message, name)) else {
            continue;
        };
        if let Err(error) = socket.send_to(datagram.as_bytes(), folder.address(name))
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            // Its process is gone and had no time to unlink it.
            let _ = unlink(&data.wake().join(name));
        }
    }
    Ok(())
}

/// The wake folder, held open. A socket's address has room for 107 bytes, a data folder's path may be longer: the
/// address goes through the open handle instead.
struct Folder(File);

impl Folder {
    fn open(data: &DataDir) -> io::Result<Self> {
        File::open(data.wake()).map(Self)
    }

    fn address(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.0.as_raw_fd()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long_data_dir() -> (tempfile::TempDir, DataDir) {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::create(&root.path().join("x".repeat(200))).unwrap();
        (root, data)
    }

    #[test]
    fn messages_reach_their_audience_over_long_paths() {
        let (_root, data) = long_data_dir();
        let worker = WakeSocket::bind_worker(&data, "1").unwrap();
        let api = WakeSocket::bind_api(&data, "2").unwrap();
        let (claim, job) = (ClaimId::random(), JobId::random());
        send(&data, WakeMessage::Work);
        send(&data, WakeMessage::Changed(job));
        send(&data, WakeMessage::Cancel(claim));
        let limit = Duration::from_secs(5);
        assert_eq!(worker.receive(limit), Some(WakeMessage::Work));
        assert_eq!(worker.receive(limit), Some(WakeMessage::Cancel(claim)));
        assert_eq!(api.receive(limit), Some(WakeMessage::Changed(job)));
        assert_eq!(api.receive(Duration::from_millis(1)), None);
    }

    #[test]
    fn a_dead_socket_is_removed_and_a_full_queue_blocks_no_sender() {
        let (_root, data) = long_data_dir();
        let dead = data.wake().join("worker-dead.sock");
        drop(UnixDatagram::bind(Folder::open(&data).unwrap().address("worker-dead.sock")).unwrap());
        let worker = WakeSocket::bind_worker(&data, "live").unwrap();
        for _ in 0..10_000 {
            send(&data, WakeMessage::Work);
        }
        assert!(!dead.exists());
        assert_eq!(
            worker.receive(Duration::from_secs(5)),
            Some(WakeMessage::Work)
        );
    }
}

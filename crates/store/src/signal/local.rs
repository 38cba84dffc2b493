//! Waking the processes of one machine: a datagram to every socket in `run/wake`.
//!
//! A datagram is a hint. It may be lost, so receivers also poll the database about once a second; and every
//! error here is ignored, and nothing ever blocks.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use super::message::{Audience, WakeMessage};
use crate::files::data_dir::unlink;
use crate::{DataDir, StoreError};

impl Audience {
    /// How the names of its sockets begin.
    fn prefix(self) -> &'static str {
        match self {
            Self::Workers => "worker-",
            Self::Apis => "api-",
            Self::Couriers => "courier-",
        }
    }
}

/// A process's own socket, on which it is woken. The socket file goes with it.
#[derive(Debug)]
pub(super) struct WakeSocket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl WakeSocket {
    /// Binds the socket of that name in `run/wake`.
    pub(super) fn bind(data: &DataDir, audience: Audience, name: &str) -> Result<Self, StoreError> {
        let name = format!("{}{name}.sock", audience.prefix());
        let folder = Folder::open(data).map_err(StoreError::file("open folder", data.wake()))?;
        let path = data.wake().join(&name);
        let socket = UnixDatagram::bind(folder.address(&name))
            .map_err(StoreError::file("bind socket", &path))?;
        Ok(Self { socket, path })
    }

    /// Waits for a message, at most `limit` (not zero). `None` when the time is over, a signal came, or the datagram says
    /// nothing known.
    pub(super) fn receive(&self, limit: Duration) -> Option<WakeMessage> {
        let mut buffer = [0; 64];
        self.socket.set_read_timeout(Some(limit)).ok()?;
        let length = self.socket.recv(&mut buffer).ok()?;
        let text = str::from_utf8(&buffer[..length]).ok()?;
        WakeMessage::parse(text)
    }
}

impl Drop for WakeSocket {
    fn drop(&mut self) {
        let _ = unlink(&self.path);
    }
}

/// Sends a message to every process it is for.
pub(super) fn send(data: &DataDir, message: WakeMessage) {
    // The fallback poll covers a lost message.
    let _ = try_send(data, message);
}

fn is_for(message: WakeMessage, socket: &str) -> bool {
    let audience = message.audience();
    audience
        .iter()
        .any(|audience| socket.starts_with(audience.prefix()))
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
    use steno_models::JobId;

    use super::*;
    use crate::ClaimId;

    fn long_data_dir() -> (tempfile::TempDir, DataDir) {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::create(&root.path().join("x".repeat(200))).unwrap();
        (root, data)
    }

    #[test]
    fn messages_reach_their_audience_over_long_paths() {
        let (_root, data) = long_data_dir();
        let worker = WakeSocket::bind(&data, Audience::Workers, "1").unwrap();
        let api = WakeSocket::bind(&data, Audience::Apis, "2").unwrap();
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
        let worker = WakeSocket::bind(&data, Audience::Workers, "live").unwrap();
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

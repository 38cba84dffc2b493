//! What the kernel knows of a connection: how much of what was sent has not arrived, how much came in.
//!
//! The only unsafe code of the api: neither std nor rustix has these two calls. Called by
//! [`connection`](crate::connection) alone.
#![expect(unsafe_code, reason = "SIOCOUTQ and TCP_INFO have no safe wrapper")]

use std::io;
use std::mem::size_of_val;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Words of 8 bytes of the kernel's `struct tcp_info` up to `tcpi_bytes_received`, which is the last of them.
/// The kernel only ever appends to it. Source: <https://github.com/torvalds/linux/blob/master/include/uapi/linux/tcp.h>.
const INFO_WORDS: usize = 17;
/// Values of `tcpi_state`. Source: `include/net/tcp_states.h` there.
const TCP_CLOSE: u8 = 7;
const TCP_CLOSE_WAIT: u8 = 8;

/// Bytes in the send queue: not sent, or not acknowledged by the peer (SIOCOUTQ, tcp(7)).
pub(crate) fn unacknowledged_bytes(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the borrow keeps the descriptor open, and the call writes one int through the pointer.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::try_from(bytes).unwrap_or_default())
}

/// Where a connection is, as far as its client has brought it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Both ends are open, or it is this end that closes.
    Open,
    /// The client has closed its end in order, and had read everything by then.
    ClosedByClient,
    /// Reset or timed out. The client has thrown away what it did not read.
    Dead,
}

/// A connection at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Info {
    pub(crate) stage: Stage,
    /// Bytes that came in over its whole life.
    pub(crate) received_bytes: u64,
}

/// Asks for the state of a connection that this end does not close. Fails before Linux 4.1.
pub(crate) fn info(socket: BorrowedFd<'_>) -> io::Result<Info> {
    let mut info = [0_u64; INFO_WORDS];
    let mut length = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as it is borrowed, and the call writes at most `length` bytes to the
    // buffer, which has so many.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    if (length as usize) < size_of_val(&info) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // `tcpi_state` is the first byte.
    let stage = match info[0].to_ne_bytes()[0] {
        TCP_CLOSE => Stage::Dead,
        TCP_CLOSE_WAIT => Stage::ClosedByClient,
        _ => Stage::Open,
    };
    Ok(Info {
        stage,
        received_bytes: info[INFO_WORDS - 1],
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, client)
    }

    #[test]
    fn bytes_are_counted_until_they_arrive() {
        let (mut server, mut client) = pair();
        assert_eq!(unacknowledged_bytes(server.as_fd()).unwrap(), 0);
        server.set_nonblocking(true).unwrap();
        while server.write(&[0; 8192]).is_ok() {}
        assert!(
            unacknowledged_bytes(server.as_fd()).unwrap() > 0,
            "the client reads nothing"
        );

        client.set_nonblocking(true).unwrap();
        let mut buffer = vec![0; 1 << 20];
        while unacknowledged_bytes(server.as_fd()).unwrap() > 0 {
            let _ = client.read(&mut buffer);
        }
    }

    #[test]
    fn bytes_that_come_in_are_counted() {
        let (mut server, mut client) = pair();
        let before = info(server.as_fd()).unwrap().received_bytes;
        client.write_all(b"seven..").unwrap();
        server.read_exact(&mut [0; 7]).unwrap();
        assert_eq!(info(server.as_fd()).unwrap().received_bytes, before + 7);
    }

    #[test]
    fn an_orderly_end_is_distinguished_from_a_reset() {
        let stage = |server: &TcpStream| info(server.as_fd()).unwrap().stage;
        let (server, client) = pair();
        assert_eq!(stage(&server), Stage::Open);
        drop(client);
        while stage(&server) == Stage::Open {}
        assert_eq!(stage(&server), Stage::ClosedByClient);

        let (mut server, client) = pair();
        server.write_all(b"never read").unwrap();
        while unacknowledged_bytes(server.as_fd()).unwrap() > 0 {}
        drop(client);
        while stage(&server) == Stage::Open {}
        assert_eq!(stage(&server), Stage::Dead);
        // Reading SO_ERROR clears it; the connection state remains.
        let _ = server.read(&mut [0; 1]);
        assert_eq!(stage(&server), Stage::Dead);
    }
}

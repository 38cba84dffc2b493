//! Tries what the sandboxes forbid. They apply to a thread, so each test seals one of its own.
#![expect(unsafe_code, reason = "most forbidden calls have no safe wrapper here")]

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;

use super::*;

/// Calls that neither process may make, with arguments that would succeed for root or fail with
/// another error than EPERM.
const FORBIDDEN: [(&str, i64, [i64; 5]); 36] = [
    ("fchmod", libc::SYS_fchmod, [1, 0o777, 0, 0, 0]),
    ("fchmodat", libc::SYS_fchmodat, [-1, 0, 0o777, 0, 0]),
    ("fchown", libc::SYS_fchown, [1, 0, 0, 0, 0]),
    ("fchownat", libc::SYS_fchownat, [-1, 0, 0, 0, 0]),
    ("utimensat", libc::SYS_utimensat, [-1, 0, 0, 0, 0]),
    ("fsetxattr", libc::SYS_fsetxattr, [-1, 0, 0, 0, 0]),
    (
        "tcp",
        libc::SYS_socket,
        [libc::AF_INET as i64, libc::SOCK_STREAM as i64, 0, 0, 0],
    ),
    (
        "udp",
        libc::SYS_socket,
        [libc::AF_INET as i64, libc::SOCK_DGRAM as i64, 0, 0, 0],
    ),
    (
        "unix",
        libc::SYS_socket,
        [libc::AF_UNIX as i64, libc::SOCK_STREAM as i64, 0, 0, 0],
    ),
    (
        "netlink",
        libc::SYS_socket,
        [libc::AF_NETLINK as i64, libc::SOCK_RAW as i64, 0, 0, 0],
    ),
    (
        "socketpair",
        libc::SYS_socketpair,
        [libc::AF_UNIX as i64, libc::SOCK_STREAM as i64, 0, 0, 0],
    ),
    ("bind", libc::SYS_bind, [-1, 0, 0, 0, 0]),
    ("listen", libc::SYS_listen, [-1, 1, 0, 0, 0]),
    ("accept4", libc::SYS_accept4, [-1, 0, 0, 0, 0]),
    ("connect", libc::SYS_connect, [-1, 0, 0, 0, 0]),
    ("sendto", libc::SYS_sendto, [-1, 0, 0, 0, 0]),
    ("io_uring_setup", libc::SYS_io_uring_setup, [1, 0, 0, 0, 0]),
    ("keyctl", libc::SYS_keyctl, [0, -3, 1, 0, 0]),
    ("add_key", libc::SYS_add_key, [0, 0, 0, 0, 0]),
    (
        "unshare",
        libc::SYS_unshare,
        [libc::CLONE_NEWUSER as i64, 0, 0, 0, 0],
    ),
    ("setns", libc::SYS_setns, [-1, 0, 0, 0, 0]),
    ("fork", libc::SYS_clone, [libc::SIGCHLD as i64, 0, 0, 0, 0]),
    ("mount", libc::SYS_mount, [0, 0, 0, 0, 0]),
    ("chroot", libc::SYS_chroot, [0, 0, 0, 0, 0]),
    (
        "ptrace",
        libc::SYS_ptrace,
        [libc::PTRACE_TRACEME as i64, 0, 0, 0, 0],
    ),
    (
        "process_vm_readv",
        libc::SYS_process_vm_readv,
        [1, 0, 0, 0, 0],
    ),
    ("pidfd_open", libc::SYS_pidfd_open, [1, 0, 0, 0, 0]),
    ("kill", libc::SYS_kill, [1, 0, 0, 0, 0]),
    ("tgkill", libc::SYS_tgkill, [1, 1, 0, 0, 0]),
    ("bpf", libc::SYS_bpf, [0, 0, 0, 0, 0]),
    (
        "perf_event_open",
        libc::SYS_perf_event_open,
        [0, 0, -1, -1, 0],
    ),
    ("userfaultfd", libc::SYS_userfaultfd, [0, 0, 0, 0, 0]),
    ("memfd_create", libc::SYS_memfd_create, [0, 0, 0, 0, 0]),
    (
        "prctl",
        libc::SYS_prctl,
        [libc::PR_SET_DUMPABLE as i64, 1, 0, 0, 0],
    ),
    ("setpriority", libc::SYS_setpriority, [0, 0, 0, 0, 0]),
    (
        "setrlimit",
        libc::SYS_prlimit64,
        [0, libc::RLIMIT_NOFILE as i64, -1, 0, 0],
    ),
];

/// Calls that only ffmpeg may make, to load its libraries and to start threads.
const FORBIDDEN_TO_THE_DECODER: [(&str, i64, [i64; 5]); 9] = [
    ("openat", libc::SYS_openat, [-1, 0, 0, 0, 0]),
    ("execve", libc::SYS_execve, [0, 0, 0, 0, 0]),
    ("readlinkat", libc::SYS_readlinkat, [-1, 0, 0, 0, 0]),
    ("newfstatat", libc::SYS_newfstatat, [-1, 0, 0, 0, 0]),
    ("statx", libc::SYS_statx, [-1, 0, 0, 0, 0]),
    ("getdents64", libc::SYS_getdents64, [-1, 0, 0, 0, 0]),
    ("dup", libc::SYS_dup, [-1, 0, 0, 0, 0]),
    (
        "executable memory",
        libc::SYS_mmap,
        [
            0,
            4096,
            (libc::PROT_READ | libc::PROT_EXEC) as i64,
            (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as i64,
            -1,
        ],
    ),
    ("clone3", libc::SYS_clone3, [0, 0, 0, 0, 0]),
];

/// The error of a raw system call, if it fails.
fn error_of(number: i64, arguments: [i64; 5]) -> Option<i32> {
    let [first, second, third, fourth, fifth] = arguments;
    // SAFETY: every pointer among the arguments is null, which the kernel refuses or ignores, or lives as
    // long as the call. The calls that would change this process are the ones that must fail.
    let outcome = unsafe { libc::syscall(number, first, second, third, fourth, fifth, 0) };
    (outcome < 0).then(|| io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

fn check_refused(calls: &[(&str, i64, [i64; 5])]) {
    for (name, number, arguments) in calls {
        assert_eq!(error_of(*number, *arguments), Some(libc::EPERM), "{name}");
    }
}

fn denied<T>(outcome: io::Result<T>) {
    let error = outcome.err().expect("it is denied");
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
}

/// Runs a test on a thread of its own.
fn sealed(test: impl FnOnce() + Send + 'static) {
    thread::spawn(test).join().unwrap();
}

#[test]
fn a_sealed_decoder_makes_no_forbidden_call() {
    sealed(|| {
        assert_eq!(
            seal().iter().map(ToString::to_string).collect::<Vec<_>>(),
            [""; 0]
        );
        check_refused(&FORBIDDEN);
        check_refused(&FORBIDDEN_TO_THE_DECODER);
        denied(thread::Builder::new().spawn(|| {}));
    });
}

#[test]
fn a_sealed_decoder_works_with_its_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("input"), "input").unwrap();
    sealed(move || {
        let mut input = File::open(folder.path().join("input")).unwrap();
        let mut spool = File::create(folder.path().join("spool")).unwrap();
        assert!(seal().is_empty());

        let mut read = String::new();
        input.read_to_string(&mut read).unwrap();
        assert_eq!(read, "input");
        input.try_clone().unwrap().rewind().unwrap();
        spool.set_len(0).unwrap();
        spool.write_all(&vec![7; 1 << 20]).unwrap();
        assert!(rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).tv_sec >= 0);

        denied(File::open(folder.path().join("input")));
        denied(File::open("/proc/self/environ"));
        denied(File::create(folder.path().join("made")));
    });
}

#[test]
fn a_sealed_ffmpeg_makes_no_forbidden_call() {
    let program = PathBuf::from("/usr/bin/true").canonicalize().unwrap();
    let input = tempfile::NamedTempFile::new().unwrap();
    sealed(move || {
        seal_ffmpeg(&program, input.path()).unwrap();
        check_refused(&FORBIDDEN);
        // libc takes clone where the kernel has no clone3, and this way it starts threads.
        assert_eq!(error_of(libc::SYS_clone3, [0; 5]), Some(libc::ENOSYS));
        thread::spawn(|| {}).join().unwrap();
    });
}

#[test]
fn a_sealed_ffmpeg_reads_the_recording_and_its_libraries_and_executes_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("input");
    let other = folder.path().join("other");
    for path in [&input, &other] {
        fs::write(path, "words").unwrap();
    }
    let program = PathBuf::from("/usr/bin/true").canonicalize().unwrap();
    sealed(move || {
        seal_ffmpeg(&program, &input).unwrap();
        // Not by `Command`, which would change how this process handles signals.
        let path = c"/usr/bin/env".as_ptr();
        let arguments = [path, std::ptr::null()];
        let executed = error_of(
            libc::SYS_execve,
            [path as i64, arguments.as_ptr() as i64, 0, 0, 0],
        );
        assert_eq!(executed, Some(libc::EACCES));

        assert_eq!(fs::read_to_string(&input).unwrap(), "words");
        assert!(
            fs::read_dir(Path::new("/usr/lib"))
                .unwrap()
                .next()
                .is_some()
        );
        denied(fs::read_to_string(&other));
        denied(fs::read_to_string("/etc/passwd"));
        denied(fs::write(&input, "other words"));
        denied(fs::write(folder.path().join("made"), ""));
    });
}

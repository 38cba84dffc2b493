//! The system calls that ffmpeg may use: those of a program that loads its libraries, starts threads
//! of its own, reads a file and writes to a pipe. Landlock decides which files.

use super::seccomp::{self, Call, Condition, FilterError};

/// Flags of clone(2) that make namespaces. `CLONE_NEWTIME` is a signal number there.
const NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP;

/// Applies the list to this thread and what it executes.
pub(super) fn apply() -> Result<(), FilterError> {
    // What clone3 is asked for lies in memory, where a filter cannot look. Without it libc takes clone.
    seccomp::pretend_missing(&[Call::any(libc::SYS_clone3)])?;
    seccomp::apply(&allowed())
}

fn allowed() -> Vec<Call> {
    let mut calls: Vec<Call> = ANY.into_iter().map(Call::any).collect();
    #[cfg(target_arch = "x86_64")]
    calls.extend(ANY_ON_X86_64.map(Call::any));
    calls.extend([
        // Fails all the same: see `apply`.
        Call::any(libc::SYS_clone3),
        // Threads, and neither processes nor namespaces.
        Call::when(
            libc::SYS_clone,
            [
                Condition::Has(0, (libc::CLONE_VM | libc::CLONE_THREAD) as u32),
                Condition::Lacks(0, NAMESPACES as u32),
            ],
        ),
        Call::when(libc::SYS_tgkill, [Condition::Is(0, std::process::id())]),
        // Reading limits, not setting them: the new ones would be its third argument.
        Call::when(libc::SYS_prlimit64, [Condition::Is(2, 0)]),
    ]);
    calls
}

const ANY: [i64; 56] = [
    // Once, for ffmpeg itself: Landlock allows to execute nothing else.
    libc::SYS_execve,
    libc::SYS_openat,
    libc::SYS_faccessat,
    libc::SYS_readlinkat,
    libc::SYS_newfstatat,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_statfs,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_fcntl,
    libc::SYS_ppoll,
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_set_tid_address,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_getcpu,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Older forms of calls, which other processors do not have.
#[cfg(target_arch = "x86_64")]
const ANY_ON_X86_64: [i64; 8] = [
    libc::SYS_access,
    libc::SYS_arch_prctl,
    libc::SYS_open,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_time,
];

//! Allow-lists of system calls. Every other call fails with EPERM, so that a library that probes for a
//! feature goes on without it.

use std::env::consts::ARCH;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

/// Why system calls cannot be filtered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    /// The filter cannot be made, on an unknown processor for example.
    #[error(transparent)]
    Build(#[from] BackendError),
    /// The kernel refuses it.
    #[error(transparent)]
    Apply(#[from] seccompiler::Error),
}

/// A call that is allowed.
pub(super) struct Call {
    number: i64,
    /// The conditions on its arguments.
    conditions: Vec<Condition>,
}

/// A condition on the low 32 bits of an argument, counted from 0.
pub(super) enum Condition {
    /// It has this value.
    Is(u8, u32),
    /// It has none of these bits.
    Lacks(u8, u32),
    /// It has all of these bits.
    Has(u8, u32),
}

impl Call {
    /// A call with any arguments.
    pub(super) fn any(number: i64) -> Self {
        Self {
            number,
            conditions: Vec::new(),
        }
    }

    /// A call whose arguments satisfy all conditions.
    pub(super) fn when(number: i64, conditions: impl Into<Vec<Condition>>) -> Self {
        Self {
            number,
            conditions: conditions.into(),
        }
    }
}

/// What a decoder needs once its files are open: reading, writing, memory, time, and its end.
pub(super) fn decoder_calls() -> Vec<Call> {
    let any = [
        libc::SYS_read,
        libc::SYS_pread64,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_lseek,
        libc::SYS_ftruncate,
        libc::SYS_close,
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_clock_gettime,
        libc::SYS_getrandom,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];

    let mut calls: Vec<Call> = any.into_iter().map(Call::any).collect();
    calls.extend([
        Call::when(
            libc::SYS_fcntl,
            [Condition::Is(1, libc::F_DUPFD_CLOEXEC as u32)],
        ),
        // No new code.
        Call::when(
            libc::SYS_mmap,
            [Condition::Lacks(2, libc::PROT_EXEC as u32)],
        ),
        Call::when(
            libc::SYS_mprotect,
            [Condition::Lacks(2, libc::PROT_EXEC as u32)],
        ),
        // How abort(3) ends this process, and no other.
        Call::when(libc::SYS_tgkill, [Condition::Is(0, std::process::id())]),
    ]);

    calls
}

/// Allows these calls to this thread and those it starts, and no others.
pub(super) fn apply(calls: &[Call]) -> Result<(), FilterError> {
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let program = program(calls, SeccompAction::Allow, refused)?;
    seccompiler::apply_filter(&program)?;
    Ok(())
}

/// Makes these calls fail as in a kernel that does not have them. The list that is applied later has to
/// allow them: of two filters, the stricter result is taken.
pub(super) fn pretend_missing(calls: &[Call]) -> Result<(), FilterError> {
    let missing = SeccompAction::Errno(libc::ENOSYS as u32);
    let program = program(calls, missing, SeccompAction::Allow)?;
    seccompiler::apply_filter(&program)?;
    Ok(())
}

fn program(
    calls: &[Call],
    listed: SeccompAction,
    others: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let rules = calls
        .iter()
        .map(|call| Ok((call.number, rule_of(&call.conditions)?)))
        .collect::<Result<_, BackendError>>()?;
    let filter = SeccompFilter::new(rules, others, listed, TargetArch::try_from(ARCH)?)?;
    filter.try_into()
}

/// No rule at all matches whatever the arguments are.
fn rule_of(conditions: &[Condition]) -> Result<Vec<SeccompRule>, BackendError> {
    if conditions.is_empty() {
        return Ok(Vec::new());
    }
    let conditions = conditions
        .iter()
        .map(|condition| {
            let (argument, operator, value) = match *condition {
                Condition::Is(argument, value) => (argument, SeccompCmpOp::Eq, value),
                Condition::Lacks(argument, bits) => {
                    (argument, SeccompCmpOp::MaskedEq(u64::from(bits)), 0)
                }
                Condition::Has(argument, bits) => {
                    (argument, SeccompCmpOp::MaskedEq(u64::from(bits)), bits)
                }
            };
            SeccompCondition::new(
                argument,
                SeccompCmpArgLen::Dword,
                operator,
                u64::from(value),
            )
        })
        .collect::<Result<_, _>>()?;
    Ok(vec![SeccompRule::new(conditions)?])
}

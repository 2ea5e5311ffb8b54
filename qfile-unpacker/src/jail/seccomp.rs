//! seccomp. The calls that receiving takes; any other ends the program.

use std::io;

use libc::c_long;
use seccompiler::{
    apply_filter, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::requirements::Requirements;
use crate::error::Error;

/// The harmless call that the self-test tries, and the error that only the filter answers it with.
pub(super) const PROBE: c_long = libc::SYS_getsid;
/// See [`PROBE`].
pub(super) const PROBE_ERRNO: i32 = libc::EDOM;

/// What is allowed whatever its arguments are.
const CALLS: &[c_long] = &[
    // The stream in, the verdict and messages out.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_close,
    libc::SYS_shutdown,
    // Placing.
    libc::SYS_openat2,
    libc::SYS_pwrite64,
    libc::SYS_ftruncate,
    libc::SYS_fadvise64,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_fstatfs,
    libc::SYS_mkdirat,
    libc::SYS_symlinkat,
    libc::SYS_linkat,
    libc::SYS_utimensat,
    libc::SYS_fchmod,
    libc::SYS_faccessat2,
    libc::SYS_syncfs,
    // Placing where there is no O_TMPFILE.
    libc::SYS_unlinkat,
    libc::SYS_flock,
    // Memory; mmap is below.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Signals and the end; sigaltstack is Rust's runtime putting its signal stack away.
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
    PROBE,
];

/// Limits this process to the calls above, for good.
pub(super) fn confine(requirements: Requirements) -> Result<(), Error> {
    let failed = |error| Error::Jail("seccomp", io::Error::other(error));
    let (probe, rest) = programs(requirements).map_err(|error| failed(error.into()))?;
    apply_filter(&probe)
        .and_then(|()| apply_filter(&rest))
        .map_err(failed)
}

/// Two filters, because one can only have two answers; of both answers to a call the stricter one
/// counts.
fn programs(
    requirements: Requirements,
) -> Result<(BpfProgram, BpfProgram), seccompiler::BackendError> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let probe_errno = SeccompAction::Errno(PROBE_ERRNO.unsigned_abs());
    let probe = SeccompFilter::new(
        [(PROBE, Vec::new())].into_iter().collect(),
        SeccompAction::Allow,
        probe_errno,
        arch,
    )?;
    let mut rules: Vec<(c_long, Vec<SeccompRule>)> =
        CALLS.iter().map(|call| (*call, Vec::new())).collect();
    // openat for kernels without openat2, and never through a link.
    rules.push((
        libc::SYS_openat,
        vec![masked(2, libc::O_NOFOLLOW, libc::O_NOFOLLOW)?],
    ));
    rules.push((libc::SYS_mmap, vec![masked(2, libc::PROT_EXEC, 0)?]));
    // Rust's runtime looks, in a debug build, whether what it closes is open.
    let only_asks = masked(1, -1, libc::F_GETFD)?;
    rules.push((libc::SYS_fcntl, vec![only_asks]));
    if requirements.read_files {
        rules.push((libc::SYS_pread64, Vec::new()));
        rules.push((libc::SYS_readlinkat, Vec::new()));
    }
    if requirements.sleep {
        // Which of the two it is depends on the version of Rust's runtime.
        rules.push((libc::SYS_nanosleep, Vec::new()));
        rules.push((libc::SYS_clock_nanosleep, Vec::new()));
    }
    let rest = SeccompFilter::new(
        rules.into_iter().collect(),
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        arch,
    )?;
    Ok((probe.try_into()?, rest.try_into()?))
}

/// The argument number `argument` has, of the bits in `mask`, exactly those in `bits`.
fn masked(argument: u8, mask: i32, bits: i32) -> Result<SeccompRule, seccompiler::BackendError> {
    let operator = SeccompCmpOp::MaskedEq(u32::from_ne_bytes(mask.to_ne_bytes()).into());
    let condition = SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Dword,
        operator,
        bits.unsigned_abs().into(),
    )?;
    SeccompRule::new(vec![condition])
}

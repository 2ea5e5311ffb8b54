//! What the decoder gives up before it reads the first byte of a picture.
//!
//! Of the file system and the network nothing is left: Landlock allows no access, and the calls
//! that open or connect anything end the process. It can read and write the descriptors that it
//! has, which are the picture, the answer, and a pipe for a message. Its memory and its computing
//! time are limited.

use std::io;
use std::os::fd::RawFd;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetError, Scope,
};
use libc::c_long;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getpid, set_dumpable_behavior, setrlimit,
};
use rustix::thread::set_no_new_privs;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// The newest Landlock rules that are asked for (Linux 6.12); an older kernel enforces those it
/// knows.
const NEWEST: ABI = ABI::V6;

/// What a decoder may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Bytes of the picture as it is read.
    pub(super) input: usize,
    /// Bytes of memory, beyond those that the program itself takes.
    pub(super) memory: u64,
    /// Seconds of computing time.
    pub(super) seconds: u64,
}

/// Calls that are allowed whatever their arguments are.
const CALLS: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_ppoll,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

/// Closes what the caller of the service had open, beyond stdin, stdout and stderr. This program has
/// opened nothing else so far.
pub(super) fn close_inherited() -> io::Result<()> {
    let listed: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for number in listed.into_iter().filter(|number| *number > 2) {
        // The list has had a descriptor of its own, which is closed already.
        let _is_open = nix::unistd::close(number);
    }
    Ok(())
}

/// Confines this process for good.
pub(super) fn confine(bounds: Bounds) -> io::Result<()> {
    let memory = own_memory()?.saturating_add(bounds.memory);
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    set_no_new_privs(true)?;
    deny_files_and_network().map_err(io::Error::other)?;
    limit(memory, bounds.seconds)?;
    filter().map_err(io::Error::other)
}

fn limit(memory: u64, seconds: u64) -> io::Result<()> {
    let limits = [
        (Resource::Core, 0, 0),
        // No descriptor can be made any more. `poll` does not accept more descriptors than this.
        (Resource::Nofile, 1, 1),
        (Resource::As, memory, memory),
        // The first limit ends the process with a signal that tells the reason.
        (Resource::Cpu, seconds, seconds + 1),
    ];
    for (resource, current, maximum) in limits {
        let limit = Rlimit {
            current: Some(current),
            maximum: Some(maximum),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

/// Bytes of address space in use, from `/proc/self/statm` (proc_pid_statm(5)).
fn own_memory() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages = text.split(' ').next().and_then(|pages| pages.parse().ok());
    let pages: u64 = pages.ok_or(io::ErrorKind::InvalidData)?;
    Ok(pages * rustix::param::page_size() as u64)
}

fn deny_files_and_network() -> Result<(), RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .restrict_self()
        .map(drop)
}

/// Any call that is not allowed ends the process.
fn filter() -> Result<(), seccompiler::Error> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let mut rules: Vec<(c_long, Vec<SeccompRule>)> =
        CALLS.iter().map(|call| (*call, Vec::new())).collect();
    let none = SeccompCmpOp::MaskedEq(libc::PROT_EXEC.unsigned_abs().into());
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.push((call, vec![rule(2, none.clone(), 0)?]));
    }
    // A build for tests looks whether a descriptor is open before it closes it.
    let looks = libc::F_GETFD.unsigned_abs().into();
    rules.push((libc::SYS_fcntl, vec![rule(1, SeccompCmpOp::Eq, looks)?]));
    // A process without memory ends itself with a signal.
    let own = getpid().as_raw_nonzero().get().unsigned_abs().into();
    rules.push((libc::SYS_tgkill, vec![rule(0, SeccompCmpOp::Eq, own)?]));
    let filter = SeccompFilter::new(
        rules.into_iter().collect(),
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        arch,
    )?;
    let program: BpfProgram = filter.try_into()?;
    apply_filter(&program)
}

fn rule(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
    SeccompRule::new(vec![condition])
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs::{self, File, OpenOptions};
    use std::io::Write as _;
    use std::net::{TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::ExitStatusExt as _;
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// Names what the process that a test starts is to try.
    const TRIED: &str = "QFILE_CONFINED_TRIES";

    /// What it says when that was done, or refused.
    const DONE: &str = "it is done\n";
    const REFUSED: &str = "it is refused\n";

    /// What a confined process may do, each as `Err` if the system refuses.
    fn attempt(what: &str, folder: &Path) -> io::Result<()> {
        let file = folder.join("file");
        match what {
            "nothing" => Ok(()),
            "read" => File::open(file).map(drop),
            "read below /proc" => File::open("/proc/self/environ").map(drop),
            "write" => OpenOptions::new().write(true).open(file).map(drop),
            "create" => File::create(folder.join("new")).map(drop),
            "remove" => fs::remove_file(file),
            "list" => fs::read_dir(folder).map(drop),
            "start a program" => Command::new("/bin/true").status().map(drop),
            "speak UDP" => UdpSocket::bind("127.0.0.1:0").map(drop),
            "speak TCP" => TcpStream::connect("127.0.0.1:9").map(drop),
            "speak to a local socket" => UnixStream::connect(folder.join("socket")).map(drop),
            _ => unreachable!("{what}"),
        }
    }

    /// How the kernel stops an attempt.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Stopped {
        No,
        Refused,
        Killed,
    }

    /// Runs `test` of this module again, in a process that tries `what`.
    fn stopped(test: &str, what: &str, folder: &Path) -> Stopped {
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", &format!("image_rgba::confine::tests::{test}")])
            .args(["--nocapture", "--test-threads=1"])
            .env(TRIED, format!("{what}={}", folder.display()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        match output.status.signal() {
            Some(libc::SIGSYS) => Stopped::Killed,
            None if said.contains(DONE) => Stopped::No,
            None if said.contains(REFUSED) => Stopped::Refused,
            _ => panic!("{what}: {output:?}"),
        }
    }

    fn each_is_stopped(
        test: &str,
        confine: impl FnOnce() -> io::Result<()>,
        expected: Stopped,
        attempts: &[&str],
    ) {
        if let Ok(tried) = env::var(TRIED) {
            let (what, folder) = tried.split_once('=').unwrap();
            confine().unwrap();
            // A panic would make calls that are forbidden.
            let tried = attempt(what, Path::new(folder));
            let said = if tried.is_ok() { DONE } else { REFUSED };
            io::stdout().write_all(said.as_bytes()).unwrap();
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "content").unwrap();
        assert_eq!(stopped(test, "nothing", folder.path()), Stopped::No);
        for what in attempts {
            assert_eq!(stopped(test, what, folder.path()), expected, "{what}");
            assert_eq!(fs::read_to_string(&file).unwrap(), "content", "{what}");
        }
    }

    #[test]
    fn the_decoder_opens_and_connects_nothing() {
        let bounds = Bounds {
            input: 0,
            memory: 64 << 20,
            seconds: 60,
        };
        each_is_stopped(
            "the_decoder_opens_and_connects_nothing",
            || confine(bounds),
            Stopped::Killed,
            &[
                "read",
                "read below /proc",
                "write",
                "create",
                "remove",
                "list",
                "start a program",
                "speak UDP",
                "speak TCP",
                "speak to a local socket",
            ],
        );
    }

    /// Without seccomp, which would be first: that Landlock alone keeps the files.
    #[test]
    fn landlock_alone_keeps_the_files() {
        each_is_stopped(
            "landlock_alone_keeps_the_files",
            || deny_files_and_network().map_err(io::Error::other),
            Stopped::Refused,
            &[
                "read",
                "read below /proc",
                "write",
                "create",
                "remove",
                "list",
                "start a program",
            ],
        );
    }
}

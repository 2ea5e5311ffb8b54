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
use program::seccomp::{self, Rule};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getpid, getrlimit, set_dumpable_behavior, setrlimit,
};
use rustix::thread::set_no_new_privs;

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
    libc::SYS_fstat,
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

/// Closes what the caller of the service had open, beyond stdin, stdout and stderr. This program must
/// not have opened anything yet.
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
    filter()
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
        // Whoever starts the service may have set a lower one, which stays.
        let maximum = getrlimit(resource).maximum.unwrap_or(maximum).min(maximum);
        let limit = Rlimit {
            current: Some(current.min(maximum)),
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

/// A kernel without Landlock changes nothing: the filter denies the calls that Landlock would refuse.
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
fn filter() -> io::Result<()> {
    seccomp::allow_only(
        CALLS.iter().copied(),
        &[
            Rule::new(libc::SYS_mmap, 2, libc::PROT_EXEC, 0),
            Rule::new(libc::SYS_mprotect, 2, libc::PROT_EXEC, 0),
            // A process without memory ends itself with a signal.
            Rule::new(libc::SYS_tgkill, 0, -1, getpid().as_raw_nonzero().get()),
        ],
    )
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};
    use std::net::{TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::process::Command;

    use test_support::confined::{Stopped, stopped, tried};

    use super::*;

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

    fn each_is_stopped(
        test: &str,
        confine: impl FnOnce() -> io::Result<()>,
        expected: Stopped,
        attempts: &[&str],
    ) {
        if tried(confine, attempt) {
            return;
        }
        let test = format!("image_rgba::confine::tests::{test}");
        let stopped = |what, folder: &Path| stopped(&test, what, folder);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "content").unwrap();
        assert_eq!(stopped("nothing", folder.path()), Stopped::No);
        for what in attempts {
            assert_eq!(stopped(what, folder.path()), expected, "{what}");
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

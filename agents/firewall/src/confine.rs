//! What each process gives up before it reads the first foreign byte.
//!
//! docs/firewall.md lists what is left.

use std::io;

use caps::{CapSet, Capability, CapsHashSet};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, Scope,
};
use libc::c_long;
use program::seccomp::{self, Rule};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;

/// The newest Landlock rules that are asked for (Linux 6.12); an older kernel enforces those it
/// knows.
const NEWEST: ABI = ABI::V6;

/// Where `/etc/resolv.conf`, and what it is a link to, are read. Other programs replace both.
const OF_RESOLV_CONF: [&str; 2] = ["/etc", "/run"];

/// The port of DNS.
const DNS: u16 = 53;

/// Calls of both processes, whatever their arguments are.
const COMMON: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_connect,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_getsockname,
    libc::SYS_ppoll,
    libc::SYS_fcntl,
    libc::SYS_clock_gettime,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_futex,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_restart_syscall,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

/// Calls of the resolver's event loop.
const EVENTS: &[c_long] = &[
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    libc::SYS_eventfd2,
    libc::SYS_bind,
    libc::SYS_ioctl,
    libc::SYS_sched_yield,
    libc::SYS_getpeername,
    libc::SYS_shutdown,
];

/// Confines the agent: CAP_NET_ADMIN is all that is left of root's rights, and no file can be
/// written.
pub(crate) fn confine_agent() -> io::Result<()> {
    keep_capabilities(&[Capability::CAP_NET_ADMIN])?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // Not abstract sockets: systemd may wait for READY=1 at one.
    restrict(
        &OF_RESOLV_CONF,
        AccessFs::ReadFile.into(),
        None,
        Scope::Signal.into(),
    )?;
    filter(&[COMMON], &[libc::AF_UNIX])
}

/// Takes everything from the process that starts the resolver, but starting it.
pub(crate) fn give_up_everything() -> io::Result<()> {
    keep_capabilities(&[])?;
    let read_and_run = AccessFs::from_read(NEWEST);
    restrict(&["/"], read_and_run, Some(DNS), BitFlags::all())
}

/// Confines the process that speaks to DNS servers: it can read two files, and open sockets.
pub(crate) fn confine_resolver() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    restrict(
        &OF_RESOLV_CONF,
        AccessFs::ReadFile.into(),
        Some(DNS),
        BitFlags::all(),
    )?;
    filter(&[COMMON, EVENTS], &[libc::AF_INET, libc::AF_INET6])
}

fn keep_capabilities(kept: &[Capability]) -> io::Result<()> {
    set_no_new_privs(true)?;
    let kept: CapsHashSet = kept.iter().copied().collect();
    let permitted = caps::read(None, CapSet::Permitted).map_err(io::Error::other)?;
    if permitted.contains(&Capability::CAP_SETPCAP) {
        let bounding = caps::read(None, CapSet::Bounding).map_err(io::Error::other)?;
        for capability in bounding.difference(&kept) {
            caps::drop(None, CapSet::Bounding, *capability).map_err(io::Error::other)?;
        }
    }
    let kept: CapsHashSet = permitted.intersection(&kept).copied().collect();
    let none = CapsHashSet::new();
    for (set, of_set) in [
        (CapSet::Ambient, &none),
        (CapSet::Inheritable, &none),
        (CapSet::Effective, &kept),
        (CapSet::Permitted, &kept),
    ] {
        caps::set(None, set, of_set).map_err(io::Error::other)?;
    }
    match caps::read(None, CapSet::Permitted) {
        Ok(left) if left == kept => Ok(()),
        _ => Err(io::Error::other("capabilities remain")),
    }
}

/// Leaves `access` below `folders`, and TCP connections to `port` only.
fn restrict(
    folders: &[&str],
    access: BitFlags<AccessFs>,
    port: Option<u16>,
    scope: BitFlags<Scope>,
) -> io::Result<()> {
    let enforce = || -> Result<(), RulesetError> {
        let mut ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(scope)?
            .create()?;
        for folder in folders {
            // What is not there cannot be read either.
            if let Ok(folder) = PathFd::new(folder) {
                ruleset = ruleset.add_rule(PathBeneath::new(folder, access))?;
            }
        }
        if let Some(port) = port {
            ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
        }
        ruleset.restrict_self().map(drop)
    };
    enforce().map_err(io::Error::other)
}

/// Limits this process to these calls and these families of sockets, for good: any other call ends
/// it.
fn filter(calls: &[&[c_long]], families: &[i32]) -> io::Result<()> {
    let families = families.iter().copied();
    let mut rules: Vec<Rule> = families
        .map(|family| Rule::new(libc::SYS_socket, 0, -1, family))
        .collect();
    let writing = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;
    rules.push(Rule::new(libc::SYS_openat, 2, writing, libc::O_RDONLY));
    rules.push(Rule::new(libc::SYS_mmap, 2, libc::PROT_EXEC, 0));
    seccomp::allow_only(calls.iter().copied().flatten().copied(), &rules)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::fs::symlink;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
    use std::path::Path;
    use std::process::Command;

    use test_support::confined::{Stopped, stopped, tried};

    use super::*;

    /// What a confined process may do, each as `Err` if the system refuses.
    fn attempt(what: &str, folder: &Path) -> io::Result<()> {
        let socket = folder.join("socket");
        match what {
            "nothing" => Ok(()),
            "read below /etc" => File::open("/etc/passwd").map(drop),
            "connect to QubesDB" => UnixStream::connect(socket).map(drop),
            "tell systemd" => UnixDatagram::unbound()?
                .send_to(b"READY=1", folder.join("notify"))
                .map(drop),
            "read elsewhere" => File::open(folder.join("file")).map(drop),
            "write" => OpenOptions::new()
                .write(true)
                .open(folder.join("file"))
                .map(drop),
            "create" => File::create(folder.join("new")).map(drop),
            "truncate" => fs::write(folder.join("file"), ""),
            "remove" => fs::remove_file(folder.join("file")),
            "make a folder" => fs::create_dir(folder.join("new")),
            "make a link" => symlink("file", folder.join("new")),
            "rename" => fs::rename(folder.join("file"), folder.join("new")),
            "listen" => UnixListener::bind(folder.join("new")).map(drop),
            "start a program" => Command::new("/bin/true").status().map(drop),
            "speak UDP" => UdpSocket::bind("127.0.0.1:0").map(drop),
            "speak TCP" => TcpListener::bind("127.0.0.1:0").map(drop),
            "speak netlink" => rustix::net::socket(
                rustix::net::AddressFamily::NETLINK,
                rustix::net::SocketType::RAW,
                None,
            )
            .map(drop)
            .map_err(io::Error::from),
            "change the mode" => {
                use std::os::unix::fs::PermissionsExt as _;
                fs::set_permissions(folder.join("file"), fs::Permissions::from_mode(0o777))
            }
            _ => unreachable!("{what}"),
        }
    }

    /// Runs all attempts, each in a process that `confine` confines.
    fn each_is_stopped(
        test: &str,
        confine: impl FnOnce() -> io::Result<()>,
        attempts: &[(&str, Stopped)],
    ) {
        if tried(confine, attempt) {
            return;
        }
        let test = format!("confine::tests::{test}");
        for (what, expected) in attempts {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("file");
            fs::write(&file, "content").unwrap();
            let _database = UnixListener::bind(folder.path().join("socket")).unwrap();
            let _systemd = UnixDatagram::bind(folder.path().join("notify")).unwrap();
            assert_eq!(stopped(&test, what, folder.path()), *expected, "{what}");
            assert_eq!(fs::read_to_string(file).unwrap(), "content", "{what}");
            let names = fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(names, 3, "{what}");
        }
    }

    /// Root's rights would open what is not its own; Landlock and seccomp hold for root too.
    #[test]
    fn the_agent_writes_to_nothing_but_sockets() {
        use Stopped::{Killed, No, Refused};
        each_is_stopped(
            "the_agent_writes_to_nothing_but_sockets",
            confine_agent,
            &[
                ("nothing", No),
                ("read below /etc", No),
                ("connect to QubesDB", No),
                ("tell systemd", No),
                ("read elsewhere", Refused),
                ("write", Killed),
                ("create", Killed),
                ("truncate", Killed),
                ("remove", Killed),
                ("make a folder", Killed),
                ("make a link", Killed),
                ("rename", Killed),
                ("listen", Killed),
                ("start a program", Killed),
                ("speak UDP", Killed),
                ("speak TCP", Killed),
                ("speak netlink", Killed),
                ("change the mode", Killed),
            ],
        );
    }

    /// Without seccomp, which would be first: that each of them alone is enough.
    #[test]
    fn landlock_alone_lets_the_agent_write_to_nothing() {
        use Stopped::{No, Refused};
        each_is_stopped(
            "landlock_alone_lets_the_agent_write_to_nothing",
            || {
                keep_capabilities(&[Capability::CAP_NET_ADMIN])?;
                restrict(
                    &OF_RESOLV_CONF,
                    AccessFs::ReadFile.into(),
                    None,
                    Scope::Signal.into(),
                )
            },
            &[
                ("connect to QubesDB", No),
                ("tell systemd", No),
                ("read elsewhere", Refused),
                ("write", Refused),
                ("create", Refused),
                ("truncate", Refused),
                ("remove", Refused),
                ("make a folder", Refused),
                ("make a link", Refused),
                ("rename", Refused),
                ("listen", Refused),
                ("start a program", Refused),
            ],
        );
    }

    #[test]
    fn the_resolver_reads_and_speaks_and_does_nothing_else() {
        use Stopped::{Killed, No, Refused};
        each_is_stopped(
            "the_resolver_reads_and_speaks_and_does_nothing_else",
            || {
                give_up_everything()?;
                confine_resolver()
            },
            &[
                ("nothing", No),
                ("read below /etc", No),
                ("speak UDP", No),
                ("connect to QubesDB", Killed),
                ("read elsewhere", Refused),
                ("write", Killed),
                ("create", Killed),
                ("remove", Killed),
                ("start a program", Killed),
                ("speak netlink", Killed),
            ],
        );
    }
}

//! The QubesDB of a local qube: a daemon that starts with the first call and ends with the last.
//!
//! The stdin of the daemon is a FIFO that each call holds open for writing. When the last one lets go
//! of it, the daemon sees the end of its stdin, and ends.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::{Uid, User, mkfifo};
use program::systemd::READY;
use qfile_proto::QubeName;
use qubesdb::{Address, Client, Value};
use tracing::debug;

use crate::local_qubes::LocalQubes;
use qrexec::build_tree::BuildTree;

/// Of the package `qfile-qubesdb`. The daemon of Qubes OS is in /usr/sbin and is not for this.
const INSTALLED: &str = "/usr/lib/qfile-qubesdb/qubesdb-daemon";

/// A daemon that ends while it is being used is started again this often.
const ATTEMPTS: usize = 3;

/// Nobody waits that long: the daemon is a local process.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Keeps the daemon of a qube for as long as it is held.
#[derive(Debug)]
pub(crate) struct QubesDb {
    _held: File,
}

/// What a qube keeps between its starts: the value of `/qubes-vm-persistence`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Persistence {
    /// Its home.
    Home,
    /// Nothing: a disposable.
    Nothing,
}

/// The folder of the sockets of a qube.
#[must_use]
pub(crate) fn folder(qubes: &LocalQubes, qube: &QubeName) -> PathBuf {
    qubes.folder(qube).join("qubesdb")
}

impl QubesDb {
    /// The daemon of that qube. `None`: there is no such program, or it does not start; a call is made
    /// without it.
    #[must_use]
    pub(crate) fn of(
        qubes: &LocalQubes,
        qube: &QubeName,
        persistence: Persistence,
    ) -> Option<Self> {
        let beside =
            BuildTree::around_this_program().map(|tree| tree.programs.join("qubesdb-daemon"));
        let program = beside.unwrap_or_else(|| INSTALLED.into());
        if !program.is_file() {
            return None;
        }
        let held = hold(&program, &folder(qubes, qube), qube, persistence);
        if let Err(error) = &held {
            debug!(%error, %qube, "no QubesDB");
        }
        held.ok().map(|held| Self { _held: held })
    }
}

fn hold(
    program: &Path,
    folder: &Path,
    qube: &QubeName,
    persistence: Persistence,
) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    // One call at a time looks whether there is a daemon.
    let lock = File::create(folder.join("lock"))?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
    let fifo = folder.join("held");
    if !fifo.exists() {
        mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR)?;
    }
    let open = |reads: bool| {
        File::options()
            .read(reads)
            .write(!reads)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(&fifo)
    };
    let address = Address::of_this_qube(folder);
    for _ in 0..ATTEMPTS {
        // Without a daemon nobody reads it: ENXIO.
        let Ok(held) = open(false) else {
            let stdin = open(true)?;
            let held = open(false)?;
            start(program, folder, stdin)?;
            fill(&address, &first_keys(qube, persistence)).map_err(io::Error::other)?;
            return Ok(held);
        };
        if ask(&address).is_ok() {
            return Ok(held);
        }
        // It has seen the end already; when it is gone, nobody reads the FIFO.
        let mut readers = [PollFd::new(held.as_fd(), PollFlags::empty())];
        poll(
            &mut readers,
            PollTimeout::try_from(TIMEOUT).map_err(io::Error::other)?,
        )?;
    }
    Err(io::Error::other("it ends again and again"))
}

fn start(program: &Path, folder: &Path, stdin: File) -> io::Result<()> {
    let mut daemon = Command::new(program)
        .args(["--foreground", "--end-with-stdin", "--alone", "0"])
        .env(qubesdb::FOLDER_VARIABLE, folder)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = String::new();
    if let Some(stdout) = daemon.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    match line.trim_end() == READY {
        true => Ok(()),
        false => Err(io::Error::other("it does not start")),
    }
}

fn client(address: &Address) -> Result<Client, qubesdb::Error> {
    let mut client = Client::open(address.clone())?;
    client.set_timeout(Some(TIMEOUT))?;
    Ok(client)
}

fn ask(address: &Address) -> Result<(), qubesdb::Error> {
    let mut client = client(address)?;
    client.read(&qubesdb::Path::absolute(b"/name")?).map(drop)
}

fn fill(address: &Address, keys: &[(&str, String)]) -> Result<(), qubesdb::Error> {
    let mut client = client(address)?;
    for (path, value) in keys {
        let path = qubesdb::Path::key(path.as_bytes())?;
        client.write(&path, &Value::parse(value.as_bytes())?)?;
    }
    Ok(())
}

/// What dom0 tells a qube, as far as a folder of one machine has it.
fn first_keys(qube: &QubeName, persistence: Persistence) -> Vec<(&'static str, String)> {
    let user = User::from_uid(Uid::effective()).ok().flatten();
    let (kind, persistence) = match persistence {
        Persistence::Home => ("AppVM", "rw-only"),
        Persistence::Nothing => ("DispVM", "none"),
    };
    let mut keys = vec![
        ("/qubes-vm-type", kind.to_owned()),
        ("/qubes-vm-persistence", persistence.to_owned()),
        ("/qubes-vm-updatable", "False".to_owned()),
        ("/qubes-debug-mode", "0".to_owned()),
        // It has no session of its own.
        ("/qubes-gui-enabled", "False".to_owned()),
    ];
    keys.extend(user.map(|user| ("/default-user", user.name)));
    // The last one: whoever finds it finds all.
    keys.push(("/name", qube.as_str().to_owned()));
    keys
}

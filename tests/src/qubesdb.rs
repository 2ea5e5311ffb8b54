//! QubesDB daemons in a temporary folder, and messages to them, byte by byte.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::process::{Finished, drain, run};
use crate::programs::program;
use crate::tree::TempFolder;

/// The numbers of messages, as the documentation has them.
pub mod kind {
    #![expect(missing_docs, reason = "docs/qubesdb.md has them")]
    pub const READ: u8 = 0;
    pub const WRITE: u8 = 1;
    pub const MULTIREAD: u8 = 2;
    pub const LIST: u8 = 3;
    pub const RM: u8 = 4;
    pub const WATCH: u8 = 5;
    pub const OK: u8 = 7;
    pub const MISSING: u8 = 8;
    pub const REFUSED: u8 = 9;
    pub const READ_ANSWER: u8 = 10;
    pub const MULTIREAD_ANSWER: u8 = 11;
    pub const LIST_ANSWER: u8 = 12;
    pub const CHANGED: u8 = 13;
}

/// Nobody waits that long when all is well.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// A message: its type, its path, its data.
pub type Message = (u8, String, Vec<u8>);

/// The bytes of a message.
#[must_use]
pub fn message(kind: u8, path: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 72];
    bytes[0] = kind;
    bytes[1..=path.len()].copy_from_slice(path.as_bytes());
    let len = u32::try_from(data.len()).expect("short");
    bytes[68..].copy_from_slice(&len.to_ne_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// A connection, spoken to byte by byte.
#[derive(Debug)]
pub struct Raw(pub UnixStream);

impl Raw {
    /// Connects.
    #[must_use]
    pub fn to(socket: &Path) -> Self {
        Self::of(UnixStream::connect(socket).expect("the daemon listens"))
    }

    /// A connection that was made already.
    #[must_use]
    pub fn of(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(HANGS_AFTER)).expect("ours");
        Self(stream)
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the daemon reads");
    }

    /// The next message, which must be zero behind its path; `None`: the connection was closed.
    pub fn hear(&mut self) -> Option<Message> {
        let mut head = [0; 72];
        self.0.read_exact(&mut head).ok()?;
        let end = head[1..65]
            .iter()
            .position(|byte| *byte == 0)
            .expect("a NUL");
        assert!(head[1 + end..68].iter().all(|byte| *byte == 0), "{head:?}");
        let path = String::from_utf8(head[1..=end].to_vec()).expect("ASCII");
        let len = u32::from_ne_bytes(head[68..].try_into().expect("4 bytes"));
        let mut data = vec![0; len.try_into().expect("short")];
        self.0.read_exact(&mut data).ok()?;
        Some((head[0], path, data))
    }

    /// Sends a command; its answer.
    pub fn call(&mut self, kind: u8, path: &str, data: &[u8]) -> Option<Message> {
        self.send(&message(kind, path, data));
        self.hear()
    }

    /// Sends a command and gives the type of its answer.
    pub fn code(&mut self, kind: u8, path: &str, data: &[u8]) -> u8 {
        self.call(kind, path, data).expect("an answer").0
    }
}

/// A folder for daemons: their sockets in one, the links between them in another.
#[derive(Debug)]
pub struct Place {
    folder: TempFolder,
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

impl Place {
    /// A new one, with the commands under their names.
    #[must_use]
    pub fn new() -> Self {
        let folder = TempFolder::open_to_all();
        for name in ["bin", "vchan"] {
            std::fs::create_dir(folder.path().join(name)).expect("ours");
        }
        let names = [
            "read",
            "multiread",
            "list",
            "write",
            "rm",
            "watch",
            "read-bool",
            "cmd",
        ];
        for name in names {
            let link = folder.path().join("bin").join(format!("qubesdb-{name}"));
            symlink(program("qubesdb-cmd"), link).expect("ours");
        }
        Self { folder }
    }

    /// The folder of the sockets of one side.
    #[must_use]
    pub fn sockets(&self, side: &str) -> PathBuf {
        self.folder.path().join(side)
    }

    /// The socket of that name.
    #[must_use]
    pub fn socket(&self, side: &str, name: &str) -> PathBuf {
        self.sockets(side).join(name)
    }

    /// The socket between dom0 and domain 5.
    #[must_use]
    pub fn link(&self) -> PathBuf {
        self.folder.path().join("vchan/vchan.0.5.111.sock")
    }

    /// A daemon's command.
    #[must_use]
    pub fn daemon_command(&self, side: &str, domain: u32, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("qubesdb-daemon"));
        command
            .args(arguments)
            .env("QUBESDB_DIR", self.sockets(side))
            .env("VCHAN_SOCKET_DIR", self.folder.path().join("vchan"))
            .env("VCHAN_DOMAIN", domain.to_string())
            .env_remove("NOTIFY_SOCKET");
        command
    }

    /// Starts a daemon in the foreground, and waits until it serves clients.
    #[must_use]
    pub fn start(&self, side: &str, domain: u32, arguments: &[&str]) -> Daemon {
        let arguments = [&["--foreground", "--end-with-stdin"], arguments].concat();
        let mut command = self.daemon_command(side, domain, &arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        stdout.read_line(&mut line).expect("it can be read");
        let daemon = Daemon {
            stdin: child.stdin.take(),
            stderr: child.stderr.take(),
            child,
        };
        assert_eq!(line, "READY=1\n", "{}", daemon.stop().1);
        daemon
    }

    /// A daemon that has no other side, with the names of a qube's.
    #[must_use]
    pub fn alone(&self) -> Daemon {
        self.start("qube", 0, &["--alone", "0"])
    }

    /// Dom0's side for the qube `work`, domain 5.
    #[must_use]
    pub fn dom0(&self) -> Daemon {
        self.start("dom0", 0, &["5", "work"])
    }

    /// The qube's side of that.
    #[must_use]
    pub fn qube(&self) -> Daemon {
        self.start("qube", 5, &["0"])
    }

    /// A connection to the read-write socket of a qube.
    #[must_use]
    pub fn raw(&self) -> Raw {
        Raw::to(&self.socket("qube", "qubesdb.sock"))
    }

    /// A connection to the read-only socket of a qube.
    #[must_use]
    pub fn raw_read_only(&self) -> Raw {
        Raw::to(&self.socket("qube", "qubesdb.ro.sock"))
    }

    /// A connection to the daemon in dom0.
    #[must_use]
    pub fn raw_dom0(&self) -> Raw {
        Raw::to(&self.socket("dom0", "qubesdb.work.sock"))
    }

    /// The command `qubesdb-NAME` in a side.
    #[must_use]
    pub fn command(&self, side: &str, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(
            self.folder
                .path()
                .join("bin")
                .join(format!("qubesdb-{name}")),
        );
        command
            .args(arguments)
            .env("QUBESDB_DIR", self.sockets(side));
        command
    }

    /// Runs it in a qube.
    pub fn run(&self, name: &str, arguments: &[&str]) -> Finished {
        run(self.command("qube", name, arguments))
    }
}

/// A daemon at work; it ends with this.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    stdin: Option<ChildStdin>,
    stderr: Option<ChildStderr>,
}

impl Daemon {
    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Is it still there?
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// What it says, line by line; it is not told by the end then.
    ///
    /// # Panics
    /// It was taken before.
    pub fn log(&mut self) -> impl BufRead + use<> {
        BufReader::new(self.stderr.take().expect("taken once"))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is there");
    }

    /// Ends it with SIGTERM; its status and what it has said.
    #[must_use]
    pub fn stop(mut self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Kills it.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        let _said = self.ended();
    }

    /// Lets go of its stdin and waits for its end.
    #[must_use]
    pub fn let_go(mut self) -> (Option<i32>, String) {
        drop(self.stdin.take());
        self.ended()
    }

    fn ended(&mut self) -> (Option<i32>, String) {
        let said = self.stderr.take().map(drain);
        let status = self.child.wait().expect("a child");
        let said = said.map(|said| said.join().expect("reading does not panic"));
        let said = String::from_utf8_lossy(&said.unwrap_or_default()).into_owned();
        (status.code(), said)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It has ended already, or ends now.
        let _status = self.child.wait();
    }
}

//! Another machine: a real `sshd` on a port of this machine, with keys, configuration, home, policy and
//! services of the test's own.
//!
//! The test listens on the port itself and starts `sshd -i` for each connection, so no other test can
//! have taken the port, and there is nothing to wait for.

mod link;

use std::fs::{self, File, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

pub use link::{Direction, Fault, Link, Victim};

use link::Ends;

use crate::cannot_run::needs_program;
use crate::process::{Finished, run};
use crate::programs::{folder, rpc_folder};
use crate::tree::TempFolder;
use crate::user::{
    self, ORDINARY, am_root, as_ordinary, give_home, give_to_ordinary, in_private_mounts, install,
    make_folders, mount_tmpfs, my_uid,
};

/// The name that the key of the caller has.
pub const CALLER: &str = "laptop";
/// The `Host` of the other machine in the caller's ssh_config.
pub const FAR: &str = "server";

/// Programs that the other machine has.
const PROGRAMS: [&str; 5] = [
    "qrexec-ssh-serve",
    "qfile-unpacker",
    "qubes-filecopy",
    "qubes-vmexec",
    "vm-file-editor",
];

/// As whom `sshd` runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// As root, as on a server. The account is an ordinary one.
    OfRoot,
    /// As the ordinary user whose account it is.
    OfAnOrdinaryUser,
}

/// The test needs a real sshd for an ordinary user.
///
/// # Errors
/// Says what is missing.
pub fn needs_sshd() -> Result<(), String> {
    for program in ["ssh", "ssh-keygen", "flock"] {
        needs_program(program)?;
    }
    sshd().ok_or("needs sshd (openssh-server)")?;
    match am_root() {
        true => user::needs_private_mounts(),
        false => has_a_shell(),
    }
}

/// The test needs a real sshd that runs as root.
///
/// # Errors
/// Says what is missing.
pub fn needs_sshd_of_root() -> Result<(), String> {
    user::needs_private_mounts()?;
    needs_sshd()
}

/// sshd gives a forced command to the shell in the password database.
fn has_a_shell() -> Result<(), String> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let uid = my_uid().to_string();
    let entry = passwd
        .lines()
        .find(|line| line.split(':').nth(2) == Some(&uid));
    match entry.and_then(|entry| entry.rsplit(':').next()) {
        None => Err(format!("needs an entry for uid {uid} in /etc/passwd")),
        Some(shell) if shell.ends_with("nologin") || shell.ends_with("false") => {
            Err(format!("needs a shell for uid {uid} in /etc/passwd"))
        }
        Some(_) => Ok(()),
    }
}

fn sshd() -> Option<&'static Path> {
    let places = ["/usr/sbin/sshd", "/usr/bin/sshd", "/sbin/sshd"];
    places
        .map(Path::new)
        .into_iter()
        .find(|path| path.is_file())
}

/// Runs `body` with the other machine, which the ordinary user's sshd serves.
pub fn with_far(body: impl FnOnce(&Far) + Send) {
    with_far_of(Daemon::OfAnOrdinaryUser, body);
}

/// Runs `body` with the other machine.
pub fn with_far_of(daemon: Daemon, body: impl FnOnce(&Far) + Send) {
    let root = TempFolder::open_to_all();
    let inside = || {
        if am_root() {
            give_home(ORDINARY, &root.folder("home"), root.path());
            if daemon == Daemon::OfRoot {
                mount_tmpfs(Path::new("/run"), 1 << 20, ",mode=755");
                fs::create_dir("/run/sshd").expect("it is ours");
            }
        }
        body(&Far::new(&root, daemon));
    };
    match am_root() {
        true => in_private_mounts(inside),
        false => inside(),
    }
}

/// The other machine, and the caller's account on this one.
#[derive(Debug)]
pub struct Far<'a> {
    root: &'a TempFolder,
    port: u16,
    connections: Connections,
    is_over: Arc<AtomicBool>,
}

type Connections = Arc<Mutex<Vec<Child>>>;

impl<'a> Far<'a> {
    fn new(root: &'a TempFolder, daemon: Daemon) -> Self {
        for name in ["home", "near", "services", "keys", "programs"] {
            fs::set_permissions(root.folder(name), Permissions::from_mode(0o755)).expect("ours");
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let far = Self {
            root,
            port: listener.local_addr().expect("it is bound").port(),
            connections: Connections::default(),
            is_over: Arc::default(),
        };
        for name in PROGRAMS {
            install(&folder().join(name), &far.programs().join(name), 0o755);
        }
        for service in ["qubes.Filecopy", "qubes.OpenInVM", "qubes.VMExec"] {
            let copy = far.services().join(format!("{service}.real"));
            install(&rpc_folder().join(service), &copy, 0o755);
            far.set_service(service, r#"exec "$0.real" "$@""#);
        }
        far.set_policy("* * * @default allow\n");
        far.make_keys(daemon);
        far.set_key_options(&["--as", CALLER]);
        far.write_configurations();
        far.listen(listener, daemon);
        far
    }

    /// A folder for the test.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The home folder of the account there.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// The home folder of the caller here.
    #[must_use]
    pub fn near(&self) -> PathBuf {
        self.root().join("near")
    }

    /// Where files arrive.
    #[must_use]
    pub fn incoming(&self) -> PathBuf {
        self.home().join("QubesIncoming").join(CALLER)
    }

    /// The folder of its services.
    #[must_use]
    pub fn services(&self) -> PathBuf {
        self.root().join("services")
    }

    /// The folder of its programs.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.root().join("programs")
    }

    /// The key of the caller.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.root().join("keys/caller")
    }

    /// Gives it a service, a shell script. While it runs, a lock is held.
    pub fn set_service(&self, name: &str, script: &str) {
        let draft = self.root().join("draft");
        let lock = self.root().join("lock");
        let text = format!(
            "#!/bin/sh\n[ -n \"${{LOCKED-}}\" ] || LOCKED=1 exec flock --shared '{}' \"$0\" \"$@\"\n\
             unset LOCKED\n{script}\n",
            lock.display()
        );
        fs::write(&draft, text).expect("ours");
        install(&draft, &self.services().join(name), 0o755);
        if !lock.exists() {
            fs::write(&lock, "").expect("ours");
            fs::set_permissions(&lock, Permissions::from_mode(0o666)).expect("ours");
        }
    }

    /// Makes `lines` the policy of the account.
    pub fn set_policy(&self, lines: &str) {
        let folder = make_folders(&self.home(), ".config/qfile/policy.d");
        let file = folder.join("30-test.policy");
        fs::write(&file, lines).expect("ours");
        fs::set_permissions(file, Permissions::from_mode(0o644)).expect("ours");
    }

    /// Binds the key of the caller to the program with these options.
    pub fn set_key_options(&self, options: &[&str]) {
        let mut command = Command::new(self.programs().join("qrexec-ssh-serve"));
        command.args(options).arg("--services").arg(self.services());
        command
            .arg("--key-line")
            .arg(self.key().with_extension("pub"));
        let printed = run(command);
        printed.assert_code(0);
        self.set_authorized_keys(&String::from_utf8(printed.stdout).expect("it is text"));
    }

    /// Makes `lines` the keys that open the account.
    pub fn set_authorized_keys(&self, lines: &str) {
        let file = self.root().join("keys/authorized_keys");
        fs::write(&file, lines).expect("ours");
        fs::set_permissions(file, Permissions::from_mode(0o644)).expect("ours");
    }

    /// Adds a line to the configuration of sshd, before all others.
    pub fn configure(&self, line: &str) {
        let file = self.root().join("sshd_config");
        let rest = fs::read_to_string(&file).expect("ours");
        fs::write(&file, format!("{line}\n{rest}")).expect("ours");
    }

    /// Adds lines to the caller's ssh_config, before all others.
    pub fn configure_caller(&self, lines: &str) {
        let file = self.root().join("ssh_config");
        let rest = fs::read_to_string(&file).expect("ours");
        fs::write(&file, format!("{lines}\n{rest}")).expect("ours");
    }

    /// The variables of its environment, `NAME=VALUE`, in place of those that it has.
    pub fn set_environment(&self, more: &str) {
        let libdir = self.programs();
        self.configure(&format!(
            "SetEnv HOME={} QFILE_LIBDIR={} {more}",
            self.home().display(),
            libdir.display()
        ));
    }

    /// The built program `name` as the caller starts it.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(crate::programs::program(name));
        command
            .current_dir(self.near())
            .env("HOME", self.near())
            .env("QREXEC_CLIENT_VM", folder().join("qrexec-ssh"))
            .env("QREXEC_SSH", self.root().join("ssh"))
            .env("QFILE_LIBDIR", folder())
            .env("XDG_STATE_HOME", self.root().join("near/state"));
        for name in [
            "DISPLAY",
            "WAYLAND_DISPLAY",
            "PROGRESS_TYPE",
            "QREXEC_REMOTE_DOMAIN",
            "QREXEC_SERVICE_FULL_NAME",
            "SSH_AUTH_SOCK",
            "XDG_CONFIG_HOME",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// The same, over a link.
    #[must_use]
    pub fn command_over(&self, link: &Link, name: &str) -> Command {
        let mut command = self.command(name);
        command.env("TEST_PORT", link.port().to_string());
        command
    }

    /// Calls a service there with qrexec-ssh.
    pub fn call(&self, arguments: &[&str]) -> Finished {
        let mut command = self.command("qrexec-ssh");
        command.arg(FAR).args(arguments);
        run(command)
    }

    /// A link to it that has this fault.
    #[must_use]
    pub fn link(&self, fault: Fault) -> Link {
        let ends = Ends {
            ssh: self.root().join("ssh-"),
            sshd: Arc::clone(&self.connections),
        };
        Link::new(self.port, fault, ends)
    }

    /// Waits until every connection has ended there, and every service.
    pub fn wait_for_the_end(&self) {
        let connections = std::mem::take(&mut *lock(&self.connections));
        for mut connection in connections {
            let _status = connection.wait();
        }
        let file = self.root().join("lock");
        let status = Command::new("flock").arg(file).arg("true").status();
        assert!(status.is_ok_and(|status| status.success()));
    }

    fn make_keys(&self, daemon: Daemon) {
        for name in ["host", "caller"] {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]);
            command.arg(self.root().join("keys").join(name));
            run(command).assert_code(0);
        }
        if am_root() {
            // sshd wants its key for itself.
            if daemon == Daemon::OfAnOrdinaryUser {
                give_to_ordinary(&self.root().join("keys/host"));
            }
            give_to_ordinary(&self.home());
        }
    }

    fn write_configurations(&self) {
        let root = self.root().display();
        let write = |name: &str, text: &str| {
            fs::write(self.root().join(name), text).expect("ours");
        };
        write(
            "sshd_config",
            &format!(
                "HostKey {root}/keys/host\nAuthorizedKeysFile {root}/keys/authorized_keys\n\
                 AuthenticationMethods publickey\nStrictModes no\nUsePAM no\nPidFile none\n\
                 PrintMotd no\nUseDNS no\n"
            ),
        );
        self.set_environment("");
        let host = fs::read_to_string(self.root().join("keys/host.pub")).expect("ours");
        write("known_hosts", &format!("far {host}"));
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let uid = if am_root() { ORDINARY } else { my_uid() }.to_string();
        let entry = passwd
            .lines()
            .find(|line| line.split(':').nth(2) == Some(&uid));
        let user = entry.and_then(|entry| entry.split(':').next());
        let user = user.expect("`needs_sshd` has looked for it");
        write(
            "ssh_config",
            &format!(
                "Host {FAR} *.{FAR}\n  HostName 127.0.0.1\n  Port {}\n  User {user}\n\
                 Host *\n  HostKeyAlias far\n  IdentityFile {root}/keys/caller\n  IdentitiesOnly yes\n\
                 UserKnownHostsFile {root}/known_hosts\n  GlobalKnownHostsFile /dev/null\n\
                 StrictHostKeyChecking yes\n  UpdateHostKeys no\n",
                self.port
            ),
        );
        let draft = self.root().join("draft");
        let text = format!(
            "#!/bin/sh\n[ -z \"${{TEST_PORT-}}\" ] || echo $$ >'{root}/ssh-'\"$TEST_PORT\"\n\
             exec ssh ${{TEST_PORT:+-o Port=$TEST_PORT}} ${{TEST_OPTIONS-}} \
             -F '{root}/ssh_config' \"$@\"\n"
        );
        fs::write(&draft, text).expect("ours");
        install(&draft, &self.root().join("ssh"), 0o755);
    }

    fn listen(&self, listener: TcpListener, daemon: Daemon) {
        let root = self.root().to_owned();
        let connections = Arc::clone(&self.connections);
        let is_over = Arc::clone(&self.is_over);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
                let mut command = Command::new(sshd().expect("`needs_sshd` has found it"));
                command
                    .args(["-i", "-e", "-f"])
                    .arg(root.join("sshd_config"));
                if am_root() && daemon == Daemon::OfAnOrdinaryUser {
                    as_ordinary(&mut command);
                }
                let log = File::options()
                    .create(true)
                    .append(true)
                    .open(root.join("sshd.log"));
                let Ok(log) = log else { break };
                let stdin = OwnedFd::from(connection.try_clone().expect("a socket"));
                command.stdin(stdin).stdout(OwnedFd::from(connection));
                let started = command.stderr(Stdio::from(log)).spawn();
                lock(&connections).push(started.expect("sshd can be started"));
            }
        });
    }

    /// What sshd has said.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.root().join("sshd.log")).unwrap_or_default()
    }
}

impl Drop for Far<'_> {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // It looks whether this is the end.
        let _connected = TcpStream::connect(("127.0.0.1", self.port));
        for mut connection in std::mem::take(&mut *lock(&self.connections)) {
            let _ended = connection.kill();
            let _status = connection.wait();
        }
        if thread::panicking() {
            eprintln_log(&self.log());
        }
    }
}

#[expect(clippy::print_stderr, reason = "a test that failed explains itself")]
fn eprintln_log(log: &str) {
    eprintln!("sshd:\n{log}");
}

fn lock(connections: &Connections) -> MutexGuard<'_, Vec<Child>> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

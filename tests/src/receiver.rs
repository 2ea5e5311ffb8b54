//! The receiver in each of the forms in which it isolates itself, as installed and started by an
//! ordinary user; and the same under `strace`, to see what it calls or to take something away.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::cannot_run::needs_program;
use crate::process::{self, wrapped_in};
use crate::programs::program;
use crate::tree::TempFolder;
use crate::user::{self, ORDINARY, am_root, as_ordinary, my_uid};

/// How the receiver is installed and started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it was built, started by whoever runs the tests.
    Direct,
    /// Without any privilege, started by an ordinary user; it reaches what it can. Needs root.
    Ordinary,
    /// Set-uid root, started by an ordinary user.
    SetUid,
    /// Without any privilege: it makes itself a user namespace.
    UserNamespace,
    /// Without any privilege, where the limit on user namespaces is 0.
    Landlock,
}

impl Form {
    /// Every form that asks for the isolation which it must reach, so that no test passes on less.
    pub const ALL: [Self; 3] = [Self::SetUid, Self::UserNamespace, Self::Landlock];

    /// The forms with namespaces of their own.
    pub const WALLED: [Self; 2] = [Self::SetUid, Self::UserNamespace];

    /// The ways to start the receiver that need nothing but [`user::needs_set_uid`] when root runs
    /// the tests; the only one when an ordinary user does.
    #[must_use]
    pub fn all() -> &'static [Self] {
        match am_root() {
            true => &[Self::Direct, Self::Ordinary, Self::SetUid],
            false => &[Self::Direct],
        }
    }

    /// Whether another user than the one who runs the tests runs it.
    #[must_use]
    pub fn changes_user(self) -> bool {
        self != Self::Direct && am_root()
    }

    /// The isolation that it must reach, in the words of `--require-isolation`.
    ///
    /// # Panics
    /// If it may reach any.
    #[must_use]
    pub fn level(self) -> &'static str {
        match self {
            Self::Direct | Self::Ordinary => panic!("{self:?} may reach any level"),
            Self::SetUid => "root",
            Self::UserNamespace => "user-namespace",
            Self::Landlock => "landlock",
        }
    }

    /// Whether it can run here.
    ///
    /// # Errors
    /// Says why it cannot.
    pub fn can_run(self) -> Result<(), String> {
        static USER_NAMESPACE: OnceLock<Result<(), String>> = OnceLock::new();
        static LIMITED: OnceLock<Result<(), String>> = OnceLock::new();
        if self.changes_user() {
            user::needs_root()?;
        }
        match self {
            Self::Direct => Ok(()),
            Self::Ordinary => user::needs_root(),
            Self::SetUid => user::needs_set_uid(),
            Self::UserNamespace => USER_NAMESPACE
                .get_or_init(|| try_to("unshare", &["--user", "--map-current-user", "true"]))
                .clone(),
            Self::Landlock => LIMITED
                .get_or_init(|| {
                    try_to(
                        "unshare",
                        &[&WITHOUT_USER_NAMESPACES[..], &["true"]].concat(),
                    )
                })
                .clone(),
        }
    }

    /// The installed receiver, started in this form, with `arguments` after its demand for
    /// isolation if it has one. The environment and the working folder are the caller's.
    #[must_use]
    pub fn bare_command(self, arguments: &[&str]) -> Command {
        let mut command = self.started_by(&[]);
        if !matches!(self, Self::Direct | Self::Ordinary) {
            command.arg(format!("--require-isolation={}", self.level()));
        }
        command.args(arguments);
        command
    }

    /// The installed receiver alone, started by way of `starter`, a program that executes what it
    /// gets as its last arguments: `env -i`, `prlimit --nofile=4`.
    #[must_use]
    pub fn started_by(self, starter: &[&str]) -> Command {
        let mut line: Vec<PathBuf> = Vec::new();
        if self == Self::Landlock {
            line.push("unshare".into());
            line.extend(WITHOUT_USER_NAMESPACES.iter().map(PathBuf::from));
        }
        line.extend(starter.iter().map(PathBuf::from));
        line.push(self.program());
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).env_remove("QREXEC_REMOTE_DOMAIN");
        if self.changes_user() {
            as_ordinary(&mut command);
        }
        command
    }

    /// The receiver without arguments, run by `strace` with `options`, among them `-e trace=`. With
    /// `--seccomp-bpf` strace intervenes where the receiver's own filter lets it; without, what it
    /// injects looks to that filter like a forbidden call.
    #[must_use]
    pub fn traced(self, options: &[&str]) -> Command {
        let options = [&["--seccomp-bpf"], options].concat();
        if am_root() && self != Self::Landlock {
            traced_as_ordinary(&self.started_by(&[]), &options)
        } else {
            self.started_by(&[&["strace", "-f"], &*options].concat())
        }
    }

    /// The program file of this form.
    #[must_use]
    pub fn program(self) -> PathBuf {
        if !self.changes_user() {
            return program("qfile-unpacker");
        }
        let folder = match self {
            Self::SetUid => "set-uid",
            _ => "plain",
        };
        installed().join(folder).join("qfile-unpacker")
    }
}

/// Arguments of `unshare` that run a program where no user namespace can be made: in a user
/// namespace whose limit is 0. The capabilities that it takes to set the limit are gone after it.
const WITHOUT_USER_NAMESPACES: [&str; 7] = [
    "--user",
    "--map-current-user",
    "--keep-caps",
    "sh",
    "-c",
    "echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --inh-caps=-all -- \"$@\"",
    "sh",
];

fn try_to(name: &str, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(name);
    command.args(arguments);
    if am_root() {
        as_ordinary(&mut command);
    }
    needs_program(name)?;
    let finished = process::run(command);
    match finished.status.success() {
        true => Ok(()),
        false => Err(format!(
            "needs to {name} as an ordinary user: {}",
            finished.stderr().trim()
        )),
    }
}

/// `command` run as the ordinary user by a `strace` that is root: it sees into a process that its
/// own user cannot look into, and heeds set-uid bits.
#[must_use]
pub fn traced_as_ordinary(command: &Command, options: &[&str]) -> Command {
    wrapped_in(
        &[&["strace", "-f", "-u", "nobody"], options].concat(),
        command,
    )
}

/// The test needs `strace`, and leave to use it.
///
/// # Errors
/// Says what is missing.
pub fn needs_strace() -> Result<(), String> {
    static STRACE: OnceLock<Result<(), String>> = OnceLock::new();
    STRACE
        .get_or_init(|| {
            try_to(
                "strace",
                &[
                    "-f",
                    "--seccomp-bpf",
                    "-o",
                    "/dev/null",
                    "-e",
                    "trace=openat",
                    "true",
                ],
            )
        })
        .clone()
}

/// Copies of the receiver that all tests of this process share.
static INSTALLED: Mutex<Option<TempFolder>> = Mutex::new(None);

/// Removes those copies, when no test will need them any more.
pub(crate) fn uninstall() {
    *INSTALLED.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

fn installed() -> PathBuf {
    let mut shared = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = shared.get_or_insert_with(|| {
        let folder = TempFolder::open_to_all();
        for (name, mode) in [("set-uid", 0o4755), ("plain", 0o755)] {
            let copy = folder.folder(name).join("qfile-unpacker");
            fs::set_permissions(folder.path().join(name), Permissions::from_mode(0o755))
                .expect("it is ours");
            user::install(&program("qfile-unpacker"), &copy, mode);
        }
        folder
    });
    folder.path().to_owned()
}

/// The uid of the user who starts the receiver.
#[must_use]
pub fn users_uid() -> u32 {
    match am_root() {
        true => ORDINARY,
        false => my_uid(),
    }
}

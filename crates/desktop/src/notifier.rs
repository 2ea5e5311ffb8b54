//! Notifications on the desktop of the user, shown by `notify-send` (libnotify 0.8 or later).
//!
//! These notifications have a button, and can replace one another. Another process speaks D-Bus for
//! them, so their program needs neither a runtime nor a connection while it waits for a click, for ten
//! minutes. The module `notification` does not need `notify-send`: it speaks D-Bus itself, shows one
//! error, and falls back to a window.
//!
//! Many desktops take the text for markup, so all of it is escaped.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use program::programs::find_in_path;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getuid;

use crate::plain::{escaped, quiet, visible};

/// The most bytes that are read of what `notify-send` prints: a number, or the name of an action.
const MAX_ANSWER: usize = 256;

/// The desktop's way to show notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notifier {
    program: PathBuf,
    bus: String,
}

/// A notification that is being shown. Dropped, nobody waits for a click on it any more.
#[derive(Debug)]
pub struct Shown {
    child: Child,
    output: File,
    answer: Vec<u8>,
    id: Option<u32>,
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The user clicked on it.
    Clicked,
    /// It was closed, or it could not be shown.
    Closed,
    /// The time is over.
    None,
}

impl Notifier {
    /// What can show notifications here. `None` without a session bus of this user, or without
    /// `notify-send` in `PATH`.
    #[must_use]
    pub fn find() -> Option<Self> {
        Some(Self {
            program: find_in_path("notify-send")?,
            bus: session_bus()?,
        })
    }

    /// Shows a notification with the button `action`. It takes the place of the notification with
    /// the number `replaces`.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn show(
        &self,
        title: &str,
        text: &str,
        action: Option<&str>,
        replaces: Option<u32>,
    ) -> io::Result<Shown> {
        // With an action, `notify-send` prints the number only when it ends. It is needed before, so it
        // is asked for by a first call, whose notification the second one replaces.
        let id = replaces.or_else(|| self.number_of_new(title, text));
        let mut command = self.command(title, text, action, id);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take();
        let output = output.map(std::os::fd::OwnedFd::from).map(File::from);
        Ok(Shown {
            child,
            output: output.ok_or(io::ErrorKind::BrokenPipe)?,
            answer: Vec::new(),
            id,
        })
    }

    fn number_of_new(&self, title: &str, text: &str) -> Option<u32> {
        let mut command = self.command(title, text, None, None);
        let mut child = command.stdout(Stdio::piped()).spawn().ok()?;
        let mut printed = Vec::new();
        let limit = u64::try_from(MAX_ANSWER).unwrap_or(u64::MAX);
        let read = child.stdout.take()?.take(limit).read_to_end(&mut printed);
        let _nothing_is_asked = child.wait();
        read.ok()?;
        std::str::from_utf8(&printed).ok()?.trim_end().parse().ok()
    }

    fn command(
        &self,
        title: &str,
        text: &str,
        action: Option<&str>,
        replaces: Option<u32>,
    ) -> Command {
        let mut command = quiet(&self.program);
        command
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .args(["--app-name=Qubes OS", "--icon=folder-download"]);
        if action.is_none() && replaces.is_none() {
            command.arg("--print-id");
        }
        if let Some(action) = action {
            // "default" is a click on the notification itself.
            for name in ["default", "open"] {
                command.arg(format!("--action={name}={}", visible(action)));
            }
        }
        if let Some(id) = replaces {
            command.arg(format!("--replace-id={id}"));
        }
        command.args(["--", &visible(title), &escaped(text)]);
        command
    }
}

impl Shown {
    /// Waits for the user, for at most `time`.
    pub fn wait(&mut self, time: Duration) -> Answer {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(left) = Timespec::try_from(left) else {
                return Answer::Closed;
            };
            let mut ready = [PollFd::new(&self.output, PollFlags::IN)];
            match poll(&mut ready, Some(&left)) {
                Ok(0) => return Answer::None,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return Answer::Closed,
                Ok(_) => {}
            }
            let mut bytes = [0; 64];
            match self.output.read(&mut bytes) {
                Ok(len) if len > 0 && self.answer.len() < MAX_ANSWER => {
                    self.answer.extend_from_slice(&bytes[..len]);
                }
                _ => return Answer::Closed,
            }
            let is_action = |line: &[u8]| line == b"default" || line == b"open";
            if self.answer.split(|byte| *byte == b'\n').any(is_action) {
                return Answer::Clicked;
            }
        }
    }

    /// The number of the notification, if it is known.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.id
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let _may_have_ended = self.child.kill();
        let _nothing_is_asked = self.child.wait();
    }
}

/// Opens a folder in the file manager of the desktop. `folder` has to be absolute: a name that begins
/// with `-` would be an option.
///
/// # Errors
/// There is no `xdg-open`, or it cannot be started.
pub fn open_folder(folder: &Path) -> io::Result<()> {
    if !folder.is_absolute() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let opener = find_in_path("xdg-open").ok_or(io::ErrorKind::NotFound)?;
    let mut command = quiet(&opener);
    if let Some(bus) = session_bus() {
        command.env("DBUS_SESSION_BUS_ADDRESS", bus);
    }
    command.arg(folder).status().map(drop)
}

/// The address of the session bus of this user: that of the environment, else the socket in the
/// folder that belongs to this user alone. No bus is started.
fn session_bus() -> Option<String> {
    if let Some(address) = env::var_os("DBUS_SESSION_BUS_ADDRESS").filter(|set| !set.is_empty()) {
        return address.into_string().ok();
    }
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let runtime = runtime.filter(|path| path.is_absolute());
    let runtime = runtime.unwrap_or_else(|| format!("/run/user/{}", getuid().as_raw()).into());
    socket_of(&runtime.join("bus"), getuid().as_raw())
}

/// The address of the socket `path`, if it belongs to `uid`.
fn socket_of(path: &Path, uid: u32) -> Option<String> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let path = path.to_str().filter(|path| is_plain(path))?;
    let is_ours = metadata.file_type().is_socket() && metadata.uid() == uid;
    is_ours.then(|| format!("unix:path={path}"))
}

/// True if nothing in `path` has a meaning in an address.
fn is_plain(path: &str) -> bool {
    path.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_/.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn arguments(command: &Command) -> Vec<String> {
        let arguments = command
            .get_args()
            .map(|argument| argument.to_string_lossy());
        arguments.map(String::from).collect()
    }

    #[test]
    fn nothing_that_is_shown_is_markup_or_an_option() {
        let notifier = Notifier {
            program: "/bin/notify-send".into(),
            bus: "unix:path=/run/bus".to_owned(),
        };
        let command = notifier.command("--hint=x", "<b>&\u{1b}[31m", Some("Open\n"), Some(7));
        let expected = [
            "--app-name=Qubes OS",
            "--icon=folder-download",
            "--action=default=Open\n",
            "--action=open=Open\n",
            "--replace-id=7",
            "--",
            "--hint=x",
            "&lt;b&gt;&amp;_[31m",
        ];
        assert_eq!(arguments(&command), expected);
    }

    #[test]
    fn only_a_socket_of_the_user_is_a_bus() {
        let folder = tempfile::tempdir().unwrap();
        let [socket, file, link] = ["bus", "file", "link"].map(|name| folder.path().join(name));
        let _listener = UnixListener::bind(&socket).unwrap();
        fs::write(&file, "").unwrap();
        symlink(&socket, &link).unwrap();
        let uid = getuid().as_raw();
        let address = format!("unix:path={}", socket.display());
        assert_eq!(socket_of(&socket, uid), Some(address));
        assert_eq!(socket_of(&socket, uid + 1), None);
        assert_eq!(socket_of(&file, uid), None);
        assert_eq!(socket_of(&link, uid), None);
        assert!(!is_plain("/run/user/1,guid=x"));
        assert!(!is_plain("/run/user/1;unix:path=/x"));
        assert!(!is_plain("/run/%20"));
    }

    fn shown(script: &str) -> Shown {
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = std::os::fd::OwnedFd::from(child.stdout.take().unwrap());
        Shown {
            child,
            output: File::from(output),
            answer: Vec::new(),
            id: None,
        }
    }

    #[test]
    fn a_click_is_told_from_a_notification_that_was_closed() {
        let long = Duration::from_secs(600);
        assert_eq!(shown("echo default; exec cat").wait(long), Answer::Clicked);
        assert_eq!(shown("echo open; exec cat").wait(long), Answer::Clicked);
        assert_eq!(shown("exit 0").wait(long), Answer::Closed);
        assert_eq!(shown("exit 1").wait(long), Answer::Closed);
        assert_eq!(shown("yes x").wait(long), Answer::Closed);
        assert_eq!(shown("exec cat").wait(Duration::ZERO), Answer::None);
    }

    #[test]
    fn a_folder_without_its_whole_path_is_not_opened() {
        for path in ["--help", "folder", ""] {
            let error = open_folder(Path::new(path)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}

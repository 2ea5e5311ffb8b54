//! A real desktop without a screen: an X server of its own (`Xvfb`), a D-Bus session, the folders
//! of a user's settings, and somebody who types (`xdotool`) and reads (AT-SPI, as a screen reader).
//!
//! `QFILE_SCREENSHOTS=FOLDER` has the tests take pictures.

use std::env;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::cannot_run::needs_program;
use crate::process::run;
use crate::tree::TempFolder;

/// What a desktop is made of, beside the AT-SPI binding.
const PROGRAMS: [&str; 10] = [
    "Xvfb",
    "dbus-run-session",
    "file",
    "l3afpad",
    "notify-send",
    "scrot",
    "xdg-open",
    "xdotool",
    "xterm",
    "zenity",
];

/// The system's own, which has the AT-SPI binding; another may come first in `PATH`.
const PYTHON: &str = "/usr/bin/python3";

/// The programs of a desktop are installed, and their tests were asked for: they take long.
///
/// # Errors
/// Says what is missing.
pub fn needs_desktop() -> Result<(), String> {
    needs_to_be_asked_for()?;
    PROGRAMS.into_iter().try_for_each(needs_program)?;
    let binding = Command::new(PYTHON)
        .args(["-c", "import gi; gi.require_version('Atspi', '2.0')"])
        .stderr(Stdio::null())
        .status();
    match binding.is_ok_and(|status| status.success()) {
        true => Ok(()),
        false => Err("needs /usr/bin/python3 with the AT-SPI binding".to_owned()),
    }
}

/// The tests with a desktop or an X server were asked for.
///
/// # Errors
/// They were not.
pub fn needs_to_be_asked_for() -> Result<(), String> {
    match env::var_os("QFILE_TEST_DESKTOP") {
        Some(_) => Ok(()),
        None => Err("is run by `make test-desktop`".to_owned()),
    }
}

/// The desktop of one test; dropped, it is gone with all its windows.
#[derive(Debug)]
pub struct Desktop {
    settings: TempFolder,
    server: Child,
    display: String,
    session: Child,
    bus: String,
}

impl Default for Desktop {
    fn default() -> Self {
        Self::new()
    }
}

impl Desktop {
    /// A desktop on which `l3afpad` opens text.
    #[must_use]
    pub fn new() -> Self {
        let settings = TempFolder::new();
        for folder in ["config", "data", "cache", "runtime"] {
            let path = settings.path().join(folder);
            fs::create_dir(&path).expect("ours");
            fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("ours");
        }
        let defaults = "[Default Applications]\ntext/plain=l3afpad.desktop\n";
        fs::write(settings.path().join("config/mimeapps.list"), defaults).expect("ours");

        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-noreset", "-nolisten", "tcp"]);
        command.args(["-screen", "0", "640x400x24"]);
        let (server, number) = started(command);
        let display = format!(":{number}");

        // The session lasts until the stdin of what runs in it ends.
        let mut command = Command::new("dbus-run-session");
        command.args(["--", "sh", "-c", "echo $DBUS_SESSION_BUS_ADDRESS; exec cat"]);
        put_on(&mut command, &settings, &display);
        let (session, bus) = started(command);
        Self {
            settings,
            server,
            display,
            session,
            bus,
        }
    }

    /// Makes this the desktop of `command`.
    pub fn prepare(&self, command: &mut Command) {
        put_on(command, &self.settings, &self.display);
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.bus);
    }

    /// The name of the display, as `:1`.
    #[must_use]
    pub fn display(&self) -> &str {
        &self.display
    }

    /// Starts a notification service that clicks on whatever it shows. What it prints: a line of JSON
    /// for each notification.
    #[must_use]
    pub fn notification_service(&self) -> (Child, BufReader<ChildStdout>) {
        let mut command = Command::new(PYTHON);
        command.arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/desktop/notifications.py"
        ));
        self.prepare(&mut command);
        let mut service = command.stdout(Stdio::piped()).spawn().expect("starts");
        let mut shown = BufReader::new(service.stdout.take().expect("is a pipe"));
        let mut line = String::new();
        shown.read_line(&mut line).expect("is text");
        assert_eq!(line, "ready\n");
        (service, shown)
    }

    /// Waits for a window whose title matches the regular expression `title`.
    #[track_caller]
    pub fn window(&self, title: &str) -> Window<'_> {
        let search = ["search", "--sync", "--onlyvisible", "--name", title];
        let found = self.does("xdotool", &search);
        let id = found.lines().next().expect("one line for each window");
        Window {
            desktop: self,
            id: id.to_owned(),
        }
    }

    /// All the text that the window with this very title shows.
    #[track_caller]
    #[must_use]
    pub fn text(&self, title: &str) -> String {
        self.reads(&["text", title])
    }

    /// What is in the line that can be edited of the window with this very title. Empty without one.
    #[track_caller]
    #[must_use]
    pub fn entry(&self, title: &str) -> String {
        self.reads(&["entry", title])
            .trim_end_matches('\n')
            .to_owned()
    }

    /// Waits until the progress bar of the window with this very title is at `percent` or beyond;
    /// where it is then.
    #[track_caller]
    #[must_use]
    pub fn progress(&self, title: &str, percent: u8) -> f64 {
        let seen = self.reads(&["progress", title, &percent.to_string()]);
        seen.trim_end().parse().expect("is a number")
    }

    /// Presses a button of the window with this very title.
    #[track_caller]
    pub fn press(&self, title: &str, button: &str) {
        self.reads(&["press", title, button]);
    }

    /// Takes a picture if `QFILE_SCREENSHOTS` names a folder for it.
    #[track_caller]
    pub fn screenshot(&self, name: &str) {
        if let Some(folder) = env::var_os("QFILE_SCREENSHOTS") {
            let picture = Path::new(&folder).join(format!("{name}.png"));
            self.does("scrot", &["--overwrite", &picture.to_string_lossy()]);
        }
    }

    #[track_caller]
    fn reads(&self, arguments: &[&str]) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/desktop/accessible.py");
        self.does(PYTHON, &[&[script], arguments].concat())
    }

    #[track_caller]
    fn does(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        command.args(arguments);
        self.prepare(&mut command);
        let done = run(command);
        done.assert_code(0);
        String::from_utf8(done.stdout).expect("is text")
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        drop(self.session.stdin.take());
        let _it_ends_by_itself = self.session.wait();
        let _may_have_ended = self.server.kill();
        let _nothing_is_asked = self.server.wait();
    }
}

/// A window of a [`Desktop`].
#[derive(Debug)]
pub struct Window<'a> {
    desktop: &'a Desktop,
    id: String,
}

impl Window<'_> {
    /// Types text into it.
    #[track_caller]
    pub fn types(&self, text: &str) {
        self.focused(&["type", text]);
    }

    /// Presses a key, as `ctrl+s`.
    #[track_caller]
    pub fn key(&self, key: &str) {
        self.focused(&["key", key]);
    }

    /// There is no window manager to give it the keyboard.
    fn focused(&self, action: &[&str]) {
        let focus = ["windowfocus", "--sync", &self.id];
        self.desktop.does("xdotool", &[&focus, action].concat());
    }
}

fn put_on(command: &mut Command, settings: &TempFolder, display: &str) {
    let folder = |name| settings.path().join(name);
    command
        .env("DISPLAY", display)
        .env("LC_ALL", "C.UTF-8")
        .env("XDG_CONFIG_HOME", folder("config"))
        .env("XDG_DATA_HOME", folder("data"))
        .env("XDG_CACHE_HOME", folder("cache"))
        .env("XDG_RUNTIME_DIR", folder("runtime"))
        .env_remove("NO_AT_BRIDGE")
        .env_remove("WAYLAND_DISPLAY");
}

/// Starts what says where it can be reached in its first line.
fn started(mut command: Command) -> (Child, String) {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let mut line = String::new();
    let stdout = child.stdout.take().expect("is a pipe");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("is text");
    assert!(!line.is_empty(), "{command:?} does not start");
    (child, line.trim_end().to_owned())
}

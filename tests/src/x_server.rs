//! X servers of one test: `Xvfb`, and a real `Xorg` whose driver `dummy` has outputs without monitors.
//!
//! Each has a display that no other server has, and listens on a Unix socket only.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use x11rb::connection::Connection as _;
use x11rb::rust_connection::RustConnection;

use crate::cannot_run::needs_program;
use crate::desktop::needs_to_be_asked_for;
use crate::process::{Finished, Running, run};
use crate::programs::program;
use crate::tree::TempFolder;

/// The server itself: what is in `PATH` may be a script that starts it on consoles only.
const XORG: &str = "/usr/lib/xorg/Xorg";
const DUMMY_DRIVER: &str = "/usr/lib/xorg/modules/drivers/dummy_drv.so";

/// The screen is limited by the memory of the card, 64 MiB.
const CONFIGURATION: &str = "\
Section \"ServerFlags\"
    Option \"AutoAddDevices\" \"false\"
    Option \"AutoEnableDevices\" \"false\"
    Option \"AutoAddGPU\" \"false\"
EndSection
Section \"Device\"
    Identifier \"dummy\"
    Driver \"dummy\"
    VideoRam 65536
EndSection
Section \"Monitor\"
    Identifier \"monitor\"
    HorizSync 1.0-2000.0
    VertRefresh 1.0-2000.0
EndSection
Section \"Screen\"
    Identifier \"screen\"
    Device \"dummy\"
    Monitor \"monitor\"
    DefaultDepth 24
    SubSection \"Display\"
        Depth 24
        Modes \"1024x768\"
        Virtual 4096 4096
    EndSubSection
EndSection
";

/// Xorg with its driver `dummy`, and xrandr.
///
/// # Errors
/// Says what is missing.
pub fn needs_xorg() -> Result<(), String> {
    needs_to_be_asked_for()?;
    needs_program("xrandr")?;
    has_xorg()
}

/// Xorg with its driver `dummy`, also where nobody has asked for the tests of desktops.
///
/// # Errors
/// Says what is missing.
pub fn has_xorg() -> Result<(), String> {
    let missing = [XORG, DUMMY_DRIVER]
        .map(Path::new)
        .into_iter()
        .find(|path| !path.is_file());
    missing.map_or(Ok(()), |path| Err(format!("needs {}", path.display())))
}

/// Xvfb.
///
/// # Errors
/// Says that it is missing.
pub fn needs_xvfb() -> Result<(), String> {
    needs_to_be_asked_for()?;
    needs_program("Xvfb")
}

/// Runs a command with these lines on stdin.
#[must_use]
pub fn given(mut command: Command, lines: &str) -> Finished {
    let folder = TempFolder::new();
    let file = folder.path().join("lines");
    fs::write(&file, lines).expect("ours");
    command.stdin(File::open(file).expect("ours"));
    Running::start(command).finish()
}

/// The key of a server that has one, in the format of `Xauthority`: of any family, address and display.
#[must_use]
pub fn key() -> Vec<u8> {
    const NAME: &[u8] = b"MIT-MAGIC-COOKIE-1";
    let mut entry = vec![0xff, 0xff, 0, 0, 0, 0, 0];
    entry.push(u8::try_from(NAME.len()).expect("it is short"));
    entry.extend(NAME);
    entry.extend([0, 16]);
    entry.extend(*b"a key of 16 byte");
    entry
}

/// An X server. Dropped, it ends.
#[derive(Debug)]
pub struct XServer {
    folder: TempFolder,
    server: Child,
    display: String,
}

impl XServer {
    /// Xvfb, which has one monitor that cannot be changed.
    #[must_use]
    pub fn virtual_screen() -> Self {
        let mut command = Command::new("Xvfb");
        command.args(["-screen", "0", "640x400x24"]);
        Self::start(command, TempFolder::new())
    }

    /// The same, which lets in only who has its [key](key()).
    #[must_use]
    pub fn with_key() -> Self {
        let folder = TempFolder::new();
        let file = folder.path().join("key");
        fs::write(&file, key()).expect("ours");
        let mut command = Command::new("Xvfb");
        command
            .args(["-screen", "0", "640x400x24", "-auth"])
            .arg(file);
        Self::start(command, folder)
    }

    /// Xorg with the outputs `DUMMY0` to `DUMMY15`, of which the first is 1024x768.
    #[must_use]
    pub fn with_dummy_outputs() -> Self {
        let folder = TempFolder::new();
        let [settings, log] = ["xorg.conf", "log"].map(|name| folder.path().join(name));
        fs::write(&settings, CONFIGURATION).expect("ours");
        let mut command = Command::new(XORG);
        command
            .arg("-config")
            .arg(settings)
            .arg("-logfile")
            .arg(log);
        Self::start(command, folder)
    }

    fn start(mut command: Command, folder: TempFolder) -> Self {
        command
            .args(["-displayfd", "1", "-noreset", "-nolisten", "tcp"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("stderr")).expect("ours"));
        let mut server = command.spawn().expect("the X server can be started");
        let stdout = server.stdout.take().expect("is a pipe");
        let mut number = String::new();
        BufReader::new(stdout)
            .read_line(&mut number)
            .expect("is text");
        if number.is_empty() {
            let said = fs::read_to_string(folder.path().join("stderr")).expect("ours");
            panic!("the X server does not start: {said}");
        }
        Self {
            folder,
            server,
            display: format!(":{}", number.trim_end()),
        }
    }

    /// Its name.
    #[must_use]
    pub fn display(&self) -> &str {
        &self.display
    }

    /// A folder of this test.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The width and height of its screen in millimetres.
    #[must_use]
    pub fn mm(&self) -> [u16; 2] {
        let (connection, screen) = self.connect();
        let screen = &connection.setup().roots[screen];
        [screen.width_in_millimeters, screen.height_in_millimeters]
    }

    /// Stops it, or has it go on.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.server), signal).expect("it runs");
    }

    /// A connection to it, and the number of its screen.
    #[must_use]
    pub fn connect(&self) -> (RustConnection, usize) {
        x11rb::connect(Some(&self.display)).expect("it runs")
    }

    /// What `xrandr` with these arguments prints.
    #[track_caller]
    pub fn xrandr(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("xrandr");
        command.args(["--display", &self.display]).args(arguments);
        let done = run(command);
        done.assert_code(0);
        String::from_utf8(done.stdout).expect("is text")
    }

    /// The size of the screen, and what its outputs show, as `xrandr` tells it: `1366x768`, then
    /// `DUMMY0 1366x768+0+0 310x170`, ….
    #[track_caller]
    #[must_use]
    pub fn layout(&self) -> Vec<String> {
        let told = self.xrandr(&["--query"]);
        let mut layout = Vec::new();
        for line in told.lines().filter(|line| !line.starts_with(' ')) {
            let words: Vec<&str> = line.split([' ', ',']).collect();
            if let Some(at) = words.iter().position(|word| *word == "current") {
                layout.push(format!("{}x{}", words[at + 1], words[at + 3]));
            }
            if let Some(shown) = words.iter().find(|word| word.contains('+')) {
                let mm = words.iter().filter_map(|word| word.strip_suffix("mm"));
                let mm: Vec<&str> = mm.collect();
                layout.push(format!("{} {shown} {}", words[0], mm.join("x")));
            }
        }
        layout
    }

    /// The program that sets its monitors.
    #[must_use]
    pub fn setting_monitors(&self) -> Command {
        let mut command = Command::new(program("qubes-set-monitor-layout"));
        command
            .args(["--display", &self.display])
            .stdout(Stdio::null());
        command
    }

    /// The names of the modes that were made for layouts.
    #[track_caller]
    #[must_use]
    pub fn modes(&self) -> Vec<String> {
        let told = self.xrandr(&["--query"]);
        let names = told
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        let ours = names.filter(|name| name.starts_with("QB"));
        ours.map(str::to_owned).collect()
    }

    /// Ends it.
    pub fn end(&mut self) {
        let _may_have_ended = self.server.kill();
        let _nothing_is_asked = self.server.wait();
    }
}

impl Drop for XServer {
    fn drop(&mut self) {
        self.end();
    }
}

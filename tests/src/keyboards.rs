//! The keyboard layout that dom0 wants, in a real pair of QubesDB daemons, and the displays that get it.
//! `setxkbmap` and the sockets of the displays are stand-ins here. The real ones are used by
//! `make test-desktop`.

use std::cell::RefCell;
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;

use crate::applications::Applications;
use crate::process::run;
use crate::qubesdb::{Daemon, Place};

/// A user with displays, and the QubesDB of the qube.
#[derive(Debug)]
pub struct Keyboards {
    user: Applications,
    place: Place,
    qube: Option<Daemon>,
    #[expect(dead_code, reason = "it serves as long as it is there")]
    dom0: Option<Daemon>,
    listeners: RefCell<Vec<UnixListener>>,
}

impl Keyboards {
    /// A qube and dom0. There is no display yet.
    #[must_use]
    pub fn new() -> Self {
        let keyboards = Self::without_daemons();
        let dom0 = keyboards.place.dom0();
        let qube = keyboards.place.qube();
        Self {
            dom0: Some(dom0),
            qube: Some(qube),
            ..keyboards
        }
    }

    /// A qube without dom0, whose key has this value already, with the display `:7`.
    #[must_use]
    pub fn alone(value: &str) -> Self {
        let keyboards = Self::without_daemons();
        keyboards.display("X7");
        let qube = keyboards.place.alone();
        keyboards.write_in_qube(value);
        Self {
            qube: Some(qube),
            ..keyboards
        }
    }

    fn without_daemons() -> Self {
        let user = Applications::new();
        fs::create_dir(user.path("sockets")).expect("ours");
        let script = format!(
            "cd '{}'; {{ printf '<%s>' \"$@\"; echo; }} >>set\n\
             if [ -p gate ]; then : >opened; read -r _ <gate; fi\n\
             if [ -e refuses ]; then echo 'Error loading new keyboard description' >&2; exit 5; fi",
            user.path("").display()
        );
        user.program("setxkbmap", &script);
        Self {
            user,
            place: Place::new(),
            qube: None,
            dom0: None,
            listeners: RefCell::default(),
        }
    }

    /// A path in the folder of all this.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.user.path(below)
    }

    /// Makes the socket of a display.
    pub fn display(&self, name: &str) -> PathBuf {
        let path = self.user.path("sockets").join(name);
        let listener = UnixListener::bind(&path).expect("ours");
        self.listeners.borrow_mut().push(listener);
        path
    }

    /// Makes the socket of a display that has not ended in order: nobody listens there.
    pub fn stale_display(&self, name: &str) {
        let path = self.user.path("sockets").join(name);
        drop(UnixListener::bind(path).expect("ours"));
    }

    /// What the stand-in was called with, in the order of the calls.
    #[must_use]
    pub fn set(&self) -> Vec<String> {
        let set = fs::read_to_string(self.user.path("set")).unwrap_or_default();
        set.lines().map(str::to_owned).collect()
    }

    /// dom0 sets the key.
    pub fn write(&self, value: &str) {
        self.in_dom0("write", &["/keyboard-layout", value]);
    }

    /// dom0 removes the key.
    pub fn remove(&self) {
        self.in_dom0("rm", &["/keyboard-layout"]);
    }

    fn in_dom0(&self, name: &str, arguments: &[&str]) {
        let arguments = [&["-d", "work"], arguments].concat();
        run(self.place.command("dom0", name, &arguments)).assert_code(0);
    }

    /// The qube sets the key itself.
    pub fn write_in_qube(&self, value: &str) {
        let written = self.place.run("write", &["/keyboard-layout", value]);
        written.assert_code(0);
    }

    /// The daemon of the qube ends, and another one with this value takes its place.
    pub fn restart(&mut self, value: &str) {
        drop(self.qube.take().map(Daemon::stop));
        self.qube = Some(self.place.alone());
        self.write_in_qube(value);
    }

    /// The program, with these arguments. There is no session bus.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.user.command("qubes-keymap");
        command
            .arg("--sockets")
            .arg(self.user.path("sockets"))
            .args(arguments)
            .env("QUBESDB_DIR", self.place.sockets("qube"));
        command
    }

    /// Has the program find the real setxkbmap.
    pub fn use_real_setxkbmap(&self) {
        fs::remove_file(self.user.path("bin/setxkbmap")).expect("the stand-in is there");
    }
}

impl Default for Keyboards {
    fn default() -> Self {
        Self::new()
    }
}

//! What `qubes-filecopy` does around the receiver: the notification, and the empty folder.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use qfile_tests::code::EILSEQ;
use qfile_tests::peer::{Answer, Joint, feed};
use qfile_tests::stream::Stream;
use qfile_tests::suite;
use qfile_tests::tree::TempFolder;
use qfile_tests::user::{Installed, am_root, as_ordinary, give_to_ordinary, install};
use rustix::fs::{FlockOperation, flock};

suite! {
    a_copy_that_arrived_is_shown_and_a_click_opens_its_folder,
    a_notification_that_fails_changes_nothing,
    an_incoming_folder_that_stayed_empty_is_removed,
    an_incoming_folder_that_was_there_stays,
    what_had_landed_stays_in_its_folder,
    nothing_is_shown_of_a_copy_that_failed,
}

/// A qube in which `notify-send` and `xdg-open` are the test's own.
struct Qube {
    installed: Installed,
    folder: TempFolder,
}

impl Qube {
    /// `notify_send` is a script. `$1` in it is the folder of the test.
    fn new(notify_send: &str) -> Self {
        let qube = Self {
            installed: Installed::new(&["qfile-unpacker", "qubes-filecopy"]),
            folder: TempFolder::open_to_all(),
        };
        for name in ["home", "runtime"] {
            let path = qube.folder.folder(name);
            fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
            qube.give(&path);
        }
        for name in ["shown", "go-on", "opened"] {
            let path = qube.path(name);
            mkfifo(&path, Mode::S_IRWXU).unwrap();
            qube.give(&path);
        }
        let _bin = qube.folder.folder("bin");
        let opened = qube.path("opened");
        qube.set_program("notify-send", notify_send);
        qube.set_program(
            "xdg-open",
            &format!("shift; echo \"$*\" >'{}'", opened.display()),
        );
        qube
    }

    fn give(&self, path: &std::path::Path) {
        if am_root() {
            give_to_ordinary(path);
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn set_program(&self, name: &str, script: &str) {
        let draft = self.path("draft");
        let set = format!("set -- '{}' \"$@\"", self.folder.path().display());
        fs::write(&draft, format!("#!/bin/sh\n{set}\n{script}\n")).unwrap();
        install(&draft, &self.path("bin").join(name), 0o755);
    }

    fn incoming(&self) -> PathBuf {
        self.path("home/QubesIncoming/work")
    }

    fn receive(&self, stream: &Stream) -> Answer {
        let mut command = Command::new(self.installed.program("qubes-filecopy"));
        let path = std::env::join_paths([self.path("bin"), "/usr/bin".into(), "/bin".into()]);
        command
            .arg(self.installed.program("qfile-unpacker"))
            .arg("--require-isolation=landlock")
            .current_dir("/")
            .env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", self.path("runtime"))
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/such/bus")
            .env("QREXEC_REMOTE_DOMAIN", "work")
            .env("PATH", path.unwrap());
        if am_root() {
            as_ordinary(&mut command);
        }
        feed(command, Joint::Pipes, stream.as_bytes())
    }

    /// Waits until the process in the background has given back its lock on the incoming folder.
    fn settle(&self) {
        let lock = File::open(self.path("runtime/qfile/work.copies")).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
    }
}

fn good() -> Stream {
    Stream::new().file("a", "1").file("b", "2").end()
}

fn forbidden() -> Stream {
    Stream::new().file("\u{202e}", "x").end()
}

/// Gives a notification its number. Then it tells the test what it shows, and waits until the test
/// wants a click.
const CLICKED: &str = "dir=$1; shift; case $* in *--print-id*) echo 7; exit ;; esac; \
                       printf '%s\\n' \"$@\" >\"$dir/shown\"; read line <\"$dir/go-on\"; echo default";

fn a_copy_that_arrived_is_shown_and_a_click_opens_its_folder() {
    let qube = Qube::new(CLICKED);
    // The copy ends although the notification is still there.
    qube.receive(&good()).assert_confirmed(good().checksum());
    let shown = fs::read_to_string(qube.path("shown")).unwrap();
    assert!(
        shown.ends_with("\n--\nFiles from work\n2 files have arrived.\n"),
        "{shown}"
    );
    assert!(shown.contains("\n--replace-id=7\n"), "{shown}");
    fs::write(qube.path("go-on"), "\n").unwrap();
    let opened = fs::read_to_string(qube.path("opened")).unwrap();
    assert_eq!(opened, format!("{}\n", qube.incoming().display()));
}

fn a_notification_that_fails_changes_nothing() {
    for script in ["exit 1", "exec yes", "kill -9 $$"] {
        let qube = Qube::new(script);
        let answer = qube.receive(&good());
        answer.assert_confirmed(good().checksum());
        assert_eq!(answer.finished.stderr(), "");
    }
    let qube = Qube::new("exit 1");
    fs::set_permissions(qube.path("runtime"), Permissions::from_mode(0o777)).unwrap();
    qube.receive(&good()).assert_confirmed(good().checksum());
}

fn an_incoming_folder_that_stayed_empty_is_removed() {
    let qube = Qube::new("exit 1");
    qube.receive(&forbidden()).assert_refused(EILSEQ);
    qube.settle();
    assert!(qube.path("home/QubesIncoming").is_dir());
    assert!(!qube.incoming().exists());
    qube.receive(&good()).assert_confirmed(good().checksum());
    assert!(qube.incoming().join("b").exists());
}

fn an_incoming_folder_that_was_there_stays() {
    let qube = Qube::new("exit 1");
    for folder in ["home/QubesIncoming", "home/QubesIncoming/work"] {
        qube.give(&qube.folder.folder(folder));
    }
    qube.receive(&forbidden()).assert_refused(EILSEQ);
    qube.settle();
    assert!(qube.incoming().is_dir());
}

fn what_had_landed_stays_in_its_folder() {
    let qube = Qube::new("exit 1");
    let stream = Stream::new().file("a", "1").file("\u{202e}", "x").end();
    qube.receive(&stream).assert_refused(EILSEQ);
    qube.settle();
    assert!(qube.incoming().join("a").exists());
}

fn nothing_is_shown_of_a_copy_that_failed() {
    let qube = Qube::new(CLICKED);
    qube.receive(&forbidden()).assert_refused(EILSEQ);
    qube.settle();
    // This would be the second, and show what was added up.
    qube.receive(&good()).assert_confirmed(good().checksum());
    let shown = fs::read_to_string(qube.path("shown")).unwrap();
    assert!(shown.ends_with("\n2 files have arrived.\n"), "{shown}");
    fs::write(qube.path("go-on"), "\n").unwrap();
    fs::read(qube.path("opened")).unwrap();
}

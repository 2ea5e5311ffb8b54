//! An incoming folder with sentinels around it, and the receiver that fills it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::peer::{Answer, Joint, converse, feed};
use crate::programs::program;
use crate::stream::{Stream, Verdict};
use crate::tree::{Snapshot, TempFolder, set};
use crate::user::{Installed, am_root, as_ordinary, give_to_ordinary, mount_tmpfs};
use crate::watched::Watched;

/// How the receiver runs. Each form takes another way into its jail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The built program, run by whoever runs the tests.
    Direct,
    /// A copy, run by an ordinary user without any privilege. Needs root.
    Ordinary,
    /// A set-uid root copy, run by an ordinary user. Needs root, and a file system that heeds
    /// set-uid bits.
    SetUid,
}

impl Form {
    /// The forms that need nothing but [`crate::user::needs_set_uid`] when root runs the tests;
    /// the only form when an ordinary user does.
    #[must_use]
    pub fn all() -> &'static [Self] {
        match am_root() {
            true => &[Self::Direct, Self::Ordinary, Self::SetUid],
            false => &[Self::Direct],
        }
    }
}

/// An incoming folder: `ROOT/home/incoming`. Beside it and above it stand sentinels, which every
/// [`receive`](Self::receive) compares before and after.
#[derive(Debug)]
pub struct Inbox {
    root: TempFolder,
    form: Form,
    installed: Option<Installed>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new(Form::Direct)
    }
}

impl Inbox {
    /// An empty incoming folder for a receiver of that form, owned by whoever runs it.
    #[must_use]
    pub fn new(form: Form) -> Self {
        let root = TempFolder::open_to_all();
        let incoming = root.folder("home/incoming");
        for sentinel in ["home", ""].map(|place| root.path().join(place)) {
            fs::write(sentinel.join("sentinel"), b"must stay as it is").expect("ours");
            symlink("sentinel", sentinel.join("link-to-sentinel")).expect("ours");
            fs::create_dir(sentinel.join("sentinels")).expect("ours");
            set(&sentinel.join("sentinel"), Some(0o640), (1_234_567, 89));
            set(&sentinel.join("sentinels"), Some(0o750), (1_234_567, 89));
        }
        let installed = match form {
            Form::Direct => None,
            Form::Ordinary => Some(Installed::new(&["qfile-unpacker"])),
            Form::SetUid => Some(Installed::new(&["qfile-unpacker"]).set_uid("qfile-unpacker")),
        };
        if form != Form::Direct {
            // The sentinels too: an ordinary user's receiver must be able to harm them.
            for path in [
                "home",
                "home/sentinel",
                "home/sentinels",
                "sentinel",
                "sentinels",
            ] {
                give_to_ordinary(&root.path().join(path));
            }
            give_to_ordinary(&incoming);
            give_to_ordinary(root.path());
        }
        Self {
            root,
            form,
            installed,
        }
    }

    /// The incoming folder.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.home().join("incoming")
    }

    /// The folder above it, the user's home.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// The folder above home.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// `qfile-unpacker` with `arguments`, run in this form, `HOME` being [`home`](Self::home) and
    /// without any other variable of its own.
    #[must_use]
    pub fn bare_command(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.installed {
            Some(installed) => Command::new(installed.program("qfile-unpacker")),
            None => Command::new(program("qfile-unpacker")),
        };
        if self.form != Form::Direct {
            as_ordinary(&mut command);
        }
        command
            .args(arguments)
            .current_dir("/")
            .env("HOME", self.home())
            .env_remove("QREXEC_REMOTE_DOMAIN");
        command
    }

    /// `qfile-unpacker OPTIONS "" INCOMING`.
    #[must_use]
    pub fn command(&self, options: &[&str]) -> Command {
        let mut command = self.bare_command(options);
        command.arg("").arg(self.path());
        command
    }

    /// Has `stream` received with `options`, over pipes.
    #[track_caller]
    pub fn receive(&self, options: &[&str], stream: &Stream) -> Answer {
        let before = self.outside();
        let answer = feed(self.command(options), Joint::Pipes, stream.as_bytes());
        before.assert_unchanged(&self.outside());
        answer
    }

    /// Sends what is there and takes the verdict, without ending the stream: the receiver does not
    /// wait for more before it answers.
    #[must_use]
    pub fn answer_to_the_beginning(&self, options: &[&str], beginning: &Stream) -> Answer {
        let (verdict, finished) = converse(self.command(options), Joint::Sockets, |side| {
            side.send(beginning.as_bytes()).expect("it is read");
            Verdict::parse(&side.rest())
        });
        Answer { verdict, finished }
    }

    /// Fails the test unless the receiver with `options`, which tell it to wait until half a
    /// megabyte is free, waits for as long as less is free, and then goes on. Only [in private
    /// mounts](crate::user::in_private_mounts), in the form [`Form::Direct`].
    pub fn assert_waits_for_room(&self, options: &[&str]) {
        mount_tmpfs(&self.path(), 1 << 20, "");
        let filler = self.path().join("filler");
        fs::write(&filler, vec![1; 700_000]).expect("it is ours");
        let stream = Stream::new().file("f", "x").end();
        let mut receiver = Watched::start(self.command(options));
        receiver.send_and_settle(&stream);
        assert_eq!(self.landed().paths(), ["filler"]);
        fs::remove_file(filler).expect("it is ours");
        let answer = receiver.finish(&Stream::new());
        answer.assert_confirmed(stream.checksum());
        answer.finished.assert_says("waiting until there is enough");
        assert_eq!(self.landed().paths(), ["f"]);
    }

    /// What has landed.
    #[must_use]
    pub fn landed(&self) -> Snapshot {
        Snapshot::of(&self.path())
    }

    /// The sentinels, the home folder and the incoming folder's own entry, whose times change
    /// when something lands.
    fn outside(&self) -> Snapshot {
        Snapshot::around(self.root.path(), "home/incoming")
    }
}

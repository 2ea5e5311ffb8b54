//! An incoming folder with sentinels beside its home, and the receiver that fills it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::peer::{Answer, Joint, converse, feed};
use crate::receiver::Form;
use crate::sentinel::Sentinels;
use crate::stream::{Stream, Verdict};
use crate::tree::{Snapshot, TempFolder};
use crate::user::{give_to_ordinary, in_private_mounts, mount_tmpfs, needs_private_mounts};
use crate::watched::Watched;

/// An incoming folder: `ROOT/home/incoming`, with sentinels in `ROOT/outside`. It belongs to whoever
/// runs the receiver.
#[derive(Debug)]
pub struct Inbox {
    /// The form of the receiver.
    pub form: Form,
    root: TempFolder,
    sentinels: Sentinels,
}

/// Path, mode, owner, and time of the last change.
type Seen = (PathBuf, u32, u32, Option<(i64, i64)>);

impl Default for Inbox {
    fn default() -> Self {
        Self::new(Form::Direct)
    }
}

impl Inbox {
    /// An empty incoming folder for a receiver of that form.
    #[must_use]
    pub fn new(form: Form) -> Self {
        Self::on(form, |_| ())
    }

    /// Runs `body` with an empty incoming folder in memory, where root runs the tests: what makes
    /// many thousand files or folders would keep a disk busy.
    pub fn in_memory(form: Form, body: impl Fn(&Self) + Sync) {
        match needs_private_mounts() {
            Ok(()) => in_private_mounts(|| {
                let mount = |home: &Path| mount_tmpfs(home, 1 << 30, ",nr_inodes=0");
                body(&Self::on(form, mount));
            }),
            Err(_) => body(&Self::new(form)),
        }
    }

    /// As [`Inbox::new`], with something mounted on the empty folder `ROOT/home` first.
    #[must_use]
    pub fn on(form: Form, mount: impl FnOnce(&Path)) -> Self {
        let root = TempFolder::open_to_all();
        let home = root.folder("home");
        mount(&home);
        let incoming = root.folder("home/incoming");
        for folder in [&home, &incoming] {
            fs::set_permissions(folder, Permissions::from_mode(0o700)).expect("it is ours");
        }
        if form.changes_user() {
            // ROOT too: the receiver must be able to harm what is in it.
            for folder in [root.path(), &home, &incoming] {
                give_to_ordinary(folder);
            }
        }
        let sentinels = Sentinels::plant(&root.path().join("outside"));
        Self {
            form,
            root,
            sentinels,
        }
    }

    /// The folder that holds the home folder and the sentinels.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The folder above the incoming folder, the user's home.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// The incoming folder.
    #[must_use]
    pub fn incoming(&self) -> PathBuf {
        self.home().join("incoming")
    }

    /// The folder of the sentinels.
    #[must_use]
    pub fn outside(&self) -> &Path {
        self.sentinels.folder()
    }

    /// A new folder of whoever runs the receiver.
    #[must_use]
    pub fn users_folder(&self, path: &str) -> PathBuf {
        let folder = self.root.folder(path);
        if self.form.changes_user() {
            give_to_ordinary(&folder);
        }
        folder
    }

    /// `qfile-unpacker` with `arguments`, run in this form, `HOME` being [`home`](Self::home).
    #[must_use]
    pub fn bare_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.form.bare_command(arguments);
        command.current_dir("/").env("HOME", self.home());
        command
    }

    /// `qfile-unpacker OPTIONS "" INCOMING`.
    #[must_use]
    pub fn command(&self, options: &[&str]) -> Command {
        let mut command = self.bare_command(options);
        command.arg("").arg(self.incoming());
        command
    }

    /// Has `stream` received with `options`, over pipes. Nothing but the incoming folder changes.
    #[track_caller]
    pub fn receive(&self, options: &[&str], stream: &Stream) -> Answer {
        let before = self.surroundings();
        let answer = feed(self.command(options), Joint::Pipes, stream.as_bytes());
        assert_eq!(before, self.surroundings());
        self.assert_sentinels();
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

    /// What has landed.
    #[must_use]
    pub fn landed(&self) -> Snapshot {
        Snapshot::of(&self.incoming())
    }

    /// Fails the test unless exactly `paths` are in the incoming folder and the sentinels are
    /// untouched.
    #[track_caller]
    pub fn assert_landed(&self, paths: &[&str]) {
        let mut expected = paths.to_vec();
        expected.sort_unstable();
        assert_eq!(self.landed().paths(), expected);
        self.assert_sentinels();
    }

    /// Fails the test unless the receiver refuses `stream` with `code`, names `last_name`, and
    /// leaves exactly `landed`.
    #[track_caller]
    pub fn assert_refuses(
        &self,
        options: &[&str],
        stream: &Stream,
        code: i32,
        last_name: Option<&[u8]>,
        landed: &[&str],
    ) {
        let answer = self.receive(options, stream);
        answer.assert_refused(code.unsigned_abs());
        let shown = |name: Option<&[u8]>| name.map(|name| name.escape_ascii().to_string());
        assert_eq!(shown(answer.last_name()), shown(last_name));
        self.assert_landed(landed);
    }

    /// Fails the test unless the receiver confirms `stream` and leaves exactly `landed`.
    #[track_caller]
    pub fn assert_accepts(&self, options: &[&str], stream: &Stream, landed: &[&str]) {
        self.receive(options, stream)
            .assert_confirmed(stream.checksum());
        self.assert_landed(landed);
    }

    /// Fails the test if anything has landed that is not among `sent`, or is not whole.
    #[track_caller]
    pub fn assert_complete(&self, sent: &[(&str, Vec<u8>)]) {
        for name in self.landed().paths() {
            let content = fs::read(self.incoming().join(&name)).expect("it has landed");
            let sent = sent.iter().find(|(sent_name, _)| *sent_name == name);
            assert!(
                sent.is_some_and(|(_, sent)| *sent == content),
                "{name} is not what was sent"
            );
        }
        self.assert_sentinels();
    }

    /// Fails the test unless the sentinels are untouched.
    #[track_caller]
    pub fn assert_sentinels(&self) {
        self.sentinels.assert_untouched();
    }

    /// Fails the test unless the receiver with `options`, which tell it to wait until half a
    /// megabyte is free, waits for as long as less is free, and then goes on. Only [in private
    /// mounts](in_private_mounts), in the form [`Form::Direct`].
    pub fn assert_waits_for_room(&self, options: &[&str]) {
        mount_tmpfs(&self.incoming(), 1 << 20, "");
        let filler = self.incoming().join("filler");
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

    /// What stands in ROOT and in the home folder: names, modes, owners, and when it was changed, but
    /// for the incoming folder, which changes when something lands.
    fn surroundings(&self) -> Vec<Seen> {
        let in_folder = |folder: &Path| fs::read_dir(folder).expect("it is ours");
        let mut found: Vec<_> = in_folder(self.root())
            .chain(in_folder(&self.home()))
            .map(|entry| {
                let path = entry.expect("it is listed").path();
                let stat = fs::symlink_metadata(&path).expect("it is listed");
                let changed = (path != self.incoming()).then(|| (stat.mtime(), stat.mtime_nsec()));
                (path, stat.mode(), stat.uid(), changed)
            })
            .collect();
        found.sort_unstable();
        found
    }
}

//! Tests of attacks on the receiver: each is a function of the [`Form`], listed once and run for
//! every form ([`attacks!`](crate::attacks)). A form that this machine does not have is reported
//! ignored.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Completion, Trial};

use crate::cannot_run::{self, Need};
use crate::peer::{Answer, Joint, feed};
use crate::receiver::{self, Form};
use crate::sentinel::Sentinels;
use crate::stream::Stream;
use crate::tree::{Snapshot, TempFolder};
use crate::user::{
    am_root, give_to_ordinary, in_private_mounts, mount_tmpfs, needs_private_mounts,
};

/// A test of an attack topic: its name, the forms it is for, what it needs, what it does.
pub type Attack = (&'static str, &'static [Form], &'static [Need], fn(Form));

/// Runs the tests of an attack topic: each once for every form it is for, named `TEST::FORM`.
#[must_use]
pub fn run(attacks: Vec<Attack>) -> ExitCode {
    let trials = attacks.into_iter().flat_map(|(name, forms, needs, body)| {
        forms.iter().map(move |form| {
            Trial::ignorable_test(format!("{name}::{}", form.level()), move || {
                let hindrance = form
                    .can_run()
                    .and_then(|()| needs.iter().try_for_each(|need| need()));
                if let Err(reason) = hindrance {
                    return Ok(Completion::ignored_with(reason));
                }
                body(*form);
                Ok(Completion::Completed)
            })
        })
    });
    let code = cannot_run::run(trials.collect());
    receiver::uninstall();
    code
}

/// The `main` of an attack topic: functions of a [`Form`], each with its [`Need`]s in brackets if
/// it has any, and with the forms it is for behind `of` if they are not [all](Form::ALL).
#[macro_export]
macro_rules! attacks {
    ($($test:ident $(of $forms:expr)? $(, [$($need:expr),+ $(,)?])?);+ $(;)?) => {
        fn main() -> std::process::ExitCode {
            $crate::attack::run(vec![$(
                (
                    stringify!($test),
                    $crate::attacks!(@forms $($forms)?),
                    &[$($($need as $crate::cannot_run::Need),+)?],
                    $test,
                )
            ),+])
        }
    };
    (@forms) => { &$crate::receiver::Form::ALL };
    (@forms $forms:expr) => { &$forms };
}

/// An incoming folder under attack: `ROOT/home/incoming`, sentinels beside it in `ROOT/outside`.
/// When a test is over without a failure, the sentinels have been compared.
#[derive(Debug)]
pub struct Target {
    /// The form of the receiver.
    pub form: Form,
    root: TempFolder,
    sentinels: Sentinels,
}

impl Target {
    /// An empty incoming folder of the ordinary user.
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

    /// As [`Target::new`], with something mounted on the empty folder `ROOT/home` first.
    #[must_use]
    pub fn on(form: Form, mount: impl FnOnce(&Path)) -> Self {
        let root = TempFolder::open_to_all();
        let home = root.folder("home");
        mount(&home);
        let incoming = root.folder("home/incoming");
        for folder in [&home, &incoming] {
            fs::set_permissions(folder, Permissions::from_mode(0o700)).expect("it is ours");
            if am_root() {
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

    /// The home folder.
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

    /// A new folder of the ordinary user.
    #[must_use]
    pub fn users_folder(&self, path: &str) -> PathBuf {
        let folder = self.root.folder(path);
        if am_root() {
            give_to_ordinary(&folder);
        }
        folder
    }

    /// The receiver with `options`, for the incoming folder.
    #[must_use]
    pub fn command(&self, options: &[&str]) -> Command {
        let mut command = self.form.bare_command(options);
        command.arg("").arg(self.incoming());
        command
    }

    /// Has `stream` received with `options`.
    #[track_caller]
    pub fn receive(&self, options: &[&str], stream: &Stream) -> Answer {
        feed(self.command(options), Joint::Pipes, stream.as_bytes())
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
        self.sentinels.assert_untouched();
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
}

/// Fails the test unless the receiver refused with one of `codes` (which of them may depend on how
/// it got there) and named `last_name`.
#[track_caller]
pub fn assert_refused_with(answer: &Answer, codes: &[i32], last_name: &str) {
    let code = answer.verdict.as_ref().map_or(0, |verdict| verdict.code);
    assert!(
        codes.iter().any(|expected| expected.unsigned_abs() == code),
        "{answer:?}"
    );
    answer.assert_refused(code);
    assert_eq!(answer.last_name(), Some(last_name.as_bytes()));
}

/// A stream of three files, and what they hold.
#[must_use]
pub fn three_files() -> (Stream, [(&'static str, Vec<u8>); 3]) {
    let files = [
        ("small", b"small".to_vec()),
        ("empty", Vec::new()),
        ("large", vec![b'x'; 300_000]),
    ];
    let stream = files.iter().fold(Stream::new(), |stream, (name, content)| {
        stream.file(name, content)
    });
    (stream.end(), files)
}

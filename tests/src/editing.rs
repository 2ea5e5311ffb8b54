//! A file, an editor of the test's own, and the qubes between them.
//!
//! The editor is a shell script that runs in a disposable, with the file as `$1`; what it starts
//! are real programs. The service can be replaced as well, by a hostile one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::fifo;
use crate::process::{Finished, run};
use crate::programs::program;
use crate::qubes::{Qubes, TARGET};
use crate::user::{am_root, as_ordinary, give_to_ordinary, install};

/// The name of the file, unless a test takes another.
pub const NAME: &str = "letter.txt";

/// What it contains before.
pub const OLD: &[u8] = b"Dear old friend,\n";

/// What the editor of [`Editing::with_an_edit`] makes of it.
pub const NEW: &[u8] = b"new content\n";

/// The two commands' service.
pub const SERVICE: &str = "qubes.OpenInVM";

/// A command for the test's own scripts that goes on until the [`Editing`] is dropped, however the test
/// ends: it reads a FIFO that is written to by nobody, and held open by that alone.
pub const UNTIL_THE_END: &str = r#"cat "$WORK/until-the-end""#;

/// A file in a qube, and what opens it in another.
#[derive(Debug)]
pub struct Editing {
    qubes: Qubes,
    _until_the_end: File,
    /// The name of the qube that has the file; no other test uses it.
    source: String,
    file: PathBuf,
}

impl Default for Editing {
    fn default() -> Self {
        Self::new()
    }
}

impl Editing {
    /// A file [`NAME`] with the content [`OLD`].
    #[must_use]
    pub fn new() -> Self {
        Self::with(NAME.as_ref(), OLD)
    }

    /// The same file, and an editor that writes [`NEW`] into it.
    #[must_use]
    pub fn with_an_edit() -> Self {
        let editing = Self::new();
        editing.editor("echo 'new content' > \"$1\"");
        editing
    }

    /// A file in a qube of its own.
    #[must_use]
    pub fn with(name: &Path, content: &[u8]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let source = format!("source{}-{number}", std::process::id());
        Self::in_qube(source, name, content)
    }

    /// A file in a qube of this name, which no other test has.
    #[must_use]
    pub fn in_qube(source: String, name: &Path, content: &[u8]) -> Self {
        let qubes = Qubes::new();
        qubes.add(&source);
        qubes.set_policy("* * @anyvm @anyvm allow\n* * @anyvm @dispvm allow\n");
        let file = qubes.home(&source).join(name);
        fs::write(&file, content).expect("ours");
        let until_the_end = fifo::held(&qubes.root().join("until-the-end"));
        let editing = Self {
            qubes,
            _until_the_end: until_the_end,
            source,
            file,
        };
        editing.editor("exit 0");
        editing
    }

    /// Opens the file, which gets [`NEW`] and nothing else, without a word.
    #[track_caller]
    pub fn assert_quietly_edited(&self) {
        let opened = self.open();
        opened.assert_code(0);
        assert_eq!(opened.stderr(), "");
        self.assert_only(NEW);
    }

    /// The file's path.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A path in the folder of the file.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.file.with_file_name(name)
    }

    /// A path that neither qube uses.
    #[must_use]
    pub fn elsewhere(&self, name: &str) -> PathBuf {
        self.qubes.root().join(name)
    }

    /// The name of the qube that has the file.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// A path in the home folder of [`TARGET`].
    #[must_use]
    pub fn in_target(&self, name: &str) -> PathBuf {
        self.qubes.home(TARGET).join(name)
    }

    /// What the file contains now.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        fs::read(&self.file).unwrap_or_else(|error| panic!("the file is lost: {error}"))
    }

    /// The names in the folder of the file, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let folder = self.file.parent().expect("it is in a folder");
        let entries = fs::read_dir(folder).expect("ours");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("ours").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Makes `script` the editor; `$1` is the file there, `$WORK` a folder for the test's own use.
    pub fn editor(&self, script: &str) {
        self.script("editor", script);
    }

    /// Writes an executable shell script [elsewhere](Self::elsewhere), which has `$WORK` too.
    pub fn script(&self, name: &str, script: &str) {
        let script = format!("#!/bin/sh\n{}\n{script}\n", self.work_variable());
        let draft = self.elsewhere("draft");
        fs::write(&draft, script).expect("ours");
        install(&draft, &self.elsewhere(name), 0o755);
    }

    fn work_variable(&self) -> String {
        format!("export WORK='{}'", self.qubes.root().display())
    }

    /// Makes `script` the service, with `$WORK` too, for files opened in [`TARGET`].
    pub fn service(&self, script: &str) {
        let script = format!("{}\n{script}", self.work_variable());
        self.qubes.set_service(TARGET, SERVICE, &script);
    }

    /// A program to be run in the qube that has the file.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        self.command_at(&program(name))
    }

    /// Any program, by its path, to be run in that qube.
    #[must_use]
    pub fn command_at(&self, path: &Path) -> Command {
        let mut command = self.qubes.command_at(&self.source, path);
        self.prepare(&mut command);
        command
    }

    /// Says what the editor is, and makes moments short.
    pub fn prepare(&self, command: &mut Command) {
        command
            .env("VM_FILE_EDITOR_OPENER", self.elsewhere("editor"))
            .env("VM_FILE_EDITOR_LOOK_EVERY_MS", "20")
            .env("VM_FILE_EDITOR_SETTLING_MS", "1000")
            .env("VM_FILE_EDITOR_TOO_QUICK_MS", "60000")
            .env("VM_FILE_EDITOR_PERSISTENCE", "rw-only")
            .env_remove("RUST_LOG");
    }

    /// Opens the file in a disposable.
    #[must_use]
    pub fn open(&self) -> Finished {
        self.open_with(&[])
    }

    /// Opens the file in a disposable, with options.
    #[must_use]
    pub fn open_with(&self, options: &[&str]) -> Finished {
        let mut command = self.command("qvm-open-in-dvm");
        command.args(options).arg("--").arg(&self.file);
        run(command)
    }

    /// Opens what is at `path`, be it a link to the file or something else, in a disposable.
    #[must_use]
    pub fn open_path(&self, path: &Path) -> Finished {
        let mut command = self.command("qvm-open-in-dvm");
        command.arg(path);
        run(command)
    }

    /// Opens the file in [`TARGET`], whose service may be the test's own.
    #[must_use]
    pub fn open_in_target(&self, options: &[&str]) -> Finished {
        run(self.command_in_target(options))
    }

    /// The command that opens the file in [`TARGET`].
    #[must_use]
    pub fn command_in_target(&self, options: &[&str]) -> Command {
        let mut command = self.command("qvm-open-in-vm");
        command.args(options).args(["--", TARGET]).arg(&self.file);
        command
    }

    /// `vm-file-editor` alone, called by the qube that has the file.
    #[must_use]
    pub fn server(&self) -> Command {
        let mut command = self.command("vm-file-editor");
        command.env("QREXEC_REMOTE_DOMAIN", &self.source);
        command
    }

    /// Root gives everything to the ordinary user, as whom `command` is then run.
    pub fn as_ordinary(&self, command: &mut Command) {
        if !am_root() {
            return;
        }
        for path in [self.qubes.home(&self.source), self.file.clone()] {
            give_to_ordinary(&path);
        }
        as_ordinary(command);
    }

    /// The folders in `/tmp` that servers made for the file and that are still there.
    #[must_use]
    pub fn scratch_folders(&self) -> Vec<PathBuf> {
        let prefix = format!("{}-", self.source);
        let entries = fs::read_dir("/tmp").expect("there is a /tmp");
        let paths = entries.flatten().map(|entry| entry.path());
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.strip_prefix(&prefix)
                .is_some_and(|random| random.len() == 6)
        };
        paths.filter(is_ours).collect()
    }

    /// Fails the test if a server left something.
    #[track_caller]
    pub fn assert_nothing_left_there(&self) {
        let left = self.scratch_folders();
        assert!(left.is_empty(), "left: {left:?}");
    }

    /// Fails the test unless the file has this content, stands alone, and nothing else is left.
    #[track_caller]
    pub fn assert_only(&self, content: &[u8]) {
        let now = self.content();
        assert!(
            now == content,
            "{:?} is not {:?}",
            String::from_utf8_lossy(&now[..now.len().min(100)]),
            String::from_utf8_lossy(&content[..content.len().min(100)])
        );
        let name = self.file.file_name().expect("a file has a name");
        assert_eq!(self.names(), [name.to_string_lossy()]);
        self.assert_nothing_left_there();
    }
}

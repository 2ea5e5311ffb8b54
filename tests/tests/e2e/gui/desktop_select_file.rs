//! Files and folders that are chosen for dom0 in the real window of zenity. Run by `make test-desktop`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use qfile_tests::desktop::{Desktop, Window, needs_desktop};
use qfile_tests::process::{Finished, Running, drain, run};
use qfile_tests::programs::program;
use qfile_tests::suite;
use qfile_tests::tree::TempFolder;

suite! {
    a_file_is_chosen_and_its_folder_is_remembered [needs_desktop],
    a_folder_is_chosen [needs_desktop],
    escape_gives_nothing_and_1 [needs_desktop],
    what_dom0_would_refuse_is_shown_and_asked_again [needs_desktop],
    a_name_that_is_not_there_is_asked_again [needs_desktop],
    a_display_that_is_not_there_is_told [needs_desktop],
}

const FILE: &str = "Choose a file for dom0";
const FOLDER: &str = "Choose a folder for dom0";

struct User {
    desktop: Desktop,
    home: TempFolder,
}

impl User {
    fn new() -> Self {
        let (desktop, home) = (Desktop::new(), TempFolder::new());
        Self { desktop, home }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    fn file(&self, below: &str) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("qubes-select-file"));
        command.args(arguments);
        self.desktop.prepare(&mut command);
        command
            .env("HOME", self.home.path())
            .env("XDG_STATE_HOME", self.path(".state"))
            // The desktop of whoever runs the tests may have a portal.
            .env("QFILE_DIALOGS", "zenity");
        command
    }

    fn start(&self, arguments: &[&str]) -> Choosing {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        Choosing(Running::start(command))
    }

    fn window(&self, title: &str) -> Window<'_> {
        self.desktop.window(&format!("^{title}$"))
    }

    /// Types the name into the line for it, and takes it. While the chooser reads its folder, keys are
    /// lost.
    fn chooses(&self, title: &str, name: &str) {
        let window = self.window(title);
        loop {
            window.key("ctrl+l");
            window.key("ctrl+a");
            window.types(name);
            // The chooser adds a slash to the name of a folder.
            if self.desktop.entry(title).trim_end_matches('/') == name {
                break;
            }
        }
        window.key("Return");
    }
}

struct Choosing(Running);

impl Choosing {
    fn finish(mut self) -> Finished {
        let stdout = drain(self.0.child.stdout.take().unwrap());
        let mut finished = self.0.finish();
        finished.stdout = stdout.join().unwrap();
        finished
    }

    #[track_caller]
    fn gives(self, path: &Path) {
        let finished = self.finish();
        finished.assert_code(0);
        let line = format!("{}\n", path.display());
        assert_eq!(String::from_utf8(finished.stdout).unwrap(), line);
    }
}

fn a_file_is_chosen_and_its_folder_is_remembered() {
    let user = User::new();
    let film = user.file("films/film (1).ogv");
    let choosing = user.start(&[]);
    user.chooses(FILE, film.to_str().unwrap());
    choosing.gives(&film);

    // The name alone is enough, since the chooser begins in the folder.
    let other = user.file("films/other");
    let choosing = user.start(&[]);
    user.chooses(FILE, "other");
    choosing.gives(&other);
}

fn a_folder_is_chosen() {
    let user = User::new();
    user.file("films/old/film");
    let choosing = user.start(&["--directory"]);
    user.chooses(FOLDER, user.path("films/old").to_str().unwrap());
    choosing.gives(&user.path("films/old"));
}

fn escape_gives_nothing_and_1() {
    let user = User::new();
    for (arguments, title) in [(&[][..], FILE), (&["--directory"], FOLDER)] {
        let choosing = user.start(arguments);
        user.window(title).key("Escape");
        let finished = choosing.finish();
        finished.assert_code(1);
        assert_eq!(finished.stdout, b"");
        assert_eq!(finished.stderr(), "");
    }
}

fn what_dom0_would_refuse_is_shown_and_asked_again() {
    const REFUSAL: &str = "This file cannot be used";
    let user = User::new();
    user.file("films/Amelie <i>100% & more.ogv");
    let good = user.file("films/good");
    let choosing = user.start(&[]);
    let bad = "films/Amelie <i>100% & more.ogv";
    user.chooses(FILE, user.path(bad).to_str().unwrap());

    let text = user.desktop.text(REFUSAL);
    user.desktop.screenshot("refused");
    for part in [
        "<i>100% & more.ogv",
        "this one has \"<\", \">\", \"%\", \"&\".",
        "Rename it, or choose another one.",
    ] {
        assert!(text.contains(part), "{text}");
    }
    user.desktop.press(REFUSAL, "OK");
    user.chooses(FILE, "good");
    choosing.gives(&good);
}

fn a_name_that_is_not_there_is_asked_again() {
    const REFUSAL: &str = "This file cannot be used";
    let user = User::new();
    let there = user.file("there");
    let choosing = user.start(&[]);
    user.chooses(FILE, user.path("typed").to_str().unwrap());
    let text = user.desktop.text(REFUSAL);
    assert!(text.contains("it does not exist"), "{text}");
    user.desktop.press(REFUSAL, "OK");
    user.chooses(FILE, "there");
    choosing.gives(&there);
}

fn a_display_that_is_not_there_is_told() {
    let user = User::new();
    let mut command = user.command(&[]);
    command.env("DISPLAY", ":65000");
    let finished = run(command);
    finished.assert_code(1);
    assert_eq!(finished.stdout, b"");
    finished.assert_says("it cannot open the display");
}

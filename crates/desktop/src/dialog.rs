//! Windows for people: `zenity`, else `kdialog` (on KDE the other way round), started directly,
//! never through a shell.
//!
//! What is shown may hold names from another qube, so it is shown as plain text: zenity is told
//! `--no-markup`; kdialog, which takes for HTML what looks like HTML, gets HTML in which everything
//! is escaped.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kdialog;
use crate::plain::{escaped, quiet, visible};
use program::programs::find_in_path;

/// The desktop's way to show a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialogs {
    /// GNOME's, here its absolute path.
    Zenity(PathBuf),
    /// KDE's, here its absolute path.
    Kdialog(PathBuf),
}

/// A progress bar that is to be started.
#[derive(Debug)]
pub enum ProgressBar {
    /// A command that reads percentages, one a line, from its stdin, a pipe, and ends at 100, at the
    /// end of input, or when the user presses Cancel.
    Reads(Command),
    /// kdialog's, which reads no pipe.
    OverDbus(kdialog::Progress),
}

/// What a notice is about, which decides its icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Something to know.
    Info,
    /// Something that failed.
    Error,
}

/// What the user is to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A file, which exists.
    File,
    /// A folder.
    Folder,
}

impl Dialogs {
    /// What can show dialogs here; `None` without a display, or with neither program in `PATH`.
    /// Zenity comes first, unless the desktop is KDE or `QFILE_DIALOGS` is `kdialog`.
    #[must_use]
    pub fn find() -> Option<Self> {
        if !has_display() {
            return None;
        }
        let zenity = || find_in_path("zenity").map(Self::Zenity);
        let kdialog = || find_in_path("kdialog").map(Self::Kdialog);
        let wish = env::var_os("QFILE_DIALOGS").is_some_and(|wish| wish == "kdialog");
        let desktop = env::var("XDG_CURRENT_DESKTOP").unwrap_or_default();
        if wish || desktop.split(':').any(|name| name == "KDE") {
            kdialog().or_else(zenity)
        } else {
            zenity().or_else(kdialog)
        }
    }

    /// Shows an error and waits until it is closed. `text` may have several lines.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn error(&self, title: &str, text: &str) -> io::Result<()> {
        self.notice(Notice::Error, title, text).status().map(drop)
    }

    /// Asks a question and waits for the answer. A dialog that was closed, or could not be shown,
    /// is no consent.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn question(&self, title: &str, text: &str) -> io::Result<bool> {
        self.asking(title, text)
            .status()
            .map(|status| status.success())
    }

    /// The command of a window with a question, for the caller to start and watch. Its status is 0 if
    /// the user says yes.
    #[must_use]
    pub fn asking(&self, title: &str, text: &str) -> Command {
        match self {
            Self::Zenity(program) => zenity(program, "--question", title, text),
            Self::Kdialog(program) => kdialog::dialog(program, "--yesno", title, text),
        }
    }

    /// The command of a window with `text` and an OK button, for the caller to start and watch. It
    /// ends when the window is closed.
    #[must_use]
    pub fn notice(&self, kind: Notice, title: &str, text: &str) -> Command {
        match (self, kind) {
            (Self::Zenity(program), Notice::Info) => zenity(program, "--info", title, text),
            (Self::Zenity(program), Notice::Error) => zenity(program, "--error", title, text),
            (Self::Kdialog(program), Notice::Info) => {
                kdialog::dialog(program, "--msgbox", title, text)
            }
            (Self::Kdialog(program), Notice::Error) => {
                kdialog::dialog(program, "--error", title, text)
            }
        }
    }

    /// The command of a window in which the user chooses, beginning in the folder `start`, which is
    /// absolute. It writes the absolute path and a newline to its stdout, a pipe, and ends with 0; with 1
    /// if the user cancels, and also without a display, which its stderr says, a pipe too.
    #[must_use]
    pub fn choosing(&self, choice: Choice, title: &str, start: &Path) -> Command {
        let title = visible(title);
        let mut command = match self {
            Self::Zenity(program) => {
                let mut command = quiet(program);
                command.arg("--file-selection");
                if choice == Choice::Folder {
                    command.arg("--directory");
                }
                // With a slash at its end it is the folder that is opened, not a name in it.
                let mut file_name = OsString::from("--filename=");
                file_name.push(start.join(""));
                command.arg(format!("--title={title}")).arg(file_name);
                command
            }
            Self::Kdialog(program) => {
                let mut command = quiet(program);
                let kind = match choice {
                    Choice::File => "--getopenfilename",
                    Choice::Folder => "--getexistingdirectory",
                };
                command.args(["--title", &title, kind]).arg(start);
                command
            }
        };
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A progress bar with a Cancel button, for the caller to start and watch. `None` with kdialog
    /// where there is nothing to talk to it by.
    #[must_use]
    pub fn progress(&self, title: &str, text: &str) -> Option<ProgressBar> {
        match self {
            Self::Zenity(program) => Some(ProgressBar::Reads(reading(program, title, text))),
            Self::Kdialog(program) => {
                kdialog::Progress::new(program, title, text).map(ProgressBar::OverDbus)
            }
        }
    }
}

/// True where there is a desktop, whether anything can show dialogs there or not.
#[must_use]
pub fn has_display() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

fn reading(program: &Path, title: &str, text: &str) -> Command {
    // Here zenity knows no `--no-markup`: the text is Pango markup, and backslashes escape.
    let text = escaped(text).replace('\\', "\\\\");
    let mut command = quiet(program);
    command
        .args([
            "--progress",
            "--auto-close",
            "--percentage=0",
            "--width=400",
        ])
        .arg(format!("--title={}", visible(title)))
        .arg(format!("--text={text}"))
        .stdin(Stdio::piped());
    command
}

fn zenity(program: &Path, kind: &str, title: &str, text: &str) -> Command {
    let mut command = quiet(program);
    command
        .args([kind, "--no-markup", "--width=480"])
        .arg(format!("--title={}", visible(title)))
        .arg(format!("--text={}", visible(text)));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "<b>a</b> & \\n\0$(id)\nb";

    fn arguments(command: &Command) -> Vec<&str> {
        command
            .get_args()
            .map(|arg| arg.to_str().unwrap())
            .collect()
    }

    #[test]
    fn zenity_is_told_that_the_text_is_plain() {
        let command = zenity(Path::new("/z"), "--error", "-title", HOSTILE);
        assert_eq!(
            arguments(&command),
            [
                "--error",
                "--no-markup",
                "--width=480",
                "--title=-title",
                "--text=<b>a</b> & \\n_$(id)\nb"
            ]
        );
    }

    #[test]
    fn kdialog_gets_html_in_which_everything_is_escaped() {
        let command = kdialog::dialog(Path::new("/k"), "--yesno", "title", HOSTILE);
        assert_eq!(
            arguments(&command),
            [
                "--title",
                "title",
                "--yesno",
                "<qt>&lt;b&gt;a&lt;/b&gt; &amp; &#92;n_$(id)<br/>b</qt>"
            ]
        );
    }

    #[test]
    fn a_progress_bar_takes_no_markup_either() {
        let command = reading(Path::new("/z"), "title", HOSTILE);
        assert_eq!(
            arguments(&command).last(),
            Some(&"--text=&lt;b&gt;a&lt;/b&gt; &amp; \\\\n_$(id)\nb")
        );
    }

    #[test]
    fn a_chooser_opens_the_folder_and_takes_nothing_for_an_option() {
        let chosen = |dialogs: &Dialogs, choice, start: &str| {
            let command = dialogs.choosing(choice, "-t", Path::new(start));
            let arguments = arguments(&command).into_iter().map(str::to_owned);
            arguments.collect::<Vec<_>>()
        };
        let zenity = Dialogs::Zenity("/z".into());
        assert_eq!(
            chosen(&zenity, Choice::File, "/-a $(id)"),
            ["--file-selection", "--title=-t", "--filename=/-a $(id)/"]
        );
        assert_eq!(
            chosen(&zenity, Choice::Folder, "/"),
            [
                "--file-selection",
                "--directory",
                "--title=-t",
                "--filename=/"
            ]
        );
        let kdialog = Dialogs::Kdialog("/k".into());
        assert_eq!(
            chosen(&kdialog, Choice::File, "/a"),
            ["--title", "-t", "--getopenfilename", "/a"]
        );
        assert_eq!(
            chosen(&kdialog, Choice::Folder, "/a"),
            ["--title", "-t", "--getexistingdirectory", "/a"]
        );
    }

    #[test]
    fn only_an_explicit_yes_is_consent() {
        for (answer, consent) in [("true", true), ("false", false)] {
            let program = find_in_path(answer).unwrap();
            for dialogs in [
                Dialogs::Zenity(program.clone()),
                Dialogs::Kdialog(program.clone()),
            ] {
                assert_eq!(dialogs.question("t", "?").unwrap(), consent, "{dialogs:?}");
            }
        }
    }
}

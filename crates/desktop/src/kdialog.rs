//! `kdialog`: its dialogs, and its progress bar, which is driven over D-Bus by `qdbus`: kdialog says
//! on its stdout where it listens, and then is told how far things are and asked whether the user has
//! cancelled.
//!
//! Both are started directly, never through a shell, and what kdialog says is believed only if it
//! looks like what kdialog says.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::plain::{escaped, quiet, visible};
use program::programs::find_in_path;

/// The names that distributions give to Qt's D-Bus tool, the newest first.
const QDBUS: [&str; 4] = ["qdbus6", "qdbus-qt6", "qdbus", "qdbus-qt5"];

/// A progress bar that is to be opened.
#[derive(Debug)]
pub struct Progress {
    kdialog: PathBuf,
    qdbus: PathBuf,
    title: String,
    text: String,
}

/// A progress bar that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    qdbus: PathBuf,
    service: String,
    object: String,
}

impl Progress {
    /// `None` without a `qdbus`.
    pub(crate) fn new(program: &Path, title: &str, text: &str) -> Option<Self> {
        Some(Self {
            kdialog: program.to_owned(),
            qdbus: QDBUS.into_iter().find_map(find_in_path)?,
            title: title.to_owned(),
            text: text.to_owned(),
        })
    }

    /// Opens it, and writes to its stdout, a pipe, one line that [`opened`](Self::opened)
    /// understands. It may end then, or stay for as long as the window.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = dialog(&self.kdialog, "--progressbar", &self.title, &self.text);
        command.arg("100").stdout(Stdio::piped());
        command
    }

    /// The bar that kdialog says, by this line, to have opened.
    #[must_use]
    pub fn opened(&self, line: &str) -> Option<Bar> {
        let (service, object) = line.trim_end().split_once(' ')?;
        let number = service.strip_prefix("org.kde.kdialog-")?;
        let of = |text: &str, is_allowed: fn(u8) -> bool| {
            !text.is_empty() && text.bytes().all(is_allowed)
        };
        let is_path = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_');
        (of(number, |byte| byte.is_ascii_digit()) && object.starts_with('/') && of(object, is_path))
            .then(|| Bar {
                qdbus: self.qdbus.clone(),
                service: service.to_owned(),
                object: object.to_owned(),
            })
    }
}

impl Bar {
    /// Gives it a Cancel button.
    #[must_use]
    pub fn allow_cancel(&self) -> Command {
        self.call(&["showCancelButton", "true"])
    }

    /// Shows so many percent.
    #[must_use]
    pub fn show(&self, percent: u8) -> Command {
        self.call(&["Set", "", "value", &percent.to_string()])
    }

    /// Asks whether the user has cancelled: `true` on stdout, a pipe, if so. It fails when the
    /// window has been closed.
    #[must_use]
    pub fn was_cancelled(&self) -> Command {
        let mut command = self.call(&["wasCancelled"]);
        command.stdout(Stdio::piped());
        command
    }

    /// Closes it.
    #[must_use]
    pub fn close(&self) -> Command {
        self.call(&["close"])
    }

    fn call(&self, method: &[&str]) -> Command {
        let mut command = quiet(&self.qdbus);
        command.args([&self.service, &self.object]).args(method);
        command
    }
}

/// A dialog of this `kind`, which is an option of kdialog.
pub(crate) fn dialog(program: &Path, kind: &str, title: &str, text: &str) -> Command {
    // kdialog reads backslashes as escapes; HTML can say them in another way.
    let html = escaped(text).replace('\\', "&#92;").replace('\n', "<br/>");
    let mut command = quiet(program);
    command
        .args(["--title", &visible(title)])
        .args([kind, &format!("<qt>{html}</qt>")]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        Progress {
            kdialog: PathBuf::from("/k"),
            qdbus: PathBuf::from("/q"),
            title: "title".to_owned(),
            text: "<b>".to_owned(),
        }
    }

    #[test]
    fn only_what_kdialog_says_is_believed() {
        let bar = progress().opened("org.kde.kdialog-4242 /ProgressDialog\n");
        let arguments: Vec<_> = bar
            .unwrap()
            .show(7)
            .get_args()
            .map(ToOwned::to_owned)
            .collect();
        let expected = [
            "org.kde.kdialog-4242",
            "/ProgressDialog",
            "Set",
            "",
            "value",
            "7",
        ];
        assert_eq!(arguments, expected);
        for wrong in [
            "",
            "org.kde.kdialog-4242",
            "org.kde.kdialog- /ProgressDialog",
            "org.kde.kdialog-1x /ProgressDialog",
            "org.kde.ksmserver-1 /KSMServer",
            "--system /ProgressDialog",
            "org.kde.kdialog-1 ProgressDialog",
            "org.kde.kdialog-1 /Progress Dialog",
            "org.kde.kdialog-1 ",
        ] {
            assert_eq!(progress().opened(wrong), None, "{wrong:?}");
        }
    }
}

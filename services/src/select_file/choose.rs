//! The chooser of the desktop, whichever is there.

use std::env;
use std::io;
use std::path::Path;

use desktop::dialog::{Choice, Dialogs};
use program::failure::Failure;
use program::say::say;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::portal::{NotChosen, Portal};
use super::{NAME, cannot};

/// The status of the original where zenity is missing: its shell does not find it.
const NOT_INSTALLED: u8 = 127;

/// Most bytes of a path, and of what a chooser says on stderr, that are kept.
const MAX_LEN: u64 = 1 << 16;

/// What shows the chooser.
#[derive(Debug)]
pub(super) enum Chooser {
    /// That of xdg-desktop-portal.
    Portal(Portal),
    /// zenity or kdialog.
    Window(Dialogs),
}

impl Chooser {
    /// The portal, unless `QFILE_DIALOGS` names another; else zenity or kdialog.
    pub(super) async fn find(choice: Choice) -> Result<Self, Failure> {
        let wish = env::var_os("QFILE_DIALOGS");
        let is_other = wish.is_some_and(|wish| wish == "zenity" || wish == "kdialog");
        if !is_other {
            if let Some(portal) = Portal::find(choice).await {
                return Ok(Self::Portal(portal));
            }
        }
        Dialogs::find().map(Self::Window).ok_or_else(|| {
            cannot(choice)
                .because("none of xdg-desktop-portal, zenity and kdialog is there")
                .advise("install zenity in this qube or its template")
                .with_status(NOT_INSTALLED)
        })
    }

    /// The path that the user chooses; `None`: the user cancels. If the portal shows no chooser, zenity or
    /// kdialog is used from then on.
    pub(super) async fn choose(
        &mut self,
        choice: Choice,
        title: &str,
        start: &Path,
    ) -> Result<Option<Vec<u8>>, Failure> {
        if let Self::Portal(portal) = self {
            match portal.choose(choice, title, start).await {
                Ok(chosen) => return Ok(chosen),
                Err(NotChosen::Failed(failure)) => return Err(failure),
                Err(NotChosen::NotShown(failure)) => match Dialogs::find() {
                    None => return Err(failure),
                    Some(dialogs) => {
                        say(failure.lines(NAME));
                        // This leaves the bus, and with it ends what the portal may still show.
                        *self = Self::Window(dialogs);
                    }
                },
            }
        }
        match self {
            Self::Window(dialogs) => in_window(dialogs, choice, title, start).await,
            Self::Portal(_) => Err(cannot(choice)),
        }
    }
}

async fn in_window(
    dialogs: &Dialogs,
    choice: Choice,
    title: &str,
    start: &Path,
) -> Result<Option<Vec<u8>>, Failure> {
    let (Dialogs::Zenity(program) | Dialogs::Kdialog(program)) = dialogs;
    let failed = |why: &dyn std::fmt::Display| {
        cannot(choice).because(format_args!("{}: {why}", text::file(program)))
    };
    let mut child = Command::from(dialogs.choosing(choice, title, start))
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(&error))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (path, said) = tokio::join!(read(stdout), read(stderr));
    let status = child.wait().await.map_err(|error| failed(&error))?;
    let (untrusted_path, said) = (
        path.map_err(|error| failed(&error))?,
        said.unwrap_or_default(),
    );
    match status.code() {
        Some(0) => match untrusted_path.strip_suffix(b"\n") {
            Some(path) => Ok(Some(path.to_owned())),
            None => Err(failed(&"it ended without a path")),
        },
        // It says 1 of both.
        Some(1) if !lacks_display(&said) => Ok(None),
        Some(1) => Err(failed(&"it cannot open the display")
            .advise("start the call in the session of the user")),
        _ => {
            for line in said
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                say(format_args!("{NAME}: {}", text::line(line)));
            }
            Err(failed(&status))
        }
    }
}

/// All that it writes; what is more than is kept is an error.
async fn read(from: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(MAX_LEN + 1).read_to_end(&mut bytes).await?;
    }
    match bytes.len() as u64 > MAX_LEN {
        true => Err(io::Error::other(format!(
            "it wrote more than {MAX_LEN} bytes"
        ))),
        false => Ok(bytes),
    }
}

/// Do GTK or Qt say that there is no display behind the variables?
fn lacks_display(said: &[u8]) -> bool {
    let said = String::from_utf8_lossy(said).to_ascii_lowercase();
    // GTK 3, GTK 4, Qt.
    [
        "cannot open display",
        "failed to open display",
        "could not connect to display",
    ]
    .iter()
    .any(|words| said.contains(words))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A chooser that is this script.
    fn chosen(script: &str) -> Result<Option<Vec<u8>>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("zenity");
        // Another process writes it: a program that another test starts at that moment would inherit
        // a descriptor that is open for writing, and it could not be executed (`ETXTBSY`).
        let made = std::process::Command::new("sh")
            .args([
                "-c",
                "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\" && chmod 755 \"$0\"",
            ])
            .arg(&path)
            .arg(script)
            .status();
        assert!(made.unwrap().success());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let dialogs = Dialogs::Zenity(path);
        runtime
            .block_on(in_window(&dialogs, Choice::File, "t", Path::new("/")))
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn one_newline_is_removed_and_the_rest_is_the_path() {
        assert_eq!(chosen("printf '/a\\n'").unwrap().unwrap(), b"/a");
        assert_eq!(chosen("printf '/a\\n\\n'").unwrap().unwrap(), b"/a\n");
        assert_eq!(chosen("printf '/a\\nb\\n'").unwrap().unwrap(), b"/a\nb");
        assert_eq!(chosen("printf ' /\\377 \\n'").unwrap().unwrap(), b" /\xff ");
    }

    #[test]
    fn cancelled_is_told_from_failed() {
        assert_eq!(chosen("echo Gtk-WARNING >&2; exit 1"), Ok(None));
        for (script, why) in [
            (
                "echo '(x:1): Gtk-WARNING **: cannot open display: :9' >&2; exit 1",
                "open the display",
            ),
            ("exit 3", "status: 3"),
            ("kill -9 $$", "signal: 9"),
            ("exit 0", "ended without a path"),
            ("printf /a", "ended without a path"),
            ("head -c 70000 /dev/zero", "more than 65536 bytes"),
        ] {
            let failure = chosen(script).unwrap_err();
            assert!(failure.contains(why), "{failure}");
        }
    }
}

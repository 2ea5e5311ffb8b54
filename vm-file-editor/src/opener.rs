//! What shows the file to the user: `qubes-open`, or the desktop's own `xdg-open`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use program::programs::find_in_path;
use quantity::counted;

use crate::error::Error;
use crate::output::{Goes, Last, Output};
use crate::telling::tell;

/// What Qubes OS installs.
const QUBES_OPEN: &str = "/usr/bin/qubes-open";

/// The program to start.
#[derive(Debug)]
pub(crate) struct Opener {
    program: PathBuf,
    is_xdg_open: bool,
}

impl Opener {
    /// `custom`, else `qubes-open`, else `xdg-open`.
    pub(crate) fn find(custom: Option<&Path>) -> Result<Self, Error> {
        let qubes_open = Path::new(QUBES_OPEN);
        let program = custom.or(qubes_open.is_file().then_some(qubes_open));
        if let Some(program) = program {
            return Ok(Self {
                program: program.to_path_buf(),
                is_xdg_open: false,
            });
        }
        Ok(Self {
            program: find_in_path("xdg-open").ok_or(Error::NoOpener)?,
            is_xdg_open: true,
        })
    }

    /// Its path.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The name of the program, to be shown.
    pub(crate) fn shown(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    /// The command that opens `file`, with the streams that it writes to, and what reads them: neither
    /// may get into the answer.
    pub(crate) fn command(&self, file: &Path) -> io::Result<(Command, Words)> {
        let (stdout, its_stdout) = Output::new(Goes::ToLog)?;
        let (stderr, its_stderr) = Output::new(Goes::ToCaller)?;
        let mut command = Command::new(&self.program);
        command
            .arg(file)
            .stdin(Stdio::null())
            .stdout(its_stdout)
            .stderr(its_stderr);
        if self.is_xdg_open {
            // It waits for the program that it starts then, instead of asking a desktop to do it.
            command.env("DE", "generic");
        }
        Ok((command, Words { stdout, stderr }))
    }
}

/// What the opener, and what it started, write.
#[derive(Debug)]
pub(crate) struct Words {
    stdout: Output,
    stderr: Output,
}

impl Words {
    /// Takes what was written until now, and passes on nothing of what is written later.
    pub(crate) fn end(&self) -> LastWords {
        let (printed, _) = self.stdout.end();
        let (complained, left_out) = self.stderr.end();
        LastWords {
            printed,
            complained,
            left_out,
        }
    }
}

/// What was written last.
#[derive(Debug, Default)]
pub(crate) struct LastWords {
    printed: Option<Last>,
    complained: Option<Last>,
    left_out: u64,
}

impl LastWords {
    /// The last line on stderr, else on stdout; empty if there is none.
    pub(crate) fn line(&self) -> &str {
        let last = self.complained.as_ref().or(self.printed.as_ref());
        last.map_or("", |last| &last.text)
    }

    /// It has written to stderr, which goes to the caller.
    pub(crate) fn has_complained(&self) -> bool {
        self.complained.is_some()
    }

    /// Tells the caller, whom nothing else will be told: programs there take the last line for the
    /// result. `after_others`: we have said something since the opener has.
    pub(crate) fn say_last(&self, after_others: bool) {
        let Some(last) = &self.complained else {
            return;
        };
        let left_out = self.left_out - u64::from(!last.is_said);
        if left_out > 0 {
            let verb = if left_out == 1 { "was" } else { "were" };
            tell(format_args!(
                "vm-file-editor: {} of the program that opens files {verb} left out",
                counted(left_out, "line", "lines")
            ));
        }
        if after_others || left_out > 0 || !last.is_said {
            tell(&last.text);
        }
    }
}

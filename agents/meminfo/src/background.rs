//! How the program goes into the background: it starts itself again, and waits until that process
//! works.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use program::failure::{FAILED, Failure};
use program::systemd::READY;
use rustix::process::setsid;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

/// Starts the process in the background, and gives its number once it works. It has said itself why
/// if it does not.
pub(crate) fn start() -> Result<u32, Failure> {
    let mut worker = Command::new("/proc/self/exe")
        .arg("--worker")
        .args(env::args_os().skip(1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(Failure::of("cannot start the process in the background"))?;
    let mut line = String::new();
    if let Some(stdout) = worker.stdout.take() {
        let read = BufReader::new(stdout).read_line(&mut line);
        read.map_err(Failure::of(
            "cannot hear from the process in the background",
        ))?;
    }
    match line.trim_end() {
        READY => Ok(worker.id()),
        _ => {
            let _status = worker.wait();
            Err(Failure::said(FAILED))
        }
    }
}

/// In the process in the background: leaves the session of the one that started it.
pub(crate) fn leave_session() {
    // It may lead one already.
    let _own = setsid();
}

/// In the process in the background: says that it works, and lets go of what it inherited.
pub(crate) fn tell_ready() -> io::Result<()> {
    let null: File = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{READY}").and_then(|()| stdout.flush())?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    Ok(())
}

/// Writes the number of a process to a file.
pub(crate) fn write_pid(path: &Path, pid: u32) -> Result<(), Failure> {
    let shown = text::file(path);
    files::replace(path, format!("{pid}\n").as_bytes(), 0o644).map_err(Failure::of(format_args!(
        "cannot write the number of the process to {shown}"
    )))
}

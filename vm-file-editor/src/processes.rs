//! Who is at work on the file: processes of this user that have its folder or something in it open,
//! or name it in an argument.
//!
//! The name of the folder is random, so the folder stands for the file, however that is written
//! (a path, a `file://` address with escapes, part of a longer argument). What an editor keeps
//! beside the file, a lock or a swap file, is a trace of it too.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A process: numbers are used again, a number and a start time are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pid: u32,
    started: u64,
}

/// What a process has to do with the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) process: Process,
    /// It has the folder, or something in it, open.
    pub(crate) has_open: bool,
    /// It names something in it in an argument.
    pub(crate) names: bool,
}

/// The processes of this user, without this one, that have to do with `folder`.
pub(crate) fn traces_of(folder: &Path) -> io::Result<Vec<Trace>> {
    let folder = folder.as_os_str().as_bytes();
    let user = rustix::process::geteuid().as_raw();
    let mut traces = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let pid = entry.file_name().to_str().and_then(|pid| pid.parse().ok());
        let Some(pid) = pid.filter(|pid| *pid != std::process::id()) else {
            continue;
        };
        let is_users = entry.metadata().is_ok_and(|found| found.uid() == user);
        // Processes end while one looks: what cannot be read is not there.
        let Some(process) = is_users.then(|| Process::read(pid)).flatten() else {
            continue;
        };
        let has_open = has_open(&entry.path(), folder);
        let names = names(&entry.path(), folder);
        if has_open || names {
            traces.push(Trace {
                process,
                has_open,
                names,
            });
        }
    }
    Ok(traces)
}

impl Process {
    /// The process that has this number now, unless it has ended and only waits to be reaped.
    fn read(pid: u32) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let started = start_time(&stat)?;
        Some(Self { pid, started })
    }

    /// It has not ended.
    pub(crate) fn lives(&self) -> bool {
        Self::read(self.pid) == Some(*self)
    }
}

/// Field 22 of proc_pid_stat(5), unless field 3 says that the process has ended. Field 2 is in
/// parentheses and may hold anything, parentheses too.
fn start_time(stat: &[u8]) -> Option<u64> {
    let end_of_name = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[end_of_name + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X" | "x");
    let started = fields.nth(22 - 4)?.parse().ok();
    started.filter(|_| !ended)
}

/// Descriptors and the working directory, from which a file can be named without its folder.
fn has_open(process: &Path, folder: &[u8]) -> bool {
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten();
    let descriptors = descriptors.flatten().map(|descriptor| descriptor.path());
    descriptors.chain([process.join("cwd")]).any(|link| {
        fs::read_link(link).is_ok_and(|target| is_within(target.as_os_str().as_bytes(), folder))
    })
}

fn names(process: &Path, folder: &[u8]) -> bool {
    let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
    // An argument cannot hold a NUL, and the name of the folder does not either.
    let mut places = arguments.windows(folder.len()).enumerate();
    places.any(|(at, place)| place == folder && ends_name(arguments.get(at + folder.len())))
}

fn is_within(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| ends_name(rest.first()))
}

/// After this byte, or at the end, the name of the folder is not that of another folder.
fn ends_name(byte: Option<&u8>) -> bool {
    byte.is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A shell that waits for input; its other arguments are what it names.
    fn waiting(arguments: &[&str], stdout: Stdio) -> Child {
        Command::new("sh")
            .args(["-c", "read line", "sh"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .spawn()
            .unwrap()
    }

    fn trace(child: &Child, folder: &Path) -> Option<(bool, bool)> {
        let traces = traces_of(folder).unwrap();
        let found = traces.iter().find(|trace| trace.process.pid == child.id());
        found.map(|trace| (trace.has_open, trace.names))
    }

    #[test]
    fn open_files_and_arguments_are_found() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().canonicalize().unwrap();
        let shown = folder.to_str().unwrap();
        let open = || Stdio::from(fs::File::create(folder.join("lock")).unwrap());
        let cases = [
            (vec![], Stdio::null(), None),
            (vec![], open(), Some((true, false))),
            (
                vec![format!("{shown}/a b")],
                Stdio::null(),
                Some((false, true)),
            ),
            (
                vec![format!("file://{shown}/%D0%BE")],
                Stdio::null(),
                Some((false, true)),
            ),
            (vec!["-x".into(), shown.into()], open(), Some((true, true))),
            (vec![format!("{shown}2/a")], Stdio::null(), None),
            (vec![shown.replacen('/', ".", 1)], Stdio::null(), None),
        ];
        for (arguments, stdout, expected) in cases {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut child = waiting(&arguments, stdout);
            assert_eq!(trace(&child, &folder), expected, "{arguments:?}");
            drop(child.stdin.take());
            child.wait().unwrap();
            assert_eq!(trace(&child, &folder), None);
        }
    }

    #[test]
    fn a_process_that_works_in_the_folder_is_found() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().canonicalize().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "read line"])
            .stdin(Stdio::piped())
            .current_dir(&folder)
            .spawn()
            .unwrap();
        assert_eq!(trace(&child, &folder), Some((true, false)));
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_has_ended_does_not_live_even_before_it_is_reaped() {
        let mut child = waiting(&[], Stdio::null());
        let process = Process::read(child.id()).unwrap();
        assert!(process.lives());
        child.kill().unwrap();
        let flags = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), flags).unwrap();
        assert!(!process.lives());
        child.wait().unwrap();
        assert!(!process.lives());
    }

    #[test]
    fn a_name_cannot_hide_the_start_time() {
        let stat = b"7 (a) R 1 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        assert_eq!(start_time(stat), Some(4711));
        let zombie = b"7 (a) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        assert_eq!(start_time(zombie), None);
        assert_eq!(start_time(b"7 (a) S 1"), None);
    }
}

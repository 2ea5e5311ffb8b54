//! Who is at work on the file: processes of this user that have its folder or something in it open,
//! or name it in an argument.
//!
//! The name of the folder is random, so the folder stands for the file, however that is written
//! (a path, a `file://` address with escapes, part of a longer argument). What an editor keeps
//! beside the file, a lock or a swap file, is a trace of it too.

use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use procfs::process::Stat;

use crate::launchers::only_asks_others;

/// A process and the program that it runs: numbers are used again, a number and a start time are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pid: u32,
    started: u64,
    /// Where its code and its stack begin and its code ends. They change with execve(2): between
    /// fork(2) and that a child still has the arguments of its parent, which say nothing of it.
    program: [u64; 3],
}

/// What a process has to do with the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) process: Process,
    /// It has the folder, or something in it, open.
    pub(crate) has_open: bool,
    /// It has something in the folder open.
    pub(crate) holds: bool,
    /// It names something in it in an argument.
    pub(crate) names: bool,
    /// It is a program that only asks another one to open a file.
    pub(crate) only_asks: bool,
}

/// The processes of this user, without this one, that have to do with `folder`, in which `opener` was
/// to open a file.
pub(crate) fn traces_of(folder: &Path, opener: &Path) -> io::Result<Vec<Trace>> {
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
        let (has_open, holds) = has_open(&entry.path(), folder);
        // Not by `procfs`, which fails where one argument is not UTF-8.
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let names = names(&arguments, folder);
        if has_open || names {
            traces.push(Trace {
                process,
                has_open,
                holds,
                names,
                only_asks: only_asks_others(&arguments, opener),
            });
        }
    }
    Ok(traces)
}

impl Process {
    /// The process that has this number now, unless it has ended and only waits to be reaped.
    fn read(pid: u32) -> Option<Self> {
        let stat = procfs::process::Process::new(pid.try_into().ok()?)
            .ok()?
            .stat()
            .ok()?;
        Self::of(pid, &stat)
    }

    fn of(pid: u32, stat: &Stat) -> Option<Self> {
        let has_ended = matches!(stat.state, 'Z' | 'X' | 'x');
        (!has_ended).then_some(Self {
            pid,
            started: stat.starttime,
            program: [stat.startcode, stat.endcode, stat.startstack],
        })
    }

    /// It has not ended, nor become another program.
    pub(crate) fn lives(&self) -> bool {
        Self::read(self.pid) == Some(*self)
    }
}

/// Descriptors and the working directory, from which a file can be named without its folder; and
/// whether a descriptor is of something in the folder.
fn has_open(process: &Path, folder: &[u8]) -> (bool, bool) {
    let target =
        |link| fs::read_link(link).map_or(Vec::new(), |path| path.into_os_string().into_vec());
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten();
    let mut open = is_within(&target(process.join("cwd")), folder);
    for descriptor in descriptors.flatten() {
        let target = target(descriptor.path());
        if is_within(&target, folder) {
            if target.get(folder.len()) == Some(&b'/') {
                return (true, true);
            }
            open = true;
        }
    }
    (open, false)
}

fn names(arguments: &[u8], folder: &[u8]) -> bool {
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
    use std::io::Read as _;
    use std::process::{Child, Command, Stdio};

    use procfs::FromRead as _;

    use super::*;

    /// A shell that waits for input; its other arguments are what it names.
    fn waiting(arguments: &[&str], stdout: Stdio) -> Child {
        let mut child = Command::new("sh")
            .args(["-xc", "read line", "sh"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The call returns in the midst of execve(2), before the kernel knows where the code begins.
        // The trace of its first command shows that the shell runs.
        let mut runs = [0];
        child
            .stderr
            .as_mut()
            .unwrap()
            .read_exact(&mut runs)
            .unwrap();
        child
    }

    fn trace(child: &Child, folder: &Path) -> Option<(bool, bool)> {
        let traces = traces_of(folder, Path::new("/opener")).unwrap();
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
    fn a_file_that_is_open_is_told_from_a_folder_that_is() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().canonicalize().unwrap();
        let file = fs::File::create(folder.join("file")).unwrap();
        let opened_folder = fs::File::open(&folder).unwrap();
        for (open, holds) in [(file, true), (opened_folder, false)] {
            let mut child = waiting(&[], Stdio::from(open));
            let traces = traces_of(&folder, Path::new("/opener")).unwrap();
            // This process has them open too, and is not looked at; what another test starts may
            // have them until it executes its program.
            assert!(
                traces
                    .iter()
                    .all(|trace| trace.process.pid != std::process::id())
            );
            let mut of_child = traces
                .iter()
                .filter(|trace| trace.process.pid == child.id());
            let found = of_child.next().map(|trace| (trace.has_open, trace.holds));
            assert_eq!(found, Some((true, holds)));
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_process_that_becomes_another_program_is_another_one() {
        let mut child = Command::new("sh")
            .args(["-c", "read line; exec sh -c 'echo; read line'"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let before = Process::read(child.id()).unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, b"\n").unwrap();
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        assert!(!before.lives());
        assert_eq!(Process::read(child.id()).unwrap().started, before.started);
        drop(stdin);
        child.wait().unwrap();
    }

    #[test]
    fn a_name_cannot_hide_the_start_time() {
        let fields = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21 22 23 24 25 26 27 28";
        let stat = |begin: &[u8], state| {
            let rest = format!(
                ") {state} {fields} 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49"
            );
            Stat::from_read(&[begin, rest.as_bytes()].concat()[..]).unwrap()
        };
        for begin in [&b"7 (a"[..], b"7 (a) R 1 (x", b"7 (\xFF)"] {
            let process = Process::of(7, &stat(begin, 'S')).unwrap();
            assert_eq!((process.started, process.program), (4711, [23, 24, 25]));
            assert_eq!(Process::of(7, &stat(begin, 'Z')), None);
        }
    }
}

//! What an application has left behind.
//!
//! Where there is no session bus, a library starts one, and it never ends; neither do services that
//! this bus starts. None of them has a window that the user would close, so they are not waited for.

use std::collections::HashMap;
use std::fs;
use std::str;

/// The names of session buses and of what starts them, in the kernel's 15 bytes (`proc_pid_comm(5)`).
const BUSES: [&[u8]; 4] = [
    b"dbus-daemon",
    b"dbus-launch",
    b"dbus-broker",
    b"dbus-broker-lau",
];

/// A process, as `/proc` shows it.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    parent: u32,
    /// It is a session bus, or has ended.
    is_passed_over: bool,
}

/// Does anything descend from this process but session buses and what they have started?
pub(crate) fn anything() -> bool {
    // What cannot be seen is waited for.
    let Ok(entries) = fs::read_dir("/proc") else {
        return true;
    };
    let processes = entries.flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        // Processes end while one looks.
        let stat = fs::read(entry.path().join("stat")).ok()?;
        Some((pid, parsed(&stat)?))
    });
    has_descendant(std::process::id(), &processes.collect())
}

fn has_descendant(ancestor: u32, processes: &HashMap<u32, Process>) -> bool {
    processes.values().any(|process| {
        let mut process = process;
        // A number that was used again while one looked could close a circle.
        for _ in 0..=processes.len() {
            if process.is_passed_over {
                return false;
            }
            if process.parent == ancestor {
                return true;
            }
            match processes.get(&process.parent) {
                Some(parent) => process = parent,
                None => return false,
            }
        }
        false
    })
}

/// Fields 2 to 4 of `proc_pid_stat(5)`. Field 2 is in parentheses and may hold anything.
fn parsed(stat: &[u8]) -> Option<Process> {
    let start = stat.iter().position(|byte| *byte == b'(')? + 1;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let name = stat.get(start..end)?;
    let rest = str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let has_ended = matches!(fields.next()?, "Z" | "X" | "x");
    Some(Process {
        parent: fields.next()?.parse().ok()?,
        is_passed_over: has_ended || BUSES.contains(&name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processes(lines: &[&str]) -> HashMap<u32, Process> {
        let parsed = lines.iter().map(|line| {
            let pid = line.split(' ').next().unwrap().parse().unwrap();
            (pid, parsed(line.as_bytes()).unwrap())
        });
        parsed.collect()
    }

    #[test]
    fn a_session_bus_and_what_it_started_are_not_waited_for() {
        let bus = [
            "2 (dbus-launch) S 1",
            "3 (dbus-daemon) S 1",
            "4 (dconf-service) S 3",
            "5 (x) S 4",
        ];
        assert!(!has_descendant(1, &processes(&bus)));
        let more = [&bus[..], &["6 (editor) S 1"]].concat();
        assert!(has_descendant(1, &processes(&more)));
        let deep = ["2 (sh) S 1", "3 (dbus-daemon) S 2"];
        assert!(has_descendant(1, &processes(&deep)));
    }

    #[test]
    fn strangers_and_those_that_have_ended_are_not_waited_for() {
        assert!(!has_descendant(1, &processes(&["7 (a) S 6", "8 (b) Z 1"])));
        assert!(has_descendant(1, &processes(&["8 (a) b) S 9) R 1"])));
        assert!(!has_descendant(1, &processes(&["2 (a) S 3", "3 (b) S 2"])));
        assert_eq!(parsed(b"7 (a"), None);
    }
}

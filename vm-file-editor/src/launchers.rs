//! Programs that only ask another program to open a file. That one of them names the file, however
//! long it waits for an answer, does not show that anybody looks at it.

use std::path::Path;

use files::last_component;

/// Interpreters of scripts that start other programs, and programs that start the one that they name.
/// What they start is seen by itself.
const WRAPPERS: [&str; 20] = [
    "ash",
    "bash",
    "busybox",
    "dash",
    "env",
    "fish",
    "ksh",
    "mksh",
    "nice",
    "nohup",
    "runuser",
    "setsid",
    "sh",
    "stdbuf",
    "su",
    "sudo",
    "systemd-run",
    "timeout",
    "yash",
    "zsh",
];

/// What sends the name of the file to a program that may run already.
const LAUNCHERS: [&str; 28] = [
    "busctl",
    "dbus-send",
    "dex",
    "exo-open",
    "gdbus",
    "gio",
    "gio-launch-desktop",
    "gnome-open",
    "gtk-launch",
    "gvfs-open",
    "handlr",
    "kde-open",
    "kde-open5",
    "kfmclient",
    "kioclient",
    "kioclient5",
    "mate-open",
    "mimeo",
    "mimeopen",
    "mimetype",
    "qdbus",
    "qdbus6",
    "qubes-open",
    "rifle",
    "run-mailcap",
    "see",
    "xdg-mime",
    "xdg-open",
];

/// Whose first argument that is no option names the program.
const INTERPRETERS: [&str; 6] = ["gjs", "node", "perl", "python", "ruby", "tclsh"];

/// True if the program with these arguments, each ended by a NUL (`proc_pid_cmdline(5)`), shows
/// nothing to anybody. A script that is the `opener` itself is such a program too.
pub(crate) fn only_asks_others(arguments: &[u8], opener: &Path) -> bool {
    let mut arguments = arguments.split(|byte| *byte == 0);
    let program = base_name(arguments.next().unwrap_or_default());
    let opener = opener.as_os_str().as_encoded_bytes();
    let mut others = arguments.filter(|argument| !argument.starts_with(b"-"));
    let script = others.next().unwrap_or_default();
    let is_in = |list: &[&str], name: &[u8]| list.iter().any(|known| known.as_bytes() == name);
    is_in(&WRAPPERS, program)
        || is_in(&LAUNCHERS, program)
        || script == opener
        || (is_interpreter(program) && is_in(&LAUNCHERS, base_name(script)))
}

/// With or without a version, as in `python3.11`.
fn is_interpreter(program: &[u8]) -> bool {
    let is_version = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    INTERPRETERS.iter().any(|name| {
        program
            .strip_prefix(name.as_bytes())
            .is_some_and(|rest| rest.iter().all(is_version))
    })
}

/// A login shell has a `-` in front.
fn base_name(path: &[u8]) -> &[u8] {
    let name = last_component(path);
    name.strip_prefix(b"-").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_asks(arguments: &[&str]) -> bool {
        let arguments: Vec<u8> = arguments
            .iter()
            .flat_map(|argument| [argument.as_bytes(), b"\0"].concat())
            .collect();
        only_asks_others(&arguments, Path::new("/opt/opener"))
    }

    #[test]
    fn who_passes_a_file_on_is_told_from_who_shows_it() {
        for asks in [
            &["/bin/sh", "/usr/bin/xdg-open", "/tmp/a"][..],
            &["-bash", "-c", "eog /tmp/a"],
            &["gio", "open", "/tmp/a"],
            &["/usr/bin/gdbus", "call", "/tmp/a"],
            &["/usr/bin/python3", "/usr/bin/qubes-open", "/tmp/a"],
            &["python3.11", "-I", "/usr/bin/qubes-open", "/tmp/a"],
            &["/usr/bin/perl", "/opt/opener", "/tmp/a"],
            &["timeout", "9", "eog", "/tmp/a"],
        ] {
            assert!(only_asks(asks), "{asks:?}");
        }
        for shows in [
            &["eog", "/tmp/a"][..],
            &["/usr/bin/python3", "/usr/bin/meld", "/tmp/a"],
            &["/usr/bin/vim", "/tmp/a"],
            // A program, not a script: it is the viewer.
            &["/opt/opener", "/tmp/a"],
            &["pythonic", "/usr/bin/qubes-open", "/tmp/a"],
            &["sheet", "/tmp/a"],
        ] {
            assert!(!only_asks(shows), "{shows:?}");
        }
    }
}

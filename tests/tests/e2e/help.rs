//! `--help` and `--version` of every program that is installed.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use qfile_tests::process::run;
use qfile_tests::programs::{program, source};
use qfile_tests::suite;

suite! {
    every_program_explains_itself,
    every_program_tells_its_version,
    what_speaks_a_protocol_keeps_its_stdout_for_it,
    the_formats_of_archives_are_those_of_the_documentation,
}

/// Those that qrexec starts, and what starts an application as they do: what they write to stdout
/// goes to another qube. The agents keep their stdout for the program that starts them.
const SPEAKERS: [&str; 30] = [
    "icon-sender",
    "meminfo-writer",
    "qfile-agent",
    "qfile-unpacker",
    "qopen-in-vm",
    "qrexec-ssh",
    "qrexec-ssh-serve",
    "qubes-app-menus",
    "qubes-backup",
    "qubes-block-devices",
    "qubes-config",
    "qubes-desktop-run",
    "qubes-detach-pci-device",
    "qubes-filecopy",
    "qubes-image-rgba",
    "qubes-keymap",
    "qubes-resize-disk",
    "qubes-restore",
    "qubes-select-file",
    "qubes-set-monitor-layout",
    "qubes-sync-clock",
    "qubes-sync-ntp-clock",
    "qubes-vmexec",
    "qubes-wait-for-session",
    "qubes-start-app",
    "qubes-suspend",
    "qubes-usb-devices",
    "qvm-sync-clock",
    "tar2qfile",
    "vm-file-editor",
];

/// The names under which built programs are installed. A build has each of them.
fn programs() -> BTreeSet<String> {
    let lists = ["qfile", "qfile-remote", "qfile-system", "qfile-desktop"]
        .map(|list| source(&format!("packaging/{list}.list")));
    let list = lists.map(|list| fs::read_to_string(list).unwrap()).concat();
    let rows = list.lines().filter(|line| !line.starts_with('#'));
    let places = rows.filter_map(|row| row.split_once(" program "));
    let names = places.filter_map(|(place, _)| place.trim().rsplit('/').next());
    names.map(str::to_owned).collect()
}

/// What it says when asked, on stdout or, if that is a protocol's, on stderr; and nothing on the other.
#[track_caller]
fn told(name: &str, option: &str) -> String {
    let mut command = Command::new(program(name));
    command.arg(option).env_remove("QREXEC_REMOTE_DOMAIN");
    let finished = run(command);
    finished.assert_code(0);
    let (told, other) = match SPEAKERS.contains(&name) {
        true => (finished.stderr, finished.stdout),
        false => (finished.stdout, finished.stderr),
    };
    assert_eq!(String::from_utf8(other).unwrap(), "", "{name} {option}");
    String::from_utf8(told).unwrap()
}

fn every_program_explains_itself() {
    for name in programs() {
        for option in ["--help", "-h"] {
            let help = told(&name, option);
            let (_, usage) = help.split_once("\nUsage: ").unwrap();
            let named = usage.split_whitespace().next();
            assert_eq!(named, Some(&*name), "{help}");
            for section in ["\nOptions:\n", "\nExit status:\n"] {
                assert!(help.contains(section), "{name} {option}: {help}");
            }
            assert!(help.ends_with('\n') && !help.ends_with("\n\n"), "{help:?}");
        }
    }
}

fn every_program_tells_its_version() {
    for name in programs() {
        for option in ["--version", "-V"] {
            let version = format!("{name} {}\n", env!("CARGO_PKG_VERSION"));
            assert_eq!(told(&name, option), version);
        }
    }
}

/// Nothing there either when what was typed is wrong.
fn what_speaks_a_protocol_keeps_its_stdout_for_it() {
    let programs = programs();
    for name in SPEAKERS {
        assert!(programs.contains(name), "{name} is not installed");
        let mut command = Command::new(program(name));
        command.arg("--no-such-option");
        let finished = run(command);
        assert_ne!(finished.code(), 0, "{name}");
        assert_eq!(finished.stdout, b"", "{name}");
        assert!(!finished.stderr.is_empty(), "{name}");
    }
}

fn the_formats_of_archives_are_those_of_the_documentation() {
    let named = |text: &str| {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (_, named) = words.split_once("the formats ").unwrap();
        let (named, _last) = named.split_once(" pax").unwrap();
        named.to_owned()
    };
    let documented = named(&fs::read_to_string(source("docs/restore.md")).unwrap());
    assert_eq!(documented, "v7, ustar, GNU and");
    assert_eq!(named(&told("tar2qfile", "--help")), documented);
}

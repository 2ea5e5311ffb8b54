//! `qvm-move`: whom it believes before it deletes anything.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;

use crate::bench::{Bench, run};
use files::State;
use transfer::manifest::{Kind, Writer};

/// A manifest of the file `a`.
fn write_manifest(bench: &Bench) {
    let folder = bench.path("files").canonicalize().unwrap();
    let path = folder.join("a");
    let state = |path| {
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        State::from(rustix::fs::statat(rustix::fs::CWD, path, flags).unwrap())
    };
    let base = [folder.as_os_str().as_bytes(), b"/"].concat();
    let mut writer = Writer::new(File::create(bench.path("manifest")).unwrap()).unwrap();
    let record = |writer: &mut Writer<File>, kind, path: &[u8], state| {
        writer.record(kind, path, &state).unwrap();
    };
    record(&mut writer, Kind::Base, &base, state(&folder));
    record(
        &mut writer,
        Kind::Entry,
        path.as_os_str().as_bytes(),
        state(&path),
    );
    writer.finish().unwrap();
}

#[test]
fn only_the_agents_word_has_anything_deleted() {
    let lines = [
        (Some("0 \\n"), 0, true),
        (Some("3 left out\\n"), 3, true),
        (Some("1 no\\n"), 1, false),
        (Some("2 no\\n"), 2, false),
        (Some("32 cancelled\\n"), 32, false),
        (Some("0 "), 1, false),
        (Some("126 \\n"), 1, false),
        (None, 1, false),
    ];
    for name in ["qvm-move", "qvm-move-to-vm"] {
        for status in ["0", "1", "3", "32", "126", "KILL"] {
            for (line, expected, deleted) in lines {
                let bench = Bench::new();
                bench.file("a", "content");
                write_manifest(&bench);
                let mut command = bench.command(name);
                command.arg("a").env("STATUS", status);
                command.env("MANIFEST", bench.path("manifest"));
                if let Some(line) = line {
                    command.env("LINE", line);
                }
                let ended = run(&mut command);
                let is_told = line.is_some_and(|line| line.ends_with("\\n") && line != "126 \\n");
                let expected = match status {
                    "126" if !is_told => 126,
                    _ => expected,
                };
                let case = format!("{name}, {status}, {line:?}: {ended:?}");
                assert_eq!(ended.status, Some(expected), "{case}");
                assert_eq!(bench.path("files/a").exists(), !deleted, "{case}");
                assert_eq!(
                    ended.stderr.contains("nothing was deleted"),
                    !deleted,
                    "{case}"
                );
            }
        }
    }
}

#[test]
fn a_manifest_that_was_not_finished_deletes_nothing() {
    let bench = Bench::new();
    bench.file("a", "content");
    write_manifest(&bench);
    let whole = fs::read(bench.path("manifest")).unwrap();
    for len in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(bench.path("manifest"), &whole[..len]).unwrap();
        let mut command = bench.command("qvm-move");
        command.arg("a").env("LINE", "0 \\n");
        let ended = run(command.env("MANIFEST", bench.path("manifest")));
        assert_eq!(ended.status, Some(3), "{ended:?}");
        assert!(ended.stderr.contains("cannot be read"), "{ended:?}");
        assert!(bench.path("files/a").exists());
    }
}

#[test]
fn a_copy_asks_for_no_manifest() {
    for (name, asks) in [("qvm-copy", false), ("qvm-move", true)] {
        let bench = Bench::new();
        bench.file("a", "content");
        let _ended = run(bench.command(name).arg("a").env("LINE", "0 \\n"));
        assert_eq!(bench.record("arguments").contains("--manifest\n"), asks);
        assert!(bench.path("files/a").exists());
    }
}

#[test]
fn on_a_desktop_what_stays_is_told_in_a_window() {
    let bench = Bench::new();
    bench.file("a", "content");
    write_manifest(&bench);
    bench.file("a", "changed <b>");
    let mut command = bench.command_on_desktop("qvm-move");
    command
        .args(["--gui", "a"])
        .env("COUNTS", "0 5")
        .env("SHOWN", "45")
        .env("LINE", "0 \\n")
        .env("MANIFEST", bench.path("manifest"));
    let ended = run(&mut command);
    assert_eq!(ended.status, Some(3), "{ended:?}");
    let progress = bench.record("zenity--progress");
    assert!(
        progress.contains("--text=Moving to another qube"),
        "{progress}"
    );
    let dialog = bench.record("zenity--error");
    assert!(dialog.contains("changed since it was copied"), "{dialog}");
    assert!(bench.path("files/a").exists());
}

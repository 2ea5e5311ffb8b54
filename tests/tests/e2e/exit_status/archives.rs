//! The programs that turn archives into streams, and those that store and give back backups.

use std::fs;

use qfile_tests::backups::{Backups, PROFILE};
use qfile_tests::inbox::Inbox;
use qfile_tests::peer::{Joint, join};
use qfile_tests::process::Finished;
use qfile_tests::qubes::{Qubes, SOURCE};
use qfile_tests::tarball::Tarball;

fn archive() -> Tarball {
    Tarball::new().file("file", b"content").end()
}

/// The same without its end.
fn cut() -> Tarball {
    Tarball::new().file("file", b"content")
}

fn sent(program: &str, archive: &Tarball) -> Finished {
    let (qubes, inbox) = (Qubes::new(), Inbox::default());
    fs::write(qubes.home(SOURCE).join("archive"), archive.as_bytes()).unwrap();
    let mut sender = qubes.command(SOURCE, program);
    sender.arg("archive");
    join(sender, inbox.command(&PROFILE), Joint::Sockets).0
}

pub(crate) fn an_archive_is_confirmed(program: &str) {
    sent(program, &archive()).assert_code(0);
}

pub(crate) fn an_archive_is_cut(program: &str) {
    sent(program, &cut()).assert_code(1);
}

pub(crate) fn a_backup_is_restored(_: &str) {
    let backups = Backups::new();
    backups.keep("backup", archive().as_bytes());
    backups.restore("backup", "", &PROFILE).assert_code(0);
    assert_eq!(backups.restored().paths(), ["file"]);
}

pub(crate) fn there_is_no_backup(_: &str) {
    let backups = Backups::new();
    let called = backups.restore("no-such-backup", "", &PROFILE);
    called.assert_code(1);
    assert!(backups.restored().is_empty());
}

pub(crate) fn a_backup_is_whole(_: &str) {
    let backups = Backups::new();
    backups.back_up(".", archive().as_bytes()).assert_code(0);
    assert_eq!(backups.backups_in(".").0.len(), 1);
}

pub(crate) fn a_backup_is_cut(_: &str) {
    let backups = Backups::new();
    backups.back_up(".", cut().as_bytes()).assert_code(1);
    assert_eq!(backups.backups_in(".").0, [""; 0]);
}

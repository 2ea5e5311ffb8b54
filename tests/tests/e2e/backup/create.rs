//! `qubes.Backup`: what another qube sends is kept whole, under a name that says so, or it has no
//! such name.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use qfile_tests::backups::Backups;
use qfile_tests::peer::Joint;
use qfile_tests::process::{Finished, Running};
use qfile_tests::qubes::TARGET;
use qfile_tests::suite;
use qfile_tests::tarball::{BLOCK, Tarball};
use qfile_tests::user::{in_private_mounts, mount_tmpfs, needs_private_mounts};

suite! {
    a_backup_is_kept_byte_by_byte_under_the_name_of_its_time,
    a_second_backup_replaces_nothing,
    a_command_takes_a_backup_without_a_shell,
    a_backup_that_is_cut_anywhere_gets_no_name,
    a_caller_that_is_killed_gets_no_name,
    a_service_that_is_killed_leaves_no_name,
    what_is_no_archive_gets_no_name,
    a_full_disk_leaves_nothing [needs_private_mounts],
    a_command_never_sees_the_end_of_a_backup_that_was_cut,
    a_command_that_fails_or_reads_no_further_is_a_failure,
    where_nothing_can_be_kept_is_said,
}

/// Two archives, one after the other, as backups are made.
fn archive() -> Tarball {
    Tarball::new()
        .file("backup-header", b"version=4\n")
        .file("backup-header.hmac", &[7; 100])
        .end()
        .file("vm1/private.img", &vec![1; 300_000])
        .file("vm1/empty", b"")
        .end()
}

/// Fails the test unless nothing in the folder `name` passes for a backup.
#[track_caller]
fn assert_none(backups: &Backups, name: &str) {
    assert_eq!(backups.backups_in(name).0, [""; 0]);
}

/// Fails the test unless the call failed, and the caller was told why.
#[track_caller]
fn assert_not_whole(called: &Finished) {
    called.assert_code(1);
    called.assert_says("the backup did not arrive completely");
}

fn a_backup_is_kept_byte_by_byte_under_the_name_of_its_time() {
    let backups = Backups::new();
    fs::create_dir(backups.kept("memory stick")).unwrap();
    let archive = archive();
    backups
        .back_up("memory stick", archive.as_bytes())
        .assert_code(0);
    let (whole, rest) = backups.backups_in("memory stick");
    assert_eq!((whole.len(), rest.len()), (1, 0), "{whole:?} {rest:?}");
    let kept = backups.kept("memory stick").join(&whole[0]);
    assert!(fs::read(&kept).unwrap() == archive.as_bytes());
    assert_eq!(fs::metadata(kept).unwrap().permissions().mode(), 0o100_600);
}

fn a_second_backup_replaces_nothing() {
    let backups = Backups::new();
    for _ in 0..3 {
        backups.back_up(".", archive().as_bytes()).assert_code(0);
    }
    assert_eq!(backups.backups_in(".").0.len(), 3);
}

fn a_command_takes_a_backup_without_a_shell() {
    let backups = Backups::new();
    let archive = archive();
    let command = r#"dd "of=a 'name' $HOME" status=none ; touch"#;
    // dd knows neither `;` nor `touch`.
    backups.back_up(command, archive.as_bytes()).assert_code(1);
    let command = r#"dd "of=a 'name' $HOME" status=none"#;
    backups.back_up(command, archive.as_bytes()).assert_code(0);
    assert!(fs::read(backups.kept("a 'name' $HOME")).unwrap() == archive.as_bytes());
    // Only a folder is a place.
    backups.keep("store", b"#!/bin/sh\nexec cat >by-script\n");
    fs::set_permissions(backups.kept("store"), Permissions::from_mode(0o755)).unwrap();
    backups
        .back_up("./store", archive.as_bytes())
        .assert_code(0);
    assert!(fs::read(backups.kept("by-script")).unwrap() == archive.as_bytes());
}

/// Places in an archive: within a header, behind it, within content, where a member ends, and
/// before the end of each of the two archives.
fn cuts() -> Vec<usize> {
    let len = archive().as_bytes().len();
    let first = 6 * BLOCK;
    let mut cuts = vec![0, 1, 511, 512, 520, 1024, 2048, first - 2 * BLOCK];
    // Behind the first archive a caller that dies cannot be told from one that has ended.
    cuts.extend([first + 100, first + 512, first + 1000, len / 2]);
    cuts.extend([len - 3 * BLOCK, len - 3 * BLOCK + 1, len - 2 * BLOCK]);
    cuts
}

fn a_backup_that_is_cut_anywhere_gets_no_name() {
    let backups = Backups::new();
    let archive = archive();
    for len in cuts() {
        assert_not_whole(&backups.back_up(".", &archive.as_bytes()[..len]));
        assert_none(&backups, ".");
        let (_, rest) = backups.backups_in(".");
        let [kept] = &rest[..] else {
            panic!("{len}: {rest:?}")
        };
        assert!(kept.ends_with(".incomplete"), "{kept}");
        let kept = backups.kept(kept);
        assert!(fs::read(&kept).unwrap() == archive.as_bytes()[..len]);
        fs::remove_file(kept).unwrap();
    }
}

fn a_caller_that_is_killed_gets_no_name() {
    let backups = Backups::new();
    let file = backups.own("archive");
    fs::write(&file, archive().as_bytes()).unwrap();
    let script = r#"echo .; head -c "$0" "$1"; kill -KILL $$"#;
    for len in cuts() {
        let len = len.to_string();
        let called = backups.back_up_with(script, &[len.as_ref(), file.as_ref()]);
        assert_not_whole(&called);
        assert_none(&backups, ".");
    }
}

fn a_service_that_is_killed_leaves_no_name() {
    let backups = Backups::new();
    let (mut caller, ends) = Joint::Sockets.sides();
    let mut service = backups.qubes.command(TARGET, "qubes-backup");
    ends.give_to(&mut service);
    let mut running = Running::start(service);
    // More than a socket holds: what came before is on its way to the disk.
    let long = Tarball::new().file("image", &vec![1; 5_000_000]).end();
    caller.send(b".\n").unwrap();
    let end = long.as_bytes().len() - 2 * BLOCK;
    caller.send(&long.as_bytes()[..end]).unwrap();
    running.child.kill().unwrap();
    running.finish().assert_code(137);
    let (whole, rest) = backups.backups_in(".");
    assert_eq!((whole.len(), rest.len()), (0, 1), "{whole:?} {rest:?}");
}

fn what_is_no_archive_gets_no_name() {
    let backups = Backups::new();
    for bytes in [&b"a letter"[..], &[b'x'; 100_000], b""] {
        assert_not_whole(&backups.back_up(".", bytes));
        assert_none(&backups, ".");
    }
    let archive = archive().content(&[1; 512]);
    assert_not_whole(&backups.back_up(".", archive.as_bytes()));
    assert_none(&backups, ".");
}

fn a_full_disk_leaves_nothing() {
    in_private_mounts(|| {
        let backups = Backups::new();
        fs::create_dir(backups.kept("small")).unwrap();
        mount_tmpfs(&backups.kept("small"), 1 << 20, "");
        let long = Tarball::new().file("image", &vec![1; 3 << 20]).end();
        let called = backups.back_up("small", long.as_bytes());
        called.assert_code(1);
        called.assert_says("cannot write the backup");
        assert_eq!(backups.backups_in("small"), (vec![], vec![]));
        // With room again the next one is kept.
        backups
            .back_up("small", archive().as_bytes())
            .assert_code(0);
        assert_eq!(backups.backups_in("small").0.len(), 1);
    });
}

fn a_command_never_sees_the_end_of_a_backup_that_was_cut() {
    let backups = Backups::new();
    let archive = archive();
    for command in [
        "sh -c 'cat >arriving && mv arriving whole'",
        // Nor do the children of the command.
        "sh -c 'cat | (cat >arriving && mv arriving whole)'",
    ] {
        for len in cuts() {
            assert_not_whole(&backups.back_up(command, &archive.as_bytes()[..len]));
            assert!(!backups.kept("whole").exists(), "{len}");
        }
        backups.back_up(command, archive.as_bytes()).assert_code(0);
        fs::remove_file(backups.kept("whole")).unwrap();
    }
}

fn a_command_that_fails_or_reads_no_further_is_a_failure() {
    let backups = Backups::new();
    for (command, says) in [
        ("sh -c 'cat >/dev/null; exit 7'", "\"sh\" failed"),
        ("head -c 1", "ended before it had read the whole backup"),
        ("sh -c 'kill -KILL $$'", "\"sh\""),
    ] {
        let long = Tarball::new().file("image", &vec![1; 5_000_000]).end();
        let called = backups.back_up(command, long.as_bytes());
        called.assert_code(1);
        called.assert_says(says);
    }
}

fn where_nothing_can_be_kept_is_said() {
    let backups = Backups::new();
    backups.keep("a file", b"of somebody");
    backups.keep("a_file", b"of somebody");
    for (place, says) in [
        ("", "is empty"),
        ("nowhere", "there is no \"nowhere\""),
        (
            "a file",
            "there is no \"a\", neither as a path nor as a command",
        ),
        ("./a_file", "cannot run \"./a_file\": Permission denied"),
        ("cat 'my", "a closing quotation mark"),
        ("/proc", "cannot make a backup in \"/proc\""),
        ("\x1b[2J", "there is no"),
    ] {
        let called = backups.back_up(place, archive().as_bytes());
        called.assert_code(1);
        called.assert_says(says);
        assert!(!called.stderr.contains(&0x1b), "raw text of another qube");
    }
    assert_eq!(fs::read(backups.kept("a file")).unwrap(), b"of somebody");
}

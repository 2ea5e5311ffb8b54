//! `qubes.Restore`, from one local qube into the receiver of dom0 in another: all of a backup or
//! some of it, from a file and from a command, and nothing more of the archive than is needed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use qfile_tests::backups::{Backups, PROFILE};
use qfile_tests::cannot_run::needs_program;
use qfile_tests::fifo;
use qfile_tests::process::run;
use qfile_tests::programs::{folder, manual, program};
use qfile_tests::qubes::SOURCE;
use qfile_tests::suite;
use qfile_tests::tarball::{Tarball, plant_long_name, plant_oddities, plant_sources};
use qfile_tests::tree::Snapshot;

const EREMOTEIO: i32 = 121;
const EDQUOT: i32 = 122;

/// As long as a file may be on every common file system.
const HUGE: u64 = 4 << 40;

suite! {
    a_folder_that_was_backed_up_comes_back [needs_tar],
    prefixes_choose_what_comes_back,
    a_folder_is_announced_once_in_whatever_order_its_files_come,
    a_command_is_split_like_a_shell_does_and_run_without_one,
    reading_stops_behind_the_last_member_that_is_wanted,
    members_that_are_not_wanted_are_sought_over,
    members_that_are_not_wanted_are_read_over_in_a_pipe,
    a_receiver_that_has_had_enough_makes_it_a_success,
    a_receiver_that_has_had_enough_does_not_wait_for_the_archive,
    an_archive_that_never_comes_holds_up_nobody_who_has_gone,
    dom0_takes_4096_files_and_folders_of_a_backup,
    a_receiver_that_dies_or_refuses_is_a_failure,
    a_command_that_fails_at_its_very_end_confirms_nothing,
    what_cannot_be_restored_is_said,
    the_examples_of_the_manual_give_back_what_they_keep [needs_gzip],
}

fn needs_tar() -> Result<(), String> {
    needs_program("tar")
}

fn needs_gzip() -> Result<(), String> {
    needs_program("gzip")
}

/// Members as in a backup, sorted.
fn archive() -> Tarball {
    Tarball::new()
        .file("backup-header", b"version=4\n")
        .file("qubes.xml.000", b"<qubes/>")
        .file("vm1/apps/menu", b"entry")
        .file("vm1/private.img", &vec![1; 300_000])
        .file("vm10/private.img", b"ten")
        .file("vm2/private.img", b"two")
        .end()
}

fn kept() -> Backups {
    let backups = Backups::new();
    backups.keep("backup", archive().as_bytes());
    backups
}

/// A FIFO that nobody writes to: whoever opens it to read waits.
fn keep_fifo(backups: &Backups, name: &str) {
    fifo::make(&backups.kept(name));
}

fn a_folder_that_was_backed_up_comes_back() {
    let backups = Backups::new();
    let folder = backups.own("sources");
    fs::create_dir(&folder).unwrap();
    plant_sources(&folder);
    plant_oddities(&folder, true);
    plant_long_name(&folder);
    let script = r#"echo "$0"; exec tar -c --format=posix sources"#;
    for place in [".", "dd of=by-command status=none"] {
        let called = backups.back_up_with(script, &[place.as_ref()]);
        called.assert_code(0);
    }
    let (names, _) = backups.backups_in(".");
    for place in [&names[0], "cat by-command"] {
        backups.restore(place, "", &PROFILE).assert_code(0);
        let restored = backups.own("restored").join("sources");
        let expected = Snapshot::of(&folder);
        expected.assert_restored(&Snapshot::of(&restored), false);
        fs::remove_dir_all(backups.own("restored")).unwrap();
        let prefixes = "sources/tests/src sources/odd/la";
        backups.restore(place, prefixes, &PROFILE).assert_code(0);
        let some = expected.paths().into_iter().filter(|path| {
            let is_file = folder.join(path).is_file();
            is_file && (path.starts_with("tests/src") || path.starts_with("odd/la"))
        });
        let files = Snapshot::of(&restored).paths().into_iter();
        let files = files.filter(|path| restored.join(path).is_file());
        assert_eq!(files.collect::<Vec<_>>(), some.collect::<Vec<_>>());
        fs::remove_dir_all(backups.own("restored")).unwrap();
    }
}

fn prefixes_choose_what_comes_back() {
    for (prefixes, expected) in [
        (
            "",
            &["backup-header", "qubes.xml.000", "vm1", "vm1/apps"][..],
        ),
        (" ", &["backup-header", "qubes.xml.000", "vm1", "vm1/apps"]),
        ("backup-header", &["backup-header"]),
        ("./qubes.xml  backup", &["backup-header", "qubes.xml.000"]),
        ("vm1/apps", &["vm1", "vm1/apps", "vm1/apps/menu"]),
        ("vm10 vm2/", &["vm10", "vm10/private.img", "vm2"]),
        ("missing", &[]),
    ] {
        for place in ["backup", "cat backup"] {
            let backups = kept();
            let called = backups.restore(place, prefixes, &PROFILE);
            called.assert_code(0);
            let restored = backups.restored().paths();
            assert_eq!(restored[..expected.len()], *expected, "{prefixes:?}");
            let count = match prefixes.trim() {
                "" => 10,
                "vm10 vm2/" => 4,
                _ => expected.len(),
            };
            assert_eq!(restored.len(), count, "{prefixes:?}: {restored:?}");
            let is_missing = called.stderr().contains("begins with \"missing\"");
            assert_eq!(is_missing, prefixes == "missing");
        }
    }
}

/// A second header would give it the mode of a file.
fn a_folder_is_announced_once_in_whatever_order_its_files_come() {
    let backups = Backups::new();
    let archive = Tarball::new()
        .file("a/first", b"")
        .file("b/second", b"")
        .file("a/third", b"")
        .end();
    backups.keep("backup", archive.as_bytes());
    let options = [&PROFILE[..], &["--max-files=5"]].concat();
    backups.restore("backup", "", &options).assert_code(0);
    let restored = backups.restored();
    assert_eq!(restored.len(), 5);
    for folder in ["a", "b"] {
        assert_eq!(restored.get(folder).unwrap().mode, 0o700, "{folder}");
    }
}

fn a_command_is_split_like_a_shell_does_and_run_without_one() {
    let backups = kept();
    backups.keep("a 'name' with $HOME", archive().as_bytes());
    let command = r#"  cat "a 'name' with $HOME" "#;
    let prefix = "backup-header";
    backups.restore(command, prefix, &PROFILE).assert_code(0);
    assert_eq!(backups.restored().paths(), [prefix]);
    // A path is a path, with blanks and all.
    let backups = kept();
    backups.keep("cat backup", archive().as_bytes());
    fs::remove_file(backups.kept("backup")).unwrap();
    backups
        .restore("cat backup", prefix, &PROFILE)
        .assert_code(0);
    for command in [
        "cat backup; touch pwned",
        "cat backup && touch pwned",
        "cat $(touch pwned)",
        "cat `touch pwned`",
        "cat backup | tee pwned",
        "cat < cat*",
        "cat cat*",
    ] {
        let backups = kept();
        let called = backups.restore(command, "", &PROFILE);
        called.assert_code(1);
        called.assert_says("No such file or directory");
        assert!(!backups.kept("pwned").exists(), "{command}");
    }
}

/// The archive goes on with what never comes.
fn reading_stops_behind_the_last_member_that_is_wanted() {
    let backups = Backups::new();
    let begin = Tarball::new()
        .file("a", b"")
        .file("backup-header", b"version=4\n")
        .header(b'0', "backup-image", 100 << 30);
    backups.keep("begin", begin.as_bytes());
    keep_fifo(&backups, "never");
    let place = "sh -c 'cat begin; exec cat never'";
    let called = backups.restore(place, "backup-header", &PROFILE);
    called.assert_code(0);
    assert_eq!(called.stderr(), "");
    assert_eq!(backups.restored().paths(), ["backup-header"]);
}

/// Reading 4 TiB, of holes though they are, would take longer than the harness waits.
fn members_that_are_not_wanted_are_sought_over() {
    let backups = Backups::new();
    let begin = Tarball::new().header(b'0', "a-large-image", HUGE);
    let file = File::create(backups.kept("backup")).unwrap();
    file.write_all_at(begin.as_bytes(), 0).unwrap();
    let rest = Tarball::new().file("wanted", b"content").end();
    file.write_all_at(rest.as_bytes(), 512 + HUGE).unwrap();
    backups.restore("backup", "wanted", &PROFILE).assert_code(0);
    assert_eq!(backups.restored().paths(), ["wanted"]);
    // One that is cut inside such a member is not whole.
    file.set_len(512 + HUGE / 2).unwrap();
    let called = backups.restore("backup", "wanted", &PROFILE);
    called.assert_code(1);
    called.assert_says("ends early, in \"a-large-image\"");
}

fn members_that_are_not_wanted_are_read_over_in_a_pipe() {
    let backups = Backups::new();
    let archive = Tarball::new()
        .file("image", &vec![1; 20 << 20])
        .file("wanted", b"content")
        .end();
    backups.keep("backup", archive.as_bytes());
    let called = backups.restore("cat backup", "wanted", &PROFILE);
    called.assert_code(0);
    assert_eq!(backups.restored().paths(), ["wanted"]);
}

fn a_receiver_that_has_had_enough_makes_it_a_success() {
    for place in ["backup", "cat backup"] {
        let backups = kept();
        let options = [&PROFILE[..], &["--max-files=2"]].concat();
        let called = backups.restore(place, "", &options);
        // The receiver's own status: the service's was 0, or it would hide this one.
        called.assert_code(EDQUOT);
        let stderr = called.stderr();
        assert!(!stderr.contains("Fatal"), "{stderr}");
        called.assert_says("the receiver accepted no more files: it has reached its limit");
        let landed = backups.restored().paths();
        assert_eq!(landed, ["backup-header", "qubes.xml.000"]);
    }
}

/// The answer comes while the service waits for the archive to go on.
fn a_receiver_that_has_had_enough_does_not_wait_for_the_archive() {
    let backups = Backups::new();
    let begin = Tarball::new()
        .file("first", b"1")
        .header(b'0', "long", 100 << 30)
        .content(&vec![1; 1 << 20]);
    backups.keep("begin", begin.as_bytes());
    keep_fifo(&backups, "never");
    for place in [
        "sh -c 'cat begin; exec cat never'",
        // The call ends when nobody holds its stderr any more.
        "sh -c 'cat begin; cat never; true'",
    ] {
        let called = backups.restore(place, "", &PROFILE);
        called.assert_code(EDQUOT);
        assert_eq!(backups.restored().paths(), ["first"]);
        fs::remove_dir_all(backups.own("restored")).unwrap();
    }
}

fn an_archive_that_never_comes_holds_up_nobody_who_has_gone() {
    let backups = Backups::new();
    keep_fifo(&backups, "never");
    let called = backups.restore_into("never", "", &[OsStr::new("/bin/true")]);
    called.assert_code(1);
    called.assert_says("ended without an answer");
}

fn dom0_takes_4096_files_and_folders_of_a_backup() {
    let files = |count| {
        let many = (0..count).fold(Tarball::new(), |archive, number| {
            archive.file(&format!("vm/{number:04}"), b"")
        });
        let backups = Backups::new();
        backups.keep("backup", many.end().as_bytes());
        backups
    };
    let backups = files(4095);
    backups.restore("backup", "", &PROFILE).assert_code(0);
    assert_eq!(backups.restored().len(), 4096);
    let backups = files(4096);
    let called = backups.restore("backup", "", &PROFILE);
    called.assert_code(EDQUOT);
    assert_eq!(backups.restored().len(), 4096);
}

fn a_receiver_that_dies_or_refuses_is_a_failure() {
    for place in ["backup", "cat backup"] {
        for len in [0, 32, 1000, 200_000] {
            let backups = kept();
            let script = format!("head -c {len} >/dev/null; kill -KILL $$");
            let receiver = ["/bin/sh", "-c", &script];
            let receiver = receiver.map(AsRef::as_ref);
            let called = backups.restore_into(place, "", &receiver);
            called.assert_code(1);
            called.assert_says("ended without an answer");
        }
        let backups = kept();
        fs::create_dir_all(backups.own("restored")).unwrap();
        fs::write(backups.own("restored").join("qubes.xml.000"), "mine").unwrap();
        let called = backups.restore(place, "", &PROFILE);
        called.assert_code(1);
        called.assert_says("A file named \"qubes.xml.000\" already exists");
        called.assert_says("move or rename it there");
        called.assert_says("--on-conflict=rename");
        let rename = ["--on-conflict=rename"];
        backups.restore(place, "", &rename).assert_code(0);
    }
}

/// It may have found out only then that what it wrote is forged.
fn a_command_that_fails_at_its_very_end_confirms_nothing() {
    for (command, says) in [
        ("sh -c 'cat backup; exit 3'", "(exit status: 3)"),
        ("sh -c 'cat backup; kill -KILL $$'", "(signal: 9"),
    ] {
        let backups = kept();
        let folder = backups.own("restored");
        fs::create_dir(&folder).unwrap();
        let (receiver, status) = (program("qfile-unpacker"), backups.own("status"));
        let script = r#""$0" --profile dom0 '' "$1"; echo $? >"$2""#;
        let mut words: Vec<&OsStr> = ["/bin/sh", "-c", script].map(OsStr::new).into();
        words.extend([receiver.as_os_str(), folder.as_ref(), status.as_ref()]);
        let called = backups.restore_into(command, "", &words);
        called.assert_code(1);
        called.assert_says(says);
        let stream_without_end = format!("{EREMOTEIO}\n");
        assert_eq!(fs::read_to_string(status).unwrap(), stream_without_end);
    }
}

fn what_cannot_be_restored_is_said() {
    let backups = kept();
    fs::create_dir(backups.kept("a folder")).unwrap();
    for (place, says) in [
        ("", "is empty"),
        ("nowhere", "there is no \"nowhere\""),
        ("a folder", "\"a folder\" is a folder"),
        ("cat 'my", "a closing quotation mark"),
        ("false", "\"false\" failed (exit status: 1)"),
        ("true", "the archive ends early"),
        (
            "sh -c 'head -c 2000 backup; exit 4'",
            "\"sh\" failed (exit status: 4)",
        ),
        ("\x1b[2J", "there is no"),
    ] {
        let called = backups.restore(place, "", &PROFILE);
        called.assert_code(1);
        called.assert_says(says);
        assert!(!called.stderr.contains(&0x1b), "raw text of another qube");
        assert!(backups.restored().is_empty());
    }
}

/// The examples on a page, with the programs of this build.
fn examples(page: &str) -> Vec<String> {
    let manual = manual();
    let text = fs::read_to_string(manual.path().join("man/man8").join(page)).unwrap();
    let lines = text.split(".nf\n").skip(1);
    let lines = lines.map(|rest| rest.split_once("\n.fi").unwrap().0);
    let client = program("qrexec-loopback");
    let shown = [
        (r"\*(Aq", "'"),
        (r"\-", "-"),
        ("qrexec-client-vm", client.to_str().unwrap()),
        ("/usr/lib/qubes", folder().to_str().unwrap()),
    ]
    .map(|(written, meant)| (written, meant.to_owned()));
    let read = |line: &str| {
        let meant = shown.iter();
        meant.fold(line.to_owned(), |line, (written, meant)| {
            line.replace(written, meant)
        })
    };
    lines.map(read).collect()
}

fn the_examples_of_the_manual_give_back_what_they_keep() {
    let archive = Tarball::new().file("2024/a", b"a").file("2025/b", b"b");
    let archive = archive.end();
    let backups = Backups::new();
    fs::write(backups.own("photos.tar"), archive.as_bytes()).unwrap();
    backups.keep("photos.tar", archive.as_bytes());
    fs::create_dir(backups.kept("backups")).unwrap();
    let shell = |line: &str| {
        let mut command = backups.qubes.command_at(SOURCE, "/bin/sh".as_ref());
        command.args(["-c", line]);
        run(command).assert_code(0);
    };
    let [in_folder, by_command] = &examples("qubes-backup.8")[..] else {
        panic!("other examples than before");
    };
    shell(in_folder);
    assert_eq!(backups.backups_in("backups").0.len(), 1);
    shell(by_command);
    let [some, all] = &examples("qubes-restore.8")[..] else {
        panic!("other examples than before");
    };
    for (example, paths) in [
        (some, &["2024", "2024/a"][..]),
        (all, &["2024", "2024/a", "2025", "2025/b"]),
    ] {
        fs::create_dir(backups.own("restored")).unwrap();
        shell(example);
        assert_eq!(backups.restored().paths(), paths, "{example}");
        fs::remove_dir_all(backups.own("restored")).unwrap();
    }
}

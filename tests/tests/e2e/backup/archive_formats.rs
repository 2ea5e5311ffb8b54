//! Archives of real sources as real programs make them, through `tar2qfile` into the receiver of
//! dom0: from a file, in which it seeks, and from a pipe.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use qfile_tests::backups::PROFILE;
use qfile_tests::cannot_run::needs_program;
use qfile_tests::inbox::Inbox;
use qfile_tests::peer::{Joint, join};
use qfile_tests::process::{Finished, Running, run};
use qfile_tests::programs::program;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::receiver::needs_strace;
use qfile_tests::stream::Stream;
use qfile_tests::suite;
use qfile_tests::tarball::{Tarball, plant_long_name, plant_oddities, plant_others, plant_sources};
use qfile_tests::tree::{Snapshot, TempFolder};

suite! {
    what_gnu_tar_makes_in_each_format [needs_gnu_tar],
    what_bsdtar_makes_in_each_format [needs_bsdtar],
    what_python_makes_in_each_format [needs_python],
    incremental_archives_with_a_label [needs_gnu_tar],
    archives_one_after_the_other [needs_gnu_tar],
    a_leading_dot_is_dropped [needs_gnu_tar],
    links_and_special_files_are_left_out_and_counted [needs_gnu_tar],
    holes_are_refused_by_name_in_every_way_to_store_them [needs_gnu_tar],
    the_rest_of_a_file_from_another_volume_is_refused_by_name [needs_gnu_tar],
    a_compressed_archive_is_said_to_be_one [needs_gzip],
    no_archive_is_awaited_from_the_receiver,
    under_qrexec_an_archive_comes_through_a_pipe_but_not_from_the_receiver,
    a_stream_goes_into_a_file_where_no_write_is_made_without_waiting [needs_strace],
}

fn needs_gnu_tar() -> Result<(), String> {
    needs_program("tar")?;
    let version = Command::new("tar").arg("--version").output();
    let version = version.map_err(|error| error.to_string())?.stdout;
    match version.starts_with(b"tar (GNU tar)") {
        true => Ok(()),
        false => Err("needs GNU tar".to_owned()),
    }
}

fn needs_bsdtar() -> Result<(), String> {
    needs_program("bsdtar")
}

fn needs_python() -> Result<(), String> {
    needs_program("python3")
}

fn needs_gzip() -> Result<(), String> {
    needs_gnu_tar()?;
    needs_program("gzip")
}

/// What the names of a format have room for.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Names {
    /// Paths of 100 bytes.
    Short,
    /// Paths of 255 bytes, with names of 100.
    Long,
    /// Any.
    Any,
}

/// Sources, and what is in none: a tree for archives of a format.
fn planted(names: Names) -> TempFolder {
    let temp = TempFolder::new();
    let tree = temp.folder("tree");
    plant_sources(&tree);
    plant_oddities(&tree, names >= Names::Long);
    if names == Names::Any {
        plant_long_name(&tree);
    }
    temp
}

/// `words` run in `folder`, with a program first.
fn make(folder: &Path, words: &[&str]) {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8");
    run(command).assert_code(0);
}

/// `tar2qfile ARCHIVE`, joined to dom0's receiver.
fn convert(archive: &Path, inbox: &Inbox) -> (Finished, Finished) {
    let mut sender = Command::new(program("tar2qfile"));
    sender.arg(archive);
    join(sender, inbox.command(&PROFILE), Joint::Sockets)
}

/// The stream of an archive that comes through a pipe.
fn stream_of(archive: &Path) -> Stream {
    let mut command = Command::new("sh");
    let script = r#"cat -- "$1" | "$0" -"#;
    command.args(["-c", script]);
    command.arg(program("tar2qfile")).arg(archive);
    let converted = run(command);
    converted.assert_code(0);
    Stream::new().bytes(&converted.stdout)
}

/// Fails the test unless `archive`, of the folder `tree`, brings all files of it.
#[track_caller]
fn assert_brings(archive: &Path, tree: &Path, whole_seconds: bool) {
    let expected = Snapshot::of(tree);
    assert!(expected.len() > 200, "sources are more than that");
    let inbox = Inbox::default();
    let (sender, receiver) = convert(archive, &inbox);
    receiver.assert_code(0);
    sender.assert_code(0);
    assert_eq!(sender.stderr(), "", "nothing was left out");
    let name = tree.file_name().unwrap();
    expected.assert_restored(&Snapshot::of(&inbox.incoming().join(name)), whole_seconds);
    let inbox_of_pipe = Inbox::default();
    let stream = stream_of(archive);
    let answer = inbox_of_pipe.receive(&PROFILE, &stream);
    answer.assert_confirmed(stream.checksum());
    expected.assert_restored(
        &Snapshot::of(&inbox_of_pipe.incoming().join(name)),
        whole_seconds,
    );
}

fn what_gnu_tar_makes_in_each_format() {
    for (format, names, whole_seconds) in [
        ("v7", Names::Short, true),
        ("oldgnu", Names::Any, true),
        ("gnu", Names::Any, true),
        ("ustar", Names::Long, true),
        ("posix", Names::Any, false),
    ] {
        let temp = planted(names);
        let format = format!("--format={format}");
        make(temp.path(), &["tar", &format, "-cf", "a.tar", "tree"]);
        let archive = temp.path().join("a.tar");
        assert_brings(&archive, &temp.path().join("tree"), whole_seconds);
    }
}

fn what_bsdtar_makes_in_each_format() {
    for (format, names, whole_seconds) in [
        ("v7", Names::Short, true),
        ("ustar", Names::Long, true),
        ("gnutar", Names::Any, true),
        // What it makes when nothing is said: the records of POSIX only where they are needed.
        ("paxr", Names::Any, true),
        ("pax", Names::Any, false),
    ] {
        let temp = planted(names);
        let format = format!("--format={format}");
        make(temp.path(), &["bsdtar", &format, "-cf", "a.tar", "tree"]);
        let archive = temp.path().join("a.tar");
        assert_brings(&archive, &temp.path().join("tree"), whole_seconds);
    }
}

fn what_python_makes_in_each_format() {
    const SCRIPT: &str = "import sys, tarfile; \
        archive = tarfile.open('a.tar', 'w', format=getattr(tarfile, sys.argv[1]), \
        pax_headers={'comment': 'for all members'}); \
        archive.add('tree'); archive.close()";
    for (format, names) in [
        ("USTAR_FORMAT", Names::Long),
        ("GNU_FORMAT", Names::Any),
        // Its times are floating-point numbers, which have no room for nanoseconds.
        ("PAX_FORMAT", Names::Any),
    ] {
        let temp = planted(names);
        make(temp.path(), &["python3", "-c", SCRIPT, format]);
        let archive = temp.path().join("a.tar");
        assert_brings(&archive, &temp.path().join("tree"), true);
    }
}

fn incremental_archives_with_a_label() {
    let temp = planted(Names::Any);
    let words = ["tar", "--format=gnu", "--label=backup of today"];
    let more = ["--listed-incremental=state", "-cf", "a.tar", "tree"];
    make(temp.path(), &[&words[..], &more].concat());
    let (sender, receiver) = convert(&temp.path().join("a.tar"), &Inbox::default());
    receiver.assert_code(0);
    sender.assert_code(0);
    // A list of what is in the folder, which nobody else knows.
    sender.assert_says("members of unknown type left out");
}

fn archives_one_after_the_other() {
    let temp = planted(Names::Any);
    make(temp.path(), &["tar", "-cf", "a.tar", "tree/odd"]);
    let rest = ["tar", "-cf", "b.tar", "--exclude=tree/odd", "tree"];
    make(temp.path(), &rest);
    let joined = [
        fs::read(temp.path().join("a.tar")).unwrap(),
        fs::read(temp.path().join("b.tar")).unwrap(),
    ];
    let archive = temp.path().join("joined.tar");
    fs::write(&archive, joined.concat()).unwrap();
    assert_brings(&archive, &temp.path().join("tree"), true);
}

fn a_leading_dot_is_dropped() {
    let temp = TempFolder::new();
    plant_others(temp.path());
    let archive = temp.path().join("a.tar");
    make(temp.path(), &["tar", "-cf", "a.tar", "./a-file", "./empty"]);
    let inbox = Inbox::default();
    let (sender, receiver) = convert(&archive, &inbox);
    receiver.assert_code(0);
    sender.assert_code(0);
    assert_eq!(inbox.landed().paths(), ["a-file"]);
}

fn links_and_special_files_are_left_out_and_counted() {
    let temp = TempFolder::new();
    let tree = temp.folder("tree");
    plant_others(&tree);
    make(temp.path(), &["tar", "--sort=name", "-cf", "a.tar", "tree"]);
    let inbox = Inbox::default();
    let (sender, receiver) = convert(&temp.path().join("a.tar"), &inbox);
    receiver.assert_code(0);
    sender.assert_code(0);
    sender.assert_says("hard links left out: 1, symbolic links left out: 1");
    assert_eq!(inbox.landed().paths(), ["tree", "tree/a-file"]);
}

fn holes_are_refused_by_name_in_every_way_to_store_them() {
    let temp = TempFolder::new();
    let file = fs::File::create(temp.path().join("with-holes")).unwrap();
    file.set_len(10 << 20).unwrap();
    for options in [
        &["--format=oldgnu"][..],
        &["--format=gnu"],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        let words = [
            &["tar", "--sparse", "-cf", "a.tar"],
            options,
            &["with-holes"],
        ];
        make(temp.path(), &words.concat());
        assert_refused(&temp.path().join("a.tar"), "\"with-holes\"");
    }
}

fn the_rest_of_a_file_from_another_volume_is_refused_by_name() {
    let temp = TempFolder::new();
    fs::write(temp.path().join("in-two-parts"), vec![1; 30_000]).unwrap();
    let words = ["tar", "-c", "--tape-length=20K", "-f", "1.tar", "-f"];
    make(
        temp.path(),
        &[&words[..], &["2.tar", "in-two-parts"]].concat(),
    );
    assert_refused(&temp.path().join("2.tar"), "\"in-two-parts\"");
    assert_refused(&temp.path().join("1.tar"), "ends early");
}

fn a_compressed_archive_is_said_to_be_one() {
    let temp = TempFolder::new();
    plant_others(temp.path());
    make(temp.path(), &["tar", "-czf", "a.tar", "a-file"]);
    assert_refused(&temp.path().join("a.tar"), "gzip");
}

/// Fails the test unless nothing of `archive` arrives, and its sender says `why`.
#[track_caller]
fn assert_refused(archive: &Path, why: &str) {
    let inbox = Inbox::default();
    let (sender, receiver) = convert(archive, &inbox);
    assert_ne!(receiver.code(), 0);
    sender.assert_code(1);
    sender.assert_says(why);
    assert!(inbox.landed().is_empty());
}

fn no_archive_is_awaited_from_the_receiver() {
    for argument in [&["-"][..], &[]] {
        let inbox = Inbox::default();
        let mut sender = Command::new(program("tar2qfile"));
        // qrexec says by it that stdin is the caller's socket.
        sender.args(argument).env("SAVED_FD_0", "3");
        let (sent, received) = join(sender, inbox.command(&PROFILE), Joint::Sockets);
        sent.assert_code(1);
        sent.assert_says("stdin is connected to the receiver");
        sent.assert_says("name the archive");
        assert_ne!(received.code(), 0);
        assert!(inbox.landed().is_empty());
    }
}

fn under_qrexec_an_archive_comes_through_a_pipe_but_not_from_the_receiver() {
    let qubes = Qubes::new();
    let archive = qubes.home(SOURCE).join("archive");
    let content = Tarball::new().file("folder/file", b"content").end();
    fs::write(&archive, content.as_bytes()).unwrap();
    let send = |words: &[&OsStr]| {
        let mut client = qubes.command(SOURCE, "qrexec-loopback");
        client.args([TARGET, "qubes.Filecopy"]).args(words);
        run(client)
    };
    let tar2qfile = program("tar2qfile");
    let refused = send(&[tar2qfile.as_ref(), "-".as_ref()]);
    refused.assert_says("stdin is connected to the receiver");
    let script = r#"cat "$1" | "$0" -"#;
    let words: [&OsStr; 5] = [
        "/bin/sh".as_ref(),
        "-c".as_ref(),
        script.as_ref(),
        tar2qfile.as_ref(),
        archive.as_ref(),
    ];
    send(&words).assert_code(0);
    let landed = Snapshot::of(&qubes.incoming(SOURCE, TARGET));
    assert_eq!(landed.paths(), ["folder", "folder/file"]);
}

/// On btrfs and XFS a write to a file that must not wait is not made at all (`RWF_NOWAIT`).
fn a_stream_goes_into_a_file_where_no_write_is_made_without_waiting() {
    let temp = TempFolder::new();
    let at = |name: &str| temp.path().join(name);
    let archive = Tarball::new().file("large", &vec![7; 3_000_000]).end();
    fs::write(at("archive"), archive.as_bytes()).unwrap();
    let mut command = Command::new("strace");
    command
        .args(["-o", "/dev/null", "-e", "trace=pwritev2"])
        .args(["-e", "inject=pwritev2:error=EAGAIN"])
        .arg(program("tar2qfile"))
        .stdin(File::open(at("archive")).unwrap())
        .stdout(File::create(at("stream")).unwrap());
    Running::start(command).finish().assert_code(0);
    let stream = fs::read(at("stream")).unwrap();
    assert!(stream.len() > 3_000_000 && stream.ends_with(&[0; 32]));
}

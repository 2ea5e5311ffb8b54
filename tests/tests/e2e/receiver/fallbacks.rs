//! What the receiver does on a system that lacks something: it goes on in a way that is as safe, or
//! says what it has not got, or refuses. Never less in silence.
//!
//! What is lacking is taken away by `strace`, which answers a call in the kernel's place.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use libc::{EEXIST, ELOOP, ENOENT, ENOSPC, ENOTDIR};
use qfile_tests::attack::{Target, assert_refused_with};
use qfile_tests::attacks;
use qfile_tests::code::LEGAL_EOF;
use qfile_tests::injected::{assert_everything_lands, command, receive};
use qfile_tests::peer::{Joint, feed};
use qfile_tests::receiver::{Form, needs_strace};
use qfile_tests::stream::{FILE, RawEntry, Stream};
use qfile_tests::tree::make_deep;
use qfile_tests::user::{
    am_root, give_to_ordinary, in_private_mounts, mount_tmpfs, needs_private_mounts,
};
use qfile_tests::watched::Watched;
use rustix::process::Signal;

attacks! {
    without_openat2_everything_lands, [needs_strace];
    without_openat2_no_link_is_followed, [needs_strace];
    without_openat2_a_parent_moved_out_is_not_followed, [needs_strace];
    without_openat2_2000_components_are_no_problem, [needs_strace];
    without_nameless_files_everything_lands, [needs_strace];
    without_nameless_files_an_incomplete_one_is_closed_to_everyone, [needs_strace];
    without_nameless_files_a_failed_one_is_removed, [needs_strace];
    without_nameless_files_nothing_is_overwritten, [needs_strace];
    without_nameless_files_a_full_disk_leaves_nothing, [needs_strace, needs_private_mounts];
    what_a_killed_receiver_left_is_removed_by_the_next, [needs_strace];
    a_file_that_is_being_filled_is_not_taken_for_a_leftover, [needs_strace];
    a_closed_file_of_the_users_is_not_taken_for_a_leftover, [needs_strace];
    a_confirmed_file_is_not_taken_for_a_leftover, [needs_strace];
    what_the_user_puts_in_the_place_of_an_incomplete_file_stays, [needs_strace];
    without_anything_new_everything_lands, [needs_strace];
}

/// Each takes away one thing; `inject=` of strace.
const NO_OPENAT2: &str = "openat2:error=ENOSYS";

/// As before Linux 6.10: a file without a name cannot be linked by its descriptor.
const NO_LINK_BY_DESCRIPTOR: &str = "linkat:error=ENOENT";

/// The mode of a file that is still being filled.
const INCOMPLETE: u32 = 0o200;

/// The second of access that marks such a file.
const MARK: u32 = 0x7166_696C;

/// Which `openat` of the receiver creates a file without a name, counted from 1: that one a file
/// system without such files refuses.
fn no_o_tmpfile(form: Form) -> String {
    let target = Target::new(form);
    let log = target.users_folder("log").join("count");
    let arguments = [
        "-o",
        log.to_str().expect("a plain path"),
        "-e",
        "trace=openat",
    ];
    let mut command = form.traced(&arguments);
    command
        .arg("-v")
        .arg(format!("--require-isolation={}", form.level()));
    command.arg("").arg(target.incoming());
    feed(command, Joint::Pipes, Stream::new().end().as_bytes());
    let log = fs::read_to_string(log).expect("strace has written it");
    let number = log
        .lines()
        .filter(|line| line.contains("openat("))
        .position(|line| line.contains("O_TMPFILE"))
        .expect("it tries whether there are files without a name");
    format!("openat:error=EOPNOTSUPP:when={}", number + 1)
}

fn without_openat2_everything_lands(form: Form) {
    assert_everything_lands(&Target::new(form), &[NO_OPENAT2], &["no openat2"]);
}

fn without_openat2_no_link_is_followed(form: Form) {
    for name in ["d/new", "d/inner", "d/sub/new"] {
        let target = Target::new(form);
        symlink("../../outside/folder", target.incoming().join("d")).expect("the folder is ours");
        let stream = Stream::new().file(name, "x").end();
        let answer = receive(&target, &[NO_OPENAT2], &stream);
        assert_refused_with(&answer, &[ELOOP, ENOTDIR], name);
        target.assert_landed(&["d"]);
    }
}

fn without_openat2_a_parent_moved_out_is_not_followed(form: Form) {
    let target = Target::new(form);
    let mut receiver = Watched::start(command(&target, &[NO_OPENAT2], &[]));
    receiver
        .send(Stream::new().folder("d").file("d/one", "").as_bytes())
        .expect("it is read");
    let folder = target.incoming().join("d");
    receiver.until(&target.incoming(), || folder.exists());
    receiver.until(&folder, || folder.join("one").exists());
    fs::rename(target.incoming().join("d"), target.home().join("moved")).expect("it is there");
    let answer = receiver.finish(&Stream::new().file("d/two", "").end());
    answer.assert_refused(libc::ENOENT.unsigned_abs());
    assert!(!target.home().join("moved/two").exists());
    target.assert_landed(&[]);
}

fn without_openat2_2000_components_are_no_problem(form: Form) {
    let target = Target::new(form);
    let innermost = make_deep(&target.incoming(), "d", 1999);
    rustix::fs::fchmod(&innermost, rustix::fs::Mode::from_raw_mode(0o777)).expect("it is ours");
    drop(innermost);
    let name = vec!["d"; 2000].join("/");
    let stream = Stream::new().file(&name, "deep").end();
    let answer = receive(&target, &[NO_OPENAT2], &stream);
    answer.assert_confirmed(stream.checksum());
    assert!(target.landed().get(&name).is_some());
}

/// Both reasons for which a file cannot be created without a name.
fn without_nameless_files(form: Form) -> [String; 2] {
    [NO_LINK_BY_DESCRIPTOR.to_owned(), no_o_tmpfile(form)]
}

fn without_nameless_files_everything_lands(form: Form) {
    for injection in without_nameless_files(form) {
        assert_everything_lands(&Target::new(form), &[&injection], &["no O_TMPFILE"]);
    }
}

/// Sends half of `d/f` and waits until it is there under its name.
fn half_a_file(target: &Target, injection: &str) -> (Watched, Stream) {
    let whole = Stream::new()
        .folder("d")
        .file("d/f", vec![b'x'; 100_000])
        .end();
    let (first, second) = whole.as_bytes().split_at(50_000);
    let mut receiver = Watched::start(command(target, &[injection], &[]));
    receiver.send(first).expect("it is read");
    let folder = target.incoming().join("d");
    receiver.until(&target.incoming(), || folder.exists());
    let file = folder.join("f");
    receiver.until(&folder, || {
        fs::metadata(&file).is_ok_and(|file| file.len() > 0)
    });
    (receiver, Stream::new().bytes(second))
}

fn mode_of(target: &Target, name: &str) -> u32 {
    let stat = fs::symlink_metadata(target.incoming().join(name)).expect("it is there");
    stat.mode() & 0o7777
}

fn without_nameless_files_an_incomplete_one_is_closed_to_everyone(form: Form) {
    let target = Target::new(form);
    let (receiver, rest) = half_a_file(&target, NO_LINK_BY_DESCRIPTOR);
    assert_eq!(mode_of(&target, "d/f"), INCOMPLETE);
    receiver.finish(&rest).finished.assert_code(0);
    assert_eq!(mode_of(&target, "d/f"), 0o644);
    target.assert_landed(&["d", "d/f"]);
}

fn without_nameless_files_a_failed_one_is_removed(form: Form) {
    let target = Target::new(form);
    let (receiver, _) = half_a_file(&target, NO_LINK_BY_DESCRIPTOR);
    receiver.finish(&Stream::new()).assert_refused(LEGAL_EOF);
    target.assert_landed(&["d"]);
}

fn without_nameless_files_nothing_is_overwritten(form: Form) {
    for content in ["", "x", &"x".repeat(500_000)] {
        let target = Target::new(form);
        let file = target.incoming().join("f");
        fs::write(&file, b"the user's own").expect("the folder is ours");
        if am_root() {
            give_to_ordinary(&file);
        }
        symlink("../../outside/new", target.incoming().join("l")).expect("the folder is ours");
        for name in ["f", "l"] {
            let stream = Stream::new().file(name, content).end();
            let answer = receive(&target, &[NO_LINK_BY_DESCRIPTOR], &stream);
            answer.assert_refused(EEXIST.unsigned_abs());
            target.assert_landed(&["f", "l"]);
            assert!(fs::read(&file).is_ok_and(|content| content == b"the user's own"));
        }
    }
}

fn without_nameless_files_a_full_disk_leaves_nothing(form: Form) {
    in_private_mounts(|| {
        let target = Target::on(form, |home| mount_tmpfs(home, 1 << 20, ""));
        let stream = Stream::new().file("x", vec![b'x'; 3 << 20]).end();
        let command = command(&target, &[NO_LINK_BY_DESCRIPTOR], &["--no-space-check"]);
        let answer = feed(command, Joint::Pipes, stream.as_bytes());
        answer.assert_refused(ENOSPC.unsigned_abs());
        target.assert_landed(&[]);
    });
}

/// Kills the receiver itself, which strace runs.
fn kill_traced(receiver: Watched) {
    let children = receiver.proc(&format!("task/{}/children", receiver.pid()));
    let traced: Vec<i32> = children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect();
    for pid in &traced {
        let pid = rustix::process::Pid::from_raw(*pid).expect("no process is 0");
        rustix::process::kill_process(pid, Signal::KILL).expect("it is at work");
    }
    assert_eq!(traced.len(), 1, "{children}");
    assert_eq!(receiver.finish(&Stream::new()).finished.code(), 137);
}

fn what_a_killed_receiver_left_is_removed_by_the_next(form: Form) {
    let target = Target::new(form);
    let (receiver, _) = half_a_file(&target, NO_LINK_BY_DESCRIPTOR);
    kill_traced(receiver);
    assert_eq!(mode_of(&target, "d/f"), INCOMPLETE);
    let content = vec![b'y'; 300_000];
    let next = Stream::new().folder("d").file("d/f", &content).folder("d");
    let next = next.end();
    let answer = receive(&target, &[NO_LINK_BY_DESCRIPTOR], &next);
    answer.assert_confirmed(next.checksum());
    assert_eq!(mode_of(&target, "d/f"), 0o644);
    assert!(fs::read(target.incoming().join("d/f")).is_ok_and(|found| found == content));
    target.assert_sentinels();
}

fn a_file_that_is_being_filled_is_not_taken_for_a_leftover(form: Form) {
    let target = Target::new(form);
    // Somebody is filling it at this moment.
    let (first, rest) = half_a_file(&target, NO_LINK_BY_DESCRIPTOR);
    let second = Stream::new()
        .folder("d")
        .file("d/f", vec![b'y'; 300_000])
        .folder("d")
        .end();
    let answer = receive(&target, &[NO_LINK_BY_DESCRIPTOR], &second);
    answer.assert_refused(EEXIST.unsigned_abs());
    assert_eq!(mode_of(&target, "d/f"), INCOMPLETE);
    first.finish(&rest).finished.assert_code(0);
    let content = fs::read(target.incoming().join("d/f")).expect("it is complete");
    assert!(content == vec![b'x'; 100_000]);
    assert_eq!(mode_of(&target, "d/f"), 0o644);
}

fn a_closed_file_of_the_users_is_not_taken_for_a_leftover(form: Form) {
    for mode in [0, INCOMPLETE] {
        let target = Target::new(form);
        let file = target.incoming().join("f");
        fs::write(&file, b"the user's own").expect("the folder is ours");
        if am_root() {
            give_to_ordinary(&file);
        }
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("it is ours");
        for stream in [Stream::new().file("f", "new"), Stream::new().folder("f")] {
            let answer = receive(&target, &[NO_LINK_BY_DESCRIPTOR], &stream.end());
            answer.assert_refused(EEXIST.unsigned_abs());
            assert_eq!(mode_of(&target, "f"), mode);
        }
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
        assert!(fs::read(&file).is_ok_and(|content| content == b"the user's own"));
    }
}

fn a_confirmed_file_is_not_taken_for_a_leftover(form: Form) {
    // The receiver never makes this call, so that nothing is lacking.
    let nothing = "getppid:retval=1";
    for (mode, lacking) in [
        (0, nothing),
        (INCOMPLETE, nothing),
        (INCOMPLETE, NO_LINK_BY_DESCRIPTOR),
    ] {
        for nanoseconds in [0, 500_000_000] {
            let target = Target::new(form);
            let entry = RawEntry::new(FILE | mode, "f", "first");
            let entry = entry.with(|entry| entry.atime = (MARK, nanoseconds));
            let first = Stream::new().entry(&entry).end();
            receive(&target, &[lacking], &first).assert_confirmed(first.checksum());
            assert_eq!(mode_of(&target, "f"), mode);
            let second = Stream::new().file("f", "the second").end();
            let answer = receive(&target, &[NO_LINK_BY_DESCRIPTOR], &second);
            answer.assert_refused(EEXIST.unsigned_abs());
            let stat = fs::symlink_metadata(target.incoming().join("f")).expect("it is there");
            assert_eq!(stat.len(), 5);
        }
    }
}

fn what_the_user_puts_in_the_place_of_an_incomplete_file_stays(form: Form) {
    for is_cut in [true, false] {
        let target = Target::new(form);
        let (receiver, rest) = half_a_file(&target, NO_LINK_BY_DESCRIPTOR);
        let file = target.incoming().join("d/f");
        fs::remove_file(&file).expect("it is there");
        fs::write(&file, b"the user's own").expect("the folder is ours");
        if is_cut {
            receiver.finish(&Stream::new()).assert_refused(LEGAL_EOF);
        } else {
            receiver.finish(&rest).assert_refused(ENOENT.unsigned_abs());
        }
        assert!(fs::read(&file).is_ok_and(|content| content == b"the user's own"));
    }
}

fn without_anything_new_everything_lands(form: Form) {
    let notes = ["no openat2", "no O_TMPFILE"];
    let injections = [NO_OPENAT2, NO_LINK_BY_DESCRIPTOR];
    assert_everything_lands(&Target::new(form), &injections, &notes);
}

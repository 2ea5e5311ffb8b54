//! Mode and times that the file system does not take. What the owner can use all the same lands and
//! is confirmed; what the owner cannot use is refused, so that a sender keeps the original.
//!
//! `strace` answers in the file system's place; `receiver::fuse` tries real ones.

use std::fs;
use std::os::unix::fs::MetadataExt;

use libc::{EACCES, EINVAL, EIO, ENOENT, ENOSPC, ENOSYS, EOPNOTSUPP, EPERM};
use qfile_tests::attack::Target;
use qfile_tests::attacks;
use qfile_tests::injected::{everything, receive};
use qfile_tests::peer::{Joint, feed};
use qfile_tests::receiver::{Form, needs_strace};
use qfile_tests::stream::{FILE, FOLDER, RawEntry, Stream};

attacks! {
    times_that_cannot_be_set_are_said_and_everything_lands, [needs_strace];
    without_nameless_files_times_that_cannot_be_set_are_said_and_everything_lands, [needs_strace];
    a_mode_of_a_folder_that_cannot_be_set_is_said_and_everything_lands, [needs_strace];
    without_nameless_files_one_that_stays_closed_is_refused, [needs_strace];
    without_nameless_files_a_mode_that_is_only_pretended_to_be_set_is_refused, [needs_strace];
    a_file_that_its_sender_could_not_read_needs_no_reader, [needs_strace];
    a_file_that_would_stay_marked_as_incomplete_is_refused, [needs_strace];
    what_the_kernel_does_not_let_the_owner_use_is_refused, [needs_strace];
    a_kernel_that_cannot_be_asked_stops_nothing, [needs_strace];
    a_link_that_is_gone_is_refused, [needs_strace];
    a_disk_that_fails_at_metadata_stops_the_copy, [needs_strace];
    a_file_whose_close_fails_is_refused_and_removed, [needs_strace];
    a_file_that_cannot_be_lengthened_ends_in_zeros_all_the_same, [needs_strace];
}

/// As before Linux 6.10: a file without a name cannot be linked by its descriptor.
const NO_NAMELESS_FILES: &str = "linkat:error=ENOENT";

/// What a file system answers when it does not take a mode or a time.
const NOT_TAKEN: [(&str, i32); 7] = [
    ("EPERM", EPERM),
    ("EACCES", EACCES),
    ("ENOSYS", ENOSYS),
    ("EOPNOTSUPP", EOPNOTSUPP),
    ("EINVAL", EINVAL),
    ("ENOENT", ENOENT),
    ("EBADF", libc::EBADF),
];

#[track_caller]
fn assert_lands_and_says(target: &Target, injections: &[&str], notes: &[String]) {
    let (stream, landed) = everything();
    let answer = receive(target, injections, &stream);
    answer.assert_confirmed(stream.checksum());
    target.assert_landed(&landed);
    for note in notes {
        answer.finished.assert_says(note);
    }
    let found = target.landed();
    let mode = |name: &str| found.get(name).expect("it has landed").mode;
    assert_eq!((mode("d/e/f"), mode("large")), (0o644, 0o644));
}

fn times_not_set(names: &[&str]) -> Vec<String> {
    let note = |name: &&str| format!("the times of \"{name}\" could not be set: ");
    names.iter().map(note).collect()
}

fn times_that_cannot_be_set_are_said_and_everything_lands(form: Form) {
    let notes = times_not_set(&["d", "d/e", "d/e/f", "d/e/l", "empty", "large"]);
    for (errno, _) in NOT_TAKEN {
        let injection = format!("utimensat:error={errno}");
        assert_lands_and_says(&Target::new(form), &[&injection], &notes);
    }
}

fn without_nameless_files_times_that_cannot_be_set_are_said_and_everything_lands(form: Form) {
    let notes = times_not_set(&["d", "d/e", "d/e/f", "d/e/l", "empty", "large"]);
    for (errno, _) in NOT_TAKEN {
        let injections = [
            NO_NAMELESS_FILES,
            &format!("utimensat:error={errno}"),
            "flock:error=ENOSYS",
        ];
        assert_lands_and_says(&Target::new(form), &injections, &notes);
    }
}

/// It stays 0700: its owner can list and enter it.
fn a_mode_of_a_folder_that_cannot_be_set_is_said_and_everything_lands(form: Form) {
    for (errno, _) in NOT_TAKEN {
        let target = Target::new(form);
        let injection = format!("fchmod:error={errno}");
        let notes = ["d", "d/e"].map(|name| format!("the mode of \"{name}\" could not be set: "));
        assert_lands_and_says(&target, &[&injection], &notes);
        assert_eq!(
            target.landed().get("d").map(|folder| folder.mode),
            Some(0o700)
        );
    }
}

fn without_nameless_files_one_that_stays_closed_is_refused(form: Form) {
    for (errno, code) in NOT_TAKEN {
        for content in ["", "x", &"x".repeat(500_000)] {
            let target = Target::new(form);
            let stream = Stream::new().file("before", "").file("f", content).end();
            let injection = format!("fchmod:error={errno}:when=2+");
            let answer = receive(&target, &[NO_NAMELESS_FILES, &injection], &stream);
            answer.assert_refused(code.unsigned_abs());
            assert_eq!(answer.last_name(), Some(&b"f"[..]));
            answer.finished.assert_says("its owner could not use it");
            target.assert_landed(&["before"]);
        }
    }
}

/// As NTFS and vfat can be told to do. Some file systems say of every file that it can be read, so the
/// mode has to tell.
fn without_nameless_files_a_mode_that_is_only_pretended_to_be_set_is_refused(form: Form) {
    for access in ["faccessat2:retval=0", "faccessat2:error=ENOSYS"] {
        let target = Target::new(form);
        let stream = Stream::new().file("f", "x").end();
        let injections = [NO_NAMELESS_FILES, "fchmod:retval=0", access];
        let answer = receive(&target, &injections, &stream);
        answer.assert_refused(EACCES.unsigned_abs());
        target.assert_landed(&[]);
    }
}

fn a_file_that_its_sender_could_not_read_needs_no_reader(form: Form) {
    for mode in [0, 0o200, 0o044] {
        let target = Target::new(form);
        let stream = Stream::new()
            .entry(&RawEntry::new(FILE | mode, "f", "x"))
            .end();
        let injections = [NO_NAMELESS_FILES, "fchmod:error=EPERM"];
        let answer = receive(&target, &injections, &stream);
        answer.assert_confirmed(stream.checksum());
        target.assert_landed(&["f"]);
    }
}

/// Confirmed, it would be removed by the next copy of that name.
fn a_file_that_would_stay_marked_as_incomplete_is_refused(form: Form) {
    let target = Target::new(form);
    let closed = RawEntry::new(FILE | 0o200, "f", "x");
    let stream = Stream::new().entry(&closed).end();
    // The first call marks the file, the second one would set its times.
    let injections = [NO_NAMELESS_FILES, "utimensat:error=EPERM:when=2"];
    let answer = receive(&target, &injections, &stream);
    answer.assert_refused(EPERM.unsigned_abs());
    target.assert_landed(&[]);
}

/// A file or folder that belongs to somebody else, whatever its mode.
fn what_the_kernel_does_not_let_the_owner_use_is_refused(form: Form) {
    let no_access = "faccessat2:error=EACCES";
    for injections in [&[no_access][..], &[NO_NAMELESS_FILES, no_access]] {
        let target = Target::new(form);
        let stream = Stream::new().file("f", "x").end();
        let answer = receive(&target, injections, &stream);
        answer.assert_refused(EACCES.unsigned_abs());
        target.assert_landed(&[]);
    }
    let target = Target::new(form);
    let stream = Stream::new().folder("d").folder("d").end();
    let answer = receive(&target, &[no_access], &stream);
    answer.assert_refused(EACCES.unsigned_abs());
    assert_eq!(answer.last_name(), Some(&b"d"[..]));
    // Nobody is to enter it, says the sender.
    let target = Target::new(form);
    let closed = RawEntry::new(FOLDER, "d", "");
    let stream = Stream::new().folder("d").entry(&closed).end();
    let answer = receive(&target, &[no_access], &stream);
    answer.assert_confirmed(stream.checksum());
}

fn a_kernel_that_cannot_be_asked_stops_nothing(form: Form) {
    for errno in ["ENOSYS", "EINVAL"] {
        let injection = format!("faccessat2:error={errno}");
        assert_lands_and_says(&Target::new(form), &[&injection], &[]);
        let injections = [NO_NAMELESS_FILES, &injection];
        assert_lands_and_says(&Target::new(form), &injections, &[]);
    }
}

fn a_link_that_is_gone_is_refused(form: Form) {
    let target = Target::new(form);
    let stream = Stream::new().folder("d").link("d/l", "f").end();
    let answer = receive(&target, &["symlinkat:retval=0"], &stream);
    answer.assert_refused(ENOENT.unsigned_abs());
    target.assert_landed(&["d"]);
}

fn a_disk_that_fails_at_metadata_stops_the_copy(form: Form) {
    for (errno, code) in [("EIO", EIO), ("ENOSPC", ENOSPC)] {
        for call in ["fchmod", "utimensat"] {
            let target = Target::new(form);
            let stream = Stream::new().folder("d").folder("d").end();
            let answer = receive(&target, &[&format!("{call}:error={errno}")], &stream);
            answer.assert_refused(code.unsigned_abs());
            let target = Target::new(form);
            let stream = Stream::new().file("f", "x").end();
            let injections = [NO_NAMELESS_FILES, &format!("{call}:error={errno}:when=2+")];
            let stream = match call {
                "fchmod" => Stream::new().file("before", "").file("f", "x").end(),
                _ => stream,
            };
            receive(&target, &injections, &stream).assert_refused(code.unsigned_abs());
            assert!(!target.incoming().join("f").exists());
        }
    }
}

/// FUSE and NFS report at the close that writing has failed.
fn a_file_whose_close_fails_is_refused_and_removed(form: Form) {
    let stream = Stream::new().file("f", "x").end();
    let target = Target::new(form);
    let number = number_of_the_close_after_fchmod(&target, &stream);
    let target = Target::new(form);
    let injections = [NO_NAMELESS_FILES, &format!("close:error=EIO:when={number}")];
    let answer = receive(&target, &injections, &stream);
    answer.assert_refused(EIO.unsigned_abs());
    target.assert_landed(&[]);
}

fn number_of_the_close_after_fchmod(target: &Target, stream: &Stream) -> usize {
    let log = target.users_folder("log").join("count");
    let arguments = [
        "-o",
        log.to_str().expect("a plain path"),
        "-e",
        "trace=close,fchmod,linkat",
        "-e",
        "inject=linkat:error=ENOENT",
    ];
    let mut command = target.form.traced(&arguments);
    command.arg("-v");
    command.arg(format!("--require-isolation={}", target.form.level()));
    command.arg("").arg(target.incoming());
    feed(command, Joint::Pipes, stream.as_bytes()).assert_confirmed(stream.checksum());
    let log = fs::read_to_string(log).expect("strace has written it");
    let before = log.lines().take_while(|line| !line.contains("fchmod("));
    1 + before.filter(|line| line.contains("close(")).count()
}

fn a_file_that_cannot_be_lengthened_ends_in_zeros_all_the_same(form: Form) {
    let mut content = vec![0; 300_000];
    content[5] = 1;
    for errno in ["EPERM", "EINVAL", "ENOSYS", "EOPNOTSUPP"] {
        let target = Target::new(form);
        let stream = Stream::new()
            .file("zeros", [0; 5])
            .file("f", &content)
            .end();
        let injection = format!("ftruncate:error={errno}");
        receive(&target, &[&injection], &stream).assert_confirmed(stream.checksum());
        let landed = fs::read(target.incoming().join("f")).expect("it has landed");
        assert!(landed == content);
        let zeros = fs::metadata(target.incoming().join("zeros")).expect("it has landed");
        assert_eq!(zeros.size(), 5);
    }
    let target = Target::new(form);
    let stream = Stream::new().file("f", &content).end();
    let answer = receive(&target, &["ftruncate:error=EIO"], &stream);
    answer.assert_refused(EIO.unsigned_abs());
}

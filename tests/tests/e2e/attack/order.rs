//! Attacks by the order of entries: what stands where a folder is expected, and the reverse.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use libc::{EACCES, EEXIST, ELOOP, ENOENT, ENOLINK, ENOTDIR};
use qfile_tests::attack::{Target, assert_refused_with};
use qfile_tests::attacks;
use qfile_tests::peer::Answer;
use qfile_tests::receiver::Form;
use qfile_tests::stream::{FOLDER, RawEntry, Stream};

attacks! {
    content_before_its_folder_is_refused;
    a_folder_over_a_file_is_refused;
    a_folder_over_a_link_is_refused;
    a_file_over_a_folder_is_refused;
    a_link_over_a_file_or_a_folder_is_refused;
    content_of_a_file_as_if_it_were_a_folder_is_refused;
    a_folders_second_header_first_makes_the_folder_and_applies_nothing;
    a_folders_third_header_applies_nothing;
    a_name_sent_twice_is_refused_and_the_first_stays;
    a_link_and_then_a_file_through_it_is_refused;
    a_link_and_then_a_folder_header_on_it_is_refused;
    an_unsafe_link_that_was_allowed_is_not_followed_either;
    a_link_as_the_target_folder_is_refused;
    a_link_that_was_there_before_is_not_followed;
    a_dangling_link_that_was_there_before_is_not_written_through;
    a_folder_that_was_there_before_keeps_its_mode_and_times;
    a_folder_that_was_closed_takes_nothing_more;
    renaming_on_conflict_follows_no_link;
    comparing_on_conflict_follows_no_link;
}

/// The codes for a path that leads through something which is no folder.
#[track_caller]
fn assert_refused_as_no_folder(answer: &Answer, last_name: &str) {
    assert_refused_with(answer, &[ELOOP, ENOTDIR], last_name);
}

fn content_before_its_folder_is_refused(form: Form) {
    for name in ["d/f", "d/e/f"] {
        let stream = Stream::new()
            .file("kept", "")
            .file(name, "x")
            .folder("d")
            .end();
        Target::new(form).assert_refuses(&[], &stream, ENOENT, Some(name.as_bytes()), &["kept"]);
    }
    let folder = Stream::new().folder("d/e").end();
    Target::new(form).assert_refuses(&[], &folder, ENOENT, Some(b"d/e"), &[]);
    let link = Stream::new().link("d/l", "x").end();
    Target::new(form).assert_refuses(&[], &link, ENOENT, Some(b"d/l"), &[]);
}

fn a_folder_over_a_file_is_refused(form: Form) {
    let stream = Stream::new().file("x", "file").folder("x").end();
    Target::new(form).assert_refuses(&[], &stream, EEXIST, Some(b"x"), &["x"]);
}

fn a_folder_over_a_link_is_refused(form: Form) {
    let stream = Stream::new()
        .folder("d")
        .link("d/l", "x")
        .folder("d/l")
        .end();
    Target::new(form).assert_refuses(&[], &stream, EEXIST, Some(b"d/l"), &["d", "d/l"]);
}

fn a_file_over_a_folder_is_refused(form: Form) {
    for content in ["", "content"] {
        let stream = Stream::new().folder("x").file("x", content).end();
        Target::new(form).assert_refuses(&[], &stream, EEXIST, Some(b"x"), &["x"]);
    }
}

fn a_link_over_a_file_or_a_folder_is_refused(form: Form) {
    for below in [
        Stream::new().folder("d").file("d/x", ""),
        Stream::new().folder("d").folder("d/x"),
    ] {
        let stream = below.link("d/x", "y").end();
        Target::new(form).assert_refuses(&[], &stream, EEXIST, Some(b"d/x"), &["d", "d/x"]);
    }
}

fn content_of_a_file_as_if_it_were_a_folder_is_refused(form: Form) {
    let target = Target::new(form);
    let answer = target.receive(&[], &Stream::new().file("x", "file").file("x/y", "").end());
    assert_refused_as_no_folder(&answer, "x/y");
    target.assert_landed(&["x"]);
}

fn mode_and_mtime(path: &Path) -> (u32, i64, i64) {
    let stat = fs::symlink_metadata(path).expect("it is there");
    (stat.mode() & 0o7777, stat.mtime(), stat.mtime_nsec())
}

fn a_folders_second_header_first_makes_the_folder_and_applies_nothing(form: Form) {
    // Sent once, as `tar2qfile` does, or only "after" content that never came.
    let target = Target::new(form);
    let once = RawEntry::new(FOLDER | 0o777, "d", "");
    target.assert_accepts(&[], &Stream::new().entry(&once).end(), &["d"]);
    let (mode, mtime, _) = mode_and_mtime(&target.incoming().join("d"));
    assert_eq!(mode, 0o700);
    assert_ne!(mtime, i64::from(once.mtime.0));
}

fn a_folders_third_header_applies_nothing(form: Form) {
    let target = Target::new(form);
    let header = |mode, seconds| {
        RawEntry::new(FOLDER | mode, "d", "").with(|entry| entry.mtime = (seconds, 5))
    };
    let stream = Stream::new()
        .entry(&header(0o755, 1000))
        .entry(&header(0o750, 2000))
        .entry(&header(0o777, 3000))
        .end();
    target.assert_accepts(&[], &stream, &["d"]);
    assert_eq!(
        mode_and_mtime(&target.incoming().join("d")),
        (0o750, 2000, 5)
    );
}

fn a_name_sent_twice_is_refused_and_the_first_stays(form: Form) {
    for size in [5, 500_000] {
        let target = Target::new(form);
        let (first, second) = (vec![b'1'; size], vec![b'2'; size]);
        let stream = Stream::new().file("x", &first).file("x", &second).end();
        target.assert_refuses(&[], &stream, EEXIST, Some(b"x"), &["x"]);
        assert!(fs::read(target.incoming().join("x")).is_ok_and(|content| content == first));
    }
    let link = Stream::new()
        .folder("d")
        .link("d/l", "a")
        .link("d/l", "b")
        .end();
    let target = Target::new(form);
    target.assert_refuses(&[], &link, EEXIST, Some(b"d/l"), &["d", "d/l"]);
    assert!(fs::read_link(target.incoming().join("d/l")).is_ok_and(|to| to == Path::new("a")));
}

fn a_link_and_then_a_file_through_it_is_refused(form: Form) {
    for link_target in ["e", ".", "e/", "./e"] {
        for through in ["d/l/x", "d/l/e/x"] {
            let target = Target::new(form);
            let folders = Stream::new().folder("d").folder("d/e").folder("d/e/e");
            let stream = folders.link("d/l", link_target).file(through, "x").end();
            assert_refused_as_no_folder(&target.receive(&[], &stream), through);
            target.assert_landed(&["d", "d/e", "d/e/e", "d/l"]);
        }
    }
}

fn a_link_and_then_a_folder_header_on_it_is_refused(form: Form) {
    let target = Target::new(form);
    let folders = Stream::new().folder("d").folder("d/e");
    let stream = folders
        .link("d/l", "e")
        .entry(&RawEntry::new(FOLDER | 0o777, "d/l", ""))
        .end();
    target.assert_refuses(&[], &stream, EEXIST, Some(b"d/l"), &["d", "d/e", "d/l"]);
    assert_eq!(mode_and_mtime(&target.incoming().join("d/e")).0, 0o700);
}

fn an_unsafe_link_that_was_allowed_is_not_followed_either(form: Form) {
    let target = Target::new(form);
    let outside = target.outside().join("folder");
    let options = ["--allow-unsafe-symlinks"];
    let link = Stream::new().link("l", outside.as_os_str().as_encoded_bytes());
    let answer = target.receive(&options, &link.clone().file("l/new", "x").end());
    assert_refused_as_no_folder(&answer, "l/new");
    target.assert_landed(&["l"]);

    let target = Target::new(form);
    let answer = target.receive(&options, &link.link("l/new", "x").end());
    assert_refused_as_no_folder(&answer, "l/new");
    target.assert_landed(&["l"]);

    let target = Target::new(form);
    let up = Stream::new()
        .link("l", "../..")
        .file("l/outside/new", "x")
        .end();
    assert_refused_as_no_folder(&target.receive(&options, &up), "l/outside/new");
    target.assert_landed(&["l"]);
}

/// A target whose incoming folder holds the link `d` to the folder `ROOT/outside/folder`.
fn with_link_outside(form: Form) -> Target {
    let target = Target::new(form);
    symlink("../../outside/folder", target.incoming().join("d")).expect("the folder is ours");
    target
}

fn a_link_as_the_target_folder_is_refused(form: Form) {
    let stream = Stream::new()
        .folder("d")
        .file("d/new", "x")
        .folder("d")
        .end();
    with_link_outside(form).assert_refuses(&[], &stream, EEXIST, Some(b"d"), &["d"]);
}

fn a_link_that_was_there_before_is_not_followed(form: Form) {
    let target = with_link_outside(form);
    let answer = target.receive(&[], &Stream::new().file("d/new", "x").end());
    assert_refused_as_no_folder(&answer, "d/new");
    target.assert_landed(&["d"]);

    let target = with_link_outside(form);
    let answer = target.receive(&[], &Stream::new().file("d/inner", "x").end());
    assert_refused_as_no_folder(&answer, "d/inner");
    target.assert_landed(&["d"]);

    let target = with_link_outside(form);
    let answer = target.receive(&[], &Stream::new().folder("d/sub").end());
    assert_refused_as_no_folder(&answer, "d/sub");
    target.assert_landed(&["d"]);
}

fn a_dangling_link_that_was_there_before_is_not_written_through(form: Form) {
    for content in ["", "content"] {
        let target = Target::new(form);
        symlink("../../outside/new", target.incoming().join("x")).expect("the folder is ours");
        let stream = Stream::new().file("x", content).end();
        target.assert_refuses(&[], &stream, EEXIST, Some(b"x"), &["x"]);
    }
}

fn a_folder_that_was_there_before_keeps_its_mode_and_times(form: Form) {
    let target = Target::new(form);
    let folder = target.users_folder("home/incoming/d");
    qfile_tests::tree::set(&folder, Some(0o711), (1000, 7));
    let header = RawEntry::new(FOLDER | 0o777, "d", "");
    target.assert_accepts(
        &[],
        &Stream::new().entry(&header).entry(&header).end(),
        &["d"],
    );
    assert_eq!(mode_and_mtime(&folder), (0o711, 1000, 7));
}

fn a_folder_that_was_closed_takes_nothing_more(form: Form) {
    // The user could not write there either: no privilege is left that could.
    let closed = RawEntry::new(FOLDER | 0o555, "d", "");
    let stream = Stream::new()
        .entry(&closed)
        .entry(&closed)
        .file("d/x", "")
        .end();
    Target::new(form).assert_refuses(&[], &stream, EACCES, Some(b"d/x"), &["d"]);
}

fn renaming_on_conflict_follows_no_link(form: Form) {
    let options = ["--on-conflict=rename"];
    let target = with_link_outside(form);
    let stream = Stream::new()
        .folder("d")
        .file("d/new", "x")
        .folder("d")
        .end();
    target.assert_accepts(&options, &stream, &["d", "d (2)", "d (2)/new"]);

    let target = with_link_outside(form);
    let stream = Stream::new().file("d", "x").end();
    target.assert_accepts(&options, &stream, &["d", "d (2)"]);

    let target = with_link_outside(form);
    let through = Stream::new().file("d/new", "x").end();
    let answer = target.receive(&options, &through);
    assert!(
        answer.finished.status.code().is_some_and(|code| code != 0),
        "{answer:?}"
    );
    target.assert_landed(&["d"]);
}

fn comparing_on_conflict_follows_no_link(form: Form) {
    // A comparison through the link would tell the sender what the file outside holds.
    let target = Target::new(form);
    symlink("../../outside/file", target.incoming().join("x")).expect("the folder is ours");
    let stream = Stream::new()
        .file("x", qfile_tests::sentinel::CONTENT)
        .end();
    target.assert_refuses(
        &["--on-conflict=skip-identical"],
        &stream,
        EEXIST,
        Some(b"x"),
        &["x"],
    );

    let target = with_link_outside(form);
    let stream = Stream::new()
        .file("d/inner", qfile_tests::sentinel::CONTENT)
        .end();
    let answer = target.receive(&["--on-conflict=skip-identical"], &stream);
    assert_refused_as_no_folder(&answer, "d/inner");
    target.assert_landed(&["d"]);
    let unsafe_target = Stream::new().link("l", "x").end();
    Target::new(form).assert_refuses(&[], &unsafe_target, ENOLINK, Some(b"l"), &[]);
}

//! Staged races: somebody else changes the incoming folder while a stream arrives (QSB-014,
//! CVE-2018-15664, CVE-2024-12747).
//!
//! The stream comes in two parts, and the change happens when the receiver has done all of the first
//! part and waits for the second: the attacker wins every single round.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use libc::{EEXIST, ELOOP, ENOENT, ENOTDIR};
use qfile_tests::attack::{Target, assert_refused_with};
use qfile_tests::attacks;
use qfile_tests::peer::Answer;
use qfile_tests::receiver::Form;
use qfile_tests::stream::{FOLDER, RawEntry, Stream};
use qfile_tests::watched::Watched;

attacks! {
    a_parent_swapped_for_a_link_is_not_followed;
    a_grandparent_swapped_for_a_link_is_not_followed;
    a_parent_moved_out_is_not_followed;
    a_deleted_parent_is_not_made_again;
    a_parent_swapped_for_a_link_while_content_arrives_is_not_followed;
    a_parent_moved_out_while_content_arrives_is_not_followed;
    a_parent_deleted_while_content_arrives_stops_the_copy;
    a_file_created_while_its_content_arrives_is_not_overwritten;
    a_link_created_while_content_arrives_is_not_written_through;
    a_folder_swapped_for_a_link_before_its_second_header_is_not_followed;
    a_folder_moved_out_before_its_second_header_keeps_its_mode;
    a_link_swapped_for_another_keeps_its_times;
    an_incoming_folder_that_is_replaced_stays_the_incoming_folder;
    an_incoming_folder_that_is_deleted_is_not_made_again;
}

/// Rounds of a staged race; the attacker wins each.
const STAGED_ROUNDS: u32 = 12;

/// Sends `before`, has `change` done when the receiver waits, sends `after`.
#[track_caller]
fn staged(target: &Target, before: &Stream, change: impl FnOnce(&Path), after: &Stream) -> Answer {
    let mut receiver = Watched::start(target.command(&[]));
    receiver.send_and_settle(before);
    change(&target.incoming());
    receiver.finish(after)
}

/// What comes after the change: a small file, a large one, a folder, a link.
fn entries_in(folder: &str) -> [(Stream, String); 4] {
    ["small", "large", "sub", "link"].map(|name| {
        let path = format!("{folder}/{name}");
        let stream = match name {
            "small" => Stream::new().file(&path, "x"),
            "large" => Stream::new().file(&path, vec![b'x'; 500_000]),
            "sub" => Stream::new().folder(&path),
            _ => Stream::new().link(&path, "x"),
        };
        (stream.end(), path)
    })
}

fn swap_for_link(folder: &Path, link_target: &str) {
    let aside = folder.with_extension("aside");
    fs::rename(folder, aside).expect("it can be moved");
    symlink(link_target, folder).expect("the name is free");
}

const NOT_FOLLOWED: [i32; 2] = [ELOOP, ENOTDIR];

fn a_parent_swapped_for_a_link_is_not_followed(form: Form) {
    for round in 0..STAGED_ROUNDS {
        let (after, name) = &entries_in("d")[round as usize % 4];
        let target = Target::new(form);
        let before = Stream::new().folder("d").file("d/one", "");
        let swap = |incoming: &Path| swap_for_link(&incoming.join("d"), "../../outside/folder");
        let answer = staged(&target, &before, swap, after);
        assert_refused_with(&answer, &NOT_FOLLOWED, name);
        target.assert_landed(&["d", "d.aside", "d.aside/one"]);
    }
}

fn a_grandparent_swapped_for_a_link_is_not_followed(form: Form) {
    for round in 0..STAGED_ROUNDS {
        let (after, name) = &entries_in("d/folder")[round as usize % 4];
        let target = Target::new(form);
        let before = Stream::new().folder("d").folder("d/folder");
        // `d/folder` would be `outside/folder`.
        let swap = |incoming: &Path| swap_for_link(&incoming.join("d"), "../../outside");
        let answer = staged(&target, &before, swap, after);
        assert_refused_with(&answer, &NOT_FOLLOWED, name);
        target.assert_landed(&["d", "d.aside", "d.aside/folder"]);
    }
}

fn move_out(incoming: &Path) {
    fs::rename(incoming.join("d"), incoming.join("../moved")).expect("it can be moved");
}

#[track_caller]
fn assert_moved_holds(target: &Target, names: &[&str]) {
    let moved = qfile_tests::tree::Snapshot::of(&target.home().join("moved"));
    assert_eq!(moved.paths(), names);
    target.assert_landed(&[]);
}

fn a_parent_moved_out_is_not_followed(form: Form) {
    for round in 0..STAGED_ROUNDS {
        let (after, name) = &entries_in("d")[round as usize % 4];
        let target = Target::new(form);
        let before = Stream::new().folder("d").file("d/one", "");
        let answer = staged(&target, &before, move_out, after);
        assert_refused_with(&answer, &[ENOENT], name);
        assert_moved_holds(&target, &["one"]);
    }
}

fn a_deleted_parent_is_not_made_again(form: Form) {
    for round in 0..STAGED_ROUNDS {
        let (after, name) = &entries_in("d")[round as usize % 4];
        let target = Target::new(form);
        let before = Stream::new().folder("d").file("d/one", "");
        let delete = |incoming: &Path| {
            fs::remove_dir_all(incoming.join("d")).expect("it can be removed");
        };
        let answer = staged(&target, &before, delete, after);
        assert_refused_with(&answer, &[ENOENT], name);
        target.assert_landed(&[]);
    }
}

/// A folder, and in it a file of which the second half is still to come.
fn half_a_file() -> (Stream, Stream) {
    let whole = Stream::new()
        .folder("d")
        .file("d/f", vec![b'x'; 100_000])
        .end();
    let (first, second) = whole.as_bytes().split_at(50_000);
    (Stream::new().bytes(first), Stream::new().bytes(second))
}

fn a_parent_swapped_for_a_link_while_content_arrives_is_not_followed(form: Form) {
    for _ in 0..STAGED_ROUNDS {
        let target = Target::new(form);
        let (before, after) = half_a_file();
        let swap = |incoming: &Path| swap_for_link(&incoming.join("d"), "../../outside/folder");
        let answer = staged(&target, &before, swap, &after);
        // In a folder that stayed in the incoming folder the file may land.
        let landed = match answer.finished.code() {
            0 => &["d", "d.aside", "d.aside/f"][..],
            _ => &["d", "d.aside"],
        };
        target.assert_landed(landed);
    }
}

fn a_parent_moved_out_while_content_arrives_is_not_followed(form: Form) {
    for _ in 0..STAGED_ROUNDS {
        let target = Target::new(form);
        let (before, after) = half_a_file();
        let answer = staged(&target, &before, move_out, &after);
        assert_ne!(answer.finished.code(), 0, "{answer:?}");
        assert_eq!(answer.last_name(), Some(&b"d/f"[..]));
        assert_moved_holds(&target, &[]);
    }
}

fn a_parent_deleted_while_content_arrives_stops_the_copy(form: Form) {
    for _ in 0..STAGED_ROUNDS {
        let target = Target::new(form);
        let (before, after) = half_a_file();
        let delete = |incoming: &Path| {
            fs::remove_dir_all(incoming.join("d")).expect("it can be removed");
        };
        let answer = staged(&target, &before, delete, &after);
        assert_refused_with(&answer, &[ENOENT], "d/f");
        target.assert_landed(&[]);
    }
}

fn a_file_created_while_its_content_arrives_is_not_overwritten(form: Form) {
    for _ in 0..STAGED_ROUNDS {
        let target = Target::new(form);
        let (before, after) = half_a_file();
        let create = |incoming: &Path| {
            fs::write(incoming.join("d/f"), b"the user's own").expect("the name is free");
        };
        let answer = staged(&target, &before, create, &after);
        assert_refused_with(&answer, &[EEXIST], "d/f");
        target.assert_landed(&["d", "d/f"]);
        let content = fs::read(target.incoming().join("d/f")).expect("it is there");
        assert_eq!(content, b"the user's own");
    }
}

fn a_link_created_while_content_arrives_is_not_written_through(form: Form) {
    for link_target in ["../../../outside/file", "../../../outside/new", "."] {
        for _ in 0..STAGED_ROUNDS / 3 {
            let target = Target::new(form);
            let (before, after) = half_a_file();
            let create = |incoming: &Path| {
                symlink(link_target, incoming.join("d/f")).expect("the name is free");
            };
            let answer = staged(&target, &before, create, &after);
            assert_refused_with(&answer, &[EEXIST], "d/f");
            target.assert_landed(&["d", "d/f"]);
        }
    }
}

/// The second header of `d`, which opens the folder to everyone.
fn second_header() -> Stream {
    Stream::new()
        .entry(&RawEntry::new(FOLDER | 0o777, "d", ""))
        .end()
}

fn a_folder_swapped_for_a_link_before_its_second_header_is_not_followed(form: Form) {
    for _ in 0..STAGED_ROUNDS {
        let target = Target::new(form);
        let before = Stream::new().folder("d").file("d/one", "");
        let swap = |incoming: &Path| swap_for_link(&incoming.join("d"), "../../outside/folder");
        let answer = staged(&target, &before, swap, &second_header());
        assert_refused_with(&answer, &NOT_FOLLOWED, "d");
        target.assert_landed(&["d", "d.aside", "d.aside/one"]);
    }
}

fn a_folder_moved_out_before_its_second_header_keeps_its_mode(form: Form) {
    for _ in 0..STAGED_ROUNDS {
        let target = Target::new(form);
        let before = Stream::new().folder("d").file("d/one", "");
        let answer = staged(&target, &before, move_out, &second_header());
        assert_refused_with(&answer, &[ENOENT], "d");
        let mode = fs::metadata(target.home().join("moved")).map(|moved| moved.mode() & 0o777);
        assert_eq!(mode.ok(), Some(0o700));
        assert_moved_holds(&target, &["one"]);
    }
}

fn a_link_swapped_for_another_keeps_its_times(form: Form) {
    // The times of a link are set by its name, after it was made: never those of what it points to.
    for _ in 0..STAGED_ROUNDS {
        let target = Target::new(form);
        let before = Stream::new().folder("d");
        let swap = |incoming: &Path| {
            symlink("../../../outside/file", incoming.join("d/l")).expect("the name is free");
        };
        let after = Stream::new().link("d/l", "x").end();
        let answer = staged(&target, &before, swap, &after);
        assert_refused_with(&answer, &[EEXIST], "d/l");
        target.assert_landed(&["d", "d/l"]);
    }
}

fn an_incoming_folder_that_is_replaced_stays_the_incoming_folder(form: Form) {
    for round in 0..STAGED_ROUNDS {
        let target = Target::new(form);
        let before = Stream::new().folder("d").file("d/one", "");
        let after = Stream::new()
            .file("d/two", "")
            .file("three", "")
            .folder("d")
            .end();
        let replace = |incoming: &Path| match round % 2 {
            0 => swap_for_link(incoming, "../outside/folder"),
            _ => {
                fs::rename(incoming, incoming.with_extension("aside")).expect("it can be moved");
                fs::create_dir(incoming).expect("the name is free");
            }
        };
        let answer = staged(&target, &before, replace, &after);
        // It was opened once, at the start, and is never looked up again.
        answer.finished.assert_code(0);
        let aside = qfile_tests::tree::Snapshot::of(&target.home().join("incoming.aside"));
        assert_eq!(aside.paths(), ["d", "d/one", "d/two", "three"]);
        if round % 2 == 1 {
            assert!(target.landed().is_empty());
        }
        target.assert_sentinels();
    }
}

fn an_incoming_folder_that_is_deleted_is_not_made_again(form: Form) {
    for (after, path) in entries_in("d").into_iter().chain([
        (Stream::new().file("small", "x").end(), "small".to_owned()),
        (Stream::new().folder("sub").end(), "sub".to_owned()),
    ]) {
        let target = Target::new(form);
        let mut receiver = Watched::start(target.command(&["-v"]));
        receiver.send_and_settle(&Stream::new().folder("d").file("d/one", ""));
        fs::remove_dir_all(target.incoming()).expect("it can be removed");
        let answer = receiver.finish(&after);
        assert_refused_with(&answer, &[ENOENT], &path);
        answer
            .finished
            .assert_says("the incoming folder has been deleted");
        assert!(!target.incoming().exists());
        target.assert_sentinels();
    }
}

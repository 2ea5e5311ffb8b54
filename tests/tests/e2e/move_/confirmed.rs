//! What was confirmed is deleted, whatever the tree looks like and however it was named.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use qfile_tests::moving::Moving;
use qfile_tests::process::wrapped_in;
use qfile_tests::qubes::{SOURCE, TARGET};
use qfile_tests::suite;
use qfile_tests::tree::{Snapshot, make_deep, set};

suite! {
    a_tree_is_moved_as_it_was,
    several_arguments_are_moved,
    qvm_move_asks_for_the_target,
    any_name_is_deleted,
    hard_links_are_all_deleted,
    a_name_outside_of_a_file_inside_is_kept,
    a_tree_of_4000_levels_is_moved,
    folders_that_only_their_owner_may_read_are_moved,
    an_argument_below_a_link_is_moved,
    a_link_as_an_argument_is_refused_before_anything_is_sent,
    what_has_no_name_of_its_own_is_refused,
    trailing_slashes_do_not_matter,
    an_argument_inside_another_is_moved_with_it,
    the_same_argument_twice_is_refused,
    a_dry_run_deletes_nothing,
    a_file_just_written_is_moved,
}

/// Moves `arguments`, which is all there is in the home, and compares.
#[track_caller]
fn assert_moved(moving: &Moving, arguments: &[&str]) {
    let before = moving.snapshot();
    let moved = moving.run(arguments);
    moved.assert_all_gone();
    assert_eq!(moved.finished.stdout, b"");
    before.assert_arrived(&moving.arrived());
}

fn a_tree_is_moved_as_it_was() {
    let moving = Moving::new();
    moving.file("d/e/f", "content");
    moving.file("d/empty", "");
    moving.file("d/read only", "x");
    fs::create_dir(moving.path("d/empty folder")).unwrap();
    symlink("e/f", moving.path("d/link")).unwrap();
    symlink("nowhere", moving.path("d/dangling")).unwrap();
    set(&moving.path("d/read only"), Some(0o400), (1, 2));
    set(&moving.path("d/link"), None, (3, 4));
    set(&moving.path("d"), Some(0o750), (5, 6));
    assert_moved(&moving, &["d"]);
}

fn several_arguments_are_moved() {
    let moving = Moving::new();
    moving.file("a", "1");
    moving.file("d/b", "2");
    let outside = moving.qubes.root().join("elsewhere");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("c"), "3").unwrap();
    let absolute = outside.join("c");
    let moved = moving.run(&["a", "d", absolute.to_str().unwrap()]);
    moved.assert_all_gone();
    assert!(Snapshot::of(&outside).is_empty());
    assert_eq!(moving.arrived().paths(), ["a", "c", "d", "d/b"]);
}

fn qvm_move_asks_for_the_target() {
    let moving = Moving::new();
    moving.file(TARGET, "a file that is called as a qube");
    let mut command = moving.qubes.command(SOURCE, "qvm-move");
    command.arg(TARGET);
    moving.run_command(command).assert_all_gone();
    assert_eq!(moving.arrived().paths(), [TARGET]);
}

fn any_name_is_deleted() {
    let moving = Moving::new();
    for name in [
        "d/-rf",
        "d/a\nb",
        "d/\u{202e}",
        "d/ ",
        "d/'\"$(id)",
        "d/...",
    ] {
        moving.file(name, name);
    }
    moving.file(&format!("d/{}", "n".repeat(255)), "long");
    assert_moved(&moving, &["d"]);
}

/// The second name has another ctime once the first is gone.
fn hard_links_are_all_deleted() {
    let moving = Moving::new();
    moving.file("d/a", "content");
    moving.file("d/sub/x", "x");
    for name in ["d/b", "d/sub/c", "e"] {
        fs::hard_link(moving.path("d/a"), moving.path(name)).unwrap();
    }
    moving.run(&["d", "e"]).assert_all_gone();
    for name in ["d/a", "d/b", "d/sub/c", "e"] {
        assert_eq!(fs::read(moving.incoming().join(name)).unwrap(), b"content");
    }
}

fn a_name_outside_of_a_file_inside_is_kept() {
    let moving = Moving::new();
    moving.file("d/a", "content");
    fs::hard_link(moving.path("d/a"), moving.path("outside")).unwrap();
    let moved = moving.run(&["d"]);
    moved.finished.assert_code(0);
    assert_eq!(moved.left.paths(), ["outside"]);
    assert_eq!(fs::read(moving.path("outside")).unwrap(), b"content");
}

/// With fewer descriptors than levels, and paths that no call takes. The time that the kernel needs is
/// quadratic in the levels.
fn a_tree_of_4000_levels_is_moved() {
    const LEVELS: usize = 4000;
    let limit = getrlimit(Resource::Nofile).current;
    assert!(limit.is_none_or(|limit| limit != LEVELS as u64));
    let moving = Moving::new();
    let innermost = make_deep(&moving.home(), "d", LEVELS);
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    drop(rustix::fs::openat(&innermost, "f", flags, mode).unwrap());
    drop(innermost);
    let limited = ["sh", "-c", "ulimit -n 64 && exec \"$0\" \"$@\""];
    let command = wrapped_in(&limited, &moving.command(&["d"]));
    moving.run_command(command).assert_all_gone();
    assert_eq!(moving.arrived().len(), LEVELS + 1);
}

fn folders_that_only_their_owner_may_read_are_moved() {
    let moving = Moving::new();
    moving.file("d/e/f", "");
    set(&moving.path("d/e"), Some(0o700), (1, 1));
    set(&moving.path("d"), Some(0o700), (1, 1));
    assert_moved(&moving, &["d"]);
}

fn an_argument_below_a_link_is_moved() {
    let moving = Moving::new();
    moving.file("real/d/f", "x");
    symlink("real", moving.path("link")).unwrap();
    let moved = moving.run(&["link/d", "real/../link/../real/d/../d"]);
    moved.finished.assert_code(2);
    let moved = moving.run(&["real/../link/d"]);
    moved.finished.assert_code(0);
    assert_eq!(moved.left.paths(), ["link", "real"]);
}

fn a_link_as_an_argument_is_refused_before_anything_is_sent() {
    let moving = Moving::new();
    moving.file("d/f", "x");
    symlink("d", moving.path("link")).unwrap();
    let before = moving.snapshot();
    for argument in ["link", "link/", "./link//"] {
        let moved = moving.run(&[argument]);
        moved.finished.assert_code(1);
        moved.finished.assert_says("nothing was sent");
        before.assert_unchanged(&moved.left);
    }
}

fn what_has_no_name_of_its_own_is_refused() {
    let moving = Moving::new();
    moving.file("d/f", "x");
    let before = moving.snapshot();
    for argument in [".", "..", "d/.", "d/..", "/", "", "./"] {
        let moved = moving.run(&["d", argument]);
        moved.finished.assert_code(2);
        before.assert_unchanged(&moved.left);
    }
    assert!(!moving.incoming().exists());
}

fn trailing_slashes_do_not_matter() {
    let moving = Moving::new();
    moving.file("d/f", "x");
    assert_moved(&moving, &["d//"]);
}

fn an_argument_inside_another_is_moved_with_it() {
    for arguments in [["d", "d/e"], ["d/e", "d"]] {
        let moving = Moving::new();
        moving.file("d/e/f", "x");
        moving.file("d/g", "y");
        moving.run(&arguments).assert_all_gone();
        let arrived = ["d", "d/e", "d/e/f", "d/g", "e", "e/f"];
        assert_eq!(moving.arrived().paths(), arrived);
    }
    // A file, and one that is named by another way.
    let moving = Moving::new();
    moving.file("d/e/f", "x");
    symlink("d", moving.path("link")).unwrap();
    let moved = moving.run(&["d/../link/e/f", "d"]);
    moved.finished.assert_code(0);
    assert_eq!(moved.left.paths(), ["link"]);
    // A second name of the same file is no such thing.
    let moving = Moving::new();
    moving.file("d/f", "x");
    fs::hard_link(moving.path("d/f"), moving.path("f")).unwrap();
    moving.run(&["d", "f"]).assert_all_gone();
}

fn the_same_argument_twice_is_refused() {
    let moving = Moving::new();
    moving.file("d/f", "x");
    let before = moving.snapshot();
    for again in ["d", "./d", "d/", moving.path("d").to_str().unwrap()] {
        let moved = moving.run(&["d", again]);
        moved.finished.assert_code(2);
        moved.finished.assert_says("name it once");
        before.assert_unchanged(&moved.left);
    }
}

fn a_dry_run_deletes_nothing() {
    let moving = Moving::new();
    moving.file("d/f", "12345");
    let moved = moving.run(&["--dry-run", "d"]);
    moved.finished.assert_code(0);
    assert_eq!(moved.left.paths(), ["d", "d/f"]);
    let told = String::from_utf8(moved.finished.stdout.clone()).unwrap();
    assert!(told.contains("1 file and 1 folder, 5 bytes"), "{told}");
    assert!(told.contains("to delete here"), "{told}");
    assert!(!Path::new(&moving.incoming()).exists());
}

/// Within a tick of the clock that files are stamped with.
fn a_file_just_written_is_moved() {
    let moving = Moving::new();
    let writing = ["sh", "-c", "echo x >f; exec \"$0\" \"$@\""];
    let command = wrapped_in(&writing, &moving.command(&["f"]));
    moving.run_command(command).assert_all_gone();
    assert_eq!(moving.arrived().paths(), ["f"]);
}

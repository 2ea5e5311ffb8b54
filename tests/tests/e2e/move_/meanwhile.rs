//! Another process adds, changes, swaps and removes things while a move is under way: after they
//! were sent, before they are confirmed. Whatever is not what was confirmed stays.

use std::fs;

use qfile_tests::moving::{Moved, Moving};
use qfile_tests::suite;

suite! {
    what_appears_stays,
    what_changes_stays,
    a_change_that_leaves_size_and_time_as_they_were_is_noticed,
    what_is_replaced_stays,
    a_folder_swapped_for_a_link_is_not_followed,
    a_folder_swapped_for_another_is_not_emptied,
    a_folder_that_was_moved_away_stays_where_it_is,
    a_base_that_was_swapped_is_not_entered,
    what_was_removed_is_told,
    a_file_moved_within_the_tree_stays,
    a_second_name_made_meanwhile_stays,
    a_changed_file_with_several_names_stays_under_all,
}

/// `d` with `a`, `b` and `sub/c` is moved, and meanwhile `script` is run.
fn moved(moving: &Moving, script: &str) -> Moved {
    for name in ["d/a", "d/b", "d/sub/c"] {
        moving.file(name, name);
    }
    moving.before_the_verdict(script);
    let moved = moving.run(&["d"]);
    let arrived = ["d", "d/a", "d/b", "d/sub", "d/sub/c"];
    assert_eq!(moving.arrived().paths(), arrived);
    moved
}

const NOT_SENT: &str = "not among the entries that were copied and confirmed (";
const CHANGED: &str = "changed since it was copied: the copy there is older (";
const REPLACED: &str = "replaced by something else since it was copied (";
const GONE: &str = "no longer found under its name";

fn what_appears_stays() {
    let moving = Moving::new();
    let moved = moved(
        &moving,
        "echo new >d/new; mkdir d/sub/folder; echo x >d/sub/folder/x; ln -s a d/link; mkfifo d/pipe",
    );
    moved.assert_stays(
        &moving.home(),
        &[
            "d",
            "d/link",
            "d/new",
            "d/pipe",
            "d/sub",
            "d/sub/folder",
            "d/sub/folder/x",
        ],
        &[
            (NOT_SENT, "d/new"),
            (NOT_SENT, "d/link"),
            (NOT_SENT, "d/sub/folder"),
            (
                "not a file, folder or link, so there is no copy of it (",
                "d/pipe",
            ),
        ],
    );
}

fn what_changes_stays() {
    for script in [
        "echo more >>d/sub/c",
        ": >d/sub/c",
        "chmod 600 d/sub/c",
        "touch d/sub/c",
        "ln d/sub/c elsewhere; rm elsewhere",
    ] {
        let moving = Moving::new();
        moved(&moving, script).assert_stays(
            &moving.home(),
            &["d", "d/sub", "d/sub/c"],
            &[(CHANGED, "d/sub/c")],
        );
    }
}

fn a_change_that_leaves_size_and_time_as_they_were_is_noticed() {
    let moving = Moving::new();
    let script = "touch -r d/a time; printf 'D/A' >d/a; touch -r time d/a; rm time";
    moved(&moving, script).assert_stays(&moving.home(), &["d", "d/a"], &[(CHANGED, "d/a")]);
    assert_eq!(fs::read(moving.path("d/a")).unwrap(), b"D/A");
}

fn what_is_replaced_stays() {
    for (script, path) in [
        // As editors save, to the last bit that can be set.
        ("cp -p d/a new; mv new d/a", "d/a"),
        ("rm d/a; ln -s b d/a", "d/a"),
        ("rm d/a; mkdir d/a", "d/a"),
        ("rm d/a; mkfifo d/a", "d/a"),
        ("mv d/sub d/aside; echo file >d/sub; rm -r d/aside", "d/sub"),
    ] {
        let moving = Moving::new();
        moved(&moving, script).assert_stays(&moving.home(), &["d", path], &[(REPLACED, path)]);
    }
}

fn a_folder_swapped_for_a_link_is_not_followed() {
    let moving = Moving::new();
    moved(&moving, "mv d/sub aside; ln -s ../aside d/sub").assert_stays(
        &moving.home(),
        &["aside", "aside/c", "d", "d/sub"],
        &[(REPLACED, "d/sub")],
    );
}

/// Even if what is in it are the very same files.
fn a_folder_swapped_for_another_is_not_emptied() {
    let moving = Moving::new();
    moved(&moving, "mv d/sub aside; mkdir d/sub; ln aside/c d/sub/c").assert_stays(
        &moving.home(),
        &["aside", "aside/c", "d", "d/sub", "d/sub/c"],
        &[(REPLACED, "d/sub")],
    );
}

fn a_folder_that_was_moved_away_stays_where_it_is() {
    let moving = Moving::new();
    moved(&moving, "mv d other").assert_stays(
        &moving.home(),
        &["other", "other/a", "other/b", "other/sub", "other/sub/c"],
        &[(GONE, "d")],
    );
    let moving = Moving::new();
    moved(&moving, "mv d/sub other").assert_stays(
        &moving.home(),
        &["other", "other/c"],
        &[(GONE, "d/sub")],
    );
}

/// The folder that the argument stands in, even with the same folder in it.
fn a_base_that_was_swapped_is_not_entered() {
    let moving = Moving::new();
    moving.file("base/d/a", "a");
    moving.before_the_verdict("mv base other; mkdir base; mv other/d base/d");
    moving.run(&["base/d"]).assert_stays(
        &moving.home(),
        &["base", "base/d", "base/d/a", "other"],
        &[(REPLACED, "base/d")],
    );
}

fn what_was_removed_is_told() {
    let moving = Moving::new();
    let moved = moved(&moving, "rm d/a; rm -r d/sub");
    moved.assert_stays(&moving.home(), &[], &[(GONE, "d/a"), (GONE, "d/sub")]);
}

fn a_file_moved_within_the_tree_stays() {
    let moving = Moving::new();
    moved(&moving, "mv d/a d/sub/a").assert_stays(
        &moving.home(),
        &["d", "d/sub", "d/sub/a"],
        &[(GONE, "d/a"), (NOT_SENT, "d/sub/a")],
    );
}

fn a_second_name_made_meanwhile_stays() {
    let moving = Moving::new();
    moved(&moving, "ln d/a d/sub/second").assert_stays(
        &moving.home(),
        &["d", "d/a", "d/sub", "d/sub/second"],
        &[(CHANGED, "d/a"), (NOT_SENT, "d/sub/second")],
    );
}

fn a_changed_file_with_several_names_stays_under_all() {
    let moving = Moving::new();
    for name in ["d/a", "d/x"] {
        moving.file(name, name);
    }
    for name in ["d/b", "d/c"] {
        fs::hard_link(moving.path("d/a"), moving.path(name)).unwrap();
    }
    moving.before_the_verdict("echo more >>d/b");
    moving.run(&["d"]).assert_stays(
        &moving.home(),
        &["d", "d/a", "d/b", "d/c"],
        &[(CHANGED, "d/a"), (CHANGED, "d/b"), (CHANGED, "d/c")],
    );
}

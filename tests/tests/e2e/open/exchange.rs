//! What comes out in the exchange for the edit is looked at, and exchanged back if it is not what was
//! sent. Where that fails, or the look does, everything stays under a name that is told.

use std::fs;
use std::path::PathBuf;

use qfile_tests::editing::{Editing, NAME, NEW, OLD};
use qfile_tests::process::{Finished, run, wrapped_in};
use qfile_tests::receiver::needs_strace;
use qfile_tests::suite;

suite! {
    what_came_out_is_kept_and_told_when_it_cannot_be_given_back [needs_strace],
    what_came_out_is_told_even_if_it_cannot_be_given_a_better_name [needs_strace],
    what_is_in_doubt_after_the_exchange_back_is_kept [needs_strace],
}

const ASIDE: &str = "letter.txt.saved-meanwhile";

/// Has the file edited where nobody can look at what came out in the exchange, and where these further
/// exchanges and renames of it fail.
fn opened_where(editing: &Editing, renames: &str, errno: &str) -> Finished {
    // Without a frame there is a backup, so the name that what comes out has for a moment is known.
    editing.answers(NEW);
    let mut strace = vec!["strace", "-o", "/dev/null", "-P", "letter.txt~"];
    strace.extend(["-e", "trace=statx,newfstatat,renameat2"]);
    let look = format!("inject=statx,newfstatat:error={errno}");
    let rename = format!("inject=renameat2:error={errno}:when={renames}");
    strace.extend(["-e", &look]);
    if !renames.is_empty() {
        strace.extend(["-e", &rename]);
    }
    run(wrapped_in(&strace, &editing.command_in_target(&[])))
}

const FAILURES: [&str; 4] = ["EIO", "EACCES", "EPERM", "EINVAL"];

fn contents(editing: &Editing, opened: &Finished) -> Vec<(String, Vec<u8>)> {
    opened.assert_code(1);
    let names = editing.names();
    for name in &names {
        let path: PathBuf = editing.beside(name);
        opened.assert_says(path.to_str().unwrap());
    }
    names
        .into_iter()
        .map(|name| (name.clone(), fs::read(editing.beside(&name)).unwrap()))
        .collect()
}

fn found(entries: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    let owned = |(name, content): &(&str, &[u8])| ((*name).to_owned(), content.to_vec());
    entries.iter().map(owned).collect()
}

fn what_came_out_is_kept_and_told_when_it_cannot_be_given_back() {
    for errno in FAILURES {
        let editing = Editing::new();
        // The exchange back, and the rename to a free name.
        let opened = opened_where(&editing, "2..3", errno);
        let now = contents(&editing, &opened);
        assert_eq!(now, found(&[(NAME, NEW), (ASIDE, OLD)]), "{errno}");
        opened.assert_says("compare");
    }
}

fn what_came_out_is_told_even_if_it_cannot_be_given_a_better_name() {
    // EPERM and EINVAL, by which a system refuses the call itself: the name is given in another way.
    for errno in &FAILURES[..2] {
        let editing = Editing::new();
        let opened = opened_where(&editing, "2+", errno);
        let now = contents(&editing, &opened);
        assert_eq!(now, found(&[(NAME, NEW), ("letter.txt~", OLD)]), "{errno}");
    }
}

fn what_is_in_doubt_after_the_exchange_back_is_kept() {
    for errno in FAILURES {
        let editing = Editing::new();
        let opened = opened_where(&editing, "", errno);
        let now = contents(&editing, &opened);
        let edited = "letter.txt.edited-in-vault";
        assert_eq!(
            now,
            found(&[(NAME, OLD), (edited, NEW), (ASIDE, NEW)]),
            "{errno}"
        );
    }
}

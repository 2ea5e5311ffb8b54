//! The options that people look for: what was there before is kept, what changes is shown before it
//! counts, and how much is said.

use std::fs;
use std::process::Command;

use qfile_tests::editing::{Editing, NAME, NEW, OLD, UNTIL_THE_END};
use qfile_tests::process::{run, wrapped_in};
use qfile_tests::receiver::needs_strace;
use qfile_tests::suite;
use qfile_tests::terminal::Terminal;

suite! {
    with_backup_the_content_before_is_kept_and_its_name_said,
    with_backup_an_edit_that_changes_nothing_keeps_none,
    the_change_is_shown_and_whoever_agrees_gets_it,
    whoever_does_not_agree_keeps_the_file_and_the_edit,
    an_answer_in_another_language_is_asked_about_again,
    a_file_that_cannot_be_viewed_is_not_said_to_be_unreplaced,
    nothing_of_an_edit_is_obeyed_by_the_terminal,
    a_signal_between_the_difference_and_the_answer_is_noticed [needs_strace],
    where_nobody_can_be_asked_the_file_stays,
    a_call_that_takes_too_long_is_cancelled,
    a_success_says_whether_an_edit_came_back,
    what_contradicts_each_other_is_a_usage_error,
}

fn open(editing: &Editing, options: &[&str]) -> Command {
    let mut command = editing.command("qvm-open-in-dvm");
    command.args(options).arg(editing.file());
    command
}

/// Without a terminal to ask on.
fn detached(editing: &Editing, options: &[&str]) -> Command {
    let command = open(editing, options);
    qfile_tests::process::wrapped_in(&["setsid", "--wait"], &command)
}

fn with_backup_the_content_before_is_kept_and_its_name_said() {
    for backup in ["letter.txt~", "letter.txt~2"] {
        let editing = Editing::with_an_edit();
        if backup.ends_with('2') {
            fs::write(editing.beside("letter.txt~"), "earlier").unwrap();
        }
        let opened = run(open(&editing, &["--backup"]));
        opened.assert_code(0);
        opened.assert_says(backup);
        assert_eq!(editing.content(), NEW);
        assert_eq!(fs::read(editing.beside(backup)).unwrap(), OLD);
    }
}

fn with_backup_an_edit_that_changes_nothing_keeps_none() {
    let editing = Editing::new();
    run(open(&editing, &["--backup"])).assert_code(0);
    editing.assert_only(OLD);
}

fn the_change_is_shown_and_whoever_agrees_gets_it() {
    let editing = Editing::with_an_edit();
    let mut terminal = Terminal::start(&open(&editing, &["--diff"]), 100);
    let screen = terminal.until_shown("[y/N]");
    assert!(screen.contains("-Dear old friend,"), "{screen}");
    assert!(screen.contains("+new content"), "{screen}");
    assert_eq!(editing.content(), OLD);
    terminal.type_keys("y\n");
    let left = terminal.finish();
    assert_eq!(left.code, 0, "{}", left.screen);
    editing.assert_only(NEW);
}

fn whoever_does_not_agree_keeps_the_file_and_the_edit() {
    // Ctrl-D is no agreement either.
    for keys in ["n\n", "\n", "\x04", "NO\n"] {
        let editing = Editing::with_an_edit();
        let mut terminal = Terminal::start(&open(&editing, &["--diff"]), 100);
        terminal.until_shown("[y/N]");
        terminal.type_keys(keys);
        let left = terminal.finish();
        assert_eq!(left.code, 1, "{keys:?}: {}", left.screen);
        assert!(left.screen.contains("you answered no"), "{}", left.screen);
        assert_eq!(editing.content(), OLD);
        let edited = editing.beside("letter.txt.edited-in-disposable");
        assert_eq!(fs::read(edited).unwrap(), NEW);
        assert_eq!(editing.names().len(), 2);
    }
}

fn an_answer_in_another_language_is_asked_about_again() {
    let editing = Editing::with_an_edit();
    let mut terminal = Terminal::start(&open(&editing, &["--diff"]), 100);
    terminal.until_shown("[y/N]");
    terminal.type_keys("ja\n");
    terminal.until_shown("type y for yes, or n for no");
    assert_eq!(editing.content(), OLD);
    terminal.type_keys("y\n");
    assert_eq!(terminal.finish().code, 0);
    editing.assert_only(NEW);
}

fn a_file_that_cannot_be_viewed_is_not_said_to_be_unreplaced() {
    let editing = Editing::new();
    editing.editor("exit 3");
    let opened = run(open(&editing, &["--view-only"]));
    opened.assert_code(1);
    opened.assert_says("letter.txt\" could not be viewed");
    assert!(!opened.stderr().contains("replaced"), "{}", opened.stderr());
}

fn nothing_of_an_edit_is_obeyed_by_the_terminal() {
    let editing = Editing::new();
    editing.editor("printf 'a\\033]0;title\\007\\033[2Jb\\n' > \"$1\"");
    let mut terminal = Terminal::start(&open(&editing, &["--diff"]), 100);
    let screen = terminal.until_shown("[y/N]");
    assert!(screen.contains(r"+a\x1b]0;title\x07\x1b[2Jb"), "{screen}");
    terminal.type_keys("n\n");
    let left = terminal.finish();
    assert!(!left.bytes.contains(&b'\x1b'), "{:?}", left.bytes);
}

/// The signal comes with the first bytes of the difference, before anybody waits for an answer.
fn a_signal_between_the_difference_and_the_answer_is_noticed() {
    let editing = Editing::with_an_edit();
    let strace = ["strace", "-f", "-o", "/dev/null", "-P", "/dev/tty", "-e"];
    let strace = [&strace[..], &["inject=write:signal=TERM:when=1"]].concat();
    let command = wrapped_in(&strace, &open(&editing, &["--diff"]));
    let left = Terminal::start(&command, 100).finish();
    assert_eq!(left.code, 128 + 15, "{}", left.screen);
    left.assert_shows("interrupted before you answered");
    assert_eq!(editing.content(), OLD);
    let edited = editing.beside("letter.txt.edited-in-disposable");
    assert_eq!(fs::read(edited).unwrap(), NEW);
}

fn where_nobody_can_be_asked_the_file_stays() {
    let editing = Editing::with_an_edit();
    let opened = run(detached(&editing, &["--diff"]));
    opened.assert_code(1);
    opened.assert_says("neither a terminal nor a window is available");
    assert_eq!(editing.content(), OLD);
    let edited = editing.beside("letter.txt.edited-in-disposable");
    assert_eq!(fs::read(edited).unwrap(), NEW);
}

fn a_call_that_takes_too_long_is_cancelled() {
    let editing = Editing::new();
    editing.editor(UNTIL_THE_END);
    let opened = run(open(&editing, &["--timeout", "500ms"]));
    opened.assert_code(1);
    opened.assert_says("the time limit of 500ms (--timeout) is reached");
    opened.assert_says("the editor may still be open");
    assert_eq!(editing.content(), OLD);
    assert_eq!(editing.names(), [NAME]);
}

fn a_success_says_whether_an_edit_came_back() {
    let edit = Editing::with_an_edit();
    let opened = run(open(&edit, &["-v"]));
    opened.assert_says("letter.txt");
    opened.assert_says("contains the edit");
    opened.assert_says("17 bytes");
    let none = Editing::new();
    run(open(&none, &["--verbose"])).assert_says("was not changed");
    // On a terminal a person reads it; a script that asks for nothing is told nothing.
    let left = Terminal::start(&open(&none, &[]), 200).finish();
    assert!(left.screen.contains("was not changed"), "{}", left.screen);
    for (editing, options) in [
        (&none, &[][..]),
        (&none, &["-v", "-q"]),
        (&edit, &["-q", "--backup"]),
    ] {
        let opened = run(detached(editing, options));
        opened.assert_code(0);
        assert_eq!(opened.stderr(), "", "{options:?}");
    }
    assert_eq!(edit.names()[0], NAME);
}

fn what_contradicts_each_other_is_a_usage_error() {
    let editing = Editing::with_an_edit();
    for option in ["--backup", "--diff"] {
        run(open(&editing, &["--view-only", option])).assert_code(2);
    }
    run(open(&editing, &["--timeout=0"])).assert_code(2);
    editing.assert_only(OLD);
}

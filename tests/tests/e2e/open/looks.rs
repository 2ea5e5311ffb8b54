//! A look at a file, however short, is not asked about; who only passes a file on has not looked.

use std::fs;
use std::process::Command;

use qfile_tests::cannot_run::needs_program;
use qfile_tests::editing::{Editing, OLD};
use qfile_tests::framed::{CHANGED, OPENER_FAILED, UNCHANGED, request, understood};
use qfile_tests::peer::{Joint, converse};
use qfile_tests::process::Finished;
use qfile_tests::suite;

suite! {
    a_viewer_in_the_foreground_that_holds_the_file_is_seen,
    a_viewer_that_reads_the_file_and_closes_it_is_seen_by_its_arguments [needs_python],
    a_viewer_in_the_background_is_seen_too [needs_python],
    vim_in_a_terminal_is_seen [needs_vim, needs_script],
    a_real_pager_is_seen [needs_less, needs_script],
    a_glance_at_what_a_file_is_counts_for_nothing,
    an_opener_that_waits_long_for_an_answer_has_not_shown_the_file,
    what_is_only_looked_at_is_never_asked_about,
    a_daemon_that_an_opener_starts_is_no_editor,
    a_child_that_has_not_become_a_daemon_yet_is_none [needs_python],
}

fn needs_python() -> Result<(), String> {
    needs_program("python3")
}

fn needs_vim() -> Result<(), String> {
    needs_program("vim")
}

fn needs_less() -> Result<(), String> {
    needs_program("less")
}

fn needs_script() -> Result<(), String> {
    needs_program("script")
}

/// The server on a desktop whose windows are recorded; a look of so many milliseconds is none, and
/// after as many nobody will come any more.
fn server(editing: &Editing, glance: u32, settling: u32) -> Command {
    let programs = editing.elsewhere("programs");
    fs::create_dir_all(&programs).unwrap();
    editing.script("programs/zenity", ": > \"$WORK/window\"");
    let mut path = programs.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let mut server = editing.server();
    server
        .env("DISPLAY", ":7")
        .env("PATH", path)
        .env("VM_FILE_EDITOR_GLANCE_MS", glance.to_string())
        .env("VM_FILE_EDITOR_SETTLING_MS", settling.to_string());
    server
}

fn serve(server: Command, name: &[u8]) -> (Vec<u8>, Finished) {
    converse(server, Joint::Sockets, |client| {
        client.send(&request(name, OLD)).unwrap();
        client.stop_sending();
        client.rest()
    })
}

/// Has `a.txt` opened by `opener`; whether a window asks.
#[track_caller]
fn is_asked(editing: &Editing, opener: &str, glance: u32, settling: u32) -> bool {
    editing.editor(opener);
    let (came, finished) = serve(server(editing, glance, settling), b"a.txt");
    finished.assert_code(0);
    assert_eq!(understood(&came), Some((UNCHANGED, &b""[..])), "{opener}");
    editing.assert_nothing_left_there();
    editing.elsewhere("window").exists()
}

fn a_viewer_in_the_foreground_that_holds_the_file_is_seen() {
    // The last one is a script that reads it line by line.
    for opener in [
        "exec 3< \"$1\"; sleep 1",
        "exec sleep 1 < \"$1\"",
        "exec 3< \"$1\"; sleep 0.4; sleep 0.4; sleep 0.4",
        "while read -r _; do sleep 1; done < \"$1\"",
    ] {
        for settling in [100, 500, 5000] {
            let editing = Editing::new();
            assert!(!is_asked(&editing, opener, 200, settling), "{opener}");
        }
    }
}

/// Shows its argument for a while, and does not hold it.
const VIEWER: &str = "import sys, time; open(sys.argv[1]).read(); time.sleep(1)";

fn a_viewer_that_reads_the_file_and_closes_it_is_seen_by_its_arguments() {
    for start in ["exec", "", "setsid"] {
        let editing = Editing::new();
        fs::write(editing.elsewhere("viewer.py"), VIEWER).unwrap();
        let opener = format!("{start} python3 \"$WORK/viewer.py\" \"$1\"");
        assert!(!is_asked(&editing, &opener, 60_000, 300), "{opener}");
    }
}

fn a_viewer_in_the_background_is_seen_too() {
    let editing = Editing::new();
    let viewer = "import os, sys, time; open(sys.argv[1]).read(); \
                  open(os.environ['WORK'] + '/shown', 'w'); time.sleep(3)";
    fs::write(editing.elsewhere("viewer.py"), viewer).unwrap();
    // On a busy machine it takes long until the viewer has started: the opener returns after that.
    let opener = "setsid python3 \"$WORK/viewer.py\" \"$1\" & \
                  until [ -e \"$WORK/shown\" ]; do sleep 0.1; done; exit 0";
    assert!(!is_asked(&editing, opener, 60_000, 300));
}

/// Runs a program on a terminal of its own for a while, and has it end.
fn on_a_terminal(program: &str, keys: &str) -> String {
    format!(
        "{{ sleep 1; printf '{keys}'; }} | \
         script -qec \"{program} '$1'\" /dev/null > /dev/null 2>&1"
    )
}

fn vim_in_a_terminal_is_seen() {
    let editing = Editing::new();
    let vim = on_a_terminal("vim -u NONE", ":q\\\\r");
    assert!(!is_asked(&editing, &vim.replace("\\\\r", "\\r"), 200, 500));
    editing.editor(&on_a_terminal("vim -u NONE", ":%%s/old/new/\\r:wq\\r"));
    let (came, finished) = serve(server(&editing, 200, 500), b"a.txt");
    finished.assert_code(0);
    let expected = Some((CHANGED, &b"Dear new friend,\n"[..]));
    assert_eq!(understood(&came), expected);
    assert!(!editing.elsewhere("window").exists());
}

fn a_real_pager_is_seen() {
    let editing = Editing::new();
    assert!(!is_asked(&editing, &on_a_terminal("less", "q"), 200, 500));
}

fn a_glance_at_what_a_file_is_counts_for_nothing() {
    for opener in [
        "head -c 1 \"$1\" > /dev/null",
        "exec 3< \"$1\"; sleep 0.1; exec 3<&-",
        "cd \"$(dirname \"$1\")\"; sleep 1",
    ] {
        let editing = Editing::new();
        assert!(is_asked(&editing, opener, 60_000, 300), "{opener}");
    }
}

fn an_opener_that_waits_long_for_an_answer_has_not_shown_the_file() {
    for name in ["gdbus", "xdg-open", "kioclient5"] {
        let editing = Editing::new();
        fs::create_dir_all(editing.elsewhere("programs")).unwrap();
        // It is the name that counts, of a script or of a program.
        editing.script(&format!("programs/{name}"), "sleep 1");
        let opener = format!("{name} \"$1\"");
        assert!(is_asked(&editing, &opener, 200, 300), "{name}");
    }
}

fn what_is_only_looked_at_is_never_asked_about() {
    for (opener, code, kind) in [
        ("exit 0", 0, UNCHANGED),
        ("head -c 1 \"$1\" > /dev/null", 0, UNCHANGED),
        ("exit 3", 1, OPENER_FAILED),
    ] {
        let editing = Editing::new();
        editing.editor(opener);
        // Nor does it matter that nothing can ask.
        for path in [None, Some("/nowhere")] {
            let mut server = server(&editing, 200, 300);
            if let Some(path) = path {
                editing.editor(&format!("PATH=/usr/bin:/bin; {opener}"));
                server.env("PATH", path);
            }
            editing.script(
                "programs/zenity",
                "printf '%s\\n' \"$@\" > \"$WORK/window\"",
            );
            let (came, finished) = serve(server, b"view-only-a.txt");
            finished.assert_code(code);
            assert_eq!(understood(&came), Some((kind, &b""[..])));
            let window = fs::read_to_string(editing.elsewhere("window")).unwrap_or_default();
            assert!(!window.contains("Press OK"), "{window}");
            editing.assert_nothing_left_there();
        }
    }
}

fn a_daemon_that_an_opener_starts_is_no_editor() {
    for _ in 0..20 {
        let editing = Editing::new();
        editing.editor(
            "cat \"$WORK/until-the-end\" & cat \"$WORK/until-the-end\" & printf new > \"$1\"",
        );
        let (came, finished) = serve(server(&editing, 200, 50), b"a.txt");
        finished.assert_code(0);
        assert_eq!(understood(&came), Some((CHANGED, &b"new"[..])));
    }
}

/// A child of an opener that returned names the file with the arguments of its parent, for as long as
/// the test wants, and is a daemon then.
fn a_child_that_has_not_become_a_daemon_yet_is_none() {
    let editing = Editing::new();
    fs::write(
        editing.elsewhere("opener.py"),
        "import os, sys
work, path = os.environ['WORK'], sys.argv[1]
open(path, 'w').write('new')
if os.fork(): os._exit(0)
import time
time.sleep(0.5)
os.execlp('cat', 'cat', work + '/until-the-end')
",
    )
    .unwrap();
    editing.editor("exec python3 \"$WORK/opener.py\" \"$1\"");
    let (came, finished) = serve(server(&editing, 60_000, 100), b"a.txt");
    finished.assert_code(0);
    assert_eq!(understood(&came), Some((CHANGED, &b"new"[..])));
    assert!(!editing.elsewhere("window").exists());
}

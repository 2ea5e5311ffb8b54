//! When the user is done: openers that return at once, editors that are nobody's children, what
//! never ends, and the window that asks.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use qfile_tests::cannot_run::needs_program;
use qfile_tests::editing::{Editing, NAME, OLD, UNTIL_THE_END};
use qfile_tests::fifo;
use qfile_tests::process::{Finished, run};
use qfile_tests::programs::program;
use qfile_tests::suite;

suite! {
    an_editor_that_forks_and_returns_at_once,
    an_editor_that_forks_twice_into_a_session_of_its_own [needs_python],
    an_editor_that_a_service_starts_which_is_not_its_parent,
    a_service_that_has_the_file_open_itself,
    an_editor_whose_arguments_name_the_file_relatively,
    an_editor_that_is_open_for_longer_than_any_timer,
    a_daemon_left_behind_holds_nothing_up,
    where_nobody_was_seen_a_window_asks [needs_true],
    an_opener_that_only_changes_the_mode_has_not_shown_the_file,
    where_nobody_was_seen_and_nobody_can_be_asked_the_call_fails,
    a_failure_is_shown_in_a_window_while_the_file_is_still_there,
    where_somebody_was_seen_no_window_asks,
}

fn needs_python() -> Result<(), String> {
    needs_program("python3")
}

fn needs_true() -> Result<(), String> {
    needs_program("true")
}

#[track_caller]
fn assert_edited(editing: &Editing, opened: &Finished, new: &[u8]) {
    opened.assert_code(0);
    assert_eq!(opened.stderr(), "");
    editing.assert_only(new);
}

/// What an editor does: the user thinks, types, thinks again, types more, and closes it.
const WORK: &str = "sleep 0.3; printf one > \"$1\"; sleep 0.7; printf two >> \"$1\"";

fn an_editor_that_forks_and_returns_at_once() {
    let editing = Editing::new();
    editing.editor(&format!("( {WORK} ) & exit 0"));
    assert_edited(&editing, &editing.open(), b"onetwo");
}

fn an_editor_that_forks_twice_into_a_session_of_its_own() {
    let editing = Editing::new();
    let daemon = editing.elsewhere("daemon.py");
    fs::write(
        &daemon,
        "import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
time.sleep(0.3)
open(sys.argv[1], 'w').write('one')
time.sleep(0.7)
open(sys.argv[1], 'a').write('two')
",
    )
    .unwrap();
    editing.editor("exec python3 \"$WORK/daemon.py\" \"$1\"");
    assert_edited(&editing, &editing.open(), b"onetwo");
}

/// A child of the test: no descendant of the server, as a service on a bus is none.
struct Service(Child);

impl Service {
    /// Runs `script` with each path that is written to `$WORK/bus` as `$1`.
    fn start(editing: &Editing, script: &str) -> Self {
        editing.script("one-file", script);
        editing.script("service", "read -r path < \"$WORK/bus\"; \"$WORK/one-file\" \"$path\"; read -r more < \"$WORK/bus\"",
        );
        let bus = editing.elsewhere("bus");
        fifo::make(&bus);
        let mut command = Command::new(editing.elsewhere("service"));
        editing.prepare(&mut command);
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It waits for more, as services do.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

fn an_editor_that_a_service_starts_which_is_not_its_parent() {
    let editing = Editing::new();
    let _service = Service::start(&editing, WORK);
    editing.editor("printf '%s\\n' \"$1\" > \"$WORK/bus\"");
    assert_edited(&editing, &editing.open(), b"onetwo");
}

fn a_service_that_has_the_file_open_itself() {
    let editing = Editing::new();
    // Its arguments do not name the file, its descriptor 3 does.
    let hidden = "exec 3<> \"$1\"; set --; exec sh -c 'sleep 0.8; printf DEAR >&3'";
    let _service = Service::start(&editing, hidden);
    editing.editor("printf '%s\\n' \"$1\" > \"$WORK/bus\"");
    assert_edited(&editing, &editing.open(), b"DEAR old friend,\n");
}

fn an_editor_whose_arguments_name_the_file_relatively() {
    let editing = Editing::new();
    editing.script("relative", WORK);
    editing.editor(
        "cd \"$(dirname \"$1\")\" && setsid \"$WORK/relative\" \"$(basename \"$1\")\" & exit 0",
    );
    assert_edited(&editing, &editing.open(), b"onetwo");
}

fn an_editor_that_is_open_for_longer_than_any_timer() {
    for script in [
        "sleep 2; printf done > \"$1\"",
        "( sleep 2; printf done > \"$1\" ) & exit 0",
    ] {
        let editing = Editing::new();
        editing.editor(script);
        let mut command = editing.command("qvm-open-in-dvm");
        command
            .arg(editing.file())
            .env("VM_FILE_EDITOR_SETTLING_MS", "100")
            .env("VM_FILE_EDITOR_TOO_QUICK_MS", "200");
        assert_edited(&editing, &run(command), b"done");
    }
}

fn a_daemon_left_behind_holds_nothing_up() {
    let editing = Editing::new();
    editing.editor(&format!(
        "{UNTIL_THE_END} & echo $! > \"$WORK/pid\"; printf new > \"$1\""
    ));
    // Not in a disposable, which takes everything with it.
    let opened = editing.open_in_target(&[]);
    let pid = fs::read_to_string(editing.elsewhere("pid")).unwrap();
    let daemon = Path::new("/proc").join(pid.trim());
    assert!(daemon.exists(), "it has ended");
    assert_edited(&editing, &opened, b"new");
}

/// Opens the file where there seems to be a desktop, whose windows are shown by this script.
fn open_on_a_desktop(editing: &Editing, zenity: &str) -> Finished {
    let programs = editing.elsewhere("programs");
    fs::create_dir(&programs).unwrap();
    editing.script("programs/zenity", zenity);
    editing.service(&format!(
        "export PATH=\"$WORK/programs:$PATH\" DISPLAY=:7
         exec {}",
        program("vm-file-editor").to_str().unwrap()
    ));
    editing.open_in_target(&[])
}

/// Opens the file with `editor`, which asks somebody who is never seen, and who saves while the window
/// that asks is open.
#[track_caller]
fn assert_a_window_asks(editor: &str) {
    let editing = Editing::new();
    editing.editor(&format!("{editor}; printf '%s' \"$1\" > \"$WORK/path\""));
    let opened = open_on_a_desktop(
        &editing,
        "printf '%s\\n' \"$@\" > \"$WORK/window\"; printf unseen > \"$(cat \"$WORK/path\")\"",
    );
    assert_edited(&editing, &opened, b"unseen");
    let window = fs::read_to_string(editing.elsewhere("window")).unwrap();
    assert!(window.contains("--info\n--no-markup\n"), "{window}");
    assert!(
        window.contains("Press OK when you have finished with \"letter.txt\""),
        "{window}"
    );
}

fn where_nobody_was_seen_a_window_asks() {
    assert_a_window_asks(":");
}

fn an_opener_that_only_changes_the_mode_has_not_shown_the_file() {
    assert_a_window_asks("chmod 640 \"$1\"");
}

/// Who works on the file then works on one that nobody will send back, and has to know at once.
fn where_nobody_was_seen_and_nobody_can_be_asked_the_call_fails() {
    let editing = Editing::new();
    editing.service(&format!(
        "export PATH=\"$WORK/without-programs\" DISPLAY=:7
         exec {}",
        program("vm-file-editor").to_str().unwrap()
    ));
    let opened = editing.open_in_target(&[]);
    opened.assert_code(1);
    opened.assert_says("install zenity or kdialog");
    // Who has it open there goes on working on it.
    let folders = editing.scratch_folders();
    let [folder] = folders.as_slice() else {
        panic!("{folders:?}");
    };
    opened.assert_says(folder.to_str().unwrap());
    assert_eq!(fs::read(folder.join(NAME)).unwrap(), OLD);
    fs::remove_dir_all(folder).unwrap();
    editing.assert_only(OLD);
}

fn a_failure_is_shown_in_a_window_while_the_file_is_still_there() {
    let editing = Editing::new();
    editing.editor("printf '%s' \"$1\" > \"$WORK/path\"; echo '<b>no application</b>' >&2; exit 4");
    let opened = open_on_a_desktop(
        &editing,
        "printf '%s\\n' \"$@\" > \"$WORK/window\"; cp \"$(cat \"$WORK/path\")\" \"$WORK/rescued\"",
    );
    opened.assert_code(1);
    editing.assert_only(OLD);
    let window = fs::read_to_string(editing.elsewhere("window")).unwrap();
    assert!(window.contains("--error\n--no-markup\n"), "{window}");
    assert!(
        window.contains("status 4: <b>no application</b>"),
        "{window}"
    );
    assert_eq!(fs::read(editing.elsewhere("rescued")).unwrap(), OLD);
}

fn where_somebody_was_seen_no_window_asks() {
    for script in [
        "printf new > \"$1\"",
        "( sleep 0.3; printf new > \"$1\" ) & exit 0",
    ] {
        let editing = Editing::new();
        editing.editor(script);
        let opened = open_on_a_desktop(&editing, ": > \"$WORK/window\"");
        assert_edited(&editing, &opened, b"new");
        assert!(!editing.elsewhere("window").exists());
    }
}

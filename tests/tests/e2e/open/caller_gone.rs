//! The caller ends first: what was edited stays in the qube where it was edited, and its user is told
//! where.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use qfile_tests::editing::{Editing, OLD};
use qfile_tests::fifo;
use qfile_tests::framed::{raw_request, request};
use qfile_tests::peer::{Joint, Side};
use qfile_tests::process::Running;
use qfile_tests::suite;
use rustix::process::{Pid, Signal, kill_process};

suite! {
    an_edit_that_its_caller_does_not_wait_for_is_kept_and_a_window_says_where,
    an_edit_is_kept_however_its_command_ends,
    a_file_that_was_not_changed_is_not_kept_for_a_caller_that_is_gone,
    a_file_that_comes_only_in_part_is_not_opened,
    a_signal_leaves_the_file_to_its_editor_and_says_where,
    a_signal_after_a_change_keeps_what_was_saved_for_good_too,
    a_signal_while_a_file_is_only_looked_at_leaves_nothing,
    an_edit_of_which_only_a_part_is_taken_is_kept_whole,
}

/// The server with this script for a window.
fn server(editing: &Editing, zenity: &str) -> Command {
    let programs = editing.elsewhere("programs");
    fs::create_dir_all(&programs).unwrap();
    editing.script("programs/zenity", zenity);
    let mut path = programs.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let mut server = editing.server();
    server.env("DISPLAY", ":7").env("PATH", path);
    server
}

const RECORDS: &str = "printf '%s\\n' \"$@\" > \"$WORK/window.new\"
                       mv \"$WORK/window.new\" \"$WORK/window\"";

/// Starts the server with all of `bytes` sent to it.
fn started(mut server: Command, joint: Joint, bytes: &[u8]) -> (Running, Side) {
    let (mut mine, theirs) = joint.sides();
    theirs.give_to(&mut server);
    let running = Running::start(server);
    mine.send(bytes).unwrap();
    mine.stop_sending();
    (running, mine)
}

/// An editor that says when it is open, and saves `new` when it is let go.
const WAITING: &str = "echo > \"$WORK/here\"; read -r _ < \"$WORK/go\"; printf new > \"$1\"";

fn waiting_editor(joints: &[&str]) -> Editing {
    let editing = Editing::new();
    for name in joints {
        fifo::make(&editing.elsewhere(name));
    }
    editing.editor(WAITING);
    editing
}

/// The only file that was kept for good.
#[track_caller]
fn only_kept(editing: &Editing) -> PathBuf {
    let folder = editing.beside("QubesIncoming").join(editing.source());
    let folders: Vec<_> = fs::read_dir(folder).unwrap().collect();
    assert_eq!(folders.len(), 1);
    let files = fs::read_dir(folders[0].as_ref().unwrap().path()).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    files[0].clone()
}

fn an_edit_that_its_caller_does_not_wait_for_is_kept_and_a_window_says_where() {
    for joint in Joint::ALL {
        for bytes in [request(b"a.txt", OLD), raw_request(b"a.txt", OLD)] {
            let editing = waiting_editor(&["here", "go"]);
            let (running, client) = started(server(&editing, RECORDS), joint, &bytes);
            fs::read(editing.elsewhere("here")).unwrap();
            drop(client);
            fs::write(editing.elsewhere("go"), "\n").unwrap();
            let finished = running.finish();
            finished.assert_code(1);
            let kept = only_kept(&editing);
            assert_eq!(fs::read(&kept).unwrap(), b"new");
            let kept = kept.to_str().unwrap();
            finished.assert_says(kept);
            let window = fs::read_to_string(editing.elsewhere("window")).unwrap();
            assert!(window.contains(kept), "{window}");
            editing.assert_nothing_left_there();
        }
    }
}

fn an_edit_is_kept_however_its_command_ends() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL] {
        let editing = waiting_editor(&["here", "go", "ended"]);
        editing.service(&format!(
            "{}; echo > \"$WORK/ended\"",
            qfile_tests::programs::program("vm-file-editor").display()
        ));
        let mut command = editing.command_in_target(&[]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let running = Running::start(command);
        fs::read(editing.elsewhere("here")).unwrap();
        kill_process(Pid::from_child(&running.child), signal).unwrap();
        // The client of qrexec, which has its stderr, ends with it: it would drop the answer.
        let _ended = running.finish();
        fs::write(editing.elsewhere("go"), "\n").unwrap();
        fs::read(editing.elsewhere("ended")).unwrap();
        let kept = editing.in_target("QubesIncoming").join(editing.source());
        let kept = fs::read_dir(kept).unwrap();
        let kept = kept.map(|folder| folder.unwrap().path().join("letter.txt"));
        let contents: Vec<_> = kept.map(|file| fs::read(file).unwrap()).collect();
        assert_eq!(contents, [b"new"], "{signal:?}");
        assert_eq!(editing.content(), OLD);
        editing.assert_nothing_left_there();
    }
}

fn a_file_that_was_not_changed_is_not_kept_for_a_caller_that_is_gone() {
    let editing = Editing::new();
    for name in ["here", "go"] {
        fifo::make(&editing.elsewhere(name));
    }
    editing.editor("echo > \"$WORK/here\"; read -r _ < \"$WORK/go\"; touch \"$1\"");
    let bytes = request(b"a.txt", OLD);
    let (running, client) = started(server(&editing, RECORDS), Joint::Sockets, &bytes);
    fs::read(editing.elsewhere("here")).unwrap();
    drop(client);
    fs::write(editing.elsewhere("go"), "\n").unwrap();
    running.finish().assert_code(1);
    assert!(!editing.beside("QubesIncoming").exists());
    assert!(!editing.elsewhere("window").exists());
    editing.assert_nothing_left_there();
}

fn a_file_that_comes_only_in_part_is_not_opened() {
    for joint in [Joint::Pipes, Joint::Sockets] {
        let editing = Editing::new();
        editing.editor(": > \"$WORK/opened\"");
        let (mut mine, theirs) = joint.sides();
        let mut command = editing.server();
        theirs.give_to(&mut command);
        let running = Running::start(command);
        mine.send(&request(b"a.txt", OLD)).unwrap();
        // It reads no more, and then has no more to send, as when the connection is lost.
        mine.stop_reading();
        drop(mine);
        let finished = running.finish();
        finished.assert_code(1);
        finished.assert_says("ended the call before it had sent all");
        assert!(!editing.elsewhere("opened").exists());
        editing.assert_nothing_left_there();
    }
}

/// Sends a signal while an editor is open that has done `first`, and lets the editor save then; what was
/// said, and the folder that is left.
#[track_caller]
fn signalled(editing: &Editing, first: &str, signal: Signal) -> (String, PathBuf) {
    for name in ["here", "go", "saved"] {
        fifo::make(&editing.elsewhere(name));
    }
    editing.editor(&format!(
        "{first}\n{WAITING}; echo 'a warning' >&2; echo > \"$WORK/saved\""
    ));
    let bytes = request(b"a.txt", OLD);
    let (running, mut client) = started(server(editing, RECORDS), Joint::Sockets, &bytes);
    fs::read(editing.elsewhere("here")).unwrap();
    kill_process(Pid::from_child(&running.child), signal).unwrap();
    let finished = running.finish();
    finished.assert_code(128 + signal.as_raw());
    assert_eq!(client.rest(), b"");
    let folders = editing.scratch_folders();
    let [folder] = folders.as_slice() else {
        panic!("{folders:?}");
    };
    finished.assert_says(folder.to_str().unwrap());
    // The editor has not ended, and does not end by what it writes.
    fs::write(editing.elsewhere("go"), "\n").unwrap();
    fs::read(editing.elsewhere("saved")).unwrap();
    assert_eq!(fs::read(folder.join("a.txt")).unwrap(), b"new");
    while !editing.elsewhere("window").exists() {
        std::thread::yield_now();
    }
    let window = fs::read_to_string(editing.elsewhere("window")).unwrap();
    assert!(window.contains(folder.to_str().unwrap()), "{window}");
    (finished.stderr(), folder.clone())
}

fn a_signal_leaves_the_file_to_its_editor_and_says_where() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let editing = Editing::new();
        let (_, folder) = signalled(&editing, ":", signal);
        assert!(!editing.beside("QubesIncoming").exists());
        fs::remove_dir_all(folder).unwrap();
    }
}

fn a_signal_after_a_change_keeps_what_was_saved_for_good_too() {
    let editing = Editing::new();
    let (said, folder) = signalled(&editing, "printf first > \"$1\"", Signal::TERM);
    let kept = only_kept(&editing);
    assert_eq!(fs::read(&kept).unwrap(), b"first");
    assert!(said.contains(kept.to_str().unwrap()), "{said}");
    fs::remove_dir_all(folder).unwrap();
}

fn a_signal_while_a_file_is_only_looked_at_leaves_nothing() {
    let editing = waiting_editor(&["here", "go"]);
    let bytes = request(b"view-only-a.txt", OLD);
    let (running, _client) = started(editing.server(), Joint::Sockets, &bytes);
    fs::read(editing.elsewhere("here")).unwrap();
    kill_process(Pid::from_child(&running.child), Signal::TERM).unwrap();
    let finished = running.finish();
    finished.assert_code(128 + 15);
    assert_eq!(finished.stderr(), "");
    editing.assert_nothing_left_there();
    fs::write(editing.elsewhere("go"), "\n").unwrap();
}

fn an_edit_of_which_only_a_part_is_taken_is_kept_whole() {
    let editing = Editing::new();
    let long = 3_000_000;
    editing.editor(&format!("head -c {long} /dev/zero > \"$1\""));
    let bytes = request(b"a.txt", OLD);
    let (running, mut client) = started(editing.server(), Joint::Sockets, &bytes);
    drop(client.read(1000));
    drop(client);
    running.finish().assert_code(1);
    assert_eq!(fs::read(only_kept(&editing)).unwrap(), vec![0; long]);
    editing.assert_nothing_left_there();
}

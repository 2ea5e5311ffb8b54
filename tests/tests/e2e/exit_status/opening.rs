//! The programs that open a file in another qube, on both sides.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use qfile_tests::editing::{Editing, NEW, OLD};
use qfile_tests::fifo;
use qfile_tests::peer::{Joint, converse};
use qfile_tests::process::{Finished, Running, run};
use rustix::process::{Pid, Signal, kill_process};

// qvm-open-in-vm and qvm-open-in-dvm.

fn command_to_open(editing: &Editing, program: &str) -> Command {
    match program {
        "qvm-open-in-vm" => editing.command_in_target(&[]),
        _ => {
            let mut command = editing.command(program);
            command.arg(editing.file());
            command
        }
    }
}

pub(crate) fn an_edit_comes_back(program: &str) {
    let editing = Editing::with_an_edit();
    run(command_to_open(&editing, program)).assert_code(0);
    editing.assert_only(NEW);
}

pub(crate) fn nothing_opens_the_file(program: &str) {
    let editing = Editing::new();
    editing.editor("exit 1");
    run(command_to_open(&editing, program)).assert_code(1);
    editing.assert_only(OLD);
}

pub(crate) fn no_file_is_named_to_open(program: &str) {
    let editing = Editing::new();
    run(editing.command(program)).assert_code(2);
}

pub(crate) fn opening_is_denied(program: &str) {
    let editing = Editing::with_an_edit();
    let deny = "* * @anyvm @anyvm deny\n* * @anyvm @dispvm deny\n";
    fs::write(editing.elsewhere("policy.d/30-test.policy"), deny).unwrap();
    let opened = run(command_to_open(&editing, program));
    opened.assert_code(126);
    opened.assert_says("refused");
    editing.assert_only(OLD);
}

pub(crate) fn a_signal_comes_before_the_edit(program: &str) {
    for signal in POLITE {
        let (editing, _held) = with_waiting_editor();
        let mut command = command_to_open(&editing, program);
        command.stdin(Stdio::null());
        let mut running = Running::start(command);
        until_open(&editing);
        assert_ended_by(&mut running, signal);
        assert_eq!(editing.content(), OLD);
        // A disposable takes its /tmp with it; that of a stand-in is ours.
        for folder in editing.scratch_folders() {
            let _gone_already = fs::remove_dir_all(folder);
        }
    }
}

const POLITE: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::HUP];

/// An editor that shows the file until what comes with it is dropped.
fn with_waiting_editor() -> (Editing, File) {
    let editing = Editing::new();
    fifo::make(&editing.elsewhere("here"));
    let held = fifo::held(&editing.elsewhere("held"));
    editing.editor("echo > \"$WORK/here\"; exec cat \"$WORK/held\"");
    (editing, held)
}

/// Waits until that editor has been started.
fn until_open(editing: &Editing) {
    assert_eq!(fs::read(editing.elsewhere("here")).unwrap(), b"\n");
}

/// Sends the signal; the program catches it, cleans up and ends with the status for it.
#[track_caller]
fn assert_ended_by(running: &mut Running, signal: Signal) {
    kill_process(Pid::from_child(&running.child), signal).unwrap();
    let status = running.child.wait().unwrap();
    assert_eq!(status.code(), Some(128 + signal.as_raw()), "{status}");
}

// qopen-in-vm and vm-file-editor, each with the test as its other side.

fn client(editing: &Editing, program: &str) -> Command {
    let mut command = editing.command(program);
    command.arg(editing.file());
    command
}

/// Runs the client against one who takes the file, does something to it and answers with [`NEW`].
fn answered(editing: &Editing, program: &str, meanwhile: impl FnOnce()) -> Finished {
    let ((), finished) = converse(client(editing, program), Joint::Sockets, |side| {
        assert_eq!(side.read(256 + OLD.len())[256..], *OLD);
        meanwhile();
        side.send(NEW).unwrap();
        side.stop_sending();
        side.drain();
    });
    finished
}

pub(crate) fn an_answer_comes(program: &str) {
    let editing = Editing::new();
    let finished = answered(&editing, program, || {});
    finished.assert_code(0);
    assert_eq!(editing.content(), NEW);
}

pub(crate) fn the_file_changes_meanwhile(program: &str) {
    let editing = Editing::new();
    let finished = answered(&editing, program, || {
        fs::write(editing.file(), "changed here").unwrap();
    });
    finished.assert_code(1);
    assert_eq!(editing.content(), b"changed here");
}

pub(crate) fn a_signal_comes_before_the_answer(program: &str) {
    for signal in POLITE {
        let editing = Editing::new();
        let (mut mine, theirs) = Joint::Sockets.sides();
        let mut command = client(&editing, program);
        theirs.give_to(&mut command);
        let mut running = Running::start(command);
        drop(mine.read(256 + OLD.len()));
        assert_ended_by(&mut running, signal);
        editing.assert_only(OLD);
    }
}

fn request() -> Vec<u8> {
    let mut request = b"letter.txt".to_vec();
    request.resize(256, 0);
    request.extend_from_slice(OLD);
    request
}

fn serve(editing: &Editing) -> (Vec<u8>, Finished) {
    converse(editing.server(), Joint::Sockets, |side| {
        side.send(&request()).unwrap();
        side.stop_sending();
        side.rest()
    })
}

pub(crate) fn the_change_is_sent(_: &str) {
    let (answer, finished) = serve(&Editing::with_an_edit());
    finished.assert_code(0);
    assert_eq!(answer, NEW);
}

pub(crate) fn the_opener_fails(_: &str) {
    let editing = Editing::new();
    editing.editor("exit 1");
    let (answer, finished) = serve(&editing);
    finished.assert_code(1);
    assert_eq!(answer, b"");
}

pub(crate) fn a_signal_comes_while_the_file_is_open(_: &str) {
    for signal in POLITE {
        let (editing, _held) = with_waiting_editor();
        let (mut mine, theirs) = Joint::Sockets.sides();
        let mut command = editing.server();
        theirs.give_to(&mut command);
        let mut running = Running::start(command);
        mine.send(&request()).unwrap();
        mine.stop_sending();
        until_open(&editing);
        assert_ended_by(&mut running, signal);
        for folder in editing.scratch_folders() {
            assert_eq!(fs::read(folder.join("letter.txt")).unwrap(), OLD);
            fs::remove_dir_all(folder).unwrap();
        }
    }
}

//! The programs that copy and move, on both sides, and the check of what can be copied.

use std::fs;
use std::process::{Command, Stdio};

use qfile_tests::fifo;
use qfile_tests::inbox::Inbox;
use qfile_tests::moving::{Moved, Moving};
use qfile_tests::peer::{Joint, join};
use qfile_tests::process::{Finished, Running, run, wrapped_in};
use qfile_tests::programs::program;
use qfile_tests::qubes::SOURCE;
use qfile_tests::stream::{RawEntry, Stream};
use rustix::process::{Pid, Signal, kill_process_group};

// qvm-copy and qvm-move, with their other names: dom0 asks all of them for the target.

fn one_file() -> Moving {
    let moving = Moving::new();
    moving.file("file", "content");
    moving
}

fn copy(moving: &Moving, program: &str, arguments: &[&str]) -> Moved {
    let mut command = moving.qubes.command(SOURCE, program);
    command.args(arguments);
    moving.run_command(command)
}

fn deletes(program: &str) -> bool {
    program.starts_with("qvm-move")
}

pub(crate) fn a_file_arrives(program: &str) {
    let moving = one_file();
    let moved = copy(&moving, program, &["file"]);
    moved.finished.assert_code(0);
    assert_eq!(moving.arrived().paths(), ["file"]);
    assert_eq!(moved.left.is_empty(), deletes(program));
}

pub(crate) fn a_name_is_taken(program: &str) {
    let moving = one_file();
    fs::create_dir_all(moving.incoming()).unwrap();
    fs::write(moving.incoming().join("file"), "before").unwrap();
    let moved = copy(&moving, program, &["file"]);
    moved.finished.assert_code(1);
    moved.finished.assert_says("already exists");
    assert_eq!(moved.left.paths(), ["file"]);
}

pub(crate) fn no_file_is_named(program: &str) {
    let moving = one_file();
    copy(&moving, program, &[]).finished.assert_code(2);
    let moved = copy(&moving, program, &["--no-such-option", "file"]);
    moved.finished.assert_code(2);
    assert!(!moving.incoming().exists());
}

pub(crate) fn a_named_pipe_is_left_out(program: &str) {
    let moving = Moving::new();
    moving.file("d/file", "content");
    fifo::make(&moving.path("d/pipe"));
    let moved = copy(&moving, program, &["d"]);
    moved.finished.assert_code(3);
    moved.finished.assert_says("d/pipe");
    assert_eq!(moving.arrived().paths(), ["d", "d/file"]);
    assert_eq!(moved.left.get("d/file").is_none(), deletes(program));
}

pub(crate) fn the_user_presses_ctrl_c(program: &str) {
    let moving = one_file();
    let gate = moving.hold_the_verdict();
    let mut command = moving.qubes.command(SOURCE, program);
    command.arg("file").stdin(Stdio::null());
    let running = Running::start(command);
    let waiting = fifo::once_it_is_read(&gate);
    kill_process_group(Pid::from_child(&running.child), Signal::INT).unwrap();
    // A verdict that came first would make it a copy that is complete.
    running.finish().assert_code(32);
    drop(waiting);
    assert_eq!(moving.snapshot().paths(), ["file"]);
}

pub(crate) fn the_copy_is_denied(program: &str) {
    let moving = one_file();
    moving.qubes.set_policy("* * @anyvm @anyvm deny\n");
    let moved = copy(&moving, program, &["file"]);
    moved.finished.assert_code(126);
    moved.finished.assert_says("refused");
    assert_eq!(moved.left.paths(), ["file"]);
}

// qfile-agent, with the real receiver.

fn agent(moving: &Moving, argument: &str) -> Command {
    let mut command = moving.qubes.command(SOURCE, "qfile-agent");
    command.args(["--", argument]);
    command
}

pub(crate) fn all_is_confirmed(_: &str) {
    let (moving, inbox) = (one_file(), Inbox::default());
    let (sender, _) = join(agent(&moving, "file"), inbox.command(&[]), Joint::Sockets);
    sender.assert_code(0);
    assert_eq!(inbox.landed().paths(), ["file"]);
}

pub(crate) fn the_receiver_refuses(_: &str) {
    let (moving, inbox) = (one_file(), Inbox::default());
    fs::write(inbox.incoming().join("file"), "before").unwrap();
    let (sender, _) = join(agent(&moving, "file"), inbox.command(&[]), Joint::Sockets);
    sender.assert_code(1);
    sender.assert_says("already exists");
}

pub(crate) fn something_is_left_out(_: &str) {
    let (moving, inbox) = (one_file(), Inbox::default());
    moving.file("d/file", "content");
    fifo::make(&moving.path("d/pipe"));
    let mut command = moving.qubes.command(SOURCE, "qfile-agent");
    command.args(["--result-fd", "2", "--", "d"]);
    let (sender, _) = join(command, inbox.command(&[]), Joint::Sockets);
    sender.assert_code(3);
    assert_eq!(inbox.landed().paths(), ["d", "d/file"]);
    // For a caller that takes no result line it is as with the C tool.
    let inbox = Inbox::default();
    let (sender, _) = join(agent(&moving, "d"), inbox.command(&[]), Joint::Sockets);
    sender.assert_code(0);
    sender.assert_says("d/pipe");
    assert_eq!(inbox.landed().paths(), ["d", "d/file"]);
}

/// Cancel in the window closes it: then nobody reads the numbers any more.
pub(crate) fn nobody_reads_the_progress(_: &str) {
    let (moving, inbox) = (one_file(), Inbox::default());
    let mut sender = agent(&moving, "file");
    sender.env("PROGRESS_TYPE", "gui").env("SAVED_FD_1", "9");
    // Not opened here: what other tests start meanwhile would inherit it.
    let fifo = moving.path("numbers");
    fifo::make(&fifo);
    let opened = r#"exec 8<>"$0" 9>"$0" 8<&-; exec "$@""#;
    let wrapper = ["sh", "-c", opened, fifo.to_str().unwrap()];
    let sender = wrapped_in(&wrapper, &sender);
    let (sender, _) = join(sender, inbox.command(&[]), Joint::Sockets);
    sender.assert_code(32);
}

// qubes-filecopy, which becomes the receiver.

fn filecopy(arguments: &[&str]) -> Finished {
    let mut command = Command::new(program("qubes-filecopy"));
    command.args(arguments).env_remove("QREXEC_REMOTE_DOMAIN");
    run(command)
}

pub(crate) fn the_receiver_is_not_there(_: &str) {
    filecopy(&["/no/such/receiver"]).assert_code(1);
}

pub(crate) fn no_receiver_is_named(_: &str) {
    filecopy(&[]).assert_code(2);
}

pub(crate) fn the_receiver_has_a_status_of_its_own(_: &str) {
    filecopy(&["/bin/sh", "-c", "exit 84"]).assert_code(84);
}

// qfile-unpacker.

pub(crate) fn everything_lands(_: &str) {
    let inbox = Inbox::default();
    let stream = Stream::new().file("file", "content").end();
    let answer = inbox.receive(&[], &stream);
    answer.finished.assert_code(0);
    assert_eq!(inbox.landed().paths(), ["file"]);
}

pub(crate) fn a_command_line_is_not_understood(_: &str) {
    let inbox = Inbox::default();
    run(inbox.command(&["--no-such-option"])).assert_code(1);
}

/// `ENOENT`, `EEXIST`, `EINVAL`, `EILSEQ`, and `LEGAL_EOF`, of which 8 bits are 118.
pub(crate) fn a_stream_is_refused(_: &str) {
    let special = RawEntry::new(0o010_644, "pipe", "");
    let table = [
        (Stream::new().file("no-such-folder/file", ""), 2),
        (Stream::new().file("taken", ""), 17),
        (Stream::new().entry(&special), 22),
        (Stream::new().file("\u{202e}", ""), 84),
        (Stream::promise("cut", 7).bytes(b"con"), 118),
    ];
    for (stream, status) in table {
        let inbox = Inbox::default();
        fs::write(inbox.incoming().join("taken"), "before").unwrap();
        let answer = inbox.receive(&[], &stream);
        answer.finished.assert_code(status);
        let code = answer.verdict.unwrap().code;
        assert_eq!(i32::from(code.to_le_bytes()[0]), status);
    }
}

// qubes-fs-tree-check.

fn check(program: &str, arguments: &[&str]) -> Finished {
    let moving = one_file();
    moving.file("d/file", "content");
    moving.file("\u{202e}", "content");
    let mut command = moving.qubes.command(SOURCE, program);
    command.args(arguments);
    run(command)
}

pub(crate) fn all_can_be_copied(program: &str) {
    check(program, &["--", "file"]).assert_code(0);
    check(program, &["--allow-directories", "--", "d"]).assert_code(0);
}

pub(crate) fn a_folder_is_not_allowed(program: &str) {
    check(program, &["--", "d"]).assert_code(1);
    check(program, &["--no-such-option", "--", "file"]).assert_code(1);
}

pub(crate) fn a_name_is_not_safe(program: &str) {
    check(program, &["--", "\u{202e}"]).assert_code(2);
}

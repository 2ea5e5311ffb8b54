//! What the opener writes to stderr reaches the caller: programs read there what became of the file.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use qfile_tests::editing::{Editing, OLD};
use qfile_tests::fifo;
use qfile_tests::framed::{CHANGED, GONE, OPENER_FAILED, UNCHANGED, request, understood};
use qfile_tests::peer::{Joint, converse};
use qfile_tests::process::{Finished, wrapped_in};
use qfile_tests::suite;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};

suite! {
    lines_arrive_as_they_are_written_and_without_a_prefix,
    the_last_line_is_the_last_one_whatever_else_is_said,
    what_a_failed_opener_says_is_said_once,
    the_command_gets_it_from_a_disposable,
    what_a_terminal_obeys_does_not_arrive,
    text_of_other_scripts_stays_readable,
    what_is_printed_on_stdout_does_not_arrive,
    a_line_without_an_end_is_a_line,
    a_line_is_there_while_the_editor_is_still_open,
    a_daemon_that_holds_stderr_does_not_delay_the_end_nor_dies_of_it,
    a_flood_is_cut_and_its_last_line_arrives,
    a_caller_that_does_not_read_does_not_hold_up_the_editor,
    a_caller_that_never_reads_does_not_hold_up_the_answer,
}

fn serve(editing: &Editing) -> (Vec<u8>, Finished) {
    converse(editing.server(), Joint::Sockets, |client| {
        client.send(&request(b"a.txt", OLD)).unwrap();
        client.stop_sending();
        client.rest()
    })
}

/// What arrives on stderr of a server whose opener is this script.
#[track_caller]
fn said(opener: &str, code: i32) -> String {
    let editing = Editing::new();
    editing.editor(opener);
    let (_, finished) = serve(&editing);
    finished.assert_code(code);
    finished.stderr()
}

fn lines_arrive_as_they_are_written_and_without_a_prefix() {
    assert_eq!(
        said("printf '%s\\n' 'one' '  two \"2\"' '' 'three' >&2", 0),
        "one\n  two \"2\"\nthree\n"
    );
    assert_eq!(said("exit 0", 0), "");
}

fn the_last_line_is_the_last_one_whatever_else_is_said() {
    for (opener, code) in [
        ("echo one >&2; echo RESULT >&2", 0),
        ("echo one >&2; echo RESULT >&2; exit 4", 1),
        ("echo RESULT >&2; rm \"$1\"", 1),
        ("echo RESULT >&2; printf x > \"$1.other\"", 0),
        (
            "( sleep 0.3; echo x >> \"$1\"; echo RESULT >&2 ) & exit 0",
            0,
        ),
    ] {
        let said = said(opener, code);
        assert_eq!(said.lines().last(), Some("RESULT"), "{opener}: {said}");
    }
}

fn what_a_failed_opener_says_is_said_once() {
    let said = said("echo 'no application for it' >&2; exit 4", 1);
    assert_eq!(said, "no application for it\n");
}

fn the_command_gets_it_from_a_disposable() {
    let editing = Editing::new();
    editing.editor("echo USB_ENCRYPTED >&2");
    let opened = editing.open_with(&["--view-only"]);
    opened.assert_code(0);
    assert_eq!(opened.stderr(), "USB_ENCRYPTED\n");
}

fn what_a_terminal_obeys_does_not_arrive() {
    let said = said(
        "printf 'a\\033[2J\\007\\tb\\r\\n\\302\\2331mc\\377\\342\\200\\256d\\n' >&2",
        0,
    );
    assert_eq!(said, "a_[2J_ b\n_1mc__d\n");
}

fn text_of_other_scripts_stays_readable() {
    assert_eq!(
        said("echo 'файл сохранён é 报告' >&2", 0),
        "файл сохранён é 报告\n"
    );
}

fn what_is_printed_on_stdout_does_not_arrive() {
    assert_eq!(said("echo printed; echo said >&2", 0), "said\n");
}

fn a_line_without_an_end_is_a_line() {
    assert_eq!(said("echo one >&2; printf last >&2", 0), "one\nlast\n");
}

fn a_line_is_there_while_the_editor_is_still_open() {
    let editing = Editing::new();
    fifo::make(&editing.elsewhere("go"));
    editing.editor("echo opened >&2; read -r _ < \"$WORK/go\"; echo closed >&2");
    let (mut mine, theirs) = Joint::Sockets.sides();
    let mut server = editing.server();
    theirs.give_to(&mut server);
    let mut running = server.stderr(Stdio::piped()).spawn().unwrap();
    drop(server);
    mine.send(&request(b"a.txt", OLD)).unwrap();
    mine.stop_sending();
    let mut stderr = BufReader::new(running.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert_eq!(line, "opened\n");
    fs::write(editing.elsewhere("go"), "\n").unwrap();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "closed\n");
    assert!(running.wait().unwrap().success());
}

fn a_daemon_that_holds_stderr_does_not_delay_the_end_nor_dies_of_it() {
    let editing = Editing::new();
    for name in ["go", "done"] {
        fifo::make(&editing.elsewhere(name));
    }
    editing.editor(
        "( cd /; set --; exec \"$WORK/daemon\" ) &
         echo RESULT >&2; printf new > \"$1\"",
    );
    editing.script(
        "daemon",
        "read -r _ < \"$WORK/go\"; echo late >&2; echo late; echo lives > \"$WORK/done\"",
    );
    // That it returns at all shows that nothing is held.
    let (came, finished) = serve(&editing);
    finished.assert_code(0);
    assert_eq!(understood(&came), Some((CHANGED, &b"new"[..])));
    assert_eq!(finished.stderr(), "RESULT\n");
    fs::write(editing.elsewhere("go"), "\n").unwrap();
    assert_eq!(fs::read(editing.elsewhere("done")).unwrap(), b"lives\n");
}

fn a_flood_is_cut_and_its_last_line_arrives() {
    let said = said(
        "yes 'a line of a flood' | head -n 300000 >&2; echo RESULT >&2",
        0,
    );
    assert_eq!(said.lines().last(), Some("RESULT"));
    assert!(said.contains("lines of the program that opens files were left out"));
    assert!(said.len() < 1_000_000, "{}", said.len());
}

fn a_caller_that_does_not_read_does_not_hold_up_the_editor() {
    let editing = Editing::new();
    fifo::make(&editing.elsewhere("written"));
    editing.editor("yes flood | head -n 300000 >&2; echo > \"$WORK/written\"");
    let (mut mine, theirs) = Joint::Sockets.sides();
    let mut server = editing.server();
    theirs.give_to(&mut server);
    let mut running = server.stderr(Stdio::piped()).spawn().unwrap();
    drop(server);
    mine.send(&request(b"a.txt", OLD)).unwrap();
    mine.stop_sending();
    // Nobody has read a byte of it so far.
    fs::read(editing.elsewhere("written")).unwrap();
    assert_eq!(understood(&mine.rest()), Some((UNCHANGED, &b""[..])));
    let mut said = Vec::new();
    running
        .stderr
        .take()
        .unwrap()
        .read_to_end(&mut said)
        .unwrap();
    assert!(running.wait().unwrap().success());
}

/// A pipe that takes no byte more, and its other end, which nobody reads.
fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (unread, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    while rustix::io::write(&write, &[b'x'; 4096]).is_ok() {}
    fcntl_setfl(&write, OFlags::empty()).unwrap();
    (unread, write)
}

fn a_caller_that_never_reads_does_not_hold_up_the_answer() {
    for (editor, code, answer) in [
        (
            "echo said >&2; printf new > \"$1\"",
            0,
            (CHANGED, &b"new"[..]),
        ),
        (
            "printf new > \"$1\"; printf x > \"$1.other\"",
            0,
            (CHANGED, b"new"),
        ),
        (
            "echo said >&2; printf new > \"$1\"; exit 4",
            1,
            (OPENER_FAILED, b"new"),
        ),
        ("echo said >&2; rm \"$1\"", 1, (GONE, b"")),
    ] {
        let editing = Editing::new();
        editing.editor(editor);
        let (unread, full) = full_pipe();
        // One that hangs is ended, and fails the test.
        let mut server = wrapped_in(&["timeout", "100"], &editing.server());
        server.stderr(full);
        let (mut mine, theirs) = Joint::Sockets.sides();
        theirs.give_to(&mut server);
        let mut running = server.spawn().unwrap();
        drop(server);
        mine.send(&request(b"a.txt", OLD)).unwrap();
        mine.stop_sending();
        // It ends at all, though not a byte can be told.
        assert_eq!(understood(&mine.rest()), Some(answer), "{editor}");
        assert_eq!(running.wait().unwrap().code(), Some(code), "{editor}");
        drop(unread);
    }
}

//! The framed answer of the server: what became of the file, and whether the answer is complete.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use qfile_tests::editing::{Editing, OLD};
use qfile_tests::framed::{
    CHANGED, END_NOT_SEEN, GONE, OPENER_FAILED, UNCHANGED, raw_request, request, understood,
};
use qfile_tests::peer::{Joint, converse};
use qfile_tests::process::Finished;
use qfile_tests::suite;

suite! {
    a_change_comes_in_a_frame_by_every_connection,
    no_change_is_said,
    an_emptied_file_is_a_change,
    a_file_that_is_gone_is_said,
    an_opener_that_fails_is_said_with_what_was_saved_until_then,
    an_opener_that_cannot_be_started_is_said,
    an_end_that_nobody_sees_is_said_with_what_was_saved_until_then,
    a_file_to_be_looked_at_never_comes_back,
    who_does_not_ask_gets_no_frame,
    bytes_behind_the_name_are_refused,
    a_file_that_is_written_to_while_it_is_sent_is_not_believed,
}

/// What the server answers to this, and how it ends.
fn serve(server: Command, joint: Joint, bytes: &[u8]) -> (Vec<u8>, Finished) {
    converse(server, joint, |client| {
        client.send(bytes).unwrap();
        client.stop_sending();
        client.rest()
    })
}

/// Has the file edited by `editor`; what comes must be this.
#[track_caller]
fn assert_answers(name: &[u8], editor: &str, code: i32, answer: (u8, &[u8])) {
    let editing = Editing::new();
    editing.editor(editor);
    let (came, finished) = serve(editing.server(), Joint::Sockets, &request(name, OLD));
    finished.assert_code(code);
    assert_eq!(understood(&came), Some(answer), "{editor}: {came:?}");
    for folder in editing.scratch_folders() {
        fs::remove_dir_all(folder).unwrap();
    }
}

fn a_change_comes_in_a_frame_by_every_connection() {
    let new = b"new content\n".repeat(100_000);
    for joint in Joint::ALL {
        let editing = Editing::new();
        fs::write(editing.elsewhere("new"), &new).unwrap();
        editing.editor("cat \"$WORK/new\" > \"$1\"");
        let (came, finished) = serve(editing.server(), joint, &request(b"a.txt", OLD));
        finished.assert_code(0);
        assert!(understood(&came) == Some((CHANGED, &new)), "{joint:?}");
        assert_eq!(finished.stderr(), "");
        editing.assert_nothing_left_there();
    }
}

fn no_change_is_said() {
    for editor in [
        "exit 0",
        "touch \"$1\"",
        "cp \"$1\" \"$1.new\"; mv \"$1.new\" \"$1\"",
    ] {
        assert_answers(b"a.txt", editor, 0, (UNCHANGED, b""));
    }
}

fn an_emptied_file_is_a_change() {
    assert_answers(b"a.txt", ": > \"$1\"", 0, (CHANGED, b""));
}

fn a_file_that_is_gone_is_said() {
    for editor in [
        "rm \"$1\"",
        "mv \"$1\" \"$1.odt\"",
        "rm \"$1\"; mkdir \"$1\"",
        "rm \"$1\"; ln -s /etc/passwd \"$1\"",
    ] {
        assert_answers(b"a.txt", editor, 1, (GONE, b""));
    }
}

fn an_opener_that_fails_is_said_with_what_was_saved_until_then() {
    assert_answers(b"a.txt", "exit 4", 1, (OPENER_FAILED, b""));
    let saves = "printf saved > \"$1\"; kill -KILL $$";
    assert_answers(b"a.txt", saves, 1, (OPENER_FAILED, b"saved"));
    assert_answers(b"a.txt", "rm \"$1\"; exit 4", 1, (OPENER_FAILED, b""));
}

fn an_opener_that_cannot_be_started_is_said() {
    let editing = Editing::new();
    let mut server = editing.server();
    server.env("VM_FILE_EDITOR_OPENER", "/no/such/opener");
    let (came, finished) = serve(server, Joint::Sockets, &request(b"a.txt", OLD));
    finished.assert_code(1);
    assert_eq!(understood(&came), Some((OPENER_FAILED, &b""[..])));
}

/// The server where there seems to be a desktop, and nothing that shows windows.
fn where_nobody_can_be_asked(editing: &Editing) -> Command {
    let mut server = editing.server();
    server
        .env("DISPLAY", ":7")
        .env("PATH", editing.elsewhere("no-programs"));
    server
}

fn an_end_that_nobody_sees_is_said_with_what_was_saved_until_then() {
    let editing = Editing::new();
    editing.editor("exit 0");
    let server = where_nobody_can_be_asked(&editing);
    let (came, finished) = serve(server, Joint::Sockets, &request(b"a.txt", OLD));
    finished.assert_code(1);
    assert_eq!(understood(&came), Some((END_NOT_SEEN, &b""[..])));
}

fn a_file_to_be_looked_at_never_comes_back() {
    for (editor, code, kind) in [
        ("exit 0", 0, UNCHANGED),
        ("chmod u+w \"$1\"; echo changed > \"$1\"", 0, UNCHANGED),
        ("rm -f \"$1\"", 0, UNCHANGED),
        (
            "chmod u+w \"$1\"; echo changed > \"$1\"; exit 3",
            1,
            OPENER_FAILED,
        ),
    ] {
        assert_answers(b"view-only-a.txt", editor, code, (kind, b""));
    }
}

fn who_does_not_ask_gets_no_frame() {
    for (name, editor, code, answer) in [
        (&b"a.txt"[..], "printf new > \"$1\"", 0, &b"new"[..]),
        (b"a.txt", "exit 0", 0, b""),
        (b"a.txt", ": > \"$1\"", 1, b""),
        (b"a.txt", "printf saved > \"$1\"; exit 1", 1, b"saved"),
        (b"a.txt", "rm \"$1\"", 1, b""),
        (
            b"view-only-a.txt",
            "chmod u+w \"$1\"; echo x > \"$1\"",
            0,
            b"",
        ),
        // There is no room for the mark.
        (&[b'x'; 250], "printf new > \"$1\"", 0, b"new"),
    ] {
        let editing = Editing::new();
        editing.editor(editor);
        let bytes = raw_request(name, OLD);
        let (came, finished) = serve(editing.server(), Joint::Sockets, &bytes);
        finished.assert_code(code);
        assert_eq!(came, answer, "{editor}");
    }
}

fn bytes_behind_the_name_are_refused() {
    let editing = Editing::new();
    editing.editor(": > \"$WORK/opened\"");
    for at in [7, 100, 239, 241, 254, 255] {
        for mut bytes in [request(b"a.txt", OLD), raw_request(b"a.txt", OLD)] {
            bytes[at] ^= 0x40;
            let (came, finished) = serve(editing.server(), Joint::Sockets, &bytes);
            finished.assert_code(1);
            finished.assert_says("unexpected data after the name");
            assert_eq!(came, b"");
            editing.assert_nothing_left_there();
        }
    }
    assert!(!editing.elsewhere("opened").exists(), "it was opened");
}

/// More than a connection holds.
const LONG: usize = 8_000_000;

/// Has a long file edited, and does something to the file there while it is sent.
#[track_caller]
fn assert_not_believed(meanwhile: impl FnOnce(&Path)) {
    let editing = Editing::new();
    editing.editor(&format!(
        "head -c {LONG} /dev/zero > \"$1\"; printf '%s' \"$1\" > \"$WORK/path\""
    ));
    let (came, finished) = converse(editing.server(), Joint::Sockets, |client| {
        client.send(&request(b"a.txt", OLD)).unwrap();
        client.stop_sending();
        let begin = client.read(100);
        let path = fs::read_to_string(editing.elsewhere("path")).unwrap();
        meanwhile(&PathBuf::from(path));
        [begin, client.rest()].concat()
    });
    finished.assert_code(1);
    finished.assert_says("was changed while it was being sent back");
    assert_eq!(understood(&came), None);
    for folder in editing.scratch_folders() {
        fs::remove_dir_all(folder).unwrap();
    }
}

fn a_file_that_is_written_to_while_it_is_sent_is_not_believed() {
    let writing = |path: &Path| File::options().write(true).open(path).unwrap();
    assert_not_believed(|path| {
        let mut file = File::options().append(true).open(path).unwrap();
        file.write_all(b"more").unwrap();
    });
    // What is sent already, and what is not.
    for at in [10, LONG as u64 - 10] {
        assert_not_believed(|path| {
            let mut file = writing(path);
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(b"more").unwrap();
        });
    }
    assert_not_believed(|path| writing(path).set_len(100).unwrap());
    assert_not_believed(|path| writing(path).set_len(LONG as u64 - 1).unwrap());
}

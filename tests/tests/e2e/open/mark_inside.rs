//! A file that itself contains the bytes with which a framed answer begins: no part of it is taken for
//! a frame, neither when it comes back nor when an edit brings such bytes in.

use std::fs;

use qfile_tests::editing::{Editing, NAME, OLD};
use qfile_tests::framed::{CHANGED, GONE, MARK, OPENER_FAILED, UNCHANGED, framed};
use qfile_tests::peer::{Joint, converse};
use qfile_tests::process::Finished;
use qfile_tests::suite;

suite! {
    such_a_file_is_sent_without_asking_for_a_frame,
    a_file_with_a_part_of_the_mark_is_an_ordinary_one,
    such_a_file_comes_back_whole_from_a_server_without_frames,
    such_a_file_comes_back_whole_from_a_server_of_ours,
    such_a_file_comes_back_whole_to_the_local_program,
    such_a_file_that_comes_back_unchanged_is_left_alone,
    such_a_file_that_is_only_looked_at_is_an_ordinary_one,
    text_of_a_start_up_file_before_a_big_such_file_is_sent_is_no_reason_to_end_the_call,
}

const BACKUP: &str = "letter.txt~";

/// The bytes of a whole frame, of parts of one, and of frames that say other things.
fn marked() -> Vec<Vec<u8>> {
    let whole = framed(CHANGED, b"not the edit");
    let mut contents: Vec<Vec<u8>> = vec![
        MARK.to_vec(),
        whole[..20].to_vec(),
        whole[..30].to_vec(),
        framed(UNCHANGED, b""),
        framed(GONE, b""),
        framed(OPENER_FAILED, b"x"),
        [&whole[..], &whole].concat(),
        whole,
    ];
    for content in contents.clone() {
        contents.push([b"Dear friend,\n", &content[..], b"\nYours\n"].concat());
    }
    contents
}

/// The last bytes of the 256 that ask, of a request for a file with this content.
fn request_mark(content: &[u8], options: &[&str]) -> Vec<u8> {
    let editing = Editing::with(NAME.as_ref(), content);
    editing.service("head -c 256 > \"$WORK/request\"; cat > /dev/null");
    editing.open_in_target(options).assert_code(0);
    fs::read(editing.elsewhere("request")).unwrap()[240..].to_vec()
}

fn such_a_file_is_sent_without_asking_for_a_frame() {
    const CHUNK: usize = 128 * 1024;
    for before in [
        0,
        1,
        65_530,
        CHUNK - 17,
        CHUNK - 16,
        CHUNK - 8,
        CHUNK - 1,
        CHUNK,
        3 * CHUNK + 7,
    ] {
        let content = [&vec![b'x'; before][..], MARK, b"and more"].concat();
        for end in [content.len(), before + MARK.len()] {
            assert_eq!(request_mark(&content[..end], &[]), [0; 16], "{before}");
        }
    }
}

fn a_file_with_a_part_of_the_mark_is_an_ordinary_one() {
    let torn = [&MARK[..15], b"x", &MARK[1..]].concat();
    for content in [&MARK[..15], &MARK[1..], &torn, b"", OLD] {
        assert_eq!(&request_mark(content, &[])[1..13], b"qfile-answer");
    }
}

#[track_caller]
fn assert_edited(editing: &Editing, opened: &Finished, old: &[u8]) {
    opened.assert_code(0);
    opened.assert_says(BACKUP);
    opened.assert_says("because the file contains");
    assert!(
        !opened.stderr().contains("start-up file"),
        "{}",
        opened.stderr()
    );
    assert_eq!(editing.content(), [old, b"more\n"].concat());
    assert_eq!(fs::read(editing.beside(BACKUP)).unwrap(), old);
    assert_eq!(editing.names(), [NAME, BACKUP]);
}

fn such_a_file_comes_back_whole_from_a_server_without_frames() {
    for old in marked() {
        let editing = Editing::with(NAME.as_ref(), &old);
        editing.service("head -c 256 > /dev/null; cat; echo more");
        let opened = editing.open_in_target(&[]);
        assert_edited(&editing, &opened, &old);
    }
}

fn such_a_file_comes_back_whole_from_a_server_of_ours() {
    for old in marked() {
        let editing = Editing::with(NAME.as_ref(), &old);
        editing.editor("echo more >> \"$1\"");
        let opened = editing.open();
        assert_edited(&editing, &opened, &old);
        editing.assert_nothing_left_there();
    }
}

fn such_a_file_comes_back_whole_to_the_local_program() {
    for old in marked() {
        let editing = Editing::with(NAME.as_ref(), &old);
        let mut command = editing.command("qopen-in-vm");
        command.arg(editing.file());
        let ((), opened) = converse(command, Joint::Sockets, |side| {
            let request = side.read(256 + old.len());
            assert_eq!(request[256..], old);
            side.send(&[&old[..], b"more\n"].concat()).unwrap();
            side.stop_sending();
            side.drain();
        });
        assert_edited(&editing, &opened, &old);
    }
}

fn such_a_file_that_comes_back_unchanged_is_left_alone() {
    let old = framed(CHANGED, b"not the edit");
    let editing = Editing::with(NAME.as_ref(), &old);
    let opened = editing.open();
    opened.assert_code(0);
    assert_eq!(opened.stderr(), "");
    editing.assert_only(&old);
}

fn such_a_file_that_is_only_looked_at_is_an_ordinary_one() {
    let asked = request_mark(&framed(CHANGED, b"x"), &["--view-only"]);
    assert_eq!(&asked[1..13], b"qfile-answer");
}

fn text_of_a_start_up_file_before_a_big_such_file_is_sent_is_no_reason_to_end_the_call() {
    // More than any connection holds.
    let old = [MARK, &vec![b'x'; 4_000_000][..]].concat();
    let editing = Editing::with(NAME.as_ref(), &old);
    fs::write(editing.in_target(".profile"), "echo Welcome\n").unwrap();
    editing.service("cat > \"$WORK/taken\"; echo edit");
    let opened = editing.open_in_target(&[]);
    // What came first cannot be an answer, so the original stays.
    opened.assert_code(1);
    opened.assert_says("letter.txt\" was not replaced");
    assert!(editing.content() == old);
    assert_eq!(
        fs::metadata(editing.elsewhere("taken")).unwrap().len(),
        256 + 4_000_016
    );
    let kept = editing.beside("letter.txt.incomplete-from-vault");
    assert_eq!(fs::read(kept).unwrap(), b"Welcome\nedit\n");
}

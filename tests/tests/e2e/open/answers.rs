//! What the client makes of answers. In a frame, what a start-up file prints is no content, and whether an edit is whole is known
//! without the status of the call. Answers without one leave a backup.

use std::fs;

use qfile_tests::editing::{Editing, NAME, NEW, OLD, UNTIL_THE_END};
use qfile_tests::framed::{
    CHANGED, END_NOT_SEEN, GONE, MARK, OPENER_FAILED, UNCHANGED, framed, with_length,
};
use qfile_tests::peer::{Joint, converse};
use qfile_tests::process::Finished;
use qfile_tests::suite;

suite! {
    a_framed_edit_comes_back_quietly,
    text_of_a_start_up_file_is_no_content_and_is_said_once,
    text_of_a_start_up_file_comes_before_a_big_file_is_sent,
    text_of_a_start_up_file_before_no_edit_changes_nothing,
    text_of_a_start_up_file_cannot_drive_the_terminal,
    an_edit_that_empties_the_file_comes_back,
    a_whole_edit_is_taken_whatever_the_status,
    no_change_with_a_status_is_not_silent,
    an_answer_cut_anywhere_leaves_the_original,
    a_frame_with_a_fault_leaves_the_original,
    a_file_that_is_gone_there_is_said,
    what_came_of_a_failed_opener_is_kept_aside,
    what_came_before_an_end_that_was_not_seen_is_kept_aside,
    what_comes_in_a_frame_of_a_file_to_be_looked_at_is_dropped,
    an_edit_is_in_its_place_before_the_call_has_ended,
    an_answer_without_a_frame_leaves_a_backup,
    text_of_a_start_up_file_without_a_frame_leaves_a_backup,
    the_local_program_knows_from_the_frame_whether_an_edit_is_whole,
    the_local_program_keeps_a_backup_without_a_frame,
    endless_text_before_a_frame_stops_at_the_limit,
    an_endless_frame_stops_at_the_limit,
    what_follows_a_frame_without_end_is_not_read,
    an_answer_in_a_frame_before_the_file_was_sent_is_none,
    a_frame_that_promises_more_than_there_can_be_is_cut,
}

const INCOMPLETE: &str = "letter.txt.incomplete-from-vault";

/// The local program of qrexec does not know the name of the other qube.
const INCOMPLETE_OF_LOCAL_PROGRAM: &str = "letter.txt.incomplete-from-disposable";

const BACKUP: &str = "letter.txt~";

fn answered(answer: &[u8]) -> (Editing, Finished) {
    answered_then(answer, "", &[])
}

fn answered_then(answer: &[u8], then: &str, options: &[&str]) -> (Editing, Finished) {
    let editing = Editing::new();
    editing.answers_then(answer, then);
    let opened = editing.open_in_target(options);
    (editing, opened)
}

/// The original is as it was; what came, if anything, is beside it.
#[track_caller]
fn assert_kept_aside(editing: &Editing, opened: &Finished, came: &[u8]) {
    opened.assert_code(1);
    opened.assert_says("letter.txt\" was not replaced");
    assert_eq!(editing.content(), OLD);
    if came.is_empty() {
        assert_eq!(editing.names(), [NAME]);
        return;
    }
    let kept = match editing.beside(INCOMPLETE).exists() {
        true => INCOMPLETE,
        false => INCOMPLETE_OF_LOCAL_PROGRAM,
    };
    opened.assert_says(kept);
    assert_eq!(editing.names(), [NAME, kept]);
    assert_eq!(fs::read(editing.beside(kept)).unwrap(), came);
}

#[track_caller]
fn assert_backed_up(editing: &Editing, opened: &Finished, new: &[u8]) {
    opened.assert_code(0);
    opened.assert_says(BACKUP);
    assert_eq!(editing.content(), new);
    assert_eq!(fs::read(editing.beside(BACKUP)).unwrap(), OLD);
    assert_eq!(editing.names(), [NAME, BACKUP]);
}

const START_UP_TEXT: &str = "a start-up file in vault prints text";

#[track_caller]
fn assert_says_once(opened: &Finished, text: &str) {
    let said = opened.stderr();
    assert_eq!(said.matches(text).count(), 1, "{said}");
}

fn a_framed_edit_comes_back_quietly() {
    for content in [NEW, &[b'x'; 300_000], MARK] {
        let (editing, opened) = answered(&framed(CHANGED, content));
        opened.assert_code(0);
        assert_eq!(opened.stderr(), "");
        editing.assert_only(content);
    }
    let (editing, opened) = answered(&framed(UNCHANGED, b""));
    opened.assert_code(0);
    assert_eq!(opened.stderr(), "");
    editing.assert_only(OLD);
}

fn text_of_a_start_up_file_is_no_content_and_is_said_once() {
    let longest = format!("head -c {} /dev/zero", 65_536 - MARK.len());
    for prints in ["echo Welcome", "printf qfile-answer", &longest] {
        let editing = Editing::new();
        fs::write(editing.in_target(".profile"), format!("{prints}\n")).unwrap();
        editing.answers(&framed(CHANGED, NEW));
        let opened = editing.open_in_target(&[]);
        opened.assert_code(0);
        assert_says_once(&opened, START_UP_TEXT);
        editing.assert_only(NEW);
    }
    let editing = Editing::new();
    fs::write(editing.in_target(".profile"), "echo; echo Welcome, user\n").unwrap();
    editing.answers(&framed(CHANGED, NEW));
    let opened = editing.open_in_target(&[]);
    opened.assert_says("\"Welcome, user\"");
    opened.assert_says("prints text into the answers of services there");
}

fn text_of_a_start_up_file_comes_before_a_big_file_is_sent() {
    // More than any connection holds.
    let editing = Editing::with(NAME.as_ref(), &[b'x'; 4_000_000]);
    fs::write(editing.in_target(".profile"), "echo Welcome\n").unwrap();
    editing.answers(&framed(CHANGED, &[b'y'; 4_000_000]));
    let opened = editing.open_in_target(&[]);
    opened.assert_code(0);
    assert_says_once(&opened, START_UP_TEXT);
    editing.assert_only(&[b'y'; 4_000_000]);
}

fn text_of_a_start_up_file_before_no_edit_changes_nothing() {
    for options in [&[][..], &["--view-only"]] {
        let editing = Editing::new();
        fs::write(editing.in_target(".profile"), "echo Welcome\n").unwrap();
        editing.answers(&framed(UNCHANGED, b""));
        let opened = editing.open_in_target(options);
        opened.assert_code(0);
        assert_says_once(&opened, START_UP_TEXT);
        editing.assert_only(OLD);
    }
}

fn text_of_a_start_up_file_cannot_drive_the_terminal() {
    let text = b"\x1b[31mred\x07 \xFF\n";
    let (editing, opened) = answered(&[text, &framed(CHANGED, NEW)[..]].concat());
    opened.assert_code(0);
    assert_says_once(&opened, START_UP_TEXT);
    assert!(
        opened
            .stderr
            .iter()
            .all(|byte| *byte == b'\n' || (b' '..=b'~').contains(byte))
    );
    editing.assert_only(NEW);
}

fn an_edit_that_empties_the_file_comes_back() {
    let (editing, opened) = answered(&framed(CHANGED, b""));
    opened.assert_code(0);
    assert_eq!(opened.stderr(), "");
    editing.assert_only(b"");

    let editing = Editing::with(NAME.as_ref(), &[b'x'; 513]);
    editing.answers(&framed(CHANGED, b""));
    let opened = editing.open_in_target(&[]);
    opened.assert_code(0);
    opened.assert_says(BACKUP);
    assert_eq!(editing.content(), b"");
    assert_eq!(fs::read(editing.beside(BACKUP)).unwrap(), [b'x'; 513]);
}

fn a_whole_edit_is_taken_whatever_the_status() {
    for (end, says) in [
        ("exit 1", "status 1"),
        ("exit 126", "the call ended with an error"),
        ("exit 255", "the connection broke"),
        ("kill -KILL $$", "signal 9"),
    ] {
        let (editing, opened) = answered_then(&framed(CHANGED, NEW), end, &[]);
        opened.assert_code(0);
        opened.assert_says("letter.txt\" contains the complete edit");
        opened.assert_says(says);
        editing.assert_only(NEW);
    }
}

fn no_change_with_a_status_is_not_silent() {
    let (editing, opened) = answered_then(&framed(UNCHANGED, b""), "exit 3", &[]);
    opened.assert_code(1);
    opened.assert_says("status 3");
    editing.assert_only(OLD);
}

fn an_answer_cut_anywhere_leaves_the_original() {
    let whole = framed(CHANGED, NEW);
    let content_begins = MARK.len() + 9;
    for end in MARK.len()..whole.len() {
        let came = match end.checked_sub(content_begins) {
            Some(content) => &NEW[..content.min(NEW.len())],
            // It may be an edit that brings these bytes in.
            None => &whole[..end],
        };
        // The status does not tell.
        let (editing, opened) = answered(&whole[..end]);
        assert_kept_aside(&editing, &opened, came);
        opened.assert_says("the connection ended before the complete answer had arrived");
        opened.assert_says("may still be open");
    }
    let (editing, opened) = answered_then(&whole[..whole.len() - 1], "exit 255", &[]);
    assert_kept_aside(&editing, &opened, NEW);
    opened.assert_says("the connection broke");
}

fn a_frame_with_a_fault_leaves_the_original() {
    let mut damaged = framed(CHANGED, NEW);
    damaged[MARK.len() + 9] ^= 1;
    let mut changed = NEW.to_vec();
    changed[0] ^= 1;
    let trailing = [&framed(CHANGED, NEW)[..], b"Goodbye\n"].concat();
    let (unknown, contradicts) = (framed(9, NEW), framed(UNCHANGED, NEW));
    let written = [
        &b"An answer begins with:\n"[..],
        MARK,
        b"and then comes text\n",
    ]
    .concat();
    let table: [(&[u8], &[u8], &str); 5] = [
        (
            &damaged,
            &changed,
            "its checksum does not match its content",
        ),
        (&trailing, NEW, "sent more data after the end of the answer"),
        // It may be an edit that brings these bytes in.
        (&unknown, &unknown, "of an unknown kind"),
        (&contradicts, &contradicts, "of an unknown kind"),
        (&written, &written, "or the edit itself contains the bytes"),
    ];
    for (answer, came, says) in table {
        for end in ["", "exit 4"] {
            let (editing, opened) = answered_then(answer, end, &[]);
            assert_kept_aside(&editing, &opened, came);
            opened.assert_says(says);
        }
    }
}

fn a_file_that_is_gone_there_is_said() {
    for end in ["", "exit 1"] {
        let (editing, opened) = answered_then(&framed(GONE, b""), end, &[]);
        assert_kept_aside(&editing, &opened, b"");
        opened.assert_says("it was deleted or renamed in the other qube");
    }
}

#[track_caller]
fn assert_no_edit(kind: u8, says: &str) {
    for end in ["", "exit 1"] {
        for content in [b"", &b"saved until then"[..]] {
            let (editing, opened) = answered_then(&framed(kind, content), end, &[]);
            assert_kept_aside(&editing, &opened, content);
            opened.assert_says(says);
        }
    }
}

fn what_came_of_a_failed_opener_is_kept_aside() {
    assert_no_edit(
        OPENER_FAILED,
        "the program that opens it in the other qube failed",
    );
}

fn what_came_before_an_end_that_was_not_seen_is_kept_aside() {
    assert_no_edit(END_NOT_SEEN, "could not detect when you had finished");
}

fn what_comes_in_a_frame_of_a_file_to_be_looked_at_is_dropped() {
    for (answer, code) in [
        (framed(UNCHANGED, b""), 0),
        (framed(CHANGED, NEW), 0),
        (framed(CHANGED, b""), 0),
        (framed(GONE, b""), 0),
        (framed(OPENER_FAILED, NEW), 1),
        (framed(END_NOT_SEEN, NEW), 1),
        (framed(CHANGED, NEW)[..30].to_vec(), 1),
        ([&framed(CHANGED, NEW)[..], b"x"].concat(), 1),
    ] {
        let (editing, opened) = answered_then(&answer, "", &["--view-only"]);
        opened.assert_code(code);
        assert_eq!(opened.stderr().is_empty(), code == 0, "{}", opened.stderr());
        editing.assert_only(OLD);
    }
}

fn an_edit_is_in_its_place_before_the_call_has_ended() {
    let editing = Editing::new();
    let file = editing.file().display();
    // A server may have something to show for as long as its user wants to see it.
    let until_placed = format!("exec >&-; until grep -q new '{file}'; do sleep 0.1; done; exit 7");
    editing.answers_then(&framed(CHANGED, NEW), &until_placed);
    let opened = editing.open_in_target(&[]);
    opened.assert_code(0);
    opened.assert_says("status 7");
    editing.assert_only(NEW);
}

fn an_answer_without_a_frame_leaves_a_backup() {
    let longer = OLD.repeat(1000);
    for answer in [NEW, b"x", &longer, &MARK[..15]] {
        let (editing, opened) = answered(answer);
        assert_backed_up(&editing, &opened, answer);
        opened.assert_says("does not say whether an edit is complete");
    }
}

fn text_of_a_start_up_file_without_a_frame_leaves_a_backup() {
    let editing = Editing::new();
    fs::write(editing.in_target(".profile"), "echo Welcome\n").unwrap();
    editing.answers(b"");
    let opened = editing.open_in_target(&[]);
    assert_backed_up(&editing, &opened, b"Welcome\n");
}

/// Runs the local program of qrexec against one who takes the file and answers.
fn local_program(answer: &[u8]) -> (Editing, Finished) {
    let editing = Editing::new();
    let mut command = editing.command("qopen-in-vm");
    command.arg(editing.file());
    let ((), finished) = converse(command, Joint::Sockets, |side| {
        assert_eq!(side.read(256 + OLD.len())[256..], *OLD);
        side.send(answer).unwrap();
        side.stop_sending();
        side.drain();
    });
    (editing, finished)
}

fn the_local_program_knows_from_the_frame_whether_an_edit_is_whole() {
    let whole = framed(CHANGED, NEW);
    let (editing, opened) = local_program(&whole);
    opened.assert_code(0);
    assert_eq!(opened.stderr(), "");
    editing.assert_only(NEW);

    let (editing, opened) = local_program(&[b"Welcome\n", &whole[..]].concat());
    opened.assert_code(0);
    assert_says_once(&opened, "a start-up file in the other qube prints text");
    editing.assert_only(NEW);

    let (editing, opened) = local_program(&whole[..whole.len() - 1]);
    assert_kept_aside(&editing, &opened, NEW);
    let (editing, opened) = local_program(&framed(OPENER_FAILED, b""));
    assert_kept_aside(&editing, &opened, b"");
}

fn the_local_program_keeps_a_backup_without_a_frame() {
    let (editing, opened) = local_program(NEW);
    assert_backed_up(&editing, &opened, NEW);
}

fn endless_text_before_a_frame_stops_at_the_limit() {
    for options in [
        &["--max-answer-bytes", "300000"][..],
        &["--max-answer-bytes", "300000", "--view-only"],
    ] {
        let editing = Editing::new();
        editing.service("cat > /dev/null; exec cat /dev/zero");
        let opened = editing.open_in_target(options);
        opened.assert_code(1);
        opened.assert_says("more than 300000 bytes");
        assert_eq!(editing.content(), OLD);
    }
}

fn an_endless_frame_stops_at_the_limit() {
    for options in [
        &["--max-answer-bytes", "300000"][..],
        &["--max-answer-bytes", "300000", "--view-only"],
    ] {
        let begin = with_length(CHANGED, u64::MAX, b"");
        let begin = &begin[..MARK.len() + 9];
        let (editing, opened) = answered_then(begin, "exec cat /dev/zero", options);
        opened.assert_code(1);
        opened.assert_says("more than 300000 bytes");
        assert_eq!(editing.content(), OLD);
        if let Ok(kept) = fs::metadata(editing.beside(INCOMPLETE)) {
            assert!(kept.len() <= 300_000, "{}", kept.len());
        }
    }
}

fn what_follows_a_frame_without_end_is_not_read() {
    for options in [&[][..], &["--view-only"]] {
        let (editing, opened) = answered_then(&framed(CHANGED, NEW), "exec cat /dev/zero", options);
        opened.assert_code(1);
        opened.assert_says("sent more data after the end of the answer");
        assert_eq!(editing.content(), OLD);
    }
}

fn an_answer_in_a_frame_before_the_file_was_sent_is_none() {
    let editing = Editing::with(NAME.as_ref(), &[b'x'; 4_000_000]);
    fs::write(editing.elsewhere("answer"), framed(CHANGED, NEW)).unwrap();
    editing.service(&format!("cat \"$WORK/answer\"; exec {UNTIL_THE_END}"));
    let opened = editing.open_in_target(&[]);
    opened.assert_code(1);
    opened.assert_says("answered before it had received the file");
    assert!(editing.content() == [b'x'; 4_000_000]);
}

fn a_frame_that_promises_more_than_there_can_be_is_cut() {
    for len in [1 << 40, u64::MAX] {
        let (editing, opened) = answered(&with_length(CHANGED, len, NEW));
        opened.assert_code(1);
        opened.assert_says("ended before the complete answer");
        assert_eq!(editing.content(), OLD);
        assert_eq!(editing.names(), [NAME, INCOMPLETE]);
    }
}

//! A hostile qube on the other side: as a server, and as a client.

use std::fs;
use std::process::Command;

use qfile_tests::editing::{Editing, NAME, OLD, UNTIL_THE_END};
use qfile_tests::peer::{Joint, converse};
use qfile_tests::process::Finished;
use qfile_tests::suite;

suite! {
    an_endless_answer_stops_at_the_limit,
    an_answer_of_exactly_the_limit_is_taken,
    what_comes_back_from_a_file_to_be_looked_at_is_dropped,
    gigabytes_come_back_from_a_file_to_be_looked_at,
    an_answer_before_the_file_was_sent_is_none,
    an_answer_of_one_who_did_not_take_the_file_is_none,
    a_server_that_never_ends_after_too_much_is_not_waited_for,
    a_server_that_reads_nothing_and_says_nothing_ends_the_call,
    an_answer_cut_at_any_place_leaves_the_original,
    a_server_that_is_killed_leaves_the_original,
    no_status_of_a_hostile_server_replaces_the_original,
    a_name_that_leaves_the_folder_is_refused,
    a_request_that_is_cut_is_refused,
    the_caller_must_be_a_qube,
    what_is_only_looked_at_cannot_be_written_and_is_not_sent,
    a_request_in_pieces_is_understood,
    the_server_never_answers_before_it_has_everything,
    what_the_server_says_cannot_drive_the_terminal,
}

const INCOMPLETE: &str = "letter.txt.incomplete-from-vault";

/// Opens a file of 1 MiB and more in a qube with this service.
fn opened_by(service: &str, options: &[&str]) -> (Editing, Finished) {
    let editing = Editing::with(NAME.as_ref(), &original());
    editing.service(service);
    let opened = editing.open_in_target(options);
    (editing, opened)
}

fn original() -> Vec<u8> {
    OLD.repeat(100_000)
}

#[track_caller]
fn assert_original_and(editing: &Editing, names: &[&str]) {
    assert!(editing.content() == original(), "the original is changed");
    assert_eq!(editing.names(), names);
}

fn an_endless_answer_stops_at_the_limit() {
    let options = ["--max-answer-bytes", "3000000"];
    let (editing, opened) = opened_by("cat > /dev/null; exec cat /dev/zero", &options);
    opened.assert_code(1);
    opened.assert_says("3000000");
    opened.assert_says(INCOMPLETE);
    assert_original_and(&editing, &[NAME, INCOMPLETE]);
    let kept = fs::metadata(editing.beside(INCOMPLETE)).unwrap().len();
    assert!(kept <= 3_000_000, "{kept}");

    let options = ["--view-only", "--max-answer-bytes", "3000000"];
    let (editing, opened) = opened_by("cat > /dev/null; exec cat /dev/zero", &options);
    opened.assert_code(1);
    opened.assert_says("3000000");
    opened.assert_says("allow it with --max-answer-bytes");
    assert_original_and(&editing, &[NAME]);
}

fn an_answer_of_exactly_the_limit_is_taken() {
    for (limit, code) in [("3000000", 0), ("2999999", 1)] {
        let service = "cat > /dev/null; head -c 3000000 /dev/zero";
        let (editing, opened) = opened_by(service, &["--max-answer-bytes", limit]);
        opened.assert_code(code);
        assert_eq!(editing.content() == [0; 3_000_000], code == 0);
    }
}

fn what_comes_back_from_a_file_to_be_looked_at_is_dropped() {
    let (editing, opened) = opened_by("cat > /dev/null; echo changed", &["--view-only"]);
    opened.assert_code(0);
    assert_original_and(&editing, &[NAME]);
    let (editing, opened) = opened_by("cat > /dev/null; echo changed; exit 9", &["--view-only"]);
    opened.assert_code(1);
    opened.assert_says("status 9");
    assert_original_and(&editing, &[NAME]);
}

fn gigabytes_come_back_from_a_file_to_be_looked_at() {
    let service = "cat > /dev/null; exec head -c 3G /dev/zero";
    let (editing, opened) = opened_by(service, &["--view-only"]);
    opened.assert_code(0);
    assert_original_and(&editing, &[NAME]);
}

fn an_answer_before_the_file_was_sent_is_none() {
    // No connection holds all of what neither of them reads. Less than this may be text of a start-up
    // file, and those run before the service reads.
    let surprise = "yes surprise | head -c 65536";
    for service in [
        format!("{surprise}; exec {UNTIL_THE_END}"),
        format!("head -c 256 > /dev/null; {surprise}; exec {UNTIL_THE_END}"),
    ] {
        let (editing, opened) = opened_by(&service, &[]);
        opened.assert_code(1);
        opened.assert_says("answered before it had received the file");
        assert_original_and(&editing, &[NAME, INCOMPLETE]);
        let kept = fs::read(editing.beside(INCOMPLETE)).unwrap();
        assert!(kept.starts_with(b"surprise\n") && kept.len() == 65_536);

        let (editing, opened) = opened_by(&service, &["--view-only"]);
        opened.assert_code(1);
        opened.assert_says("answered before it had received the file");
        assert_original_and(&editing, &[NAME]);
    }
}

fn an_answer_of_one_who_did_not_take_the_file_is_none() {
    // It may come before or after it is noticed that nobody reads.
    let service = "head -c 256 > /dev/null; echo surprise";
    let (editing, opened) = opened_by(service, &[]);
    opened.assert_code(1);
    opened.assert_says("was not replaced");
    assert!(editing.content() == original(), "the original is changed");
}

fn a_server_that_never_ends_after_too_much_is_not_waited_for() {
    let editing = Editing::new();
    editing.service(&format!(
        "cat > /dev/null; head -c 70000 /dev/zero; exec {UNTIL_THE_END}"
    ));
    let opened = editing.open_in_target(&["--max-answer-bytes", "100"]);
    opened.assert_code(1);
    opened.assert_says("more than 100 bytes");
    assert_eq!(editing.content(), OLD);
}

fn a_server_that_reads_nothing_and_says_nothing_ends_the_call() {
    for service in ["exit 0", "exec true", "head -c 300 > /dev/null"] {
        let (editing, opened) = opened_by(service, &[]);
        opened.assert_code(1);
        opened.assert_says("did not accept all of it");
        opened.assert_says("open it again");
        assert_original_and(&editing, &[NAME]);
    }
}

fn an_answer_cut_at_any_place_leaves_the_original() {
    for megabytes in 0..6_u64 {
        for bytes in [megabytes << 20, (megabytes << 20) + 1] {
            let service = format!("cat > /dev/null; head -c {bytes} /dev/zero; exit 1");
            let (editing, opened) = opened_by(&service, &[]);
            opened.assert_code(1);
            if bytes == 0 {
                assert_original_and(&editing, &[NAME]);
            } else {
                assert_original_and(&editing, &[NAME, INCOMPLETE]);
                opened.assert_says(INCOMPLETE);
                let kept = fs::metadata(editing.beside(INCOMPLETE)).unwrap().len();
                assert_eq!(kept, bytes);
            }
        }
    }
}

fn a_server_that_is_killed_leaves_the_original() {
    let service = "cat > /dev/null; head -c 2000000 /dev/zero; kill -KILL $$";
    let (editing, opened) = opened_by(service, &[]);
    opened.assert_code(1);
    opened.assert_says("signal 9");
    assert_original_and(&editing, &[NAME, INCOMPLETE]);
}

fn no_status_of_a_hostile_server_replaces_the_original() {
    for status in [1, 2, 32, 125, 126, 127, 137, 255] {
        let service = format!("cat > /dev/null; echo hostile; exit {status}");
        let (editing, opened) = opened_by(&service, &[]);
        opened.assert_code(if status == 126 { 126 } else { 1 });
        opened.assert_says(INCOMPLETE);
        assert_original_and(&editing, &[NAME, INCOMPLETE]);
    }
}

/// 256 bytes of name, then the content.
fn request(name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut request = name.to_vec();
    request.resize(256, 0);
    request.extend_from_slice(content);
    request
}

/// What the server answers to these bytes, and how it ends.
fn serve(editing: &Editing, server: Command, joint: Joint, bytes: &[u8]) -> (Finished, Vec<u8>) {
    let (answer, finished) = converse(server, joint, |client| {
        // A server that refuses early need not read everything.
        let _taken = client.send(bytes);
        client.stop_sending();
        client.rest()
    });
    editing.assert_nothing_left_there();
    (finished, answer)
}

#[track_caller]
fn assert_server_refuses(editing: &Editing, server: Command, bytes: &[u8], says: &str) {
    editing.editor(": > \"$WORK/opened\"");
    let (finished, answer) = serve(editing, server, Joint::Sockets, bytes);
    finished.assert_code(1);
    finished.assert_says(says);
    assert_eq!(answer, b"");
    assert!(
        !editing.elsewhere("opened").exists(),
        "something was opened"
    );
}

fn a_name_that_leaves_the_folder_is_refused() {
    let editing = Editing::new();
    let names: [&[u8]; 9] = [
        b"",
        b".",
        b"..",
        b"/etc/passwd",
        b"../../etc/passwd",
        b"a/b",
        b"view-only-",
        b"view-only-../x",
        b"view-only-..",
    ];
    for name in names {
        let bytes = request(name, b"content");
        assert_server_refuses(&editing, editing.server(), &bytes, "name");
    }
}

fn a_request_that_is_cut_is_refused() {
    let editing = Editing::new();
    for len in [0, 1, 255] {
        let bytes = &request(b"name", b"")[..len];
        assert_server_refuses(&editing, editing.server(), bytes, "name");
    }
}

fn the_caller_must_be_a_qube() {
    let editing = Editing::new();
    for caller in ["", "..", "a/b", "../x", "none", "x-dm", &"a".repeat(32)] {
        let mut server = editing.server();
        server.env("QREXEC_REMOTE_DOMAIN", caller);
        let bytes = request(b"name", b"");
        assert_server_refuses(&editing, server, &bytes, "QREXEC_REMOTE_DOMAIN");
    }
}

fn what_is_only_looked_at_cannot_be_written_and_is_not_sent() {
    let editing = Editing::new();
    editing.editor("stat -c %a \"$1\" > \"$WORK/mode\"; chmod u+w \"$1\"; echo changed > \"$1\"");
    let bytes = request(b"view-only-a.txt", b"content");
    let (finished, answer) = serve(&editing, editing.server(), Joint::Pipes, &bytes);
    finished.assert_code(0);
    assert_eq!(answer, b"");
    let mode = fs::read_to_string(editing.elsewhere("mode")).unwrap();
    assert_eq!(mode.trim_end(), "400");
}

fn a_request_in_pieces_is_understood() {
    for joint in Joint::ALL {
        let editing = Editing::new();
        editing.editor("printf ' and more' >> \"$1\"");
        let bytes = request(b"a.txt", b"content");
        let (answer, finished) = converse(editing.server(), joint, |client| {
            // The Windows client writes the name in two parts.
            for part in bytes.chunks(100) {
                client.send(part).unwrap();
            }
            client.stop_sending();
            client.rest()
        });
        finished.assert_code(0);
        assert_eq!(answer, b"content and more", "{joint:?}");
        editing.assert_nothing_left_there();
    }
}

fn the_server_never_answers_before_it_has_everything() {
    let editing = Editing::new();
    editing.editor(": > \"$WORK/opened\"; echo x >> \"$1\"");
    let bytes = request(b"a.txt", &[b'x'; 500_000]);
    let opened = editing.elsewhere("opened");
    let (answer, finished) = converse(editing.server(), Joint::Sockets, |client| {
        client.send(&bytes).unwrap();
        assert!(!opened.exists(), "opened before the end of the content");
        client.stop_sending();
        client.rest()
    });
    finished.assert_code(0);
    assert_eq!(answer.len(), 500_002);
}

fn what_the_server_says_cannot_drive_the_terminal() {
    let editing = Editing::new();
    editing.editor("printf '\\033[31mred\\007\\n' >&2; exit 1");
    let opened = editing.open();
    opened.assert_code(1);
    opened.assert_says("[31mred");
    assert!(!opened.stderr.contains(&0x1b) && !opened.stderr.contains(&7));
}

//! The agent against receivers that refuse, fall silent or die: what it says, and what it leaves open.
//! (Everything else that a receiver may answer is in the end-to-end tests, `sender::verdict`.)

use std::fs;
use std::process::Command;

use crate::receiver::{Ended, Receiver, agent, verdict};
use qfile_proto::verdict::LEGAL_EOF;
use qfile_tests::peer::Joint;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tempfile::TempDir;

/// A file of so many bytes, and an agent that is to send it.
fn sending(len: usize) -> (TempDir, Command) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("f");
    fs::write(&path, vec![b'x'; len]).unwrap();
    let command = agent([path]);
    (home, command)
}

/// More than every buffer on the way to a receiver that does not read.
const LARGE: usize = 8 * 1024 * 1024;

/// What becomes of a whole copy to which `answer` is the answer.
fn after(answer: &[u8]) -> Ended {
    let (_home, agent) = sending(10);
    let mut receiver = Receiver::over_pipes(agent);
    receiver.receive();
    receiver.say(answer);
    receiver.ended()
}

fn assert_fails_with(ended: &Ended, message: &str) {
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    let first_line = ended.stderr.lines().next().unwrap_or_default();
    assert_eq!(first_line, format!("qfile-agent: Fatal error: {message}"));
    assert_eq!(ended.stderr.lines().count(), 2, "{}", ended.stderr);
}

#[test]
fn a_receiver_that_refuses_and_then_neither_reads_nor_closes_does_not_hold_the_agent() {
    for start in [
        Receiver::over_pipes,
        Receiver::over_sockets,
        Receiver::over_one_socket,
    ] {
        let (_home, agent) = sending(LARGE);
        let mut receiver = start(agent);
        receiver.read(100);
        receiver.say(&verdict(28, 0, Some(b"f")));
        assert_fails_with(
            &receiver.ended_by_itself(),
            "File copy: \"No space left on device\"; Last file: \"f\" \
             (error type: No space left on device)",
        );
    }
}

#[test]
fn a_connection_that_is_reset_after_16_bytes_was_a_verdict() {
    let (_home, agent) = sending(LARGE);
    let mut receiver = Receiver::over_one_socket(agent);
    receiver.read(100);
    // What is left unread resets the connection when the socket is closed.
    receiver.say(&verdict(122, 0, None));
    assert_fails_with(
        &receiver.ended(),
        "File copy: \"Disk quota exceeded\" (error type: Disk quota exceeded)",
    );
}

#[test]
fn a_descriptor_that_others_made_nonblocking_is_waited_for_and_left_so() {
    let (_home, agent) = sending(LARGE);
    let (mut receiver, shared) = Receiver::over(Joint::OneSocket, agent);
    // The flag belongs to the open file that the agent shares.
    let flags = fcntl_getfl(&shared).unwrap() | OFlags::NONBLOCK;
    fcntl_setfl(&shared, flags).unwrap();
    receiver.confirm();
    let ended = receiver.ended();
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert_eq!(fcntl_getfl(&shared).unwrap(), flags);
}

#[test]
fn each_refusal_has_the_words_that_people_search_for() {
    let invalid = "Invalid or incomplete multibyte or wide character";
    let table: [(u32, Option<&[u8]>, String); 12] = [
        (17, Some(b"a/b"), "A file named \"a/b\" already exists in QubesIncoming dir (error type: File exists)".into()),
        (22, Some(b"a"), "File copy: Corrupted data from packer; Last file: \"a\" (error type: Invalid argument)".into()),
        (22, None, "File copy: Corrupted data from packer (error type: Invalid argument)".into()),
        (84, Some(b"a"), format!("Forbidden character in file or link target. Name might look somewhat like \"a\" (error type: {invalid})")),
        (4_294_967_212, Some(b"a"), format!("Forbidden character in file or link target. Name might look somewhat like \"a\" (error type: {invalid})")),
        (67, Some(b"a/l"), "Cannot verify that link at \"a/l\" would not be broken by copy (error type: Link has been severed)".into()),
        (122, Some(b"a"), "File copy: \"Disk quota exceeded\"; Last file: \"a\" (error type: Disk quota exceeded)".into()),
        (28, None, "File copy: \"No space left on device\" (error type: No space left on device)".into()),
        (121, None, "File copy: \"Remote I/O error\" (error type: Remote I/O error)".into()),
        (LEGAL_EOF, Some(b"a"), "File copy: the stream ended early; Last file: \"a\"".into()),
        (LEGAL_EOF, None, "File copy: the stream ended early".into()),
        (5000, Some(b"a"), "File copy: \"Unknown error 5000\"; Last file: \"a\"".into()),
    ];
    for (code, name, message) in table {
        assert_fails_with(&after(&verdict(code, 0, name)), &message);
    }
}

#[test]
fn a_name_that_does_not_come_whole_is_left_out() {
    let mut answer = verdict(17, 0, None);
    answer.extend(100_u32.to_le_bytes());
    answer.extend(b"half");
    assert_fails_with(
        &after(&answer),
        "A file of that name already exists in QubesIncoming dir (error type: File exists)",
    );
}

#[test]
fn a_receiver_that_ends_without_an_answer_is_a_failure() {
    let message = "the receiver in the target qube ended without an answer";
    assert_fails_with(&after(b""), message);
    for start in [
        Receiver::over_pipes,
        Receiver::over_sockets,
        Receiver::over_one_socket,
    ] {
        let (_home, agent) = sending(LARGE);
        let mut receiver = start(agent);
        receiver.read(100);
        assert_fails_with(&receiver.ended(), message);
    }
}

#[test]
fn an_answer_of_fewer_than_16_bytes_is_none() {
    for len in [1, 15] {
        let ended = after(&verdict(0, 0, None)[..len]);
        assert_fails_with(&ended, "the receiver's answer was cut off");
    }
}

#[test]
fn text_from_a_start_up_file_is_recognised() {
    let message = "the target qube sent text instead of a verdict: \"Welcome!\"";
    assert_fails_with(&after(b"Welcome!\n\x1b[0m"), message);
    // Said before the copy begins, by a receiver that then waits for the stream.
    let (_home, agent) = sending(LARGE);
    let mut receiver = Receiver::over_pipes(agent);
    receiver.say(b"Welcome!\n");
    assert_fails_with(&receiver.ended_by_itself(), message);
}

#[test]
fn the_time_for_a_verdict_can_be_limited() {
    let (_home, mut agent) = sending(10);
    let mut receiver = Receiver::over_pipes({
        agent.args(["--verdict-timeout", "0"]);
        agent
    });
    receiver.receive();
    assert_fails_with(
        &receiver.ended_by_itself(),
        "the target qube did not answer for 0 seconds",
    );
}

#[test]
fn the_result_line_says_what_became_of_the_copy() {
    let (_home, mut agent) = sending(10);
    agent.args(["--result-fd", "2"]);
    let mut receiver = Receiver::over_pipes(agent);
    receiver.receive();
    receiver.say(&verdict(17, 0, Some(b"f")));
    let ended = receiver.ended();
    let line = ended.stderr.lines().last().unwrap();
    let told =
        "1 A file named \"f\" already exists in QubesIncoming dir (error type: File exists); ";
    let advice = line.strip_prefix(told).expect(line);
    assert!(advice.starts_with("move or rename it"), "{advice}");

    let (_home, mut agent) = sending(10);
    agent.args(["--result-fd", "2"]);
    let mut receiver = Receiver::over_pipes(agent);
    receiver.confirm();
    let ended = receiver.ended();
    assert_eq!((ended.status, &*ended.stderr), (Some(0), "0 \n"));
}

#[test]
fn every_line_names_the_qube_of_a_call_to_several() {
    let (_home, mut agent) = sending(10);
    agent
        .args(["--name-qube", "vault", "--result-fd", "999"])
        .env("PROGRESS_TYPE", "gui")
        .env("SAVED_FD_1", "998");
    let mut receiver = Receiver::over_pipes(agent);
    receiver.receive();
    receiver.say(&verdict(17, 0, Some(b"f")));
    let refused = receiver.ended().stderr;
    let (_home, mut agent) = sending(10);
    agent.args(["--name-qube", "vault", "--exclude", "["]);
    let wrong = Receiver::over_pipes(agent).ended().stderr;
    for part in ["no progress will be shown", "cannot write the result to"] {
        assert!(refused.contains(part), "{refused}");
    }
    assert!(!wrong.is_empty());
    for line in refused.lines().chain(wrong.lines()) {
        assert!(line.starts_with("qfile-agent: vault: "), "{line}");
    }
}

//! Copies from qube to qube that end otherwise than well: refused, without a receiver, with one
//! that dies, answers too early or says what it should not; and what `qvm-copy` makes of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use qfile_tests::cannot_run::needs_program;
use qfile_tests::fifo;
use qfile_tests::process::{Running, run};
use qfile_tests::programs::program;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;
use qfile_tests::tree::Snapshot;
use rustix::process::{Pid, Signal, kill_process};

suite! {
    a_copy_denied_by_policy_is_126,
    a_copy_to_a_qube_that_does_not_exist_is_126,
    a_service_that_does_not_exist_is_127,
    a_missing_client_is_said,
    a_client_that_cannot_be_started_is_said_without_driving_the_terminal,
    a_signal_after_the_end_of_the_agent_cancels [needs_bash],
    a_missing_receiver_is_a_failure,
    a_receiver_that_dies_in_the_middle_is_a_failure,
    a_receiver_that_says_nothing_is_a_failure_whatever_its_status,
    the_services_status_does_not_hide_the_verdict,
    what_is_there_already_stays_and_is_named,
    the_argument_is_empty_or_allow_all_names,
    text_from_a_start_up_file_is_shown_as_what_it_is,
    what_the_service_says_on_stderr_cannot_drive_the_terminal,
    without_a_target_the_policy_chooses,
    nothing_is_sent_when_a_file_is_missing,
}

/// Qubes with a file in the source's home.
fn qubes_with_file(len: usize) -> Qubes {
    let qubes = Qubes::new();
    fs::write(qubes.home(SOURCE).join("file"), vec![b'x'; len]).unwrap();
    qubes
}

/// The project's receiver, for services of a test's own.
fn receiver() -> String {
    program("qfile-unpacker").to_str().unwrap().to_owned()
}

fn assert_nothing_landed(qubes: &Qubes) {
    let incoming = qubes.incoming(SOURCE, TARGET);
    assert!(!incoming.exists() || Snapshot::of(&incoming).is_empty());
}

fn a_copy_denied_by_policy_is_126() {
    let qubes = qubes_with_file(1);
    qubes.set_policy("qubes.Filecopy * @anyvm @anyvm deny\n");
    let copied = qubes.copy(&["file"]);
    copied.assert_code(126);
    copied.assert_says("policy");
    assert!(!qubes.home(TARGET).join("QubesIncoming").exists());
}

fn a_copy_to_a_qube_that_does_not_exist_is_126() {
    let qubes = qubes_with_file(1);
    let mut command = qubes.command(SOURCE, "qvm-copy-to-vm");
    command.args(["nowhere", "file"]);
    let copied = run(command);
    copied.assert_code(126);
    assert!(!copied.stderr.is_empty());
}

fn a_service_that_does_not_exist_is_127() {
    let qubes = Qubes::new();
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command.args([TARGET, "test.NoSuchService"]);
    run(command).assert_code(127);
}

fn a_missing_client_is_said() {
    let qubes = qubes_with_file(1);
    let mut command = qubes.command(SOURCE, "qvm-copy-to-vm");
    command.args([TARGET, "file"]);
    command.env("QREXEC_CLIENT_VM", "/nonexistent/qrexec-client-vm");
    let copied = run(command);
    copied.assert_code(1);
    copied.assert_says("/nonexistent/qrexec-client-vm");
}

fn a_client_that_cannot_be_started_is_said_without_driving_the_terminal() {
    let qubes = qubes_with_file(1);
    let client = qubes.root().join("\x1b[31mclient");
    fs::write(&client, "").unwrap();
    let mut command = qubes.command(SOURCE, "qvm-copy-to-vm");
    command
        .args([TARGET, "file"])
        .env("QREXEC_CLIENT_VM", &client);
    let copied = run(command);
    copied.assert_code(1);
    copied.assert_says(r"\x1b[31mclient': Permission denied");
}

fn needs_bash() -> Result<(), String> {
    needs_program("bash")
}

/// The client goes on for a while after the agent has ended without a word.
fn a_signal_after_the_end_of_the_agent_cancels() {
    let qubes = qubes_with_file(1);
    let client = qubes.root().join("client");
    let script = r#"#!/usr/bin/env bash
        for fd in /proc/self/fd/*; do case ${fd##*/} in [012] | 255) ;; *) eval "exec ${fd##*/}>&-" ;; esac; done
        echo >"$0.here"
        exec cat "$0.held""#;
    fs::write(&client, script).unwrap();
    fs::set_permissions(&client, Permissions::from_mode(0o755)).unwrap();
    fifo::make(&qubes.root().join("client.here"));
    let _held = fifo::held(&qubes.root().join("client.held"));
    let mut command = qubes.command(SOURCE, "qvm-copy-to-vm");
    command
        .args([TARGET, "file"])
        .env("QREXEC_CLIENT_VM", &client)
        .stdin(Stdio::null());
    let running = Running::start(command);
    fs::read(qubes.root().join("client.here")).unwrap();
    kill_process(Pid::from_child(&running.child), Signal::TERM).unwrap();
    let copied = running.finish();
    copied.assert_code(32);
    copied.assert_says("cancelled");
}

fn a_missing_receiver_is_a_failure() {
    let qubes = qubes_with_file(1);
    qubes.set_service(TARGET, "qubes.Filecopy", "exec /nonexistent/qfile-unpacker");
    let copied = qubes.copy(&["file"]);
    copied.assert_code(1);
    copied.assert_says("Fatal error");
}

fn a_receiver_that_dies_in_the_middle_is_a_failure() {
    let qubes = qubes_with_file(5_000_000);
    let dies = "head -c 100000 >/dev/null\nkill -KILL $$";
    qubes.set_service(TARGET, "qubes.Filecopy", dies);
    let copied = qubes.copy(&["file"]);
    copied.assert_code(1);
    copied.assert_says("Fatal error");
}

fn a_receiver_that_says_nothing_is_a_failure_whatever_its_status() {
    for status in [0, 1, 126] {
        let qubes = qubes_with_file(1000);
        // Header, name, content and end header: a sender keeps its end open for the answer.
        let stream = 32 + "file\0".len() + 1000 + 32;
        let silent = format!("head -c {stream} >/dev/null\nexit {status}");
        qubes.set_service(TARGET, "qubes.Filecopy", &silent);
        qubes.copy(&["file"]).assert_code(1);
    }
}

fn the_services_status_does_not_hide_the_verdict() {
    for status in [1, 126, 255] {
        let qubes = qubes_with_file(1000);
        let script = format!("'{}'\nexit {status}", receiver());
        qubes.set_service(TARGET, "qubes.Filecopy", &script);
        let sent = Snapshot::of(&qubes.home(SOURCE));
        qubes.copy(&["file"]).assert_code(0);
        sent.assert_arrived(&Snapshot::of(&qubes.incoming(SOURCE, TARGET)));
    }
    let qubes = qubes_with_file(1000);
    let script = format!("'{}' --max-bytes 1\nexit 0", receiver());
    qubes.set_service(TARGET, "qubes.Filecopy", &script);
    qubes.copy(&["file"]).assert_code(1);
    assert_nothing_landed(&qubes);
}

fn what_is_there_already_stays_and_is_named() {
    let qubes = qubes_with_file(100_000);
    qubes.copy(&["file"]).assert_code(0);
    let before = Snapshot::of(&qubes.incoming(SOURCE, TARGET));
    fs::write(qubes.home(SOURCE).join("file"), vec![b'y'; 3_000_000]).unwrap();
    let copied = qubes.copy(&["file"]);
    copied.assert_code(1);
    copied.assert_says(r#"A file named "file" already exists in QubesIncoming dir"#);
    before.assert_unchanged(&Snapshot::of(&qubes.incoming(SOURCE, TARGET)));
}

fn the_argument_is_empty_or_allow_all_names() {
    for (argument, status) in [
        ("", 0),
        ("+", 0),
        ("+allow-all-names", 0),
        ("+allow-all-name", 1),
        ("+--allow-all-names", 1),
        ("+allow-unsafe-symlinks", 1),
        ("+1000", 1),
    ] {
        let qubes = qubes_with_file(1);
        let mut command = qubes.command(SOURCE, "qrexec-loopback");
        command.args(["--", TARGET, &format!("qubes.Filecopy{argument}")]);
        command.arg(program("qfile-agent")).args(["--", "file"]);
        run(command).assert_code(status);
        match status {
            0 => assert!(qubes.incoming(SOURCE, TARGET).join("file").exists()),
            _ => assert_nothing_landed(&qubes),
        }
    }
}

fn text_from_a_start_up_file_is_shown_as_what_it_is() {
    let qubes = qubes_with_file(100_000);
    let greeting = "echo 'Welcome to this qube'\nprintf '\\033[31m'\n";
    fs::write(qubes.home(TARGET).join(".profile"), greeting).unwrap();
    let copied = qubes.copy(&["file"]);
    copied.assert_code(1);
    copied.assert_says("Welcome to this qube");
    copied.assert_says("start-up");
    assert!(!copied.stderr.contains(&0x1B));
}

fn what_the_service_says_on_stderr_cannot_drive_the_terminal() {
    let qubes = qubes_with_file(1);
    let script = format!("printf 'said \\033[31mred\\n' >&2\nexec '{}'", receiver());
    qubes.set_service(TARGET, "qubes.Filecopy", &script);
    let copied = qubes.copy(&["file"]);
    copied.assert_code(0);
    copied.assert_says("said ");
    assert!(!copied.stderr.contains(&0x1B), "{}", copied.stderr());
}

fn without_a_target_the_policy_chooses() {
    for (name, arguments) in [("qvm-copy", ["file"]), ("qvm-copy-to-vm", ["file"])] {
        let qubes = qubes_with_file(10);
        qubes.add("third");
        qubes.set_policy("qubes.Filecopy * work @default allow target=vault\n");
        let mut command = qubes.command(SOURCE, name);
        command.args(arguments);
        run(command).assert_code(0);
        assert!(
            qubes.incoming(SOURCE, TARGET).join("file").exists(),
            "{name}"
        );
    }
}

fn nothing_is_sent_when_a_file_is_missing() {
    let qubes = qubes_with_file(1);
    let copied = qubes.copy(&[Path::new("file"), Path::new("missing")]);
    copied.assert_code(1);
    copied.assert_says("missing");
    assert!(!qubes.home(TARGET).join("QubesIncoming").exists());
}

//! Where a call goes: `@default`, redirections, and what the user answers on the terminal.

use std::process::Command;

use qfile_tests::process::{Finished, run};
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;
use rexpect::process::wait::WaitStatus;
use rexpect::session::{PtySession, spawn_command};

suite! {
    the_default_is_what_policy_says,
    the_default_is_the_only_other_qube,
    a_default_that_could_be_several_is_refused_with_their_names,
    policy_may_send_a_call_elsewhere,
    asking_without_a_terminal_is_a_refusal,
    yes_on_the_terminal_allows_a_call_and_no_refuses_it,
    an_answer_that_is_neither_yes_nor_no_is_asked_about_again,
    the_user_chooses_what_default_means,
    the_default_that_policy_proposes_is_asked_for,
    the_end_of_input_on_the_terminal_is_a_refusal,
    a_terminal_as_own_streams_goes_both_ways_at_once,
}

/// No test waits that long when all is well.
const HANGS_AFTER_MS: u64 = 150_000;

/// Three qubes with a service `where` that names its qube.
fn qubes(policy: &str) -> Qubes {
    let qubes = Qubes::new();
    qubes.add("other");
    for qube in [SOURCE, TARGET, "other"] {
        qubes.set_service(qube, "where", "echo in $QREXEC_LOOPBACK_QUBE");
    }
    qubes.set_policy(policy);
    qubes
}

fn command(qubes: &Qubes, target: &str) -> Command {
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command.args([target, "where"]);
    command
}

fn call(policy: &str, target: &str) -> Finished {
    run(command(&qubes(policy), target))
}

/// Calls on a terminal of its own.
fn on_a_terminal(qubes: &Qubes, target: &str) -> PtySession {
    spawn_command(command(qubes, target), Some(HANGS_AFTER_MS)).unwrap()
}

#[track_caller]
fn assert_ends(session: &mut PtySession, status: i32) {
    let ended = session.process().wait().unwrap();
    assert!(
        matches!(ended, WaitStatus::Exited(_, code) if code == status),
        "{ended:?}"
    );
}

fn the_default_is_what_policy_says() {
    let called = call("* * @anyvm @default allow target=other\n", "@default");
    called.assert_code(0);
    assert_eq!(called.stdout, b"in other\n");
}

fn the_default_is_the_only_other_qube() {
    let qubes = Qubes::new();
    qubes.set_service(TARGET, "where", "echo in $QREXEC_LOOPBACK_QUBE");
    qubes.add("default-dvm");
    let called = run(command(&qubes, "@default"));
    called.assert_code(0);
    assert_eq!(called.stdout, b"in vault\n");
}

fn a_default_that_could_be_several_is_refused_with_their_names() {
    let called = call("* * * * allow\n", "@default");
    called.assert_code(126);
    called.assert_says("any of other, vault");
}

fn policy_may_send_a_call_elsewhere() {
    let called = call("* * @anyvm vault allow target=other\n", TARGET);
    called.assert_code(0);
    assert_eq!(called.stdout, b"in other\n");
}

fn asking_without_a_terminal_is_a_refusal() {
    let qubes = qubes("* * * * ask\n");
    let client = command(&qubes, TARGET);
    let mut command = Command::new("setsid");
    command
        .arg("--wait")
        .arg(client.get_program())
        .args(client.get_args());
    command.envs(
        client
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let called = run(command);
    called.assert_code(126);
    called.assert_says("no terminal to ask on");
}

fn yes_on_the_terminal_allows_a_call_and_no_refuses_it() {
    let qubes = qubes("* * * * ask\n");
    for (answer, status) in [("y", 0), ("yes", 0), ("", 126), ("n", 126)] {
        let mut session = on_a_terminal(&qubes, TARGET);
        session
            .exp_string("work wants where+ in vault. Allow it? [y/N] ")
            .unwrap();
        session.send_line(answer).unwrap();
        let expected = if status == 0 {
            "in vault"
        } else {
            "the user did not allow it"
        };
        session.exp_string(expected).unwrap();
        assert_ends(&mut session, status);
    }
}

fn an_answer_that_is_neither_yes_nor_no_is_asked_about_again() {
    let qubes = qubes("* * * * ask\n");
    let mut session = on_a_terminal(&qubes, TARGET);
    session.exp_string("Allow it? [y/N] ").unwrap();
    session.send_line("oui").unwrap();
    session.exp_string("type y for yes, or n for no").unwrap();
    session.exp_string("Allow it? [y/N] ").unwrap();
    session.send_line("y").unwrap();
    session.exp_string("in vault").unwrap();
    assert_ends(&mut session, 0);
}

fn the_user_chooses_what_default_means() {
    let qubes = qubes("* * * * ask\n");
    for (answer, status) in [
        ("other", 0),
        ("vault", 0),
        ("", 126),
        ("work", 126),
        ("nowhere", 126),
    ] {
        let mut session = on_a_terminal(&qubes, "@default");
        session
            .exp_string("work wants where+. In which qube (other, vault)? ")
            .unwrap();
        session.send_line(answer).unwrap();
        let expected = match status {
            0 => format!("in {answer}"),
            _ => "the user did not allow it".to_owned(),
        };
        session.exp_string(&expected).unwrap();
        assert_ends(&mut session, status);
    }
}

fn the_default_that_policy_proposes_is_asked_for() {
    let qubes = qubes("* * * @default ask default_target=other\n");
    let mut session = on_a_terminal(&qubes, "@default");
    session.exp_string("in other. Allow it? [y/N] ").unwrap();
    session.send_line("y").unwrap();
    session.exp_string("in other").unwrap();
    assert_ends(&mut session, 0);
}

fn the_end_of_input_on_the_terminal_is_a_refusal() {
    let qubes = qubes("* * * * ask\n");
    let mut session = on_a_terminal(&qubes, TARGET);
    session.exp_string("Allow it? [y/N] ").unwrap();
    session.send_control('d').unwrap();
    assert_ends(&mut session, 126);
}

fn a_terminal_as_own_streams_goes_both_ways_at_once() {
    let qubes = Qubes::new();
    qubes.set_service(
        TARGET,
        "where",
        "echo ready; while read line; do echo \"got $line\"; done",
    );
    let mut session = on_a_terminal(&qubes, TARGET);
    session.exp_string("ready").unwrap();
    session.send_line("one").unwrap();
    session.exp_string("got one").unwrap();
    session.send_line("two").unwrap();
    session.exp_string("got two").unwrap();
    session.send_control('d').unwrap();
    assert_ends(&mut session, 0);
}

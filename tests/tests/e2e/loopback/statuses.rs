//! Every exit status of a call.

use std::fs;

use qfile_tests::process::{Finished, run};
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;

suite! {
    the_services_status_is_the_calls,
    the_services_status_hides_the_programs_unless_it_is_0,
    a_signal_is_128_and_its_number,
    a_program_that_cannot_be_executed_is_255_and_the_service_feels_end_of_input,
    a_service_that_does_not_exist_is_127_and_the_program_feels_end_of_input,
    a_service_that_cannot_be_executed_is_125,
    what_is_refused_is_126_and_starts_nothing,
    a_wrong_command_line_is_2,
    without_local_qubes_it_is_1,
    help_says_that_it_isolates_nothing,
}

/// Calls the service `svc` of [`TARGET`], which is this script.
fn call(script: &str, program: &[&str]) -> Finished {
    let qubes = Qubes::new();
    qubes.set_service(TARGET, "svc", script);
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    run_with(command.args([TARGET, "svc"]).args(program))
}

fn run_with(command: &mut std::process::Command) -> Finished {
    run(std::mem::replace(command, std::process::Command::new("")))
}

fn the_services_status_is_the_calls() {
    for status in [0, 1, 2, 3, 125, 126, 127, 128, 255] {
        call(&format!("exit {status}"), &[]).assert_code(status);
    }
}

fn the_services_status_hides_the_programs_unless_it_is_0() {
    for (service, program, expected) in [(0, 0, 0), (0, 7, 7), (3, 0, 3), (3, 7, 3)] {
        let exit = format!("exit {program}");
        let called = call(&format!("exit {service}"), &["/bin/sh", "-c", &exit]);
        called.assert_code(expected);
    }
}

fn a_signal_is_128_and_its_number() {
    call("kill -KILL $$", &[]).assert_code(137);
    call("kill -TERM $$", &["/bin/true"]).assert_code(143);
    call("exit 0", &["/bin/sh", "-c", "kill -TERM $$"]).assert_code(143);
}

fn a_program_that_cannot_be_executed_is_255_and_the_service_feels_end_of_input() {
    for program in ["/nonexistent/program", "/dev/null", "true", ""] {
        let called = call("cat >&2; echo over >&2", &[program]);
        called.assert_code(255);
        called.assert_says("cannot execute");
        called.assert_says("over");
    }
    call("exit 5", &["/nonexistent/program"]).assert_code(5);
}

fn a_service_that_does_not_exist_is_127_and_the_program_feels_end_of_input() {
    let qubes = Qubes::new();
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command.args([TARGET, "svc+x", "/bin/sh", "-c", "cat >&2; echo over >&2"]);
    let called = run(command);
    called.assert_code(127);
    called.assert_says("no service svc+x in vault");
    called.assert_says("over");
}

fn a_service_that_cannot_be_executed_is_125() {
    let qubes = Qubes::new();
    fs::write(qubes.root().join(TARGET).join("qubes-rpc/svc"), "exit 0\n").unwrap();
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    let called = run_with(command.args([TARGET, "svc"]));
    called.assert_code(125);
    called.assert_says("cannot execute");
}

fn what_is_refused_is_126_and_starts_nothing() {
    for (policy, target, service, says) in [
        (
            "* * @anyvm @anyvm deny\n",
            TARGET,
            "svc",
            "policy refuses svc+ from work to vault",
        ),
        (
            "other * @anyvm @anyvm allow\n",
            TARGET,
            "svc",
            "policy refuses",
        ),
        ("* * @anyvm\n", TARGET, "svc", "30-test.policy\": line 1"),
        ("* * * * allow\n", "nowhere", "svc", "no local qube nowhere"),
        (
            "* * * * allow\n",
            "@dispvm:nowhere",
            "svc",
            "no local qube nowhere",
        ),
        ("* * * * allow\n", SOURCE, "svc", "cannot call itself"),
        (
            "* * * * allow\n",
            "../vault",
            "svc",
            "not the name of a qube",
        ),
        ("* * * * allow\n", TARGET, "../svc", "no name of a service"),
    ] {
        let qubes = Qubes::new();
        qubes.set_policy(policy);
        let ran = qubes.root().join("ran");
        let touch = format!("touch '{}'", ran.display());
        qubes.set_service(TARGET, "svc", &touch);
        let mut command = qubes.command(SOURCE, "qrexec-loopback");
        let called = run_with(command.args([target, service, "/bin/sh", "-c", &touch]));
        called.assert_code(126);
        called.assert_says(says);
        assert!(!ran.exists(), "{says}");
    }
}

fn a_wrong_command_line_is_2() {
    let qubes = Qubes::new();
    let long = "x".repeat(64);
    for arguments in [
        &[][..],
        &[TARGET],
        &["--nonsense", TARGET, "svc"],
        &[&long, "svc"],
    ] {
        let mut command = qubes.command(SOURCE, "qrexec-loopback");
        run_with(command.args(arguments)).assert_code(2);
    }
}

fn without_local_qubes_it_is_1() {
    for (variable, value) in [
        ("QREXEC_LOOPBACK_ROOT", None),
        ("QREXEC_LOOPBACK_ROOT", Some("/nonexistent")),
        ("QREXEC_LOOPBACK_QUBE", None),
        ("QREXEC_LOOPBACK_QUBE", Some("../vault")),
    ] {
        let qubes = Qubes::new();
        let mut command = qubes.command(SOURCE, "qrexec-loopback");
        command.args([TARGET, "svc"]);
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
        let called = run(command);
        called.assert_code(1);
        called.assert_says(variable);
    }
}

fn help_says_that_it_isolates_nothing() {
    let qubes = Qubes::new();
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    let helped = run_with(command.arg("--help"));
    helped.assert_code(0);
    assert!(
        String::from_utf8(helped.stdout)
            .unwrap()
            .contains("ISOLATES NOTHING")
    );
}

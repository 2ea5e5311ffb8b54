//! The commands and services that run something in another qube, or wait for it.

use std::fs;
use std::process::Command;

use qfile_tests::process::{Finished, run};
use qfile_tests::programs::program;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::qubesdb::Place;
use qfile_tests::tree::TempFolder;
use qfile_tests::user::install;

fn in_vault(qubes: &Qubes, program: &str, words: &[&str]) -> Finished {
    let mut command = qubes.command(SOURCE, program);
    command.arg(TARGET).args(words);
    run(command)
}

pub(crate) fn a_command_chooses_its_status(program: &str) {
    for status in [0, 3, 255] {
        let script = format!("exit {status}");
        in_vault(&Qubes::new(), program, &["sh", "-c", &script]).assert_code(status);
    }
}

pub(crate) fn there_is_no_qrexec(program: &str) {
    let mut command = Qubes::new().command(SOURCE, program);
    command.current_dir("/").env("QREXEC_CLIENT_VM", "/none");
    run_with(command, &[TARGET, "true"]).assert_code(1);
}

pub(crate) fn a_command_is_denied(program: &str) {
    let qubes = Qubes::new();
    qubes.set_policy("* * @anyvm @anyvm deny\n");
    in_vault(&qubes, program, &["true"]).assert_code(126);
}

pub(crate) fn a_command_is_not_found(program: &str) {
    in_vault(&Qubes::new(), program, &["no-such-program"]).assert_code(127);
}

pub(crate) fn a_command_is_killed(program: &str) {
    let killed = in_vault(&Qubes::new(), program, &["sh", "-c", "kill -TERM $$"]);
    killed.assert_code(143);
}

fn run_with(mut command: Command, arguments: &[&str]) -> Finished {
    command.args(arguments);
    run(command)
}

fn requested(program_name: &str, place: &Place) -> Finished {
    let mut command = Command::new(program(program_name));
    command.env("QUBESDB_DIR", place.sockets("qube"));
    run_with(command, &["os=Linux"])
}

pub(crate) fn a_feature_is_written(program: &str) {
    let place = Place::new();
    let _daemon = place.alone();
    requested(program, &place).assert_code(0);
}

pub(crate) fn there_is_no_qubesdb(program: &str) {
    requested(program, &Place::new()).assert_code(1);
}

fn executed(program_name: &str, argument: &str) -> Finished {
    run_with(Command::new(program(program_name)), &["--", argument])
}

pub(crate) fn an_argument_is_no_command(program: &str) {
    executed(program, "-").assert_code(1);
}

pub(crate) fn a_folder_is_executed(program: &str) {
    executed(program, "-2Fusr").assert_code(126);
}

pub(crate) fn a_program_is_not_found(program: &str) {
    executed(program, "no.such.program").assert_code(127);
}

pub(crate) fn a_program_chooses_its_status(program: &str) {
    executed(program, "sh+--c+exit-203").assert_code(3);
}

/// Waits in a qube whose QubesDB says who its user is.
fn waited(program_name: &str, gui: &str, limit: &str, folder_of_systemctl: &str) -> Finished {
    let place = Place::new();
    let _daemon = place.alone();
    let who = run_with(Command::new("id"), &["-un"]).stdout;
    let user = String::from_utf8(who).unwrap();
    let keys = ["/qubes-gui-enabled", gui, "/default-user", user.trim()];
    place.run("write", &keys).assert_code(0);
    let mut command = Command::new(program(program_name));
    command
        .env("QUBESDB_DIR", place.sockets("qube"))
        .env("QUBES_SESSION_TIMEOUT", limit)
        .env("PATH", folder_of_systemctl);
    run(command)
}

pub(crate) fn there_is_no_session_to_wait_for(program: &str) {
    waited(program, "False", "", "/no/such/folder").assert_code(0);
}

pub(crate) fn there_is_no_session_in_time(program: &str) {
    waited(program, "True", "0", "/no/such/folder").assert_code(1);
}

pub(crate) fn a_service_of_the_user_failed(program: &str) {
    let folder = TempFolder::open_to_all();
    let draft = folder.path().join("draft");
    fs::write(&draft, "#!/bin/sh\necho degraded\nexit 4\n").unwrap();
    install(&draft, &folder.path().join("systemctl"), 0o755);
    let path = folder.path().to_str().unwrap();
    waited(program, "False", "", path).assert_code(4);
}

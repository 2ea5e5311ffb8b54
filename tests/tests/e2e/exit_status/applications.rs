//! The programs that start applications and list them.

use std::fs::File;

use qfile_tests::applications::Applications;
use qfile_tests::process::{Finished, Running, run};

fn started(program: &str, exec: &str) -> Finished {
    let applications = Applications::new();
    applications.add("user/app.desktop", &format!("Exec={exec}"));
    let mut command = applications.command(program);
    command.arg("app");
    run(command)
}

pub(crate) fn an_application_ends(program: &str) {
    started(program, "sh -c \"exit 5\"").assert_code(0);
}

pub(crate) fn an_application_is_not_there(program: &str) {
    started(program, "no-such-program").assert_code(1);
}

pub(crate) fn an_application_cannot_be_executed(program: &str) {
    started(program, "env /etc/passwd").assert_code(126);
}

pub(crate) fn an_application_is_not_found(program: &str) {
    started(program, "env no-such-program").assert_code(127);
}

pub(crate) fn applications_are_listed(_: &str) {
    let _list = Applications::new().menus();
}

pub(crate) fn the_list_cannot_be_written(program: &str) {
    let applications = Applications::new();
    applications.add("user/app.desktop", "Name=a\nExec=x");
    let mut command = applications.command(program);
    command.stdout(File::options().write(true).open("/dev/full").unwrap());
    command.stdin(std::process::Stdio::null());
    Running::start(command).finish().assert_code(1);
}

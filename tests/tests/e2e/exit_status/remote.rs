//! The ends of calls between machines. In place of ssh there is a script that starts
//! `qrexec-ssh-serve` as sshd would: here only the statuses count.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use qfile_tests::process::{Finished, run};
use qfile_tests::programs::program;
use qfile_tests::tree::TempFolder;
use qfile_tests::user::{install, make_folders};

/// A machine with services that end in some way.
fn machine() -> TempFolder {
    let machine = TempFolder::new();
    let policy = make_folders(machine.path(), "home/.config/qfile/policy.d");
    let file = policy.join("30.policy");
    fs::write(&file, "denied * * * deny\n* * * * allow\n").unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    let draft = machine.path().join("draft");
    let services = machine.folder("services");
    for (name, script, mode) in [
        ("exit", "exit $1", 0o755),
        ("killed", "kill -TERM $$", 0o755),
        ("denied", "exit 0", 0o755),
        ("plain", "exit 0", 0o644),
    ] {
        fs::write(&draft, format!("#!/bin/sh\n{script}\n")).unwrap();
        install(&draft, &services.join(name), mode);
    }
    let ssh = format!(
        "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nexport SSH_ORIGINAL_COMMAND=\"$3\"\n\
         exec '{}' --as laptop --services '{}'\n",
        program("qrexec-ssh-serve").display(),
        services.display()
    );
    fs::write(&draft, ssh).unwrap();
    install(&draft, &machine.path().join("ssh"), 0o755);
    machine
}

fn call(program_name: &str, service: &str) -> Finished {
    let machine = machine();
    let mut command = Command::new(program(program_name));
    command
        .env("HOME", machine.path().join("home"))
        .env_remove("XDG_CONFIG_HOME")
        .env("QREXEC_SSH", machine.path().join("ssh"));
    match program_name {
        "qrexec-ssh" => command.args(["server", service]),
        _ => command
            .args(["--as", "laptop", "--services"])
            .arg(machine.path().join("services"))
            .env("SSH_ORIGINAL_COMMAND", format!("qrexec-v1 - {service}")),
    };
    run(command)
}

pub(crate) fn a_remote_call_ends_well(program: &str) {
    call(program, "exit+0").assert_code(0);
}

pub(crate) fn a_remote_service_cannot_be_executed(program: &str) {
    call(program, "plain").assert_code(125);
}

pub(crate) fn a_remote_call_is_refused(program: &str) {
    call(program, "denied").assert_code(126);
}

pub(crate) fn there_is_no_remote_service(program: &str) {
    call(program, "missing").assert_code(127);
}

pub(crate) fn there_is_no_ssh(name: &str) {
    let mut command = Command::new(program(name));
    let home = TempFolder::new();
    command
        .args(["server", "svc"])
        .env("HOME", home.path())
        .env_remove("XDG_CONFIG_HOME")
        .env("QREXEC_SSH", "/no/ssh");
    run(command).assert_code(255);
}

pub(crate) fn a_remote_service_is_killed(program: &str) {
    call(program, "killed").assert_code(143);
}

pub(crate) fn a_served_service_chooses_its_status(program: &str) {
    call(program, "exit+0").assert_code(0);
    call(program, "exit+7").assert_code(7);
    call(program, "killed+").assert_code(143);
}

pub(crate) fn a_key_is_none(name: &str) {
    let mut command = Command::new(program(name));
    command.args(["--as", "laptop", "--key-line", "/dev/null"]);
    run(command).assert_code(1);
}

pub(crate) fn a_served_service_cannot_be_executed(program: &str) {
    call(program, "plain+").assert_code(125);
}

pub(crate) fn a_served_call_is_refused(program: &str) {
    call(program, "denied+").assert_code(126);
}

pub(crate) fn there_is_no_served_service(program: &str) {
    call(program, "missing+").assert_code(127);
}

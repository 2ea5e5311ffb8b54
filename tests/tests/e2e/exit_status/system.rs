//! The ends of the programs that keep the system of a qube in order. None of them changes the clock.

use std::process::Command;

use qfile_tests::interfaces::script;
use qfile_tests::process::{Finished, run};
use qfile_tests::programs;
use qfile_tests::qubes::{Qubes, SOURCE};
use qfile_tests::suspend::Machine;
use qfile_tests::tree::TempFolder;

use crate::system::Volume;
pub(crate) use crate::system::needs_loops;

fn told(program: &str, line: &str, options: &[&str]) -> Finished {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "line=$1; shift; echo \"$line\" | \"$@\"", "sh", line])
        .arg(programs::program(program))
        .args(options);
    run(command)
}

pub(crate) fn a_time_would_be_set(program: &str) {
    told(program, "2030-03-17T17:46:40Z", &["--dry-run"]).assert_code(0);
}

pub(crate) fn a_word_is_no_time(program: &str) {
    told(program, "tomorrow", &["--dry-run"]).assert_code(1);
}

fn asked(script: &str, policy: &str) -> Finished {
    let qubes = Qubes::new();
    qubes.add("dom0");
    qubes.set_policy(policy);
    qubes.set_service("dom0", "qubes.GetDate", script);
    let mut command = qubes.command(SOURCE, "qvm-sync-clock");
    command.arg("--dry-run");
    run(command)
}

const ALLOW: &str = "* * @anyvm dom0 allow\n";

pub(crate) fn dom0_tells_the_time(_program: &str) {
    asked("echo 2030-03-17T17:46:40Z", ALLOW).assert_code(0);
}

pub(crate) fn dom0_tells_no_time(_program: &str) {
    asked("echo tomorrow", ALLOW).assert_code(1);
}

pub(crate) fn dom0_is_not_to_be_asked(_program: &str) {
    asked("echo tomorrow", "* * @anyvm dom0 deny\n").assert_code(126);
}

pub(crate) fn dom0_fails(_program: &str) {
    asked("exit 7", ALLOW).assert_code(7);
}

/// With nothing but a stand-in for ntpq in `PATH`.
fn with_time_service(answer: &str) -> Finished {
    let folder = TempFolder::open_to_all();
    script(&folder.path().join("ntpq"), answer);
    let mut command = Command::new(programs::program("qubes-sync-ntp-clock"));
    command.env("PATH", folder.path());
    run(command)
}

pub(crate) fn a_time_service_is_ready(_program: &str) {
    with_time_service("echo leap=00, reftime=$$").assert_code(0);
}

pub(crate) fn there_is_no_time_service(_program: &str) {
    with_time_service("exit 1").assert_code(1);
}

pub(crate) fn a_file_system_is_large_enough(_program: &str) {
    Volume::new(16 << 20, "mkfs.ext4", &["-q"])
        .service()
        .assert_code(0);
}

pub(crate) fn a_volume_is_unknown(program: &str) {
    told(program, "kernel", &[]).assert_code(1);
}

pub(crate) fn a_step_of_a_resize_fails(program: &str) {
    let volume = Volume::new(16 << 20, "mkfs.ext4", &["-q"]);
    volume.resize(32 << 20);
    let folder = TempFolder::open_to_all();
    script(&folder.path().join("resize2fs"), "exit 9");
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "echo private | \"$@\"", "sh"])
        .arg(programs::program(program))
        .arg("--private")
        .arg(volume.device())
        .env("PATH", folder.path());
    run(command).assert_code(9);
}

pub(crate) fn nothing_has_to_sleep(_program: &str) {
    Machine::new().run(&["pre"]).assert_code(0);
}

pub(crate) fn there_is_no_time_to_sleep(_program: &str) {
    let machine = Machine::new();
    machine.add_interface("eth1", true, "", true);
    machine.run(&["--timeout", "0s", "pre"]).assert_code(1);
}

fn detached(program: &str, machine: &Machine) -> Finished {
    let root = machine.root().to_str().unwrap();
    told(program, "00:07.0", &["--root", root])
}

pub(crate) fn a_device_has_no_driver(program: &str) {
    let machine = Machine::new();
    machine.write("sys/bus/pci/devices/0000:00:07.0/vendor", "0x8086\n");
    detached(program, &machine).assert_code(0);
}

pub(crate) fn a_device_is_not_there(program: &str) {
    detached(program, &Machine::new()).assert_code(1);
}

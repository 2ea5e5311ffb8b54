//! The ends of the programs that make a qube of its keys, and publish what it has.

use std::fs;
use std::process::Command;

use qfile_tests::changes::until_ended;
use qfile_tests::interfaces::in_qube;
use qfile_tests::process::{run, wrapped_in};
use qfile_tests::programs::program;
use qfile_tests::xenstore::XenStore;
use rustix::process::{Pid, Signal, kill_process};

fn config_ends_with(code: i32, kind: &str) {
    in_qube(|qube| {
        qube.write(&[("/qubes-vm-type", kind), ("/qubes-vm-persistence", "full")]);
        let mut command = Command::new(program("qubes-config"));
        command
            .args(["apply", "--seed-wait=0"])
            .env("QUBESDB_DIR", qube.database.sockets());
        // The name of this machine is not to change.
        run(wrapped_in(&["unshare", "--uts"], &command)).assert_code(code);
    });
}

pub(crate) fn all_keys_are_applied(_program: &str) {
    config_ends_with(0, "AppVM");
}

pub(crate) fn the_type_of_the_qube_is_none(_program: &str) {
    config_ends_with(1, "HVM");
}

fn publisher_ends_with(code: i32, name: &str, properties: &[(&str, &str)]) {
    in_qube(|qube| {
        let mut command = Command::new(program(name));
        command
            .arg("remove")
            .env_remove("DEVPATH")
            .env_remove("DEVNAME")
            .envs(properties.iter().copied())
            .env("QUBESDB_DIR", qube.database.sockets());
        run(command).assert_code(code);
    });
}

pub(crate) fn a_device_is_withdrawn(program: &str) {
    publisher_ends_with(0, program, &[("DEVPATH", "/devices/usb2/2-1")]);
}

pub(crate) fn there_is_no_device(program: &str) {
    publisher_ends_with(1, program, &[]);
}

pub(crate) fn the_writer_is_in_the_background(name: &str) {
    let store = XenStore::new();
    let file = store.folder().join("pid");
    let mut command = Command::new(program(name));
    command
        .args(["30000", "100000"])
        .arg(&file)
        .env("XENSTORED_PATH", store.path());
    run(command).assert_code(0);
    let number = fs::read_to_string(file).unwrap();
    let writer = Pid::from_raw(number.trim().parse().unwrap()).unwrap();
    kill_process(writer, Signal::TERM).unwrap();
    until_ended(writer);
}

pub(crate) fn a_delay_is_0(name: &str) {
    let mut command = Command::new(program(name));
    command.args(["30000", "0"]);
    run(command).assert_code(1);
}

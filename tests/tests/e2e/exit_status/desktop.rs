//! The ends of the programs that connect the desktop with dom0.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use qfile_tests::changes::until;
use qfile_tests::choosers::Choosers;
use qfile_tests::keyboards::Keyboards;
use qfile_tests::process::{Running, run};
use qfile_tests::programs::program;
use qfile_tests::user::{in_private_mounts, mount_tmpfs};
use qfile_tests::x_server::{XServer, given};
use rustix::process::{Pid, Signal, kill_process};

pub(crate) fn a_file_is_chosen(_program: &str) {
    let choosers = Choosers::new();
    choosers.answers(1, &choosers.file("file"));
    run(choosers.command(&[])).assert_code(0);
}

pub(crate) fn the_user_chooses_nothing(_program: &str) {
    run(Choosers::new().command(&[])).assert_code(1);
}

pub(crate) fn there_is_no_chooser(_program: &str) {
    let choosers = Choosers::new();
    let mut command = choosers.command(&[]);
    choosers.uninstall(&mut command);
    run(command).assert_code(127);
}

pub(crate) fn a_signal_comes_before_the_choice(_program: &str) {
    let choosers = Choosers::new();
    choosers.does(1, ": >opened; exec /usr/bin/tail -f /dev/null");
    let mut command = choosers.command(&[]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let running = Running::start(command);
    until(&choosers.path(""), || {
        fs::exists(choosers.path("opened")).unwrap()
    });
    kill_process(Pid::from_child(&running.child), Signal::HUP).unwrap();
    running.finish().assert_code(129);
}

fn keymap_ends_with(code: i32, value: &str) {
    let keyboards = Keyboards::alone(value);
    let mut command = keyboards.command(&["--once"]);
    command.stdin(Stdio::null());
    run(command).assert_code(code);
}

pub(crate) fn a_keyboard_layout_is_set(_program: &str) {
    keymap_ends_with(0, "fr+oss+");
}

pub(crate) fn a_keyboard_layout_is_none(_program: &str) {
    keymap_ends_with(1, "*");
}

fn monitors_end_with(code: i32, lines: &str) {
    let server = XServer::with_dummy_outputs();
    given(server.setting_monitors(), lines).assert_code(code);
}

pub(crate) fn monitors_are_set(_program: &str) {
    monitors_end_with(0, "640 480 0 0\n");
}

pub(crate) fn there_is_no_monitor(_program: &str) {
    monitors_end_with(1, "");
}

pub(crate) fn icons_are_not_wanted(name: &str) {
    in_private_mounts(|| {
        mount_tmpfs(Path::new("/run"), 1 << 20, "");
        fs::create_dir("/run/qubes-service").unwrap();
        fs::write("/run/qubes-service/minimal-netvm", "").unwrap();
        run(Command::new(program(name))).assert_code(0);
    });
}

pub(crate) fn there_is_no_x_server(name: &str) {
    let mut command = Command::new(program(name));
    command
        .env("DISPLAY", "")
        .env("QREXEC_CLIENT_VM", "/bin/true");
    run(command).assert_code(1);
}

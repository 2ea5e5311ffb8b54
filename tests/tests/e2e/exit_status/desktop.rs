//! The ends of the programs that connect the desktop with dom0.

use std::fs;
use std::process::Stdio;

use qfile_tests::changes::until;
use qfile_tests::choosers::Choosers;
use qfile_tests::keyboards::Keyboards;
use qfile_tests::process::{Running, run};
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

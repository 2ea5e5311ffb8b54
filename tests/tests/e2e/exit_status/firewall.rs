//! The ends of the firewall, as far as it ends without a network of its own.

use std::fs;
use std::process::Command;

use qfile_tests::process::{Finished, run};
use qfile_tests::programs::program;
use qfile_tests::tree::TempFolder;

fn checked(program_name: &str, rules: &str) -> Finished {
    let folder = TempFolder::new();
    let file = folder.path().join("rules");
    fs::write(&file, rules).unwrap();
    let mut command = Command::new(program(program_name));
    command.arg("--check").arg(file);
    run(command)
}

pub(crate) fn rules_are_in_order(program: &str) {
    checked(program, "action=accept proto=tcp\npolicy=drop\n").assert_code(0);
}

pub(crate) fn a_rule_is_none(program: &str) {
    checked(program, "action=accept specialtarget=foo\npolicy=drop\n").assert_code(1);
}

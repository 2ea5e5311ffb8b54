//! qubes.VMShell: commands on stdin, and what follows them.

use qfile_tests::process::{Finished, run};
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;

suite! {
    what_follows_a_command_is_left_for_it,
    the_status_is_that_of_the_shell,
    the_argument_is_ignored,
}

/// Calls it with `sent` on stdin.
fn call(service: &str, sent: &str) -> Finished {
    let qubes = Qubes::new();
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    let program = [
        "/bin/sh",
        "-c",
        "printf %s \"$0\"; exec 1>&-; cat >/proc/self/fd/$SAVED_FD_1",
        sent,
    ];
    command.args([TARGET, service]).args(program);
    run(command)
}

fn what_follows_a_command_is_left_for_it() {
    // As dom0 frames a command, and as qvm-run-vm does.
    for line in ["cat; exit\n", "exec bash -c 'cat' || exit 127\n", "cat\n"] {
        let called = call("qubes.VMShell", &format!("{line}X\nexit 9\n"));
        called.assert_code(0);
        assert_eq!(called.stdout, b"X\nexit 9\n", "{line}");
    }
}

fn the_status_is_that_of_the_shell() {
    for (commands, status) in [
        ("true; exit 5\n", 5),
        ("false\n", 1),
        ("no-such-program; exit\n", 127),
        ("/etc/passwd\n", 126),
        ("kill -TERM $$\n", 143),
        ("", 0),
    ] {
        call("qubes.VMShell", commands).assert_code(status);
    }
}

fn the_argument_is_ignored() {
    let called = call("qubes.VMShell+WaitForSession", "echo \"$#\"\n");
    assert_eq!(called.stdout, b"0\n");
}

//! `qvm-run-vm`: a command in another qube.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use qfile_tests::changes;
use qfile_tests::fifo;
use qfile_tests::process::{Finished, Running, run};
use qfile_tests::programs::program;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;
use qfile_tests::user::install;
use rustix::process::{Pid, Signal, kill_process};

suite! {
    the_status_of_the_command_is_passed_on,
    the_command_is_spelled_as_short_as_can_be,
    a_single_word_with_blanks_is_a_line_for_a_shell,
    stdin_and_stdout_are_the_commands_however_much_it_is,
    a_reader_that_has_seen_enough_ends_the_command,
    a_disposable_is_asked_to_wait_for_its_session,
    a_qube_without_the_service_gets_a_line_for_a_shell [needs_no_installed_services],
    a_command_that_ends_with_127_is_not_started_twice,
    where_a_shell_is_refused_127_stays_127,
    where_dom0_chooses_the_qube_no_second_call_is_made,
    a_long_command_goes_to_a_shell,
    a_signal_ends_the_command,
    what_is_refused_is_126,
    without_qrexec_it_says_what_to_do,
}

fn run_vm(qubes: &Qubes, arguments: &[&str]) -> Finished {
    let mut command = qubes.command(SOURCE, "qvm-run-vm");
    command.args(arguments);
    run(command)
}

/// Runs a line of a shell in [`SOURCE`], where `qvm-run-vm` is in `PATH`.
fn typed(qubes: &Qubes, line: &str) -> Finished {
    let bin = program("qvm-run-vm");
    let path = format!("{}:/usr/bin:/bin", bin.parent().unwrap().display());
    let mut command = qubes.command_at(SOURCE, Path::new("/bin/sh"));
    command.args(["-c", line]).env("PATH", path);
    run(command)
}

fn the_status_of_the_command_is_passed_on() {
    let qubes = Qubes::new();
    for status in [0, 1, 2, 37, 125, 126, 127, 255] {
        let finished = run_vm(&qubes, &[TARGET, "sh", "-c", &format!("exit {status}")]);
        finished.assert_code(status);
        // qrexec uses this status for a refusal, so it may be one.
        match status {
            126 => finished.assert_says("or the command itself ended with status 126"),
            _ => assert_eq!(finished.stderr(), ""),
        }
    }
    run_vm(&qubes, &[TARGET, "sh", "-c", "kill -KILL $$"]).assert_code(137);
    let missing = run_vm(&qubes, &[TARGET, "no-such-program"]);
    missing.assert_code(127);
    missing.assert_says("qubes-vmexec: cannot run \"no-such-program\"");
}

fn the_command_is_spelled_as_short_as_can_be() {
    let qubes = Qubes::new();
    qubes.set_service(TARGET, "qubes.VMExec", "printf '%s\\n' \"$@\"");
    for (typed, spelled) in [
        (&["ls", "-a", "/home/user"][..], "ls+--a+-2Fhome-2Fuser"),
        (&["a", "", "a b", "\u{e9}"], "a++a-20b+-C3-A9"),
    ] {
        let finished = run_vm(&qubes, &[&[TARGET], typed].concat());
        finished.assert_code(0);
        assert_eq!(
            String::from_utf8(finished.stdout).unwrap(),
            format!("{spelled}\n")
        );
    }
}

fn a_single_word_with_blanks_is_a_line_for_a_shell() {
    let qubes = Qubes::new();
    let finished = run_vm(&qubes, &[TARGET, "printf '%s ' a b | tr ab xy"]);
    assert_eq!(finished.stdout, b"x y ");
    let finished = run_vm(&qubes, &[TARGET, "echo", "$HOME", "*", "a  b"]);
    assert_eq!(finished.stdout, b"$HOME * a  b\n");
}

fn stdin_and_stdout_are_the_commands_however_much_it_is() {
    let qubes = Qubes::new();
    let content: Vec<u8> = (0..5_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    fs::write(qubes.home(SOURCE).join("content"), &content).unwrap();
    let finished = typed(&qubes, "cat content | qvm-run-vm vault cat");
    finished.assert_code(0);
    assert_eq!(finished.stderr(), "");
    assert!(finished.stdout == content);
    // Nothing on stdin, and no stdin.
    for none in ["</dev/null", "<&-"] {
        let finished = typed(&qubes, &format!("qvm-run-vm vault wc -c {none}"));
        finished.assert_code(0);
        assert_eq!(String::from_utf8(finished.stdout).unwrap().trim(), "0");
    }
    // A command that reads nothing ends although stdin does not.
    let line = "mkfifo held; qvm-run-vm vault true <>held";
    typed(&qubes, line).assert_code(0);
}

fn a_reader_that_has_seen_enough_ends_the_command() {
    let qubes = Qubes::new();
    let line = "(qvm-run-vm vault yes; echo $? >status) | head -n 1";
    let finished = typed(&qubes, line);
    finished.assert_code(0);
    assert_eq!(finished.stdout, b"y\n");
    // As if SIGPIPE had ended it.
    let status = fs::read_to_string(qubes.home(SOURCE).join("status")).unwrap();
    assert_eq!(status, "141\n");
}

fn a_disposable_is_asked_to_wait_for_its_session() {
    let qubes = Qubes::new();
    qubes.add("default-dvm");
    let say = "echo \"$QREXEC_SERVICE_FULL_NAME\"";
    for service in ["qubes.VMExec", "qubes.VMExecGUI"] {
        qubes.set_service("default-dvm", service, say);
        qubes.set_service(TARGET, service, say);
    }
    for (arguments, service) in [
        (&["-d", "ls"][..], "qubes.VMExecGUI+ls\n"),
        (&["$dispvm", "ls"], "qubes.VMExecGUI+ls\n"),
        (&["@dispvm:vault", "ls"], "qubes.VMExecGUI+ls\n"),
        (&["-t", "-d", "ls"], "qubes.VMExec+ls\n"),
        (&["--no-gui", "--dispvm", "ls"], "qubes.VMExec+ls\n"),
        (&["vault", "ls"], "qubes.VMExec+ls\n"),
    ] {
        let finished = run_vm(&qubes, arguments);
        finished.assert_code(0);
        assert_eq!(
            String::from_utf8(finished.stdout).unwrap(),
            service,
            "{arguments:?}"
        );
    }
}

/// The test needs a machine on which qubes.VMExec is not installed.
fn needs_no_installed_services() -> Result<(), String> {
    let folders = [
        "/run/qubes-rpc",
        "/usr/local/etc/qubes-rpc",
        "/etc/qubes-rpc",
    ];
    let installed = folders
        .iter()
        .map(|folder| Path::new(folder).join("qubes.VMExec"));
    match installed.into_iter().find(|file| file.exists()) {
        Some(file) => Err(format!("needs a machine without {}", file.display())),
        None => Ok(()),
    }
}

/// A client that is in no build tree, and so knows no services but those of the qube.
fn without_our_services(qubes: &Qubes, line: &str) -> Finished {
    let client = qubes.root().join("loopback");
    install(&program("qrexec-loopback"), &client, 0o755);
    typed(
        qubes,
        &format!("QREXEC_CLIENT_VM='{}'; {line}", client.display()),
    )
}

fn a_qube_without_the_service_gets_a_line_for_a_shell() {
    let qubes = Qubes::new();
    qubes.set_service(TARGET, "qubes.VMShell", "exec /bin/bash");
    let finished = without_our_services(
        &qubes,
        r#"qvm-run-vm vault printf '%s|' "it's" '' 'a
b' '$HOME' -n"#,
    );
    finished.assert_code(0);
    assert_eq!(finished.stdout, b"it's||a\nb|$HOME|-n|");
    // What the first call took from stdin is still the command's.
    let content = "0123456789".repeat(30_000);
    fs::write(qubes.home(SOURCE).join("content"), &content).unwrap();
    let finished = without_our_services(&qubes, "cat content | qvm-run-vm vault cat");
    finished.assert_code(0);
    assert!(finished.stdout == content.as_bytes());
    qubes.set_service(
        TARGET,
        "qubes.VMShell",
        "folder=its; export folder; exec /bin/bash",
    );
    let finished = without_our_services(&qubes, "qvm-run-vm vault printenv folder");
    assert_eq!(finished.stdout, b"its\n");
    let finished = without_our_services(&qubes, "qvm-run-vm vault sh -c 'exit 37'");
    finished.assert_code(37);
    let finished = without_our_services(&qubes, "qvm-run-vm vault no-such-program");
    finished.assert_code(127);
}

fn a_command_that_ends_with_127_is_not_started_twice() {
    let qubes = Qubes::new();
    run_vm(&qubes, &[TARGET, "sh", "-c", "echo x >>ran; exit 127"]).assert_code(127);
    assert_eq!(
        fs::read_to_string(qubes.home(TARGET).join("ran")).unwrap(),
        "x\n"
    );
    // Where it has written something, nobody has to be asked whether it was started.
    qubes.set_service(TARGET, "qubes.VMShell", "echo asked >>asked; exit 5");
    let finished = run_vm(&qubes, &[TARGET, "sh", "-c", "echo x; exit 127"]);
    finished.assert_code(127);
    assert!(!qubes.home(TARGET).join("asked").exists());
}

fn where_a_shell_is_refused_127_stays_127() {
    let qubes = Qubes::new();
    qubes.set_policy("qubes.VMShell * * * deny\n* * * * allow\n");
    let finished = run_vm(&qubes, &[TARGET, "no-such-program"]);
    finished.assert_code(127);
    finished.assert_says("qubes.VMShell, which would show which of the two it was, is refused");
}

/// Policy may send the second call to another qube, which would run the command again.
fn where_dom0_chooses_the_qube_no_second_call_is_made() {
    let qubes = Qubes::new();
    qubes.set_policy(&format!("* * @anyvm @default allow target={TARGET}\n"));
    qubes.set_service(TARGET, "qubes.VMShell", "echo asked >>asked; exit 5");
    let finished = run_vm(&qubes, &["@default", "sh", "-c", "exit 127"]);
    finished.assert_code(127);
    finished.assert_says("name the qube");
    assert!(!qubes.home(TARGET).join("asked").exists());
}

fn a_long_command_goes_to_a_shell() {
    let qubes = Qubes::new();
    qubes.set_service(TARGET, "qubes.VMExec", "printf exec");
    qubes.set_service(TARGET, "qubes.VMShell", "printf 'shell '; exec /bin/bash");
    // printf, +, and the argument are 3,900 bytes of the call's argument, or one more.
    for (len, said) in [
        (3893, "exec".to_owned()),
        (3894, format!("shell {}", "x".repeat(3894))),
    ] {
        let finished = run_vm(&qubes, &[TARGET, "printf", &"x".repeat(len)]);
        finished.assert_code(0);
        assert!(finished.stdout == said.as_bytes(), "{len}");
    }
    let thousand: Vec<String> = (0..1000)
        .map(|number| format!("argument {number}"))
        .collect();
    let mut words = vec![TARGET, "printf", "%s,"];
    words.extend(thousand.iter().map(String::as_str));
    let finished = run_vm(&qubes, &words);
    finished.assert_code(0);
    assert!(finished.stdout == format!("shell {},", thousand.join(",")).as_bytes());
}

fn a_signal_ends_the_command() {
    let qubes = Qubes::new();
    let [started, held] = ["started", "held"].map(|name| qubes.home(TARGET).join(name));
    fifo::make(&started);
    let _held = fifo::held(&held);
    let mut command = qubes.command(SOURCE, "qvm-run-vm");
    command.args([TARGET, "sh", "-c", "echo $$ >started; exec cat held"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let running = Running::start(command);
    let pid: i32 = fs::read_to_string(&started)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    kill_process(Pid::from_child(&running.child), Signal::INT).unwrap();
    running.finish().assert_code(130);
    // It would be there until it writes; what is left of it must not hold up the test.
    let pid = Pid::from_raw(pid).unwrap();
    let _has_ended = kill_process(pid, Signal::KILL);
    changes::until_ended(pid);
}

fn what_is_refused_is_126() {
    let qubes = Qubes::new();
    qubes.set_policy("qubes.VMExec +ls * * allow\n* * * * deny\n");
    run_vm(&qubes, &[TARGET, "ls"]).assert_code(0);
    run_vm(&qubes, &[TARGET, "ls", "-l"]).assert_code(126);
}

fn without_qrexec_it_says_what_to_do() {
    let mut command = Command::new(program("qvm-run-vm"));
    command
        .args([TARGET, "ls"])
        .env("QREXEC_CLIENT_VM", "/no/such/client");
    let finished = run(command);
    finished.assert_code(1);
    finished.assert_says("QREXEC_CLIENT_VM");
}

//! The commands themselves: what they ask, what they refuse, and how they end.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use qfile_tests::cannot_run::needs_program;
use qfile_tests::editing::{Editing, NAME, OLD};
use qfile_tests::process::{Finished, run, wrapped_in};
use qfile_tests::receiver::needs_strace;
use qfile_tests::suite;

suite! {
    a_disposable_from_a_disposable_asks_in_a_window,
    a_disposable_from_a_disposable_asks_on_the_terminal,
    where_nobody_can_be_asked_nothing_is_opened [needs_setsid],
    a_named_qube_is_not_asked_about,
    the_editor_there_knows_that_it_is_in_a_disposable,
    what_is_no_file_is_refused_before_anybody_is_called,
    a_file_that_cannot_be_read_to_its_end_is_not_edited_in_part [needs_strace],
    a_call_denied_by_policy_is_126,
    a_qube_without_the_service_is_said,
    a_missing_client_is_said,
    a_wrong_command_line_is_2,
    an_address_is_opened_and_nothing_comes_back,
    only_addresses_for_a_browser_are_opened,
    one_line_is_one_address,
    help_does_not_go_into_the_protocol,
}

fn needs_setsid() -> Result<(), String> {
    needs_program("setsid")
}

/// In a disposable that was opened for a file.
fn nested(editing: &Editing, service: &str) -> Command {
    let mut command = editing.command("qvm-open-in-dvm");
    command
        .env("QREXEC_SERVICE_FULL_NAME", service)
        .arg(editing.file());
    command
}

fn edits() -> Editing {
    let editing = Editing::new();
    editing.editor("printf new > \"$1\"");
    editing
}

fn with_programs(editing: &Editing, command: &mut Command, zenity: &str) {
    let programs = editing.elsewhere("programs");
    fs::create_dir_all(&programs).unwrap();
    editing.script("programs/zenity", zenity);
    let path = std::env::var_os("PATH").unwrap();
    let folders = [programs].into_iter().chain(std::env::split_paths(&path));
    command
        .env("PATH", std::env::join_paths(folders).unwrap())
        .env("DISPLAY", ":7");
}

fn a_disposable_from_a_disposable_asks_in_a_window() {
    for service in ["qubes.OpenInVM+", "qubes.OpenURL+"] {
        for (answer, code, content) in [(0, 0, &b"new"[..]), (1, 1, OLD)] {
            let editing = edits();
            let mut command = nested(&editing, service);
            let zenity = format!("printf '%s\\n' \"$@\" > \"$WORK/asked\"; exit {answer}");
            with_programs(&editing, &mut command, &zenity);
            let opened = run(command);
            opened.assert_code(code);
            editing.assert_only(content);
            let asked = fs::read_to_string(editing.elsewhere("asked")).unwrap();
            assert!(asked.starts_with("--question\n--no-markup\n"), "{asked}");
        }
    }
}

fn a_disposable_from_a_disposable_asks_on_the_terminal() {
    for (answer, content) in [("y", &b"new"[..]), ("n", OLD), ("", OLD)] {
        let editing = edits();
        let command = nested(&editing, "qubes.OpenInVM+");
        let mut terminal = rexpect::session::spawn_command(command, Some(60_000)).unwrap();
        terminal
            .exp_string("Open another disposable? [y/N]")
            .unwrap();
        terminal.send_line(answer).unwrap();
        terminal.exp_eof().unwrap();
        terminal.process.wait().unwrap();
        editing.assert_only(content);
    }
}

/// Runs it where there is no terminal.
fn without_terminal(command: &Command) -> Finished {
    run(wrapped_in(&["setsid", "--wait"], command))
}

fn where_nobody_can_be_asked_nothing_is_opened() {
    let editing = edits();
    let opened = without_terminal(&nested(&editing, "qubes.OpenInVM+"));
    opened.assert_code(1);
    opened.assert_says("nothing was opened");
    editing.assert_only(OLD);
    for service in ["", "qubes.Filecopy+", "qubes.VMShell+"] {
        let editing = edits();
        without_terminal(&nested(&editing, service)).assert_code(0);
        editing.assert_only(b"new");
    }
}

fn a_named_qube_is_not_asked_about() {
    let editing = edits();
    let mut command = editing.command_in_target(&[]);
    command.env("QREXEC_SERVICE_FULL_NAME", "qubes.OpenInVM+");
    let opened = match needs_setsid() {
        Ok(()) => without_terminal(&command),
        Err(_) => run(command),
    };
    opened.assert_code(0);
    editing.assert_only(b"new");
}

fn the_editor_there_knows_that_it_is_in_a_disposable() {
    let editing = Editing::new();
    editing.editor("printf %s \"$QREXEC_SERVICE_FULL_NAME\" > \"$1\"");
    editing.open().assert_code(0);
    editing.assert_only(b"qubes.OpenInVM+");
}

fn what_is_no_file_is_refused_before_anybody_is_called() {
    let editing = Editing::new();
    fs::create_dir(editing.beside("folder")).unwrap();
    symlink("nowhere", editing.beside("dangling")).unwrap();
    let fifo = Command::new("mkfifo").arg(editing.beside("fifo")).status();
    assert!(fifo.unwrap().success());
    for name in ["folder", "dangling", "fifo", "missing", "letter.txt/x", "."] {
        let mut command = editing.command("qvm-open-in-dvm");
        command.arg(editing.beside(name));
        // Were it called, it would fail in another way.
        command.env("QREXEC_CLIENT_VM", "/bin/false");
        let opened = run(command);
        opened.assert_code(1);
        let said = opened.stderr();
        assert!(
            said.contains("not a regular file") || said.contains("cannot open"),
            "{name}: {said}"
        );
        let advised = ["qvm-copy", "check the spelling"];
        assert!(advised.iter().any(|to| said.contains(to)), "{name}: {said}");
    }
}

fn a_file_that_cannot_be_read_to_its_end_is_not_edited_in_part() {
    let editing = Editing::with(NAME.as_ref(), &[b'x'; 400_000]);
    editing.service("cat > /dev/null; echo 'edit of a part'");
    let path = editing.file().to_str().unwrap();
    let trace = [
        "-e",
        "trace=pread64",
        "-e",
        "inject=pread64:error=EIO:when=2",
    ];
    let strace = [&["strace", "-o", "/dev/null", "-P", path], &trace[..]].concat();
    let opened = run(wrapped_in(&strace, &editing.command_in_target(&[])));
    opened.assert_code(1);
    opened.assert_says("it could not be read completely");
    editing.assert_only(&[b'x'; 400_000]);
}

fn a_call_denied_by_policy_is_126() {
    let editing = edits();
    let mut command = editing.command("qvm-open-in-vm");
    command.args(["no-such-qube", NAME]);
    let opened = run(command);
    opened.assert_code(126);
    opened.assert_says("refused");
    opened.assert_says("/etc/qubes/policy.d");
    assert_eq!(opened.stdout, b"");
    editing.assert_only(OLD);
}

fn a_qube_without_the_service_is_said() {
    let editing = Editing::new();
    editing.service("exit 127");
    let opened = editing.open_in_target(&[]);
    opened.assert_code(1);
    opened.assert_says("no service qubes.OpenInVM");
    opened.assert_says("install the package qubes-core-agent");
    editing.assert_only(OLD);
}

fn a_missing_client_is_said() {
    let editing = Editing::new();
    let mut command = editing.command("qvm-open-in-dvm");
    command.arg(NAME).env("QREXEC_CLIENT_VM", "/no/such/client");
    let opened = run(command);
    opened.assert_code(1);
    opened.assert_says("/no/such/client");
}

fn a_wrong_command_line_is_2() {
    let editing = Editing::new();
    for arguments in [
        &[][..],
        &["--"],
        &["a", "b", "c"],
        &["--no-such-option", "a", "b"],
    ] {
        let mut command = editing.command("qvm-open-in-vm");
        command.args(arguments);
        let opened = run(command);
        opened.assert_code(2);
        assert_eq!(opened.stdout, b"");
        opened.assert_says("usage: qvm-open-in-vm [OPTIONS] [--] [QUBE] FILE-OR-URL\n");
    }
    let mut command = editing.command("qvm-open-in-vm");
    command.args(["my qube", NAME]);
    let opened = run(command);
    opened.assert_code(2);
    opened.assert_says("qvm-open-in-vm: \"my qube\" is not the name of a qube\n");
    opened.assert_says("qvm-open-in-vm: give a name such as work");
    let mut command = editing.command("qvm-open-in-dvm");
    command.args(["work", NAME]);
    let opened = run(command);
    opened.assert_code(2);
    opened.assert_says("usage: qvm-open-in-dvm [OPTIONS] [--] FILE-OR-URL\n");
}

fn open_url(editing: &Editing, url: &str) -> Finished {
    let mut command = editing.command("qvm-open-in-dvm");
    command.args(["--", url]);
    run(command)
}

/// The editor says what it was started with.
fn says_arguments() -> Editing {
    let editing = Editing::new();
    editing.editor("printf '<%s>' \"$@\" > \"$WORK/opened\"; echo printed");
    editing
}

fn an_address_is_opened_and_nothing_comes_back() {
    for url in [
        "https://www.qubes-os.org/?a=b&c=$(id)#`id`'\"",
        "http://x",
        "ftp://x/y z",
    ] {
        let editing = says_arguments();
        let opened = open_url(&editing, url);
        opened.assert_code(0);
        assert_eq!((opened.stderr(), opened.stdout), (String::new(), vec![]));
        let arguments = fs::read_to_string(editing.elsewhere("opened")).unwrap();
        assert_eq!(arguments, format!("<{url}>"));
    }
}

fn only_addresses_for_a_browser_are_opened() {
    for url in [
        "smb://x/y",
        "HTTP+x://y",
        "http://",
        "javascript://x",
        "a://-b",
    ] {
        let editing = says_arguments();
        let opened = open_url(&editing, url);
        opened.assert_code(1);
        opened.assert_says("check that it begins with http://, https:// or ftp://");
        assert!(!editing.elsewhere("opened").exists(), "{url}");
    }
}

fn one_line_is_one_address() {
    let editing = says_arguments();
    let mut call = editing.command("qrexec-loopback");
    call.args(["@dispvm", "qubes.OpenURL"]);
    let two_lines = "printf 'http://a\\nhttp://b\\n' | \"$@\"";
    let command = wrapped_in(&["sh", "-c", two_lines, "sh"], &call);
    run(command).assert_code(0);
    let arguments = fs::read_to_string(editing.elsewhere("opened")).unwrap();
    assert_eq!(arguments, "<http://a>");
}

fn help_does_not_go_into_the_protocol() {
    let editing = Editing::new();
    for (option, code) in [("--help", 0), ("--version", 0), ("--no-such-option", 2)] {
        let mut command = editing.command("qopen-in-vm");
        command.arg(option);
        let finished = run(command);
        finished.assert_code(code);
        assert_eq!(finished.stdout, b"");
        assert!(!finished.stderr.is_empty());
    }
}

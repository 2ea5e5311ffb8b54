//! Who calls, as the service, the policy and the log of the other machine see it.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use qfile_tests::process::run;
use qfile_tests::suite;
use qfile_tests::system_log::{only_line, with_system_log};
use qfile_tests::user::{Installed, install, needs_private_mounts};

use super::requests::Account;

suite! {
    the_source_is_the_name_of_the_key_whatever_the_caller_says,
    a_relay_calls_for_the_qubes_that_its_key_names,
    a_bad_name_of_a_key_refuses_every_call,
    policy_sees_the_source_with_its_prefix,
    a_call_has_a_line_at_its_end_and_one_at_its_start_if_it_is_allowed [needs_private_mounts],
    a_call_that_a_full_log_does_not_take_is_refused [needs_private_mounts],
    a_machine_without_a_log_serves [needs_private_mounts],
    a_local_path_is_for_the_log_only [needs_private_mounts],
    a_relay_passes_a_call_to_a_disposable_on [needs_private_mounts],
    a_policy_that_is_no_text_is_told_with_its_line [needs_private_mounts],
    a_call_that_is_killed_has_a_line_when_it_starts [needs_private_mounts],
    a_forced_command_that_is_wrong_refuses_every_call [needs_private_mounts],
}

const FOR_WORK: &str = "qrexec-v1 - who+ work";

fn account(policy: &str) -> Account {
    let account = Account::new(policy);
    account.add_service("who", "echo $QREXEC_REMOTE_DOMAIN");
    account
}

fn answer(account: &Account, options: &[&str], line: &str) -> String {
    let called = account.call(options, line);
    called.assert_code(0);
    let answer = String::from_utf8(called.stdout).unwrap();
    let answer = answer.strip_prefix("\0qrexec-v1 allowed\n");
    answer.unwrap().trim_end().to_owned()
}

fn the_source_is_the_name_of_the_key_whatever_the_caller_says() {
    let account = account("* * * * allow\n");
    assert_eq!(
        answer(&account, &["--as", "laptop"], "qrexec-v1 - who+"),
        "laptop"
    );
    let mut command = account.command(&["--as", "laptop"], b"qrexec-v1 - who+");
    command.env("QREXEC_REMOTE_DOMAIN", "dom0");
    assert!(run(command).stdout.ends_with(b"\nlaptop\n"));
    let called = account.call(&["--as", "laptop"], FOR_WORK);
    called.assert_code(126);
    called.assert_says("laptop cannot call for work: its key does not allow that");
}

fn a_relay_calls_for_the_qubes_that_its_key_names() {
    let account = account("* * * * allow\n");
    for names in ["*", "work", "vault work"] {
        let options = ["--as", "far", "--may-speak-for", names];
        assert_eq!(answer(&account, &options, FOR_WORK), "far--work");
        assert_eq!(answer(&account, &options, "qrexec-v1 - who+"), "far");
    }
    let options = ["--as", "far", "--may-speak-for", "vault"];
    account.call(&options, FOR_WORK).assert_code(126);
    // 31 bytes with the prefix, and one more.
    let any = ["--as", "far", "--may-speak-for", "*"];
    let line = |len| format!("qrexec-v1 - who+ {}", "a".repeat(len));
    assert_eq!(answer(&account, &any, &line(26)).len(), 31);
    account.call(&any, &line(27)).assert_code(126);
}

fn a_bad_name_of_a_key_refuses_every_call() {
    let account = account("* * * * allow\n");
    for name in ["a--b", "a-", "9", "", "none", "a b", "../x"] {
        let called = account.call(&[&format!("--as={name}")], "qrexec-v1 - who+");
        called.assert_code(126);
        called.assert_says("--as");
    }
}

fn policy_sees_the_source_with_its_prefix() {
    let account = account("* * work @default allow\n* * far--vault @default allow\n");
    let options = ["--as", "far", "--may-speak-for", "*"];
    // The local qube `work` may, and `work` of the other machine is not that one.
    account.call(&options, FOR_WORK).assert_code(126);
    account.call(&options, "qrexec-v1 - who+").assert_code(126);
    assert_eq!(
        answer(&account, &options, "qrexec-v1 - who+ vault"),
        "far--vault"
    );
}

/// The next line in the log, if there is one.
fn next_line(log: &UnixDatagram) -> Option<String> {
    let mut line = [0; 4096];
    let len = log.recv(&mut line).ok()?;
    Some(String::from_utf8(line[..len].to_vec()).unwrap())
}

fn a_call_that_is_killed_has_a_line_when_it_starts() {
    with_system_log(|log| {
        let account = account("* * * * allow\n");
        account.add_service("who", "kill -KILL $PPID; cat >/dev/null");
        let called = account.call(&["--as", "laptop"], "qrexec-v1 - who+x");
        called.assert_code(137);
        let line = only_line(log);
        assert!(
            line.ends_with("qrexec-ssh-serve: source=laptop service=who+x target=- starting"),
            "{line}"
        );
    });
}

/// The command in authorized_keys is what is wrong here, whatever the caller says.
fn a_forced_command_that_is_wrong_refuses_every_call() {
    with_system_log(|log| {
        let account = account("* * * * allow\n");
        for options in [
            &["--as", "laptop", "--no-such-option"][..],
            &["--as"],
            &[],
            &["--as", "laptop", "extra"],
        ] {
            let called = account.call(options, "qrexec-v1 - who+");
            called.assert_code(126);
            called.assert_says("the command of this key in authorized_keys is wrong");
            assert_eq!(called.stdout, b"");
            let line = only_line(log);
            let expected = "source=- service=- target=- status=126 in=0 out=0 seconds=";
            assert!(line.contains(expected), "{line}");
            assert!(
                line.contains("why=\"the command in authorized_keys is wrong: "),
                "{line}"
            );
        }
        // A caller that wants a shell sends no command.
        let mut command = account.command(&["--as"], b"");
        command.env_remove("SSH_ORIGINAL_COMMAND");
        command.env("SSH_CONNECTION", "192.0.2.1 5000 192.0.2.2 22");
        run(command).assert_code(126);
        assert!(only_line(log).contains("status=126"));
        // Typed by a person, here or after a login over ssh, it is no call.
        let mut command = account.command(&["--as"], b"");
        command
            .env_remove("SSH_ORIGINAL_COMMAND")
            .env_remove("SSH_CONNECTION");
        run(command).assert_code(2);
        let mut command = account.command(&["--as"], b"");
        command
            .env_remove("SSH_ORIGINAL_COMMAND")
            .env("SSH_CONNECTION", "192.0.2.1 5000 192.0.2.2 22")
            .env("SSH_TTY", "/dev/pts/1");
        run(command).assert_code(2);
        assert_eq!(next_line(log), None);
    });
}

fn a_call_has_a_line_at_its_end_and_one_at_its_start_if_it_is_allowed() {
    with_system_log(|log| {
        let account = account("who * * * allow\n");
        account.add_service("who", "cat >/dev/null; printf 12345; exit 3");
        let call = |line: &str| {
            let mut command = account.command(&["--as", "laptop"], line.as_bytes());
            command.stdin(std::process::Stdio::null());
            run(command);
            only_line(log)
        };
        let mut command = account.command(&["--as", "laptop"], b"qrexec-v1 - who+x");
        command.stdin(std::process::Stdio::null());
        run(command);
        let started = next_line(log).unwrap();
        assert!(
            started.ends_with("source=laptop service=who+x target=- starting"),
            "{started}"
        );
        let line = only_line(log);
        let expected = "qrexec-ssh-serve: source=laptop service=who+x target=- status=3 in=0 out=5 \
                        seconds=";
        assert!(line.contains(expected), "{line}");
        let line = call("qrexec-v1 - other+");
        assert!(
            line.contains("source=laptop service=other+ target=- status=126 "),
            "{line}"
        );
        assert!(
            line.contains("why=\"other+ from laptop is refused: no line"),
            "{line}"
        );
        let line = call("x status=0\n\u{1b}");
        assert!(
            line.contains("source=laptop service=- target=- status=126 "),
            "{line}"
        );
        assert!(!line.contains('\u{1b}') && !line.contains('\n'), "{line}");
        // Which file and which line, is for the owner only.
        account.write("home/.config/qfile/policy.d/60-x.policy", "who * * *\n");
        let line = call("qrexec-v1 - who+");
        assert!(line.contains("60-x.policy': line 1: "), "{line}");
        let called = account.call(&["--as", "laptop"], "qrexec-v1 - who+");
        assert!(!called.stderr().contains("60-x"), "{}", called.stderr());
    });
}

/// Fills the log. Returns what still holds its end open.
fn fill(log: &UnixDatagram) -> UnixDatagram {
    let filler = UnixDatagram::unbound().unwrap();
    filler
        .connect(log.local_addr().unwrap().as_pathname().unwrap())
        .unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send(b"old").is_ok() {}
    filler
}

fn a_call_that_a_full_log_does_not_take_is_refused() {
    with_system_log(|log| {
        let account = account("* * * * allow\n");
        let _filler = fill(log);
        let called = account.call(&["--as", "laptop"], "qrexec-v1 - allowed+");
        called.assert_code(126);
        called.assert_says("the system log takes no line about it");
        assert_eq!(called.stdout, b"");
        assert!(!account.ran("allowed").exists());
        while next_line(log).is_some() {}
        account
            .call(&["--as", "laptop"], "qrexec-v1 - allowed+")
            .assert_code(0);
    });
}

fn a_machine_without_a_log_serves() {
    with_system_log(|_log| {
        let account = account("* * * * allow\n");
        let call = || account.call(&["--as", "laptop"], "qrexec-v1 - allowed+");
        fs::remove_file("/dev/log").unwrap();
        call().assert_code(0);
        // A log that nobody reads any more is no missing log.
        drop(UnixDatagram::bind("/dev/log").unwrap());
        call().assert_code(126);
    });
}

fn a_local_path_is_for_the_log_only() {
    with_system_log(|log| {
        let account = account("* * * * allow\n");
        let services = account.path("services");
        fs::write(services.join("plain"), "exit 0\n").unwrap();
        account.add_service("broken", "");
        fs::write(services.join("broken"), "#!/no/such/program\n").unwrap();
        for (service, has_begun) in [("plain", false), ("broken", true)] {
            let line = format!("qrexec-v1 - {service}+");
            let called = account.call(&["--as", "laptop"], &line);
            called.assert_code(125);
            called.assert_says(&format!("cannot execute {service}+: "));
            assert!(!called.stderr().contains("services"), "{}", called.stderr());
            if has_begun {
                assert!(next_line(log).unwrap().ends_with(" starting"));
            }
            let line = only_line(log);
            let path = services.join(service);
            assert!(line.contains(" status=125 in=0 out=0 "), "{line}");
            assert!(
                line.contains(&format!("why=\"cannot execute '{}'", path.display())),
                "{line}"
            );
        }
    });
}

/// A script stands in for the client of qrexec.
fn a_relay_passes_a_call_to_a_disposable_on() {
    with_system_log(|log| {
        let account = account("* * * * deny\n");
        let installed = Installed::new(&["qrexec-ssh-serve"]);
        let draft = account.write("draft", "#!/bin/sh\nprintf '%s\\n' \"$@\"\n");
        install(&draft, &installed.program("qrexec-client-vm"), 0o755);
        let mut command = Command::new(installed.program("qrexec-ssh-serve"));
        command
            .args(["--as", "laptop", "--relay"])
            .env("HOME", account.path("home"))
            .env("SSH_ORIGINAL_COMMAND", "qrexec-v1 @dispvm svc+a");
        let called = run(command);
        called.assert_code(0);
        let expected = "\0qrexec-v1 allowed\n--source-qube=laptop\n@dispvm\nsvc+a\n";
        assert_eq!(String::from_utf8(called.stdout).unwrap(), expected);
        let call = "source=laptop service=svc+a target=@dispvm";
        let line = next_line(log).unwrap();
        assert!(line.ends_with(&format!("{call} starting")), "{line}");
        let line = only_line(log);
        assert!(
            line.contains(&format!("{call} status=0 in=0 out=35 ")),
            "{line}"
        );
    });
}

fn a_policy_that_is_no_text_is_told_with_its_line() {
    with_system_log(|log| {
        let account = account("* * * * allow\n");
        let file = account.write("home/.config/qfile/policy.d/60-x.policy", "");
        fs::write(&file, b"# one\n# two\n# \xFF\n").unwrap();
        account
            .call(&["--as", "laptop"], "qrexec-v1 - who+")
            .assert_code(126);
        let line = only_line(log);
        assert!(line.contains("60-x.policy': line 3: "), "{line}");
    });
}

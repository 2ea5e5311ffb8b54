//! The contract of `qrexec-client-vm`, kept over ssh.

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;

use qfile_tests::process::{Running, drain, run};
use qfile_tests::ssh::{Daemon, FAR, needs_sshd, needs_sshd_of_root, with_far, with_far_of};
use qfile_tests::suite;
use qfile_tests::user::{install, mount_tmpfs, show_changed};

suite! {
    the_services_status_is_the_calls [needs_sshd],
    the_services_status_hides_the_programs_unless_it_is_0 [needs_sshd],
    what_is_refused_or_missing_starts_no_program [needs_sshd],
    the_service_knows_who_calls_what [needs_sshd],
    the_service_is_at_home_and_has_sockets_and_no_other_descriptor [needs_sshd],
    the_callers_environment_changes_nothing_there [needs_sshd],
    the_program_has_sockets_and_knows_where_the_callers_streams_are [needs_sshd],
    the_program_finds_the_callers_stderr_if_it_asks_for_it [needs_sshd],
    settings_of_ssh_for_people_change_nothing [needs_sshd],
    a_shared_connection_is_not_used [needs_sshd],
    the_packaged_folder_of_services_is_the_last_of_each_pass [needs_sshd_of_root],
    megabytes_pass_both_ways_at_once [needs_sshd],
    the_callers_end_of_input_reaches_the_service_at_once [needs_sshd],
    a_service_that_ends_is_felt_by_who_writes_to_it [needs_sshd],
    an_answer_that_nobody_reads_does_not_hold_up_the_service [needs_sshd],
    what_the_account_prints_before_the_call_is_passed_over [needs_sshd],
    a_key_that_is_bound_to_nothing_is_told_of [needs_sshd],
    a_machine_that_cannot_be_reached_is_255 [needs_sshd],
    only_the_stderr_from_there_is_filtered [needs_sshd],
    a_signal_ends_the_call_on_both_sides [needs_sshd],
    a_key_opens_nothing_else [needs_sshd],
    an_sshd_of_root_serves_an_ordinary_account [needs_sshd_of_root],
}

fn the_services_status_is_the_calls() {
    with_far(|far| {
        far.set_service("svc", "exit $1");
        for status in [0, 1, 3, 125, 126, 127, 255] {
            far.call(&[&format!("svc+{status}")]).assert_code(status);
        }
        far.set_service("killed", "kill -KILL $$");
        far.call(&["killed"]).assert_code(137);
    });
}

fn the_services_status_hides_the_programs_unless_it_is_0() {
    with_far(|far| {
        far.set_service("svc", "exit $1");
        for (service, program, expected) in [(0, 0, 0), (0, 7, 7), (3, 0, 3), (3, 7, 3)] {
            let exit = format!("exit {program}");
            let called = far.call(&[&format!("svc+{service}"), "/bin/sh", "-c", &exit]);
            called.assert_code(expected);
        }
        for program in ["/nonexistent/program", "/dev/null", "true", ""] {
            let called = far.call(&["svc+0", program]);
            called.assert_code(255);
            called.assert_says("cannot execute");
            far.call(&["svc+5", program]).assert_code(5);
        }
    });
}

fn what_is_refused_or_missing_starts_no_program() {
    with_far(|far| {
        far.set_service("svc", "exit 0");
        fs::write(far.services().join("plain"), "exit 0\n").unwrap();
        far.set_policy("svc * * @default deny\n* * * @default allow\n");
        let ran = far.root().join("ran");
        let touch = format!("touch '{}'", ran.display());
        for (service, status, says) in [
            ("svc", 126, "the policy denies it"),
            ("none+x", 127, "there is no service none+x"),
            ("plain", 125, "cannot execute"),
        ] {
            let called = far.call(&[service, "/bin/sh", "-c", &touch]);
            called.assert_code(status);
            called.assert_says(says);
            assert!(!ran.exists(), "{service}");
        }
    });
}

fn the_service_knows_who_calls_what() {
    with_far(|far| {
        far.set_service("svc", r#"env | grep ^QREXEC_ | sort; echo "$#:$1""#);
        for (called, argument, count) in [("svc", "", 0), ("svc+", "", 0), ("svc+a+b", "a+b", 1)] {
            let answer = far.call(&[called]);
            answer.assert_code(0);
            let answer = String::from_utf8(answer.stdout).unwrap();
            let (folders, rest): (Vec<_>, Vec<_>) = answer
                .lines()
                .partition(|line| line.starts_with("QREXEC_SERVICE_PATH="));
            let first = format!("QREXEC_SERVICE_PATH={}:", far.services().display());
            assert!(folders[0].starts_with(&first), "{answer}");
            let expected = [
                "QREXEC_REMOTE_DOMAIN=laptop".to_owned(),
                "QREXEC_REQUESTED_TARGET_TYPE=".to_owned(),
                format!("QREXEC_SERVICE_ARGUMENT={argument}"),
                format!("QREXEC_SERVICE_FULL_NAME=svc+{argument}"),
                format!("{count}:{argument}"),
            ];
            assert_eq!(rest, expected);
        }
    });
}

fn the_service_is_at_home_and_has_sockets_and_no_other_descriptor() {
    with_far(|far| {
        // Without the lock of the other services.
        let script = "#!/bin/sh\necho $HOME; readlink /proc/$$/cwd\n\
                      for n in 0 1; do stat -L -c %F /proc/$$/fd/$n; done; ls -v /proc/$$/fd\n";
        let draft = far.root().join("draft");
        fs::write(&draft, script).unwrap();
        install(&draft, &far.services().join("svc"), 0o755);
        let answer = far.call(&["svc"]);
        answer.assert_code(0);
        let answer = String::from_utf8(answer.stdout).unwrap();
        let home = far.home();
        // The last is the script itself, which its shell keeps open.
        let (ours, script) = answer.split_at(answer.len() - 3);
        let expected = format!("{0}\n{0}\nsocket\nsocket\n0\n1\n2", home.display());
        assert_eq!(ours.trim_end(), expected, "{script}");
    });
}

fn the_callers_environment_changes_nothing_there() {
    with_far(|far| {
        far.configure("AcceptEnv QREXEC_* SSH_ORIGINAL_COMMAND");
        let print = r#"echo "$QREXEC_REMOTE_DOMAIN $QREXEC_SERVICE_ARGUMENT ${QREXEC_OTHER-}""#;
        far.set_service("svc", print);
        let mut command = far.command("qrexec-ssh");
        command
            .env("QREXEC_REMOTE_DOMAIN", "dom0")
            .env("QREXEC_SERVICE_ARGUMENT", "other")
            .env("QREXEC_SERVICE_PATH", "/tmp")
            .env("QREXEC_OTHER", "other")
            .env("SSH_ORIGINAL_COMMAND", "qrexec-v1 - other+")
            .env(
                "TEST_OPTIONS",
                "-o SendEnv=QREXEC_* -o SendEnv=SSH_ORIGINAL_COMMAND",
            )
            .args([FAR, "svc+x"]);
        let called = run(command);
        called.assert_code(0);
        assert_eq!(called.stdout, b"laptop x \n");
    });
}

fn the_program_has_sockets_and_knows_where_the_callers_streams_are() {
    with_far(|far| {
        far.set_service("svc", "exit 0");
        let script = r#"
            for n in 0 1; do stat -L -c %F /proc/$$/fd/$n | cat >&2; done
            readlink /proc/$$/fd/$SAVED_FD_0 /proc/$$/fd/$SAVED_FD_1 >&2
            echo "${QREXEC_AGENT_PID:+set} ${SAVED_FD_2:-unset} $KEPT" >&2
            tr '\0' ' ' </proc/$$/cmdline | head -n 1 | cut -c1-5 >&2
        "#;
        let mut command = far.command("qrexec-ssh");
        command
            .args([FAR, "svc", "/bin/sh", "-c", script, "--", "-T"])
            .env_remove("PASS_LOCAL_STDERR")
            .env("KEPT", "kept");
        let called = run(command);
        called.assert_code(0);
        let said = called.stderr();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[..3], ["socket", "socket", "/dev/null"], "{said}");
        assert!(lines[3].starts_with("pipe:"), "{said}");
        assert_eq!(lines[4..], ["set unset kept", "sh -c"]);
    });
}

fn the_program_finds_the_callers_stderr_if_it_asks_for_it() {
    with_far(|far| {
        far.set_service("svc", "exit 0");
        let script = "[ \"$SAVED_FD_2\" -gt 2 ] && readlink /proc/$$/fd/2 >&2 && \
                      readlink /proc/$$/fd/$SAVED_FD_2 >&2";
        let mut command = far.command("qrexec-ssh");
        command
            .args([FAR, "svc", "/bin/sh", "-c", script])
            .env("PASS_LOCAL_STDERR", "1");
        let called = run(command);
        called.assert_code(0);
        let said = called.stderr();
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines.len() == 2 && lines[0] == lines[1], "{said}");
    });
}

fn settings_of_ssh_for_people_change_nothing() {
    with_far(|far| {
        let local = far.root().join("local");
        far.configure_caller(&format!(
            "Host {FAR}\n  RemoteCommand echo other\n  RequestTTY force\n  StdinNull yes\n  \
             ForkAfterAuthentication yes\n  SessionType none\n  Tunnel yes\n  \
             PermitLocalCommand yes\n  LocalCommand touch '{}'\n  ForwardAgent yes\n  \
             ForwardX11 yes\n  RemoteForward 127.0.0.1:9 127.0.0.1:9\n  EscapeChar ~\n  \
             ConnectionAttempts 100\n  ServerAliveCountMax 1000",
            local.display()
        ));
        far.set_service("svc", "read line; echo \"got $line\"; exit 3");
        let script = r"printf 'asked\n~.\n'; read answer; echo $answer >&2";
        let called = far.call(&["svc", "/bin/sh", "-c", script]);
        called.assert_code(3);
        assert_eq!(called.stderr(), "got asked\n");
        assert!(!local.exists());
    });
}

/// Nobody answers behind its socket, as where the ssh that began it hangs.
fn a_shared_connection_is_not_used() {
    with_far(|far| {
        let socket = far.root().join("master");
        let _frozen = UnixListener::bind(&socket).unwrap();
        far.configure_caller(&format!(
            "Host {FAR}\n  ControlMaster auto\n  ControlPath {}",
            socket.display()
        ));
        far.set_service("svc", "echo answer");
        let called = far.call(&["svc"]);
        called.assert_code(0);
        assert_eq!(called.stdout, b"answer\n");
    });
}

fn the_packaged_folder_of_services_is_the_last_of_each_pass() {
    with_far(|far| {
        // Layers over the folder, so that it can have another one.
        let layers = far.root().join("layers");
        fs::create_dir(&layers).unwrap();
        mount_tmpfs(&layers, 1 << 20, ",mode=755");
        show_changed(Path::new("/usr/lib"), &layers);
        let packaged = Path::new("/usr/lib/qubes/rpc");
        fs::create_dir_all(packaged).unwrap();
        let draft = far.root().join("draft");
        for name in ["one", "one+a", "two"] {
            fs::write(&draft, format!("#!/bin/sh\necho packaged {name}\n")).unwrap();
            install(&draft, &packaged.join(name), 0o755);
        }
        far.set_service("one", "echo own one");
        far.set_service("two+a", "echo own two+a");
        for (called, answer) in [
            ("one", "own one\n"),
            // The first pass looks for the full name in all folders.
            ("one+a", "packaged one+a\n"),
            ("one+b", "own one\n"),
            ("two", "packaged two\n"),
            ("two+a", "own two+a\n"),
        ] {
            let finished = far.call(&[called]);
            finished.assert_code(0);
            assert_eq!(finished.stdout, answer.as_bytes(), "{called}");
        }
    });
}

/// Bytes that no buffer size divides and that do not repeat soon.
fn bytes(count: u32) -> Vec<u8> {
    let mixed = |n: u32| n.wrapping_mul(2_654_435_761).to_le_bytes()[3];
    (0..count).map(mixed).collect()
}

fn megabytes_pass_both_ways_at_once() {
    with_far(|far| {
        far.set_service("svc", "exec cat");
        let sent = bytes(5_000_017);
        let mut command = far.command("qrexec-ssh");
        command.args([FAR, "svc"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Running::start(command);
        let mut stdin = running.child.stdin.take().unwrap();
        let answer = drain(running.child.stdout.take().unwrap());
        stdin.write_all(&sent).unwrap();
        drop(stdin);
        running.finish().assert_code(0);
        assert!(answer.join().unwrap() == sent);

        let [source, target] = ["source", "target"].map(|name| far.root().join(name));
        fs::write(&source, &sent).unwrap();
        let script = r#"cat "$0" & exec >&-; exec cat >"$1""#;
        let [from, to] = [&source, &target].map(|path| path.to_str().unwrap());
        let called = far.call(&["svc", "/bin/sh", "-c", script, from, to]);
        called.assert_code(0);
        assert!(fs::read(target).unwrap() == sent);
    });
}

fn the_callers_end_of_input_reaches_the_service_at_once() {
    with_far(|far| {
        far.set_service("svc", "cat >&2; echo answered");
        // It reads only after it has closed its output.
        let called = far.call(&["svc", "/bin/sh", "-c", "echo asked; exec >&-; cat >&2"]);
        called.assert_code(0);
        // What comes by stderr may overtake what comes by stdout.
        let said = called.stderr();
        let lines: std::collections::BTreeSet<_> = said.lines().collect();
        assert_eq!(lines, ["answered", "asked"].into(), "{said}");
    });
}

fn a_service_that_ends_is_felt_by_who_writes_to_it() {
    with_far(|far| {
        far.set_service("svc", "head -c 10 >/dev/null; exit 4");
        let called = far.call(&["svc", "/bin/cat", "/dev/zero"]);
        called.assert_code(4);
        // Refused as early: it answers, does not read, and waits for the end of what is sent.
        far.set_service(
            "svc",
            "echo no; exec 3<&0; until [ -e stop ]; do read x; done <&3; exit 6",
        );
        let stop = far.home().join("stop");
        let script = format!(
            "cat /dev/zero & writer=$!; read answer; echo \"$answer\" >&2; \
             touch '{}'; kill $writer; exit 0",
            stop.display()
        );
        let called = far.call(&["svc", "/bin/sh", "-c", &script]);
        assert!(called.stderr().starts_with("no\n"), "{}", called.stderr());
        called.assert_code(6);
    });
}

fn an_answer_that_nobody_reads_does_not_hold_up_the_service() {
    with_far(|far| {
        far.set_service("svc", "head -c 20000000 /dev/zero && echo written >&2");
        let called = far.call(&["svc", "/bin/sh", "-c", "exec <&-; exit 0"]);
        called.assert_code(0);
        assert_eq!(called.stderr(), "written\n");
    });
}

fn what_the_account_prints_before_the_call_is_passed_over() {
    with_far(|far| {
        far.set_service("svc", "echo answer");
        let print = |before: &str| {
            let keys = fs::read_to_string(far.root().join("keys/authorized_keys")).unwrap();
            far.set_authorized_keys(&keys.replace("command=\"", &format!("command=\"{before}; ")));
        };
        print("printf 'welcome\\\\000\\\\n'");
        let called = far.call(&["svc"]);
        called.assert_code(0);
        assert_eq!(called.stdout, b"answer\n");
        print("head -c 70000 /dev/zero");
        let called = far.call(&["svc", "/bin/sh", "-c", "echo started >&2"]);
        called.assert_code(255);
        called.assert_says("something other than qrexec-ssh-serve answers");
        assert!(!called.stderr().contains("started"));
    });
}

fn a_key_that_is_bound_to_nothing_is_told_of() {
    with_far(|far| {
        far.set_authorized_keys(&fs::read_to_string(far.key().with_extension("pub")).unwrap());
        let called = far.call(&["svc", "/bin/sh", "-c", "echo started >&2"]);
        called.assert_code(127);
        called.assert_says("the key is not bound to qrexec-ssh-serve(8)");
        assert!(!called.stderr().contains("started"));
        let key = fs::read_to_string(far.key().with_extension("pub")).unwrap();
        far.set_authorized_keys(&format!("command=\"exit 0\" {key}"));
        let called = far.call(&["svc"]);
        called.assert_code(255);
        called.assert_says("ended the call without an answer");
    });
}

fn a_machine_that_cannot_be_reached_is_255() {
    with_far(|far| {
        let mut command = far.command("qrexec-ssh");
        command
            .env("TEST_PORT", "1")
            .args([FAR, "svc", "/bin/true"]);
        let called = run(command);
        called.assert_code(255);
        called.assert_says("refused");
        called.assert_says("qrexec-ssh: cannot call svc+ on server");
        // A key that is not known there.
        far.set_authorized_keys("");
        let called = far.call(&["svc", "/bin/true"]);
        called.assert_code(255);
        called.assert_says("Permission denied");
    });
}

fn only_the_stderr_from_there_is_filtered() {
    with_far(|far| {
        let print = r"printf '\033[31m\303\244\r\tok\n' >&2";
        far.set_service("svc", print);
        for (options, says) in [
            (&["-T"][..], "_[31m___\tok\n"),
            (&[], "\u{1b}[31mä\r\tok\n"),
        ] {
            let mut command = far.command("qrexec-ssh");
            command.args(options).args(["--", FAR, "svc"]);
            assert_eq!(run(command).stderr(), says);
        }
        far.set_service("svc", r"printf '\033[31m\n'");
        for (option, answer) in [("-t", "_[31m\n"), ("-T", "\u{1b}[31m\n")] {
            let mut command = far.command("qrexec-ssh");
            command.args([option, FAR, "svc"]);
            assert_eq!(run(command).stdout, answer.as_bytes());
        }
    });
}

fn a_signal_ends_the_call_on_both_sides() {
    with_far(|far| {
        far.set_service("svc", "echo up; cat >/dev/null; echo felt >felt");
        for (signal, status) in [("TERM", 143), ("INT", 130), ("HUP", 129), ("KILL", 137)] {
            let program = format!("read line; kill -{signal} $PPID; cat >/dev/null; echo felt >&2");
            let called = far.call(&["svc", "/bin/sh", "-c", &program]);
            called.assert_code(status);
            assert_eq!(called.stderr(), "felt\n", "{signal}");
            far.wait_for_the_end();
            let felt = far.home().join("felt");
            assert_eq!(fs::read_to_string(&felt).unwrap(), "felt\n", "{signal}");
            fs::remove_file(felt).unwrap();
        }
    });
}

fn a_key_opens_nothing_else() {
    with_far(|far| {
        let ssh = |arguments: &[&str]| {
            let mut command = std::process::Command::new(far.root().join("ssh"));
            run({
                command.args(arguments).env_remove("SSH_AUTH_SOCK");
                command
            })
        };
        for wanted in [&[FAR][..], &[FAR, "id"], &[FAR, "sh", "-c", "id"]] {
            let tried = ssh(wanted);
            tried.assert_code(126);
            tried.assert_says("this is not a call of qrexec-ssh");
            assert_eq!(tried.stdout, b"");
        }
        let subsystem = ssh(&["-s", FAR, "sftp"]);
        assert_ne!(subsystem.code(), 0);
        assert_eq!(subsystem.stdout, b"");
        // Some versions of ssh give up at once.
        let terminal = ssh(&["-tt", FAR]);
        assert!([126, 255].contains(&terminal.code()));
        terminal.assert_says("PTY allocation request failed");
        let forward = ssh(&[
            "-o",
            "ExitOnForwardFailure=yes",
            "-R",
            "127.0.0.1:0:127.0.0.1:9",
            FAR,
        ]);
        assert_ne!(forward.code(), 0);
        assert!(
            forward.stderr().contains("forwarding failed"),
            "{}",
            forward.stderr()
        );
    });
}

fn an_sshd_of_root_serves_an_ordinary_account() {
    with_far_of(Daemon::OfRoot, |far| {
        far.set_service("svc", "id -u");
        let called = far.call(&["svc"]);
        called.assert_code(0);
        assert_eq!(called.stdout, b"65534\n");
        let file = far.near().join("letter");
        fs::write(&file, "Dear server\n").unwrap();
        let mut command = far.command("qvm-copy-to-vm");
        command.args([FAR, "letter"]);
        run(command).assert_code(0);
        let arrived = far.incoming().join("letter");
        assert_eq!(fs::read(&arrived).unwrap(), b"Dear server\n");
        assert_eq!(qfile_tests::user::owner_of(&arrived), 65_534);
    });
}

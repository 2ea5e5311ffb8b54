//! What the service and PROGRAM find around them: variables, arguments, descriptors, folders.

use std::fs;
use std::process::Command;

use qfile_tests::process::run;
use qfile_tests::programs::rpc_folder;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;

suite! {
    the_service_knows_who_calls_what,
    the_service_is_at_home_in_its_own_qube,
    the_callers_variables_stay_with_the_caller,
    what_the_machine_shares_reaches_the_service,
    the_service_has_two_sockets_and_a_pipe_and_no_other_descriptor,
    the_service_is_run_by_a_login_shell_whose_files_may_print,
    a_signal_that_this_program_ignores_is_not_ignored_by_others,
    the_program_gets_its_base_name_its_arguments_and_the_callers_environment,
    the_program_has_two_sockets_and_knows_where_the_callers_streams_are,
    the_callers_stderr_is_saved_if_asked_for,
    the_program_inherits_other_descriptors,
}

/// What the service `svc` of [`TARGET`], this script, prints when `called` with variables.
fn answer(script: &str, called: &str, variables: &[(&str, &str)]) -> String {
    let qubes = Qubes::new();
    qubes.set_service(TARGET, "svc", script);
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command
        .args([TARGET, called])
        .envs(variables.iter().copied());
    let finished = run(command);
    finished.assert_code(0);
    let answer = String::from_utf8(finished.stdout).unwrap();
    answer.replace(qubes.root().to_str().unwrap(), "ROOT")
}

/// What PROGRAM, this shell script, says on stderr.
fn program_says(script: &str, prepare: impl FnOnce(&mut Command)) -> String {
    let qubes = Qubes::new();
    qubes.set_service(TARGET, "svc", "exit 0");
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command.args([TARGET, "svc", "/bin/sh", "-c", script]);
    prepare(&mut command);
    let finished = run(command);
    finished.assert_code(0);
    finished.stderr()
}

fn the_service_knows_who_calls_what() {
    let print = r#"env | grep ^QREXEC_ | grep -v ^QREXEC_CLIENT | sort; echo "$#:$1""#;
    for (called, argument, count) in [("svc", "", 0), ("svc+", "", 0), ("svc+a+b", "a+b", 1)] {
        assert_eq!(
            answer(print, called, &[]),
            format!(
                "QREXEC_LOOPBACK_QUBE=vault\nQREXEC_LOOPBACK_ROOT=ROOT\n\
                 QREXEC_REMOTE_DOMAIN=work\nQREXEC_REQUESTED_TARGET_TYPE=\n\
                 QREXEC_SERVICE_ARGUMENT={argument}\nQREXEC_SERVICE_FULL_NAME=svc+{argument}\n\
                 QREXEC_SERVICE_PATH=ROOT/vault/qubes-rpc:{}\n\
                 {count}:{argument}\n",
                rpc_folder().display()
            )
        );
    }
}

fn the_service_is_at_home_in_its_own_qube() {
    let answer = answer(
        r#"echo "$HOME"; pwd -P; readlink /proc/self/cwd"#,
        "svc",
        &[],
    );
    assert_eq!(answer, "ROOT/vault/home\n".repeat(3));
}

fn the_callers_variables_stay_with_the_caller() {
    let secrets = [
        ("PROGRESS_TYPE", "console"),
        ("FILECOPY_TOTAL_BYTES", "1"),
        ("SAVED_FD_1", "9"),
        ("QREXEC_AGENT_PID", "1"),
        ("SECRET", "x"),
    ];
    let names = secrets.map(|(name, _)| name).join("|");
    let print = format!("env | grep -E '^({names})=' || echo none");
    assert_eq!(answer(&print, "svc", &secrets), "none\n");
}

fn what_the_machine_shares_reaches_the_service() {
    let shared = [
        ("DISPLAY", ":7"),
        ("LC_ALL", "C"),
        ("VM_FILE_EDITOR_OPENER", "/o"),
    ];
    let print = r#"echo "$DISPLAY $LC_ALL $VM_FILE_EDITOR_OPENER $QFILE_LIBDIR""#;
    let libdir = qfile_tests::programs::folder();
    let expected = format!(":7 C /o {}\n", libdir.display());
    assert_eq!(answer(print, "svc", &shared), expected);
}

fn the_service_has_two_sockets_and_a_pipe_and_no_other_descriptor() {
    let answer = answer(
        "for n in 0 1 2; do stat -L -c %F /proc/$$/fd/$n; done; ls -v /proc/$$/fd",
        "svc",
        &[],
    );
    // The last is the script itself, which its shell keeps open.
    let (ours, script) = answer.split_at(answer.len() - 3);
    assert_eq!(ours.trim_end(), "socket\nsocket\nfifo\n0\n1\n2", "{script}");
    let qubes = Qubes::new();
    qubes.set_service(TARGET, "svc", "[ ! -e /proc/self/fd/9 ]");
    let mut command = Command::new("/bin/sh");
    let client = qubes.command(SOURCE, "qrexec-loopback");
    command
        .args(["-c", r#"exec "$0" "$@" 9</dev/null"#])
        .arg(client.get_program());
    command.args([TARGET, "svc"]);
    command.envs(
        client
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    run(command).assert_code(0);
}

fn the_service_is_run_by_a_login_shell_whose_files_may_print() {
    let qubes = Qubes::new();
    fs::write(
        qubes.home(TARGET).join(".profile"),
        "echo welcome\nexport FROM_PROFILE=yes\n",
    )
    .unwrap();
    qubes.set_service(TARGET, "svc", "echo $FROM_PROFILE");
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command.args([TARGET, "svc"]);
    let finished = run(command);
    finished.assert_code(0);
    assert_eq!(finished.stdout, b"welcome\nyes\n");
}

fn a_signal_that_this_program_ignores_is_not_ignored_by_others() {
    // Bit 12 of the mask is SIGPIPE, which Rust programs ignore.
    let ignored = "grep ^SigIgn: /proc/$$/status";
    let bits =
        |line: &str| u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
    assert_eq!(bits(&answer(ignored, "svc", &[])) >> 12 & 1, 0);
    let on_stderr = format!("{ignored} >&2");
    assert_eq!(bits(&program_says(&on_stderr, |_| {})) >> 12 & 1, 0);
}

fn the_program_gets_its_base_name_its_arguments_and_the_callers_environment() {
    let script = r#"tr '\0' ' ' </proc/$$/cmdline >&2; echo "$X" >&2"#;
    let said = program_says(script, |command| {
        command.args(["--", "-T", "b c"]).env("X", "kept");
    });
    assert_eq!(said, format!("sh -c {script} -- -T b c kept\n"));
}

fn the_program_has_two_sockets_and_knows_where_the_callers_streams_are() {
    let script = r#"
        for n in 0 1; do stat -L -c %F /proc/$$/fd/$n | cat >&2; done
        readlink /proc/$$/fd/$SAVED_FD_0 /proc/$$/fd/$SAVED_FD_1 >&2
        echo "${QREXEC_AGENT_PID:+set} ${SAVED_FD_2:-unset}" >&2
    "#;
    let said = program_says(script, |command| {
        command.env_remove("PASS_LOCAL_STDERR");
    });
    // `run` gives a stdin of /dev/null, and a pipe for stdout.
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..3], ["socket", "socket", "/dev/null"], "{said}");
    assert!(lines[3].starts_with("pipe:"), "{said}");
    assert_eq!(lines[4], "set unset");
}

fn the_callers_stderr_is_saved_if_asked_for() {
    let script = "readlink /proc/$$/fd/$SAVED_FD_2 /proc/$$/fd/2 >&2";
    let said = program_says(script, |command| {
        command.env("PASS_LOCAL_STDERR", "1");
    });
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert_eq!(lines[0], lines[1]);
}

fn the_program_inherits_other_descriptors() {
    let qubes = Qubes::new();
    qubes.set_service(TARGET, "svc", "exit 0");
    let client = qubes.command(SOURCE, "qrexec-loopback");
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", r#"exec "$0" "$@" 9</dev/null"#])
        .arg(client.get_program());
    command.args([TARGET, "svc", "/bin/sh", "-c", "readlink /proc/$$/fd/9 >&2"]);
    command.envs(
        client
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let finished = run(command);
    finished.assert_code(0);
    assert_eq!(finished.stderr(), "/dev/null\n");
}

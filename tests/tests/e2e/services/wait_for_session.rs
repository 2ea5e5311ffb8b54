//! qubes.WaitForSession, in a folder `/run/qubes` of the test's own.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use qfile_tests::changes;
use qfile_tests::process::{Finished, Running, run};
use qfile_tests::programs::{folder, program};
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;
use qfile_tests::tree::TempFolder;
use rustix::process::{Pid, Signal, kill_process};

suite! {
    it_waits_until_the_socket_of_the_session_is_there,
    a_session_that_is_there_is_not_waited_for,
    the_user_is_the_one_that_dom0_names,
    it_ends_with_the_call,
    without_a_graphical_session_there_is_nothing_to_wait_for,
    in_dom0_there_is_nothing_to_wait_for,
    without_qubesdb_there_is_nothing_to_wait_for,
    the_status_of_systemctl_is_passed_on_with_the_units_that_failed,
    after_the_limit_it_says_what_is_missing,
    a_limit_that_is_none_is_an_error,
    an_argument_is_an_error,
}

const SERVICE: &str = "qubes.WaitForSession";

/// Qubes in which the service does `first` before it is what it is, and says which process it is.
fn qubes_where(first: &str) -> Qubes {
    let qubes = Qubes::new();
    let script = format!(
        "db={lib}/qubesdb-cmd\n{first}\necho $$ >pid.part; mv pid.part pid\n\
         exec {lib}/qubes-wait-for-session \"$@\"",
        lib = folder().display()
    );
    qubes.set_service(TARGET, SERVICE, &script);
    qubes
}

fn call(qubes: &Qubes, service: &str) -> Command {
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command.args([TARGET, service]);
    command
}

/// The socket that means that the session of `user` is there.
fn socket(qubes: &Qubes, user: &str) -> PathBuf {
    let name = format!("qrexec-server.{user}.sock");
    qubes.root().join(TARGET).join("qubesdb").join(name)
}

/// A call whose service waits for a change of a folder.
fn waiting(qubes: &Qubes) -> (Running, Pid) {
    let mut command = call(qubes, SERVICE);
    // What callers write there is not read.
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let running = Running::start(command);
    let pid = qubes.home(TARGET).join("pid");
    changes::until(&qubes.home(TARGET), || pid.exists());
    let pid: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    while !has_a_watch(pid) {
        std::thread::yield_now();
    }
    (running, Pid::from_raw(pid).unwrap())
}

/// `proc_pid_fdinfo(5)` of an inotify descriptor with something to watch.
fn has_a_watch(pid: i32) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("it has not ended");
    descriptors
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .any(|info| info.contains("inotify wd:"))
}

/// A local qube has no session of its own, so the key is made what it is in others: missing.
const USER_IS_ALICE: &str = "$db -c write /default-user alice; $db -c rm /qubes-gui-enabled";

fn it_waits_until_the_socket_of_the_session_is_there() {
    let qubes = qubes_where(USER_IS_ALICE);
    let (mut running, _) = waiting(&qubes);
    // Another user's is none.
    fs::write(socket(&qubes, "bob"), "").unwrap();
    fs::write(socket(&qubes, "alice").with_extension("part"), "").unwrap();
    assert!(running.child.try_wait().unwrap().is_none());
    fs::rename(
        socket(&qubes, "alice").with_extension("part"),
        socket(&qubes, "alice"),
    )
    .unwrap();
    let finished = running.finish();
    finished.assert_code(0);
    assert_eq!(finished.stderr(), "");
}

fn a_session_that_is_there_is_not_waited_for() {
    let qubes = qubes_where(USER_IS_ALICE);
    fs::create_dir(qubes.root().join(TARGET).join("qubesdb")).unwrap();
    fs::write(socket(&qubes, "alice"), "").unwrap();
    let finished = run(call(&qubes, SERVICE));
    finished.assert_code(0);
    assert_eq!((finished.stdout, finished.stderr.len()), (vec![], 0));
}

fn the_user_is_the_one_that_dom0_names() {
    for (first, user) in [
        ("$db -c rm /default-user", "user"),
        ("$db -c write /default-user ../../x", "user"),
        ("$db -c write /default-user carol", "carol"),
    ] {
        let qubes = qubes_where(&format!(
            "{USER_IS_ALICE}; {first}; export QUBES_SESSION_TIMEOUT=0"
        ));
        let finished = run(call(&qubes, SERVICE));
        finished.assert_code(1);
        finished.assert_says(&format!("/qrexec-server.{user}.sock"));
    }
}

fn it_ends_with_the_call() {
    let qubes = qubes_where(USER_IS_ALICE);
    let (running, service) = waiting(&qubes);
    kill_process(Pid::from_child(&running.child), Signal::KILL).unwrap();
    changes::until_ended(service);
    assert_eq!(running.finish().code(), 137);
}

/// Calls the service once `first` is done; nothing is to be waited for.
#[track_caller]
fn assert_no_wait(first: &str) {
    let finished = run(call(&qubes_where(first), SERVICE));
    finished.assert_code(0);
    assert_eq!((finished.stdout, finished.stderr.len()), (vec![], 0));
}

fn without_a_graphical_session_there_is_nothing_to_wait_for() {
    assert_no_wait("$db -c write /qubes-gui-enabled False");
    assert_no_wait("$db -c write /qubes-gui-enabled ''");
}

fn in_dom0_there_is_nothing_to_wait_for() {
    let client = "mkdir bin; printf '#!/bin/sh\\n' >bin/qrexec-client; chmod +x bin/qrexec-client";
    assert_no_wait(&format!("{USER_IS_ALICE}; {client}; PATH=$PWD/bin:$PATH"));
}

/// A `systemctl` in the PATH of the service.
fn systemctl(script: &str) -> String {
    format!(
        "$db -c write /qubes-gui-enabled False; mkdir bin; PATH=$PWD/bin:$PATH
printf '#!/bin/sh\n%s\n' '{script}' >bin/systemctl; chmod +x bin/systemctl"
    )
}

fn the_status_of_systemctl_is_passed_on_with_the_units_that_failed() {
    let script = "case $* in *--wait*) echo degraded; exit 3;; esac; echo a.service; echo b.timer";
    let finished = run(call(&qubes_where(&systemctl(script)), SERVICE));
    finished.assert_code(3);
    assert_eq!(finished.stdout, b"");
    finished.assert_says("qubes-wait-for-session: a.service\nqubes-wait-for-session: b.timer\n");
    finished.assert_says("systemctl says \"degraded\"");
    assert_no_wait(&systemctl("echo running"));
    assert_no_wait(&systemctl("echo offline; exit 1"));
    // The manager of another user cannot be asked.
    let another = systemctl("echo degraded; exit 3");
    assert_no_wait(&format!(
        "{another}; $db -c write /default-user no-such-user"
    ));
}

fn alone(variables: &[(&str, &str)], arguments: &[&str]) -> Finished {
    let empty = TempFolder::open_to_all();
    let mut command = Command::new(program("qubes-wait-for-session"));
    command.args(arguments).env("QUBESDB_DIR", empty.path());
    command.envs(variables.iter().copied());
    run(command)
}

fn without_qubesdb_there_is_nothing_to_wait_for() {
    alone(&[], &[]).assert_code(0);
}

fn after_the_limit_it_says_what_is_missing() {
    let qubes = qubes_where(&format!(
        "{USER_IS_ALICE}; $db -c write /qubes-gui-enabled True; export QUBES_SESSION_TIMEOUT=0"
    ));
    let finished = run(call(&qubes, SERVICE));
    finished.assert_code(1);
    finished.assert_says(socket(&qubes, "alice").to_str().unwrap());
    finished.assert_says("QUBES_SESSION_TIMEOUT");
    assert_eq!(finished.stderr().lines().count(), 1);
}

fn a_limit_that_is_none_is_an_error() {
    alone(&[("QUBES_SESSION_TIMEOUT", "soon")], &[]).assert_code(1);
}

fn an_argument_is_an_error() {
    let finished = run(call(&Qubes::new(), "qubes.WaitForSession+x"));
    finished.assert_code(2);
}

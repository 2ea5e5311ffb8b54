//! `@dispvm`: a fresh qube for one call, gone with everything in it when that has ended.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use qfile_tests::changes;
use qfile_tests::process::run;
use qfile_tests::qubes::{Qubes, SOURCE};
use qfile_tests::suite;
use rustix::process::Pid;

suite! {
    a_disposable_is_a_qube_of_its_own_and_is_gone_afterwards,
    a_disposable_starts_as_a_copy_of_its_template,
    without_a_template_a_disposable_is_empty,
    a_disposable_that_cannot_be_made_is_a_refusal_that_starts_nothing,
    read_only_and_deep_folders_go_too,
    what_runs_in_a_disposable_ends_with_it,
    a_child_that_holds_stderr_keeps_the_disposable_until_it_lets_go,
    a_disposable_is_gone_when_its_caller_has_been_told_to_end,
    a_disposable_outlives_a_killed_caller_only_for_a_moment,
    keys_pressed_at_the_caller_do_not_reach_the_service,
}

const TEMPLATE: &str = "default-dvm";

/// Qubes in which the default template has the service `svc`, this script.
fn qubes_with(service: &str) -> Qubes {
    let qubes = Qubes::new();
    qubes.add(TEMPLATE);
    qubes.set_service(TEMPLATE, "svc", service);
    qubes
}

fn call(qubes: &Qubes, target: &str, program: &[&str]) -> Command {
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command.args([target, "svc"]).args(program);
    command
}

fn disposables(root: &Path) -> Vec<String> {
    let names = fs::read_dir(root).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("disp")).collect()
}

fn is_running(pid: &str) -> bool {
    // A zombie that nobody has waited for yet has ended as well.
    let state = fs::read_to_string(format!("/proc/{pid}/stat"));
    state.is_ok_and(|stat| !stat.contains(") Z "))
}

fn a_disposable_is_a_qube_of_its_own_and_is_gone_afterwards() {
    let qubes = qubes_with(r#"echo "$HOME $QREXEC_LOOPBACK_QUBE"; [ -d "$HOME" ]; cat; exit 3"#);
    let mut command = call(&qubes, "@dispvm", &[]);
    command.args(["/bin/sh", "-c", "echo asked; exec >&-; cat >&2"]);
    let called = run(command);
    called.assert_code(3);
    let said = called.stderr();
    let name = said.split_whitespace().nth(1).unwrap();
    assert!(
        name.strip_prefix("disp").unwrap().parse::<u16>().is_ok(),
        "{name}"
    );
    let home = qubes.home(name);
    assert_eq!(said, format!("{} {name}\nasked\n", home.display()));
    assert_eq!(disposables(qubes.root()), Vec::<String>::new());
}

fn a_disposable_starts_as_a_copy_of_its_template() {
    let qubes = qubes_with("cat file; echo changed >file");
    let other = "web";
    qubes.add(other);
    qubes.set_service(other, "svc", "cat file");
    fs::write(qubes.home(TEMPLATE).join("file"), "default\n").unwrap();
    fs::write(qubes.home(other).join("file"), "other\n").unwrap();
    for (target, content) in [("@dispvm", "default\n"), ("$dispvm:web", "other\n")] {
        let called = run(call(&qubes, target, &[]));
        called.assert_code(0);
        assert_eq!(called.stdout, content.as_bytes());
    }
    assert_eq!(
        fs::read(qubes.home(TEMPLATE).join("file")).unwrap(),
        b"default\n"
    );
}

fn without_a_template_a_disposable_is_empty() {
    let qubes = Qubes::new();
    let called = run(call(&qubes, "@dispvm", &[]));
    called.assert_code(127);
    assert_eq!(disposables(qubes.root()), Vec::<String>::new());
}

fn a_disposable_that_cannot_be_made_is_a_refusal_that_starts_nothing() {
    // cp refuses to copy a folder into itself, which the root of all qubes would be.
    let qubes = Qubes::new();
    fs::create_dir(qubes.root().join("home")).unwrap();
    symlink(qubes.root(), qubes.root().join(TEMPLATE)).unwrap();
    let program = ["/bin/sh", "-c", "echo started >&2"];
    let called = run(call(&qubes, "@dispvm", &program));
    called.assert_code(126);
    called.assert_says("the disposable did not start: ");
    assert!(!called.stderr().contains("started"));
    assert_eq!(disposables(qubes.root()), Vec::<String>::new());
}

fn read_only_and_deep_folders_go_too() {
    let qubes = qubes_with(
        "mkdir -p a/b; touch a/b/c; chmod 500 a a/b
         i=0; while [ $i -lt 300 ]; do mkdir d; cd d; i=$((i + 1)); done",
    );
    run(call(&qubes, "@dispvm", &[])).assert_code(0);
    assert_eq!(disposables(qubes.root()), Vec::<String>::new());
}

fn what_runs_in_a_disposable_ends_with_it() {
    // Two daemons: in sessions of their own, orphans, and without any stream of the call.
    let qubes = qubes_with(
        r#"
        for n in 1 2; do
            (setsid sh -c 'echo $$ >pid.$0; exec sleep 1000' $n </dev/null >/dev/null 2>&1 &)
        done
        until [ -s pid.1 ] && [ -s pid.2 ]; do :; done
        cat pid.1 pid.2
        "#,
    );
    let called = run(call(&qubes, "@dispvm", &[]));
    called.assert_code(0);
    let pids = String::from_utf8(called.stdout).unwrap();
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        assert!(!is_running(pid), "{pid}");
    }
}

fn a_child_that_holds_stderr_keeps_the_disposable_until_it_lets_go() {
    let qubes = qubes_with("(cat; echo \"$HOME\"; [ -d \"$HOME\" ] && echo there >&2) & exit 0");
    let called = run(call(
        &qubes,
        "@dispvm",
        &["/bin/sh", "-c", "echo; exec >&-; cat >/dev/null"],
    ));
    called.assert_code(0);
    assert_eq!(called.stderr(), "there\n");
}

fn a_disposable_is_gone_when_its_caller_has_been_told_to_end() {
    for (signal, status) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let qubes = qubes_with("echo $$; exec sleep 1000");
        let pid = qubes.root().join("pid");
        let program = format!(
            "read pid; echo $pid >'{}'; kill -{signal} $PPID",
            pid.display()
        );
        let called = run(call(&qubes, "@dispvm", &["/bin/sh", "-c", &program]));
        called.assert_code(status);
        assert_eq!(disposables(qubes.root()), Vec::<String>::new());
        assert!(!is_running(fs::read_to_string(pid).unwrap().trim()));
    }
}

fn a_disposable_outlives_a_killed_caller_only_for_a_moment() {
    let qubes = qubes_with("echo $$; exec sleep 1000");
    let pid = qubes.root().join("pid");
    let program = format!("read pid; echo $pid >'{}'; kill -KILL $PPID", pid.display());
    run(call(&qubes, "@dispvm", &["/bin/sh", "-c", &program])).assert_code(137);
    let pid = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    changes::until_ended(Pid::from_raw(pid).unwrap());
    changes::until(qubes.root(), || disposables(qubes.root()).is_empty());
}

fn keys_pressed_at_the_caller_do_not_reach_the_service() {
    let qubes = qubes_with("ps -o sid= -p $$ >&2; exit 0");
    let called = run(call(
        &qubes,
        "@dispvm",
        &["/bin/sh", "-c", "ps -o sid= -p $$ >&2"],
    ));
    called.assert_code(0);
    let said = called.stderr();
    let sessions: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(sessions.len(), 2, "{said}");
    assert_ne!(sessions[0], sessions[1]);
}

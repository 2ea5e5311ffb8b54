//! How the client is called, who is believed, what is said, and how interruptions end.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use crate::bench::{Bench, ended, run};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

#[test]
fn a_hostile_receiver_chooses_the_status_of_the_client_but_fools_nobody() {
    let bench = Bench::new();
    bench.file("a", "content");
    for status in [
        "0", "1", "2", "3", "32", "125", "126", "127", "255", "KILL", "TERM",
    ] {
        let lines = [
            (Some("0 \\n"), 0),
            (Some("1 no\\n"), 1),
            (Some("3 left out\\n"), 3),
            (Some("32 cancelled\\n"), 32),
            (Some("0 "), -1),
            (Some("126 \\n"), -1),
            (Some(""), -1),
            (None, -1),
        ];
        for (line, expected) in lines {
            let mut command = bench.command("qvm-copy");
            command.arg("a").env("STATUS", status);
            if let Some(line) = line {
                command.env("LINE", line);
            }
            let ended = run(&mut command);
            let without_a_line = if status == "126" { 126 } else { 1 };
            let expected = if expected < 0 {
                without_a_line
            } else {
                expected
            };
            assert_eq!(
                ended.status,
                Some(expected),
                "{status}, {line:?}: {ended:?}"
            );
            // With a line the agent has told what there is to tell.
            let is_told = line.is_some_and(|line| line.ends_with("\\n") && line != "126 \\n");
            assert_eq!(ended.stderr.is_empty(), is_told, "{ended:?}");
            assert_eq!(ended.stdout, "");
        }
    }
}

#[test]
fn the_client_is_called_as_qrexec_has_it() {
    let bench = Bench::new();
    bench.file("docs/a", "12345");
    bench.link("docs/b", "four");
    let mut command = bench.command("qvm-copy-to-vm");
    command.args(["--ignore-symlinks", "--no-ignore-symlinks", "work", "docs/"]);
    let ended = run(command.env("LINE", "0 \\n"));
    assert_eq!(ended.status, Some(0), "{ended:?}");

    let agent = bench.path("bin/qfile-agent");
    let arguments = bench.record("arguments");
    let arguments: Vec<&str> = arguments.lines().collect();
    let expected = [
        "--filter-escape-chars-stderr",
        "--",
        "work",
        "qubes.Filecopy",
    ];
    assert_eq!(arguments[..4], expected);
    assert_eq!(arguments[4], agent.to_str().unwrap());
    assert_eq!((arguments[5], arguments[7]), ("--result-fd", "--cancel-fd"));
    assert_eq!(arguments[9], "--journal");
    assert_eq!(arguments[11..], ["--", "docs/"]);
    assert_eq!(
        bench.record("folder").trim_end(),
        bench.path("files").to_str().unwrap()
    );
    let environment = bench.record("environment");
    assert!(
        environment.contains("\nFILECOPY_TOTAL_BYTES=9\n"),
        "{environment}"
    );
    assert!(
        environment.contains("\nPROGRESS_TYPE=console\n"),
        "{environment}"
    );
}

#[test]
fn nothing_is_inherited_but_the_ends_that_the_agent_takes() {
    let bench = Bench::new();
    bench.file("a", "");
    let mut command = bench.command("qvm-copy");
    let null = || Stdio::null();
    command.stdin(null()).stdout(null()).stderr(null());
    assert!(
        command
            .arg("a")
            .env("LINE", "0 \\n")
            .status()
            .unwrap()
            .success()
    );
    let record = bench.record("descriptors");
    let from_elsewhere = own_descriptors();
    let pipes = record
        .lines()
        .filter(|link| link.starts_with("pipe:") && !from_elsewhere.contains(&(*link).to_owned()));
    // Its ends of the pipes for the result and for a cancellation.
    assert_eq!(pipes.count(), 2, "{record}");
}

/// What this process has open, and hands on if whoever started it did the same.
fn own_descriptors() -> Vec<String> {
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn without_progress_the_agent_is_told_nothing_of_it() {
    let bench = Bench::new();
    bench.file("a", "");
    let mut command = bench.command("qvm-copy");
    command
        .args(["--without-progress", "a"])
        .env("PROGRESS_TYPE", "gui");
    assert_eq!(run(command.env("LINE", "0 \\n")).status, Some(0));
    assert!(!bench.record("environment").contains("PROGRESS_TYPE"));
}

#[test]
fn unsafe_names_select_the_service_that_takes_them_and_a_refusal_is_final() {
    let bench = Bench::new();
    bench.file("docs/\u{202e}fdp.exe", "");
    let mut command = bench.command("qvm-copy");
    let ended = run(command.arg("docs").env("STATUS", "126"));
    assert_eq!(ended.status, Some(126));
    assert!(
        ended.stderr.contains("qubes.Filecopy+allow-all-names"),
        "{ended:?}"
    );
    assert_eq!(bench.record("calls"), "call\n");
    let arguments = bench.record("arguments");
    let target_and_service: Vec<&str> = arguments.lines().skip(2).take(2).collect();
    assert_eq!(
        target_and_service,
        ["@default", "qubes.Filecopy+allow-all-names"]
    );
}

#[test]
fn what_would_be_refused_is_listed_all_at_once_before_anything_is_asked() {
    let bench = Bench::new();
    bench.file("docs/sub/a", "");
    bench.link("docs/up", "../x");
    bench.link("docs/sub/root", "/etc/\u{1b}[31mpasswd");
    bench.link("top", "docs");
    let mut command = bench.command("qvm-copy");
    let ended = run(command.args(["docs", "missing", "top"]));
    assert_eq!(ended.status, Some(1));
    assert_eq!(bench.record("calls"), "");
    for part in [
        "qvm-copy: nothing was sent: 4 entries cannot be copied:",
        r#""docs/up" -> "../x""#,
        r#""docs/sub/root" -> $'/etc/\x1b[31mpasswd'"#,
        r#""top" -> "docs""#,
        "\"missing\"",
        "--dereference",
        "--ignore-symlinks",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    std::fs::remove_file(bench.path("files/docs/up")).unwrap();
    std::fs::remove_file(bench.path("files/docs/sub/root")).unwrap();
    for option in ["--ignore-symlinks", "--dereference"] {
        let mut command = bench.command("qvm-copy");
        let ended = run(command
            .args([option, "docs/sub/a", "top"])
            .env("LINE", "0 \\n"));
        assert_eq!(ended.status, Some(0), "{ended:?}");
        assert_eq!(bench.record("arguments").lines().nth(5), Some(option));
    }
}

#[test]
fn a_dry_run_asks_nobody() {
    let bench = Bench::new();
    bench.file("docs/a", "12345");
    bench.file("docs/odd\u{1b}", "");
    let dry_run = |arguments: &[&str]| {
        let mut command = bench.command("qvm-copy-to-vm");
        run(command
            .arg("--dry-run")
            .args(arguments)
            .env("QREXEC_CLIENT_VM", ""))
    };
    let fine = dry_run(&["work", "docs"]);
    assert_eq!(fine.status, Some(0), "{fine:?}");
    for part in [
        "2 files and 1 folder",
        ", 5 bytes",
        "work",
        "+allow-all-names",
        r"docs/odd\x1b",
    ] {
        assert!(fine.stdout.contains(part), "{part}: {fine:?}");
    }
    assert_eq!(fine.stderr, "");

    let pipe = bench.path("files/docs/pipe");
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let partial = dry_run(&["docs"]);
    assert_eq!(partial.status, Some(3));
    assert!(
        partial.stdout.contains("docs/pipe\" (a named pipe)"),
        "{partial:?}"
    );

    bench.link("docs/up", "../x");
    let refused = dry_run(&["docs"]);
    assert_eq!(refused.status, Some(1));
    assert!(
        refused.stderr.contains(r#""docs/up" -> "../x""#),
        "{refused:?}"
    );
    assert_eq!(bench.record("calls"), "");
}

#[test]
fn a_command_line_that_is_wrong_says_what_is_right() {
    let bench = Bench::new();
    bench.file("a", "");
    let table: [(&str, &[&str], i32, &str); 9] = [
        ("qvm-copy", &[], 2, "FILE"),
        ("qvm-copy", &["-a"], 2, "write -- or ./ before it"),
        ("qvm-copy", &["."], 2, "name the folder as seen from"),
        ("qvm-copy", &["a", "./a"], 2, "same file or folder"),
        (
            "qvm-copy",
            &["--no-such-option", "a"],
            2,
            "--no-such-option",
        ),
        ("qvm-copy-to-vm", &["a b", "a"], 2, "not the name of a qube"),
        (
            "qvm-copy-to-vm",
            &["none", "a"],
            2,
            "not the name of a qube",
        ),
        ("qvm-copy", &["--", "-a"], 1, "\"-a\""),
        ("qvm-copy", &["b"], 1, "\"b\""),
    ];
    for (name, arguments, status, part) in table {
        let ended = run(bench.command(name).args(arguments));
        assert_eq!(ended.status, Some(status), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.starts_with(&format!("{name}: ")), "{ended:?}");
        assert!(ended.stderr.contains(part), "{part}: {ended:?}");
        assert_eq!(ended.stdout, "");
    }
    assert_eq!(bench.record("calls"), "");
}

#[test]
fn help_and_version_go_to_stdout() {
    let bench = Bench::new();
    for name in ["qvm-copy", "qvm-copy-to-vm", "qvm-move", "qvm-move-to-vm"] {
        for option in ["--help", "-h", "--version"] {
            let ended = run(bench.command(name).arg(option));
            assert_eq!(ended.status, Some(0));
            assert!(ended.stdout.contains(name), "{ended:?}");
            assert_eq!(ended.stderr, "");
        }
    }
}

#[test]
fn an_interrupted_copy_ends_as_cancelled_and_leaves_no_client_behind() {
    let bench = Bench::new();
    bench.file("a", "");
    // Ctrl-C and the end of the terminal reach the group, `kill` and `timeout` one or the other.
    let group: fn(Pid, Signal) -> _ = kill_process_group;
    let alone: fn(Pid, Signal) -> _ = kill_process;
    for (kill, signal) in [
        (group, Signal::INT),
        (alone, Signal::INT),
        (group, Signal::TERM),
        (alone, Signal::TERM),
        (group, Signal::HUP),
        (alone, Signal::HUP),
    ] {
        let mut command = bench.command("qvm-copy");
        command.arg("a").env("WAIT", "1").process_group(0);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_child(&child);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut ready = String::new();
        stdout.read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        kill(pid, signal).unwrap();
        // The client holds this pipe open for as long as it lives.
        assert_eq!(stdout.read_line(&mut ready).unwrap(), 0);
        let ended = ended(child.wait_with_output().unwrap());
        assert_eq!(ended.status, Some(32), "{ended:?}");
        assert!(ended.stderr.contains("cancelled"), "{ended:?}");
    }
}

//! The clock: what it would be set to. No test sets it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use qfile_tests::clock::{Change, Guard, needs_guard};
use qfile_tests::process::{Finished, run};
use qfile_tests::programs::program;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;
use qfile_tests::tree::TempFolder;

suite! {
    each_form_of_a_time_sets_the_clock [needs_guard],
    whatever_is_no_time_leaves_the_clock_alone [needs_guard],
    a_time_that_cannot_be_right_leaves_the_clock_alone [needs_guard],
    a_clock_that_is_a_second_off_is_corrected_slowly [needs_guard, needs_python],
    without_python_the_clock_goes_forward_and_never_back [needs_guard],
    an_input_that_does_not_end_is_refused [needs_guard],
    a_dry_run_only_says_what_it_would_do [needs_guard],
    dom0_is_asked_for_the_time [needs_guard],
    a_call_that_fails_is_told_with_its_status [needs_guard],
    an_answer_without_end_is_refused [needs_guard],
    a_quarter_of_an_hour_is_told_and_a_second_is_not [needs_guard],
    the_service_sets_the_clock_too [needs_guard],
    windows_of_linux_have_no_mode,
    a_time_limit_that_no_clock_can_count_to_is_refused,
}

/// Some time after this program was written, and far from now.
const THEN: i64 = 1_900_000_000; // 2030-03-17T17:46:40Z

fn needs_python() -> Result<(), String> {
    qfile_tests::cannot_run::needs_program("python3")
}

/// Gives `line` to qubes-sync-clock, and how long that took.
fn synced(line: &[u8], options: &[&str]) -> (Finished, Vec<Change>, Duration) {
    let folder = TempFolder::open_to_all();
    let file = folder.path().join("line");
    fs::write(&file, line).unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "file=$1; shift; exec \"$@\" <\"$file\"", "sh"])
        .arg(&file)
        .arg(program("qubes-sync-clock"))
        .args(options);
    let begin = Instant::now();
    let (finished, changes) = Guard::new().run(&command);
    assert_eq!(finished.stdout, b"");
    (finished, changes, begin.elapsed())
}

/// Fails the test unless the clock would have been set once, to `seconds` or as much later as the
/// program took.
#[track_caller]
fn assert_set(changes: &[Change], seconds: i64, nanoseconds: i64, took: Duration) {
    let [Change::Set(set, fraction)] = *changes else {
        panic!("{changes:?}");
    };
    let at = |seconds: i64, nanoseconds: i64| {
        Duration::new(seconds.try_into().unwrap(), nanoseconds.try_into().unwrap())
    };
    let (told, set) = (at(seconds, nanoseconds), at(set, fraction));
    assert!(
        told <= set && set <= told + took,
        "{told:?} {set:?} {took:?}"
    );
}

fn each_form_of_a_time_sets_the_clock() {
    for (line, nanoseconds) in [
        ("2030-03-17T17:46:40+00:00\n", 0),
        ("2030-03-17T17:46:40,586021317+00:00\n", 586_021_317),
        ("2030-03-17T17:46:40+0000", 0),
        ("2030-03-17T17:46:40Z\n", 0),
        ("2030-03-17T17:46:40,000000001Z", 1),
    ] {
        let (finished, changes, took) = synced(line.as_bytes(), &[]);
        finished.assert_code(0);
        assert_set(&changes, THEN, nanoseconds, took);
    }
}

/// The bad input of the contract, among it all that the original takes.
fn whatever_is_no_time_leaves_the_clock_alone() {
    let long = [b'2'; 5000];
    let lines: [&[u8]; 16] = [
        b"",
        b"\n",
        b"tomorrow",
        b"@0",
        b"now\n",
        b"2030-03-17T17:46:40+0200",
        b"2030-03-17T17:46:40",
        b"2030-03-17T17:46:40.5+00:00",
        b"2030-03-17T17:46:40,5+00:00",
        b"2030-02-30T17:46:40+00:00",
        b"2030-03-17T24:00:00+00:00",
        b"2030-03-17T17:46:40+00:00 and more",
        b"2030-03-17T17:46:40+00:00\n2030-03-17T17:46:40+00:00\n",
        b"2030-03-17T17:46",
        b"\xFF\x1b[2J",
        &long,
    ];
    for line in lines {
        let (finished, changes, _) = synced(line, &[]);
        finished.assert_code(1);
        finished.assert_says("qubes-sync-clock: cannot set the clock: ");
        assert_eq!(changes, [], "{line:?}");
        assert!(!finished.stderr.contains(&0x1b));
    }
}

fn a_time_that_cannot_be_right_leaves_the_clock_alone() {
    for line in [
        "1970-01-01T00:00:00Z",
        "2022-07-10T17:08:32+00:00",
        "2026-11-25T23:59:59+00:00",
        "2066-11-26T00:00:00+00:00",
        "9999-12-30T00:00:00+00:00",
    ] {
        let (finished, changes, _) = synced(line.as_bytes(), &[]);
        finished.assert_code(1);
        finished.assert_says("is not between 20");
        finished.assert_says("the clock was not changed");
        assert_eq!(changes, []);
    }
}

/// A line with the time in so many seconds.
fn line_in(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let then = i64::try_from(now.as_secs()).unwrap() + seconds;
    let mut date = Command::new("date");
    let date = date
        .args(["-u", "-d"])
        .arg(format!("@{then}.{:09}", now.subsec_nanos()))
        .arg("+%Y-%m-%dT%H:%M:%S,%N+00:00")
        .output()
        .unwrap();
    String::from_utf8(date.stdout).unwrap()
}

fn a_clock_that_is_a_second_off_is_corrected_slowly() {
    for seconds in [1, -1] {
        // Where the machine was too busy to be in time, the clock is right to be set.
        let slew = (0..20).find_map(|_| {
            let (finished, changes, took) = synced(line_in(seconds).as_bytes(), &[]);
            finished.assert_code(0);
            match changes[..] {
                [Change::Slew(by)] => Some((by, took)),
                [Change::Set(..)] => None,
                _ => panic!("{changes:?}"),
            }
        });
        let (by, took) = slew.unwrap();
        let took = i64::try_from(took.as_micros()).unwrap() + 500_000;
        assert!((by - seconds * 1_000_000).abs() <= took, "{by}");
    }
}

/// A `PATH` with nothing but a folder that has no Python in it.
fn without_python(line: &str) -> (Finished, Vec<Change>) {
    let folder = TempFolder::open_to_all();
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "printf %s \"$2\" | PATH=$3 \"$1\"", "sh"])
        .arg(program("qubes-sync-clock"))
        .args([line, folder.path().to_str().unwrap()]);
    Guard::new().run(&command)
}

fn without_python_the_clock_goes_forward_and_never_back() {
    let forward = (0..20).find_map(|_| {
        let (finished, changes) = without_python(&line_in(1));
        finished.assert_code(0);
        matches!(changes[..], [Change::Set(..)]).then_some(())
    });
    assert_eq!(forward, Some(()));
    let refused = (0..20).any(|_| {
        let (finished, changes) = without_python(&line_in(-1));
        finished.code() == 1
            && changes.is_empty()
            && finished.stderr().contains("there is no python3")
    });
    assert!(refused);
}

fn an_input_that_does_not_end_is_refused() {
    // The pipe stays open, because the program holds both of its ends.
    let mut command = Command::new("sh");
    command
        .args(["-c", "\"$@\" <&3", "sh"])
        .arg(program("qubes-sync-clock"))
        .args(["--timeout", "0s"]);
    let mut outer = Command::new("sh");
    let fifo = TempFolder::open_to_all();
    let fifo = fifo.path().join("fifo");
    outer
        .args(["-c", "mkfifo \"$0\" && exec 3<>\"$0\" && exec \"$@\""])
        .arg(&fifo)
        .arg(command.get_program())
        .args(command.get_args());
    let (finished, changes) = Guard::new().run(&outer);
    finished.assert_code(1);
    finished.assert_says("has not arrived completely within 0 s");
    assert_eq!(changes, []);
}

fn a_dry_run_only_says_what_it_would_do() {
    let (finished, changes, _) = synced(b"2030-03-17T17:46:40+00:00", &["--dry-run"]);
    finished.assert_code(0);
    finished.assert_says("would set the clock from ");
    finished.assert_says(" to 2030-03-17T17:46:4");
    assert_eq!(changes, []);
    let (finished, changes, _) = synced(b"tomorrow", &["--dry-run"]);
    finished.assert_code(1);
    assert_eq!(changes, []);
}

/// A qube whose dom0 answers with a script of the test's own.
fn asking(script: &str, options: &[&str]) -> (Finished, Vec<Change>, Duration) {
    let qubes = Qubes::new();
    qubes.add("dom0");
    qubes.set_policy("* * @anyvm @anyvm allow\n* * @anyvm dom0 allow\n");
    qubes.set_service("dom0", "qubes.GetDate", script);
    let mut command = qubes.command(SOURCE, "qvm-sync-clock");
    command.args(options);
    let begin = Instant::now();
    let (finished, changes) = Guard::new().run(&command);
    (finished, changes, begin.elapsed())
}

fn dom0_is_asked_for_the_time() {
    let script = "[ \"$1\" = nanoseconds ] && echo 2030-03-17T17:46:40,250000000+00:00";
    let (finished, changes, took) = asking(script, &[]);
    finished.assert_code(0);
    assert_set(&changes, THEN, 250_000_000, took);
    let (finished, changes, _) = asking(script, &["--dry-run"]);
    finished.assert_code(0);
    assert_eq!(changes, []);
}

fn a_call_that_fails_is_told_with_its_status() {
    // What was said before it failed does not count.
    let (finished, changes, _) = asking("echo 2030-03-17T17:46:40Z; exit 3", &[]);
    finished.assert_code(3);
    finished.assert_says("qvm-sync-clock: cannot ask dom0 for the time: ");
    assert_eq!(changes, []);
    let qubes = Qubes::new();
    qubes.add("dom0");
    qubes.set_policy("* * @anyvm @anyvm deny\n");
    let (finished, changes) = Guard::new().run(&qubes.command(SOURCE, "qvm-sync-clock"));
    finished.assert_code(126);
    assert_eq!(changes, []);
}

fn an_answer_without_end_is_refused() {
    let (finished, changes, _) = asking("yes", &[]);
    finished.assert_code(1);
    finished.assert_says("there is more than one line");
    let late = asking("exec tail -f /dev/null", &["--timeout", "0s"]);
    late.0.assert_code(1);
    late.0.assert_says("within 0 s");
    assert_eq!((changes, late.1), (vec![], vec![]));
}

fn a_quarter_of_an_hour_is_told_and_a_second_is_not() {
    let (finished, _, _) = synced(b"2030-03-17T17:46:40+00:00", &[]);
    finished.assert_says("qubes-sync-clock: the clock was 20");
    finished.assert_says(" and is now 2030-03-17T17:46:4");
    let quiet = (0..20).any(|_| {
        let (finished, _, _) = synced(line_in(3).as_bytes(), &[]);
        finished.code() == 0 && finished.stderr.is_empty()
    });
    assert!(quiet);
}

fn the_service_sets_the_clock_too() {
    let qubes = Qubes::new();
    let called = |service: &str| {
        let mut command = qubes.command_at(SOURCE, Path::new("/bin/sh"));
        command
            .args(["-c", "echo 2030-03-17T17:46:40+0000 | exec \"$@\"", "sh"])
            .arg(program("qrexec-loopback"))
            .args([TARGET, service]);
        let begin = Instant::now();
        let (finished, changes) = Guard::new().run(&command);
        (finished, changes, begin.elapsed())
    };
    let (finished, changes, took) = called("qubes.SetDateTime");
    finished.assert_code(0);
    assert_set(&changes, THEN, 0, took);
    let (finished, changes, _) = called("qubes.SetDateTime+now");
    finished.assert_code(2);
    assert_eq!(changes, []);
}

fn windows_of_linux_have_no_mode() {
    let qubes = Qubes::new();
    for (service, code) in [("qubes.SetGuiMode", 1), ("qubes.SetGuiMode+SEAMLESS", 2)] {
        let mut command = qubes.command_at(SOURCE, Path::new("/bin/sh"));
        command
            .args(["-c", "echo SEAMLESS | exec \"$@\"", "sh"])
            .arg(program("qrexec-loopback"))
            .args([TARGET, service]);
        let finished = qfile_tests::process::run(command);
        finished.assert_code(code);
        finished.assert_says("qubes.SetGuiMode: ");
        assert_eq!(finished.stdout, b"");
    }
}

fn a_time_limit_that_no_clock_can_count_to_is_refused() {
    let options = |name, option, more: &'static [&'static str]| (name, option, more);
    for (name, option, more) in [
        options("qubes-sync-clock", "--timeout", &[]),
        options("qvm-sync-clock", "--timeout", &[]),
        options("qubes-sync-ntp-clock", "--timeout", &[]),
        options("qubes-resize-disk", "--timeout", &[]),
        options("qubes-detach-pci-device", "--timeout", &[]),
        options("qubes-suspend", "--timeout", &["pre"]),
        options("qvm-copy", "--timeout", &["x"]),
        options("qfile-agent", "--verdict-timeout", &["x"]),
    ] {
        for typed in ["18446744073709551615", "366d"] {
            let mut command = Command::new(program(name));
            command.args([option, typed]).args(more);
            let finished = run(command);
            finished.assert_code(2);
            finished.assert_says("give at most 365d");
        }
    }
}

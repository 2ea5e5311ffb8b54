//! Output, options and statuses of the commands.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use qfile_tests::process::{Running, run};
use qfile_tests::qubesdb::{Place, kind};
use qfile_tests::suite;

suite! {
    values_are_printed_with_numbers_for_what_a_terminal_obeys,
    a_missing_key_is_2_and_any_other_failure_1,
    a_default_takes_the_place_of_a_missing_key,
    reading_waits_for_a_key,
    reading_removes_only_what_it_has_read,
    multiread_and_list_print_the_rest_of_the_path,
    multiread_of_a_bad_path_fails_and_ends,
    a_bad_path_does_not_keep_good_ones_from_being_written,
    removing_what_is_not_there_is_no_failure,
    an_odd_number_of_words_is_refused_and_two_dashes_are_taught,
    watching_prints_each_event_at_once,
    watching_goes_on_when_the_daemon_comes_again,
    a_bool_is_told_by_the_status,
    without_a_daemon_every_command_fails,
    a_reader_that_has_seen_enough_hears_no_error,
    in_dom0_a_qube_is_chosen,
    help_is_on_stderr_with_status_0,
    the_daemon_and_its_commands_end_as_their_pages_say,
}

fn values_are_printed_with_numbers_for_what_a_terminal_obeys() {
    let place = Place::new();
    let _daemon = place.alone();
    let mut raw = place.raw();
    assert_eq!(raw.code(kind::WRITE, "/a", b"x\x1b\\\x7f\n\xff"), kind::OK);
    let read = |arguments: &[&str]| {
        let finished = place.run("read", arguments);
        finished.assert_code(0);
        finished.stdout
    };
    assert_eq!(read(&["/a"]), b"x\\x1b\\\x7f\\x0a\\xff\n");
    assert_eq!(read(&["-r", "/a"]), b"x\x1b\\\x7f\n\xff\n");
    assert_eq!(read(&["/a", "-f"]), b"/a = x\\x1b\\\x7f\\x0a\\xff\n");
    assert_eq!(
        read(&["-fr", "/a", "/a"]),
        b"/a = x\x1b\\\x7f\n\xff\n/a = x\x1b\\\x7f\n\xff\n"
    );
}

fn a_missing_key_is_2_and_any_other_failure_1() {
    let place = Place::new();
    let _daemon = place.alone();
    place.run("write", &["/a", "v"]).assert_code(0);
    let read = |arguments: &[&str], code, stdout: &[u8]| {
        let finished = place.run("read", arguments);
        finished.assert_code(code);
        assert_eq!(finished.stdout, stdout, "{arguments:?}");
        finished.stderr()
    };
    assert!(read(&["/none"], 2, b"").starts_with("Failed to read /none"));
    assert_eq!(read(&["-q", "/none"], 2, b""), "");
    read(&["/none", "/a"], 2, b"v\n");
    read(&["/none", "nolead"], 1, b"");
    read(&["nolead", "/none", "/a"], 1, b"v\n");
    read(&["/bad path"], 1, b"");
    read(&[&format!("/{}", "x".repeat(63))], 1, b"");
    let shown = read(&["/\x1b[2J"], 1, b"");
    assert!(!shown.contains('\x1b'), "{shown}");
}

fn a_default_takes_the_place_of_a_missing_key() {
    let place = Place::new();
    let _daemon = place.alone();
    place.run("write", &["/empty", ""]).assert_code(0);
    for (arguments, stdout) in [
        (&["-e", "-5", "/none"][..], &b"-5\n"[..]),
        (&["--default", "v", "/none"], b"v\n"),
        (&["-e", "v", "/empty"], b"\n"),
    ] {
        let finished = place.run("read", arguments);
        finished.assert_code(0);
        assert_eq!(finished.stdout, stdout, "{arguments:?}");
    }
    place
        .run("read", &["-e", "v", "/none", "/empty"])
        .assert_code(1);
}

fn reading_waits_for_a_key() {
    let place = Place::new();
    let _daemon = place.alone();
    let mut raw = place.raw();
    let mut command = place.command("qube", "read", &["-w", "/there", "/later"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    assert_eq!(raw.code(kind::WRITE, "/there", b"1"), kind::OK);
    let mut reading = Running::start(command);
    assert_eq!(raw.code(kind::WRITE, "/later", b"2"), kind::OK);
    let mut stdout = Vec::new();
    reading
        .child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut stdout)
        .unwrap();
    reading.finish().assert_code(0);
    assert_eq!(stdout, b"1\n2\n");
    // It could never be.
    place.run("read", &["-w", "/folder/"]).assert_code(1);
    place.run("read", &["-w", "nolead"]).assert_code(1);
}

fn reading_removes_only_what_it_has_read() {
    let place = Place::new();
    let _daemon = place.alone();
    place
        .run("write", &["/a/1", "1", "/a/2", "2"])
        .assert_code(0);
    place.run("read", &["-x", "/a/"]).assert_code(2);
    let finished = place.run("read", &["-x", "/a/1", "/a/3"]);
    finished.assert_code(2);
    assert_eq!(finished.stdout, b"1\n");
    assert_eq!(place.run("list", &["-f", "/"]).stdout, b"/a/2\n");
}

fn multiread_and_list_print_the_rest_of_the_path() {
    let place = Place::new();
    let _daemon = place.alone();
    place
        .run("write", &["/a/b", "1", "/ab", "2", "/a", "\t"])
        .assert_code(0);
    for (name, arguments, stdout) in [
        ("multiread", &["/a"][..], " = \\x09\n/b = 1\nb = 2\n"),
        ("multiread", &["/a/", "/ab"], "b = 1\n = 2\n"),
        ("multiread", &["-f", "/a/"], "/a/b = 1\n"),
        ("multiread", &["-r", "/none", "/a/"], "b = 1\n"),
        ("multiread", &["/none"], ""),
        ("list", &["/a"], "\n/b\nb\n"),
        ("list", &["-f", "/a/"], "/a/b\n"),
        ("list", &["/none"], ""),
    ] {
        let finished = place.run(name, arguments);
        finished.assert_code(0);
        assert_eq!(
            String::from_utf8(finished.stdout).unwrap(),
            stdout,
            "{name} {arguments:?}"
        );
    }
    place.run("list", &["/a", "/b"]).assert_code(1);
}

fn multiread_of_a_bad_path_fails_and_ends() {
    let place = Place::new();
    let _daemon = place.alone();
    place.run("write", &["/a", "v"]).assert_code(0);
    let finished = place.run("multiread", &["/bad path", "-f", "/a"]);
    finished.assert_code(1);
    assert_eq!(finished.stdout, b"/a = v\n");
    place.run("list", &["/b\u{e9}"]).assert_code(1);
}

fn a_bad_path_does_not_keep_good_ones_from_being_written() {
    let place = Place::new();
    let _daemon = place.alone();
    let long = "x".repeat(3072);
    let finished = place.run(
        "write",
        &["/bad/", "v", "nolead", "v", "/long", &long, "/good", "w"],
    );
    finished.assert_code(1);
    for path in ["/bad/", "nolead", "/long"] {
        finished.assert_says(&format!("Failed to write {path}"));
    }
    assert_eq!(place.run("multiread", &["-f", "/"]).stdout, b"/good = w\n");
    place.run("write", &["/long", &long[1..]]).assert_code(0);
}

fn removing_what_is_not_there_is_no_failure() {
    let place = Place::new();
    let _daemon = place.alone();
    place
        .run("write", &["/a", "", "/a/b", "", "/c", ""])
        .assert_code(0);
    place.run("rm", &["/none", "/a/", "/none/"]).assert_code(0);
    assert_eq!(place.run("list", &["-f", "/"]).stdout, b"/a\n/c\n");
    place.run("rm", &["/bad path", "/c"]).assert_code(1);
    assert_eq!(place.run("list", &["-f", "/"]).stdout, b"/a\n");
}

fn an_odd_number_of_words_is_refused_and_two_dashes_are_taught() {
    let place = Place::new();
    let _daemon = place.alone();
    place.run("write", &["/a", "v", "/b"]).assert_code(1);
    let finished = place.run("write", &["/a", "-5"]);
    finished.assert_code(1);
    finished.assert_says("write -- before it");
    place.run("write", &["--", "/a", "-5"]).assert_code(0);
    assert_eq!(place.run("multiread", &["-f", "/"]).stdout, b"/a = -5\n");
}

fn watching_prints_each_event_at_once() {
    let place = Place::new();
    let _daemon = place.alone();
    let mut command = place.command("qube", "watch", &["-n", "4", "/e/", "/e/1"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut watching = Running::start(command);
    let mut stdout = BufReader::new(watching.child.stdout.take().unwrap());
    let mut raw = place.raw();
    let mut line = String::new();
    // Until it watches, nothing is seen: one key is written again and again.
    let first = std::thread::spawn(move || {
        stdout.read_line(&mut line).unwrap();
        (line, stdout)
    });
    while !first.is_finished() {
        assert_eq!(raw.code(kind::WRITE, "/e/0", b""), kind::OK);
        std::thread::yield_now();
    }
    let (line, _stdout) = first.join().unwrap();
    assert_eq!(line, "/e/0\n");
    watching.child.kill().unwrap();
    let _killed = watching.finish();
    place.run("watch", &["-n", "0", "/e/"]).assert_code(0);
    place.run("watch", &["nolead"]).assert_code(1);
}

fn watching_goes_on_when_the_daemon_comes_again() {
    let place = Place::new();
    let mut daemon = place.alone();
    let mut command = place.command("qube", "watch", &["-n", "-1", "/e/"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut watching = Running::start(command);
    let mut stdout = BufReader::new(watching.child.stdout.take().unwrap());
    let (lines, seen) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        let mut line = String::new();
        while stdout.read_line(&mut line).unwrap() > 0 {
            lines.send(std::mem::take(&mut line)).unwrap();
        }
    });
    for round in 0..3 {
        let path = format!("/e/{round}");
        // Until it watches, nothing is seen.
        let mut raw = place.raw();
        let line = format!("{path}\n");
        while !seen.try_iter().any(|seen| seen == line) {
            assert_eq!(raw.code(kind::WRITE, &path, b""), kind::OK);
            std::thread::yield_now();
        }
        match round {
            // Killed: its sockets are left behind.
            0 => daemon.kill(),
            1 => assert_eq!(daemon.stop().0, Some(0)),
            _ => break,
        }
        daemon = place.alone();
    }
    watching.child.kill().unwrap();
    let said = watching.finish().stderr();
    reading.join().unwrap();
    let lost = said.matches("the connection was lost and made again");
    assert_eq!(lost.count(), 2, "{said}");
}

fn a_bool_is_told_by_the_status() {
    let place = Place::new();
    let _daemon = place.alone();
    place
        .run("write", &["/empty", "", "/zero", "0"])
        .assert_code(0);
    for (arguments, code) in [
        (&["/zero"][..], 0),
        (&["/empty"], 1),
        (&["/none"], 2),
        (&["/none", "0"], 0),
        (&["/none", "17"], 17),
        (&["/empty", "17"], 1),
        (&[], 3),
        (&["nolead"], 3),
        (&["/none", "x"], 3),
        (&["/a", "1", "2"], 3),
    ] {
        place.run("read-bool", arguments).assert_code(code);
    }
}

fn without_a_daemon_every_command_fails() {
    let place = Place::new();
    for (name, arguments) in [
        ("read", &["/a"][..]),
        ("multiread", &["/a"]),
        ("list", &["/a"]),
        ("write", &["/a", "v"]),
        ("rm", &["/a"]),
        ("watch", &["/a"]),
    ] {
        let finished = place.run(name, arguments);
        finished.assert_code(1);
        finished.assert_says("Failed connect to local daemon");
        finished.assert_says("qubesdb.sock\"\n");
        finished.assert_says(": start the daemon, or set QUBESDB_DIR");
    }
    let finished = place.run("read-bool", &["/a", "0"]);
    finished.assert_code(3);
    finished.assert_says("qubesdb.sock\"\n");
    finished.assert_says("qubesdb-read-bool: start the daemon, or set QUBESDB_DIR");
}

fn a_reader_that_has_seen_enough_hears_no_error() {
    let place = Place::new();
    let _daemon = place.alone();
    let path = |number| format!("/{number:0>60}");
    let mut raw = place.raw();
    for number in 0..100 {
        let value = [b'v'; 3000];
        assert_eq!(raw.code(kind::WRITE, &path(number), &value), kind::OK);
    }
    let (reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
    drop(reader);
    let mut command = place.command("qube", "multiread", &["/"]);
    command
        .stdin(Stdio::null())
        .stdout(std::os::fd::OwnedFd::from(writer));
    let finished = Running::start(command).finish();
    finished.assert_code(1);
    assert_eq!(finished.stderr(), "");
    let mut command = place.command("qube", "multiread", &["/"]);
    command.stdin(Stdio::null()).stdout(
        std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap(),
    );
    let finished = Running::start(command).finish();
    finished.assert_code(1);
    finished.assert_says("Failed to write to stdout: ");
}

fn in_dom0_a_qube_is_chosen() {
    let place = Place::new();
    let _work = place.dom0();
    let _own = place.start("dom0", 0, &["0", "dom0"]);
    let run_in_dom0 = |name, arguments: &[&str]| run(place.command("dom0", name, arguments));
    run_in_dom0("write", &["/a", "own"]).assert_code(0);
    run_in_dom0("write", &["-d", "work", "/a", "of work"]).assert_code(0);
    assert_eq!(run_in_dom0("read", &["/a"]).stdout, b"own\n");
    assert_eq!(
        run_in_dom0("read", &["/a", "-d", "work"]).stdout,
        b"of work\n"
    );
    assert_eq!(run_in_dom0("read", &["/a", "-d", "dom0"]).stdout, b"own\n");
    run_in_dom0("read", &["-d", "none-such", "/a"]).assert_code(1);
    run_in_dom0("read", &["-d", "../work", "/a"]).assert_code(1);
}

fn help_is_on_stderr_with_status_0() {
    let place = Place::new();
    for name in ["read", "multiread", "list", "write", "rm", "watch"] {
        for arguments in [&[][..], &["-h"]] {
            let finished = place.run(name, arguments);
            finished.assert_code(0);
            assert_eq!(finished.stdout, b"");
            finished.assert_says(&format!("Usage: qubesdb-{name}"));
        }
    }
    for arguments in [&[][..], &["-c", "none", "/a"]] {
        let finished = place.run("cmd", arguments);
        finished.assert_code(0);
        finished.assert_says("Usage: qubesdb-cmd");
    }
    let _daemon = place.alone();
    place.run("cmd", &["-c", "write", "/a", "v"]).assert_code(0);
    assert_eq!(place.run("cmd", &["-c", "read", "/a"]).stdout, b"v\n");
    place.run("read", &["-n", "1", "/a"]).assert_code(1);
    place.run("list", &["-w", "/a"]).assert_code(1);
}

/// The daemon's rows; those of the commands are above.
fn the_daemon_and_its_commands_end_as_their_pages_say() {
    let place = Place::new();
    assert_eq!(place.alone().stop().0, Some(0));
    for (arguments, code) in [
        (&["--no-such-option"][..], 2),
        (&["x"], 2),
        (&["--help"], 0),
    ] {
        run(place.daemon_command("qube", 0, arguments)).assert_code(code);
    }
    let mut command = place.daemon_command("qube", 0, &["--foreground", "5", "work"]);
    command.env("VCHAN_SOCKET_DIR", place.sockets("none"));
    let finished = run(command);
    finished.assert_code(1);
    finished.assert_says("cannot make the link");
}

//! `qubes-set-monitor-layout` and a real X server, whose driver has outputs without monitors. `xrandr`
//! judges what it has set. Run by `make test-desktop`.

use std::fs::{self, File};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use qfile_tests::changes::until;
use qfile_tests::fifo;
use qfile_tests::process::{Finished, Running, wrapped_in};
use qfile_tests::programs::{opened_program, program, rpc_folder};
use qfile_tests::receiver::needs_strace;
use qfile_tests::suite;
use qfile_tests::tree::TempFolder;
use qfile_tests::user::{in_private_mounts, mount_tmpfs, needs_private_mounts};
use qfile_tests::x_server::{XServer, given, key, needs_xorg, needs_xvfb};
use rustix::process::{Pid, Signal, kill_process};
use x11rb::protocol::xproto::ConnectionExt as _;

suite! {
    lines_become_monitors [needs_xorg],
    a_mode_has_exactly_the_size_that_was_asked_for [needs_xorg],
    the_mode_of_another_program_with_a_wrong_width_is_not_used [needs_xorg],
    a_size_in_mm_that_is_not_told_any_more_is_forgotten [needs_xorg],
    a_monitor_stays_where_it_was_asked_for [needs_xorg],
    what_is_no_layout_changes_nothing [needs_xorg],
    a_layout_that_the_server_cannot_show_changes_nothing [needs_xorg],
    columns_of_later_protocols_are_passed_over [needs_xorg],
    the_same_layout_again_changes_nothing [needs_xorg],
    sixteen_monitors_can_be_set_and_taken_away [needs_xorg],
    the_service_starts_the_program [needs_xorg],
    the_screen_keeps_its_pixels_to_the_inch [needs_xorg],
    a_signal_leaves_no_part_of_a_layout [needs_xorg, needs_strace],
    an_earlier_call_that_comes_late_changes_nothing [needs_xorg, needs_strace],
    a_server_that_another_program_has_grabbed_is_not_waited_for_without_end [needs_xorg, needs_strace],
    a_server_that_stops_during_the_change_is_told [needs_xorg, needs_strace],
    a_key_that_is_written_late_is_waited_for [needs_xvfb],
    a_server_without_such_outputs_is_told [needs_xvfb],
    a_server_that_does_not_answer_is_not_waited_for_without_end [needs_private_mounts],
    the_server_of_the_session_is_waited_for_and_a_gui_qube_has_another [needs_xvfb, needs_private_mounts],
}

fn set(server: &XServer, lines: &str) -> Finished {
    given(server.setting_monitors(), lines)
}

/// Fails the test unless a layout is set, and nothing is said about it.
#[track_caller]
fn assert_set(server: &XServer, lines: &str, layout: &[&str]) {
    let done = set(server, lines);
    done.assert_code(0);
    assert_eq!(done.stderr(), "");
    assert_eq!(server.layout(), layout, "{lines:?}");
}

/// Fails the test unless lines are refused for this reason, and change nothing.
#[track_caller]
fn assert_refused(server: &XServer, lines: &str, why: &str) {
    let told = || (server.layout(), server.xrandr(&["--verbose"]));
    let (layout, before) = told();
    let done = set(server, lines);
    assert_eq!(done.code(), 1, "{lines:?}");
    done.assert_says(why);
    let (layout_after, after) = told();
    assert_eq!(layout_after, layout, "{lines:?}");
    let (before, after) = (before.lines(), after.lines());
    let changed = before.clone().zip(after.clone()).find(|(before, after)| {
        let is_time = before.contains("Timestamp:");
        !is_time && before != after
    });
    assert_eq!(changed, None, "{lines:?}");
    assert_eq!(after.count(), before.count(), "{lines:?}");
}

fn lines_become_monitors() {
    let server = XServer::with_dummy_outputs();
    assert_set(
        &server,
        "1920 1080 0 0 510 290\n1280 1024 1920 56 340 270\n",
        &[
            "3200x1080",
            "DUMMY0 1920x1080+0+0 510x290",
            "DUMMY1 1280x1024+1920+56 340x270",
        ],
    );
    // The last line may lack its newline. The second monitor is gone.
    assert_set(
        &server,
        "1280 800 0 0",
        &["1280x800", "DUMMY0 1280x800+0+0 0x0"],
    );
    // The first one comes to lie to the right of the second.
    assert_set(
        &server,
        "800 600 1024 0\n1024 768 0 0\n",
        &[
            "1824x768",
            "DUMMY0 800x600+1024+0 0x0",
            "DUMMY1 1024x768+0+0 0x0",
        ],
    );
    assert_eq!(server.modes(), ["QB800x600", "QB1024x768"]);
}

fn a_mode_has_exactly_the_size_that_was_asked_for() {
    let server = XServer::with_dummy_outputs();
    assert_set(
        &server,
        "1366 768 0 0\n",
        &["1366x768", "DUMMY0 1366x768+0+0 0x0"],
    );
    // One name is a part of the other.
    assert_set(
        &server,
        "1280 1024 0 0\n",
        &["1280x1024", "DUMMY0 1280x1024+0+0 0x0"],
    );
    assert_set(
        &server,
        "1280 102 0 0\n",
        &["1280x102", "DUMMY0 1280x102+0+0 0x0"],
    );
    assert_set(&server, "64 64 0 0\n", &["64x64", "DUMMY0 64x64+0+0 0x0"]);
    assert_set(
        &server,
        "1367 1001 0 0\n",
        &["1367x1001", "DUMMY0 1367x1001+0+0 0x0"],
    );
    // Those of the earlier layouts are gone.
    assert_eq!(server.modes(), ["QB1367x1001"]);
}

/// As the original makes it of `1366 768`: 1368 pixels wide.
fn the_mode_of_another_program_with_a_wrong_width_is_not_used() {
    let server = XServer::with_dummy_outputs();
    let timings = "85.25 1368 1440 1576 1784 768 771 781 798 -hsync +vsync";
    let mode: Vec<&str> = ["--newmode", "QB1366x768"]
        .into_iter()
        .chain(timings.split(' '))
        .collect();
    server.xrandr(&mode);
    server.xrandr(&["--addmode", "DUMMY0", "QB1366x768"]);
    server.xrandr(&["--output", "DUMMY0", "--mode", "QB1366x768"]);
    assert_eq!(server.layout()[0], "1368x768");
    assert_set(
        &server,
        "1366 768 0 0\n",
        &["1366x768", "DUMMY0 1366x768+0+0 0x0"],
    );
    assert_eq!(server.modes(), ["QB1366x768-exact"]);
    assert_set(
        &server,
        "640 480 0 0\n",
        &["640x480", "DUMMY0 640x480+0+0 0x0"],
    );
    assert_set(
        &server,
        "1366 768 0 0\n",
        &["1366x768", "DUMMY0 1366x768+0+0 0x0"],
    );
    assert_eq!(server.modes(), ["QB1366x768"]);
}

fn a_size_in_mm_that_is_not_told_any_more_is_forgotten() {
    let server = XServer::with_dummy_outputs();
    assert_set(
        &server,
        "640 480 0 0 300 200\n640 480 640 0 310 210\n",
        &[
            "1280x480",
            "DUMMY0 640x480+0+0 300x200",
            "DUMMY1 640x480+640+0 310x210",
        ],
    );
    assert_set(
        &server,
        "640 480 0 0\n640 480 640 0 310 211\n",
        &[
            "1280x480",
            "DUMMY0 640x480+0+0 0x0",
            "DUMMY1 640x480+640+0 310x211",
        ],
    );
    assert_set(
        &server,
        "640 480 0 0\n",
        &["640x480", "DUMMY0 640x480+0+0 0x0"],
    );
    // Not even that of the output that was off meanwhile is there again.
    server.xrandr(&["--output", "DUMMY1", "--auto", "--pos", "640x0"]);
    let layout = server.layout();
    assert!(layout[2].ends_with(" 0x0"), "{layout:?}");
}

fn a_monitor_stays_where_it_was_asked_for() {
    let server = XServer::with_dummy_outputs();
    assert_set(
        &server,
        "640 480 100 50\n",
        &["740x530", "DUMMY0 640x480+100+50 0x0"],
    );
    assert_refused(
        &server,
        "640 480 -100 0\n",
        "line 1: the place from the left is \"-100\"",
    );
}

fn what_is_no_layout_changes_nothing() {
    let server = XServer::with_dummy_outputs();
    assert_set(
        &server,
        "1366 768 0 0 310 170\n",
        &["1366x768", "DUMMY0 1366x768+0+0 310x170"],
    );
    let seventeen = "640 480 0 0\n".repeat(17);
    for (lines, why) in [
        ("", "this is no layout of monitors: there is no line"),
        ("\n", "there is no line"),
        ("a b c d\n", "line 1: the width is \"a\""),
        (
            "640 480 0 0\n640 480 x 0\n",
            "line 2: the place from the left is \"x\"",
        ),
        ("640 480 0\n", "line 1: it does not have the four numbers"),
        ("0 0 0 0\n", "the width is 0, and not 64 to 32767"),
        ("640 480 0 0 a b\n", "the width in mm is \"a\""),
        ("640 480 0 0 1 b 7\n", "the height in mm is \"b\""),
        (
            "640 480 32500 0\n",
            "does not lie within 32767 x 32767 pixels",
        ),
        ("640 480 0 0 \u{1b}[31m 1\n", "the width in mm is \"_[31m\""),
        (&seventeen, "more than 16 lines"),
        (&"1".repeat(5000), "more than 4096 bytes"),
    ] {
        assert_refused(&server, lines, why);
    }
}

/// RandR promises 32767 x 32767 pixels, which the card does not have.
fn a_layout_that_the_server_cannot_show_changes_nothing() {
    let server = XServer::with_dummy_outputs();
    assert_set(
        &server,
        "1366 768 0 0 310 170\n640 480 1366 0\n",
        &[
            "2006x768",
            "DUMMY0 1366x768+0+0 310x170",
            "DUMMY1 640x480+1366+0 0x0",
        ],
    );
    for lines in [
        "20000 20000 0 0\n",
        "32767 32767 0 0 500 500\n",
        "640 480 0 0\n640 480 640 0\n640 480 32000 32000\n",
    ] {
        assert_refused(&server, lines, "cannot make the screen ");
        let done = set(&server, lines);
        done.assert_says("the X server refuses it: Bad");
        done.assert_says("qubes-set-monitor-layout: the monitors are as they were\n");
    }
    assert_eq!(server.modes(), ["QB1366x768", "QB640x480"]);
}

fn columns_of_later_protocols_are_passed_over() {
    let server = XServer::with_dummy_outputs();
    assert_set(
        &server,
        "640 480 0 0 300 200\n",
        &["640x480", "DUMMY0 640x480+0+0 300x200"],
    );
    assert_set(
        &server,
        "800 600 0 0 word\n",
        &["800x600", "DUMMY0 800x600+0+0 0x0"],
    );
    assert_set(
        &server,
        "640 480 0 0 300 200 seventh and eighth\n",
        &["640x480", "DUMMY0 640x480+0+0 300x200"],
    );
}

/// Not even for a moment: everything on the screen would be told of it.
fn the_same_layout_again_changes_nothing() {
    const LINES: &str = "1366 768 0 0 310 170\n640 480 1366 0\n";
    let server = XServer::with_dummy_outputs();
    set(&server, LINES).assert_code(0);
    let before = server.xrandr(&["--verbose"]);
    assert!(before.contains("Timestamp:"));
    set(&server, LINES).assert_code(0);
    assert_eq!(server.xrandr(&["--verbose"]), before);
}

fn sixteen_monitors_can_be_set_and_taken_away() {
    let server = XServer::with_dummy_outputs();
    let lines: String = (0..16)
        .map(|at| format!("{} 64 {} 0\n", 64 + at, at * 100))
        .collect();
    set(&server, &lines).assert_code(0);
    let layout = server.layout();
    assert_eq!(layout.len(), 17);
    assert_eq!(layout[16], "DUMMY15 79x64+1500+0 0x0");
    assert_set(&server, "64 64 0 0\n", &["64x64", "DUMMY0 64x64+0+0 0x0"]);
}

fn the_service_starts_the_program() {
    let server = XServer::with_dummy_outputs();
    let service = rpc_folder().join("qubes.SetMonitorLayout");
    let libdir = program("qubes-set-monitor-layout");
    let mut command = Command::new("sh");
    command
        .arg(service)
        .env("QFILE_LIBDIR", libdir.parent().unwrap())
        .stdout(Stdio::null());
    // The service itself names no server. This is about what it starts, and that it takes no argument.
    let done = given(command, "no layout\n");
    done.assert_code(1);
    done.assert_says("qubes-set-monitor-layout: this is no layout of monitors: line 1");
    assert_eq!(server.layout(), ["1024x768", "DUMMY0 1024x768+0+0 0x0"]);
}

/// Programs choose the size of their letters by them.
fn the_screen_keeps_its_pixels_to_the_inch() {
    let server = XServer::with_dummy_outputs();
    set(&server, "1920 1080 0 0 510 290\n").assert_code(0);
    assert_eq!(server.mm(), [510, 290]);
    set(&server, "1920 1080 0 0 520 290\n640 480 1920 0 1 1\n").assert_code(0);
    assert_eq!(server.mm(), [693, 290]);
    set(&server, "960 540 0 0\n").assert_code(0);
    assert_eq!(server.mm(), [260, 145]);
    set(&server, "20000 20000 0 0\n").assert_code(1);
    assert_eq!(server.mm(), [260, 145]);
}

/// The program, run by strace. It gets the signal when it calls one of `calls` for the `when`-th time.
fn traced(server: &XServer, calls: &str, signal: &str, when: u32) -> Command {
    let log = server.folder().join("trace");
    let log = log.to_str().unwrap();
    let trace = format!("trace={calls}");
    let inject = format!("inject={calls}:signal={signal}:when={when}");
    let strace = ["strace", "-o", log, "-e", &trace, "-e", &inject];
    let mut command = wrapped_in(&strace, &server.setting_monitors());
    command.stdout(Stdio::null());
    command
}

fn a_signal_leaves_no_part_of_a_layout() {
    const BEFORE: &str = "640 480 0 0\n";
    const AFTER: &str = "800 600 0 0\n700 500 800 0\n";
    let server = XServer::with_dummy_outputs();
    set(&server, AFTER).assert_code(0);
    let after = server.layout();
    set(&server, BEFORE).assert_code(0);
    let before = server.layout();
    let mut ended_after = 0;
    // It waits some 1300 times.
    for when in (1..3000).step_by(77) {
        let signal = ["TERM", "INT", "HUP"][when as usize % 3];
        let done = given(traced(&server, "poll,ppoll", signal, when), AFTER);
        let layout = server.layout();
        if done.status.success() {
            assert_eq!(layout, after, "{signal} at {when} did not come");
            assert!(when > 500, "{when}");
            break;
        }
        assert!(done.code() > 128, "{when}: {done:?}");
        match layout == after {
            true => ended_after += 1,
            false => assert_eq!(layout, before, "{signal} at {when}"),
        }
        set(&server, BEFORE).assert_code(0);
    }
    assert!(ended_after > 3, "{ended_after}");
}

/// A program that strace has stopped at a call.
struct Stopped {
    strace: Running,
    program: Pid,
}

impl Stopped {
    fn start(server: &XServer, calls: &str, when: u32, options: &[&str], lines: &str) -> Self {
        fs::write(server.folder().join("lines"), lines).unwrap();
        let mut command = traced(server, calls, "STOP", when);
        let log = server.folder().join("trace");
        command
            .args(options)
            .stdin(File::open(server.folder().join("lines")).unwrap());
        let strace = Running::start(command);
        let is_stopped = || {
            let log = fs::read_to_string(&log).unwrap_or_default();
            log.contains("stopped by SIGSTOP")
        };
        until(server.folder(), is_stopped);
        let strace_is = strace.child.id();
        let children = fs::read_to_string(format!("/proc/{strace_is}/task/{strace_is}/children"));
        let program = children.unwrap().trim().parse().unwrap();
        let program = Pid::from_raw(program).unwrap();
        Self { strace, program }
    }

    fn go_on(self) -> Finished {
        kill_process(self.program, Signal::CONT).unwrap();
        self.strace.finish()
    }
}

fn an_earlier_call_that_comes_late_changes_nothing() {
    let server = XServer::with_dummy_outputs();
    let earlier = Stopped::start(&server, "connect", 1, &[], "640 480 0 0\n");
    set(&server, "800 600 0 0\n").assert_code(0);
    let done = earlier.go_on();
    done.assert_code(0);
    done.assert_says("qubes-set-monitor-layout: this layout is not set: a later call was made\n");
    assert_eq!(server.layout(), ["800x600", "DUMMY0 800x600+0+0 0x0"]);
    // Those that are made now are set.
    assert_set(
        &server,
        "640 480 0 0\n",
        &["640x480", "DUMMY0 640x480+0+0 0x0"],
    );
}

fn a_server_that_another_program_has_grabbed_is_not_waited_for_without_end() {
    let server = XServer::with_dummy_outputs();
    let (connection, _) = server.connect();
    // It has connected, and asks its first question.
    let wait = ["--wait", "3s"];
    let stopped = Stopped::start(
        &server,
        "sendmsg,writev,write,sendto",
        2,
        &wait,
        "640 480 0 0\n",
    );
    connection.grab_server().unwrap().check().unwrap();
    let done = stopped.go_on();
    done.assert_code(1);
    done.assert_says("it does not answer");
    connection.ungrab_server().unwrap().check().unwrap();
    assert_eq!(server.layout(), ["1024x768", "DUMMY0 1024x768+0+0 0x0"]);
}

fn a_server_that_stops_during_the_change_is_told() {
    let server = XServer::with_dummy_outputs();
    let stopped = Stopped::start(
        &server,
        "poll,ppoll",
        700,
        &["--wait", "5s"],
        "640 480 0 0\n",
    );
    server.signal(Signal::STOP);
    let done = stopped.go_on();
    server.signal(Signal::CONT);
    done.assert_code(1);
    done.assert_says("the X server did not answer in time, and the connection was cut");
    // The server is nobody's any more.
    assert_set(
        &server,
        "640 480 0 0\n",
        &["640x480", "DUMMY0 640x480+0+0 0x0"],
    );
}

/// The X server refuses who has no key yet.
fn a_key_that_is_written_late_is_waited_for() {
    let server = XServer::with_key();
    let [at, written] = ["authority", "written"].map(|name| server.folder().join(name));
    fifo::make(&at);
    fs::write(&written, key()).unwrap();
    let mut command = server.setting_monitors();
    fs::write(server.folder().join("lines"), "640 480 0 0\n").unwrap();
    command
        .env("XAUTHORITY", &at)
        .stdin(File::open(server.folder().join("lines")).unwrap());
    let waiting = Running::start(command);
    // It reads an empty file now, and the key the next time.
    let empty = fifo::once_it_is_read(&at);
    fs::rename(&written, &at).unwrap();
    drop(empty);
    let done = waiting.finish();
    done.assert_code(1);
    done.assert_says("the X server has 0 of the outputs");
    // Without a key, the reason of the server is told in one line.
    let mut command = server.setting_monitors();
    command
        .args(["--wait", "200ms"])
        .env("XAUTHORITY", "/dev/null");
    let done = given(command, "640 480 0 0\n");
    done.assert_code(1);
    done.assert_says(&format!(
        "cannot connect to the X server {}: it refuses this program: Authorization required",
        server.display()
    ));
    assert_eq!(done.stderr().lines().count(), 2);
}

fn a_server_without_such_outputs_is_told() {
    let server = XServer::virtual_screen();
    let done = set(&server, "640 480 0 0\n");
    done.assert_code(1);
    done.assert_says("cannot set 1 monitors: the X server has 0 of the outputs DUMMY0, DUMMY1, …");
}

/// The folder of the sockets is this test's own.
fn a_server_that_does_not_answer_is_not_waited_for_without_end() {
    let folder = TempFolder::new();
    fs::write(folder.path().join("lines"), "640 480 0 0\n").unwrap();
    let file = || File::open(folder.path().join("lines")).unwrap();
    let files = [file(), file()];
    let (_opened, set_monitor_layout) = opened_program("qubes-set-monitor-layout");
    in_private_mounts(|| {
        mount_tmpfs(Path::new("/tmp"), 1 << 20, "");
        fs::create_dir("/tmp/.X11-unix").unwrap();
        let _silent = UnixListener::bind("/tmp/.X11-unix/X5").unwrap();
        let displays = [
            (":5", "it does not answer"),
            (":6", "No such file or directory"),
        ];
        for (file, (display, why)) in files.into_iter().zip(displays) {
            let mut command = Command::new(&set_monitor_layout);
            command
                .args(["--wait", "1s", "--display", display])
                .stdin(file)
                .stdout(Stdio::null());
            let done = Running::start(command).finish();
            done.assert_code(1);
            let said = format!("cannot connect to the X server {display}: {why}");
            done.assert_says(&said);
        }
    });
}

/// Where these servers are reached belongs to this test alone: a folder for sockets, and a network, to
/// which abstract sockets belong. Else the monitors of whoever runs it could be changed.
fn the_server_of_the_session_is_waited_for_and_a_gui_qube_has_another() {
    let start = |number: &str| {
        let mut command = Command::new("Xvfb");
        command.args([
            number,
            "-noreset",
            "-nolisten",
            "tcp",
            "-screen",
            "0",
            "64x64x24",
        ]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let lines = TempFolder::new();
    fs::write(lines.path().join("lines"), "640 480 0 0\n").unwrap();
    let file = || File::open(lines.path().join("lines")).unwrap();
    let files = [file(), file()];
    let (_opened, set_monitor_layout) = opened_program("qubes-set-monitor-layout");
    in_private_mounts(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        for folder in ["/tmp", "/run"] {
            mount_tmpfs(Path::new(folder), 8 << 20, ",mode=1777");
        }
        fs::create_dir_all("/run/qubes-service").unwrap();
        for (file, number) in files.into_iter().zip([":0", ":1"]) {
            if number == ":1" {
                fs::write("/run/qubes-service/guivm-gui-agent", "").unwrap();
            }
            let mut command = Command::new(&set_monitor_layout);
            // The variable of the session does not count.
            command
                .env("DISPLAY", ":7")
                .stdin(file)
                .stdout(Stdio::null());
            let waiting = Running::start(command);
            let mut server = start(number);
            let done = waiting.finish();
            server.kill().unwrap();
            server.wait().unwrap();
            done.assert_code(1);
            done.assert_says("the X server has 0 of the outputs");
        }
    });
}

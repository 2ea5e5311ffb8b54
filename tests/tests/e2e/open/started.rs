//! How opening is asked for, and how its end is told to whoever can see it: on stderr, or in a window where
//! there is no terminal.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use qfile_tests::cannot_run::needs_program;
use qfile_tests::editing::{Editing, NAME, NEW, OLD, UNTIL_THE_END};
use qfile_tests::fifo;
use qfile_tests::framed::{CHANGED, framed};
use qfile_tests::peer::Joint;
use qfile_tests::process::{Finished, Running, run, wrapped_in};
use qfile_tests::qubes::TARGET;
use qfile_tests::suite;
use rustix::process::{Pid, Signal, kill_process};

suite! {
    a_file_alone_is_opened_where_dom0_says,
    an_address_alone_is_opened_where_dom0_says,
    a_file_address_is_a_path,
    a_file_address_of_another_machine_is_refused_before_anybody_is_called,
    schemes_are_known_in_any_letter_case,
    an_option_that_is_given_twice_is_given_once,
    a_caller_that_ends_first_says_that_the_editor_may_be_open,
    a_local_program_that_ends_first_says_that_the_editor_may_be_open,
    a_lost_connection_says_that_the_editor_may_be_open,
    a_failure_without_a_terminal_is_shown_in_a_window [needs_setsid],
    the_window_is_not_waited_for [needs_setsid],
    where_there_is_no_failure_no_window_is_shown [needs_setsid],
    where_no_window_is_wanted_none_is_shown [needs_setsid],
    with_a_terminal_no_window_is_shown [needs_script],
    a_signal_shows_no_window [needs_setsid],
}

fn needs_setsid() -> Result<(), String> {
    needs_program("setsid")
}

fn needs_script() -> Result<(), String> {
    needs_program("script")
}

const MAY_BE_OPEN: &str = "the editor may still be open in the other qube";

/// An edit of the file comes back from the qube that dom0 chooses.
fn with_an_edit() -> Editing {
    let editing = Editing::new();
    let to_target = "* * @anyvm @default allow target=vault\n* * @anyvm @anyvm allow\n";
    fs::write(editing.elsewhere("policy.d/30-test.policy"), to_target).unwrap();
    editing.answers(&framed(CHANGED, NEW));
    editing
}

fn opened(editing: &Editing, command: &str, arguments: &[&str]) -> Finished {
    let mut command = editing.command(command);
    command.args(arguments);
    run(command)
}

#[track_caller]
fn assert_quiet(opened: &Finished) {
    opened.assert_code(0);
    assert_eq!(
        (opened.stderr(), &opened.stdout[..]),
        (String::new(), &b""[..])
    );
}

fn a_file_alone_is_opened_where_dom0_says() {
    for arguments in [&[NAME][..], &["--", NAME], &["--gui", "--", NAME]] {
        let editing = with_an_edit();
        assert_quiet(&opened(&editing, "qvm-open-in-vm", arguments));
        editing.assert_only(NEW);
    }
}

/// An editor that says what it was started with.
fn says_arguments(editing: &Editing) {
    editing.editor("printf '<%s>' \"$@\" > \"$WORK/opened\"");
}

#[track_caller]
fn assert_opened(editing: &Editing, address: &str) {
    let arguments = fs::read_to_string(editing.elsewhere("opened")).unwrap();
    assert_eq!(arguments, format!("<{address}>"));
}

fn an_address_alone_is_opened_where_dom0_says() {
    let editing = with_an_edit();
    says_arguments(&editing);
    assert_quiet(&opened(&editing, "qvm-open-in-vm", &["https://x/y"]));
    assert_opened(&editing, "https://x/y");
}

fn a_file_address_is_a_path() {
    for (name, encoded) in [
        ("a b.txt", "a%20b.txt"),
        ("100%#é.txt", "100%25%23%C3%A9.txt"),
    ] {
        let editing = Editing::with(Path::new(name), OLD);
        editing.answers(&framed(CHANGED, NEW));
        editing.editor("echo 'new content' > \"$1\"");
        let folder = editing.file().parent().unwrap().to_str().unwrap();
        for begin in ["file://", "FILE://", "file://localhost"] {
            let address = format!("{begin}{folder}/{encoded}");
            fs::write(editing.file(), OLD).unwrap();
            assert_quiet(&opened(&editing, "qvm-open-in-vm", &[TARGET, &address]));
            editing.assert_only(NEW);
            fs::write(editing.file(), OLD).unwrap();
            assert_quiet(&opened(&editing, "qvm-open-in-dvm", &[&address]));
            editing.assert_only(NEW);
        }
    }
}

fn a_file_address_of_another_machine_is_refused_before_anybody_is_called() {
    for address in ["file://server/etc/passwd", "file://", "file:///%00"] {
        let editing = with_an_edit();
        let mut command = editing.command("qvm-open-in-dvm");
        // Were it called, it would fail in another way.
        command.arg(address).env("QREXEC_CLIENT_VM", "/bin/false");
        let opened = run(command);
        opened.assert_code(2);
        opened.assert_says("write file:/// and the path");
    }
}

fn schemes_are_known_in_any_letter_case() {
    for (typed, sent) in [("HTTPS://X/Y", "https://X/Y"), ("Ftp://x", "ftp://x")] {
        let editing = Editing::new();
        says_arguments(&editing);
        assert_quiet(&opened(&editing, "qvm-open-in-dvm", &[typed]));
        assert_opened(&editing, sent);
    }
}

fn an_option_that_is_given_twice_is_given_once() {
    let editing = with_an_edit();
    let twice = ["--view-only", "--view-only", "--", TARGET, NAME];
    assert_quiet(&opened(&editing, "qvm-open-in-vm", &twice));
    editing.assert_only(OLD);
    assert_quiet(&opened(
        &editing,
        "qvm-open-in-dvm",
        &["--view-only", "--view-only", NAME],
    ));
    editing.assert_only(OLD);
}

const POLITE: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::HUP];

/// A qube in which the file is open until the test ends; its service says so on the FIFO `here`.
fn with_an_open_file() -> Editing {
    let editing = Editing::new();
    fifo::make(&editing.elsewhere("here"));
    editing.service(&format!(
        "cat > /dev/null; echo > \"$WORK/here\"; exec {UNTIL_THE_END}"
    ));
    editing
}

fn signalled_once_it_is_open(editing: &Editing, mut command: Command, signal: Signal) -> Finished {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let running = Running::start(command);
    fs::read(editing.elsewhere("here")).unwrap();
    kill_process(Pid::from_child(&running.child), signal).unwrap();
    running.finish()
}

#[track_caller]
fn assert_says_that_it_may_be_open(editing: &Editing, opened: &Finished) {
    opened.assert_says(MAY_BE_OPEN);
    opened.assert_says("an edit that is saved there is not sent back but kept there");
    assert!(!opened.stderr().contains("nothing was changed"));
    editing.assert_only(OLD);
}

fn a_caller_that_ends_first_says_that_the_editor_may_be_open() {
    for signal in POLITE {
        let editing = with_an_open_file();
        let command = editing.command_in_target(&[]);
        let opened = signalled_once_it_is_open(&editing, command, signal);
        opened.assert_code(128 + signal.as_raw());
        assert_says_that_it_may_be_open(&editing, &opened);
    }
}

fn a_local_program_that_ends_first_says_that_the_editor_may_be_open() {
    for signal in POLITE {
        let editing = Editing::new();
        let (mut mine, theirs) = Joint::Sockets.sides();
        let mut command = editing.command("qopen-in-vm");
        command.arg(editing.file());
        theirs.give_to(&mut command);
        let running = Running::start(command);
        drop(mine.read(256 + OLD.len()));
        kill_process(Pid::from_child(&running.child), signal).unwrap();
        let opened = running.finish();
        opened.assert_code(128 + signal.as_raw());
        assert_says_that_it_may_be_open(&editing, &opened);
    }
}

fn a_lost_connection_says_that_the_editor_may_be_open() {
    for end in ["exit 255", "kill -KILL $$"] {
        let editing = Editing::new();
        editing.answers_then(b"", end);
        let opened = editing.open_in_target(&[]);
        opened.assert_code(1);
        assert_says_that_it_may_be_open(&editing, &opened);
    }
}

/// A stand-in for zenity, which does `then` when it has recorded what it is to show.
fn with_a_desktop(editing: &Editing, command: &mut Command, then: &str) {
    let programs = editing.elsewhere("programs");
    fs::create_dir_all(&programs).unwrap();
    editing.script(
        "programs/zenity",
        &format!("printf '%s\\n' \"$@\" > \"$WORK/window\"; {then}"),
    );
    let path = std::env::var_os("PATH").unwrap();
    let folders = [programs].into_iter().chain(std::env::split_paths(&path));
    command
        .env("PATH", std::env::join_paths(folders).unwrap())
        .env_remove("QFILE_DIALOGS")
        .env_remove("XDG_CURRENT_DESKTOP");
}

/// Runs it without a terminal; what is said in a window, once that is closed, too.
fn started_by_a_file_manager(editing: &Editing, command: &mut Command) -> (Finished, String) {
    with_a_desktop(editing, command, ":");
    // Whatever the command starts and leaves behind has this FIFO, which so ends with the last of it.
    let all = editing.elsewhere("all");
    fifo::make(&all);
    let holding = "exec 9> \"$0\"; exec \"$@\"";
    let mut command = wrapped_in(
        &[
            "setsid",
            "--wait",
            "sh",
            "-c",
            holding,
            all.to_str().unwrap(),
        ],
        command,
    );
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let running = Running::start(command);
    fs::read(&all).unwrap();
    let window = fs::read_to_string(editing.elsewhere("window"));
    (running.finish(), window.unwrap_or_default())
}

fn failing() -> Editing {
    let editing = Editing::new();
    editing.answers_then(b"", "exit 7");
    editing
}

fn a_failure_without_a_terminal_is_shown_in_a_window() {
    for display in ["DISPLAY", "WAYLAND_DISPLAY"] {
        let editing = failing();
        let mut command = editing.command_in_target(&[]);
        command.env(display, "7");
        let (opened, window) = started_by_a_file_manager(&editing, &mut command);
        opened.assert_code(1);
        opened.assert_says("status 7");
        assert!(window.starts_with("--error\n--no-markup\n"), "{window}");
        assert!(window.contains("letter.txt\" was not replaced: the call ended with status 7"));

        let mut command = editing.command("qvm-open-in-dvm");
        command.arg("missing").env(display, "7");
        fs::remove_file(editing.elsewhere("all")).unwrap();
        let (opened, window) = started_by_a_file_manager(&editing, &mut command);
        opened.assert_code(1);
        assert!(window.contains("cannot open \"missing\""), "{window}");
    }
}

fn the_window_is_not_waited_for() {
    let editing = failing();
    let shown = editing.elsewhere("shown");
    fifo::make(&shown);
    let mut command = editing.command_in_target(&[]);
    command.env("DISPLAY", ":7");
    let then = format!("echo > \"$WORK/shown\"; exec {UNTIL_THE_END}");
    with_a_desktop(&editing, &mut command, &then);
    let opened = run(wrapped_in(&["setsid", "--wait"], &command));
    opened.assert_code(1);
    // It is still there.
    fs::read(shown).unwrap();
}

fn where_there_is_no_failure_no_window_is_shown() {
    for options in [&[][..], &["--view-only"]] {
        let editing = with_an_edit();
        let mut command = editing.command_in_target(options);
        command.env("DISPLAY", ":7");
        let (opened, window) = started_by_a_file_manager(&editing, &mut command);
        opened.assert_code(0);
        assert_eq!(window, "");
    }
}

fn where_no_window_is_wanted_none_is_shown() {
    for (name, value) in [("QFILE_DIALOGS", "none"), ("DISPLAY", "")] {
        let editing = failing();
        let mut command = editing.command_in_target(&[]);
        command.env("DISPLAY", ":7");
        with_a_desktop(&editing, &mut command, ":");
        command.env(name, value);
        let all = editing.elsewhere("all");
        fifo::make(&all);
        let holding = [
            "setsid",
            "--wait",
            "sh",
            "-c",
            "exec 9> \"$0\"; exec \"$@\"",
        ];
        let wrapper = [&holding[..], &[all.to_str().unwrap()]].concat();
        let mut command = wrapped_in(&wrapper, &command);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let running = Running::start(command);
        fs::read(&all).unwrap();
        running.finish().assert_code(1);
        assert!(!editing.elsewhere("window").exists(), "{name}={value}");
    }
}

fn with_a_terminal_no_window_is_shown() {
    // Also where its user has sent stderr elsewhere.
    for more in ["", " 2> \"$WORK/stderr\""] {
        let editing = failing();
        let mut command = editing.command_in_target(&[]);
        command.env("DISPLAY", ":7");
        with_a_desktop(&editing, &mut command, ":");
        fifo::make(&editing.elsewhere("all"));
        editing.script("started", &format!("exec 9> \"$WORK/all\"\n\"$@\"{more}"));
        let started = editing.elsewhere("started");
        let line: Vec<&str> = [
            started.to_str().unwrap(),
            command.get_program().to_str().unwrap(),
        ]
        .into_iter()
        .chain(
            command
                .get_args()
                .map(|argument| argument.to_str().unwrap()),
        )
        .collect();
        let line = line.join(" ");
        let mut script = Command::new("script");
        script.args(["-q", "-e", "-c", &line, "/dev/null"]);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        script.stdin(Stdio::null()).stdout(Stdio::null());
        let running = Running::start(script);
        fs::read(editing.elsewhere("all")).unwrap();
        running.finish().assert_code(1);
        assert!(!editing.elsewhere("window").exists());
    }
}

fn a_signal_shows_no_window() {
    for options in [&[][..], &["--gui"]] {
        let editing = with_an_open_file();
        let mut command = editing.command_in_target(options);
        command.env("DISPLAY", ":7");
        with_a_desktop(&editing, &mut command, ":");
        // What is the group's is not the command's alone: it has a session of its own, and the signal.
        editing.script("started", "echo $$ > \"$WORK/pid\"; exec \"$@\"");
        let started = editing.elsewhere("started");
        let mut command = wrapped_in(&["setsid", "--wait", started.to_str().unwrap()], &command);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let running = Running::start(command);
        fs::read(editing.elsewhere("here")).unwrap();
        let pid = fs::read_to_string(editing.elsewhere("pid")).unwrap();
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        running.finish().assert_code(128 + 15);
        assert!(!editing.elsewhere("window").exists());
    }
}

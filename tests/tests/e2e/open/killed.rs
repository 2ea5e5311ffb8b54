//! Killed at any moment: the original is whole, old or new, and nothing temporary is left, except
//! after SIGKILL.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use qfile_tests::editing::{Editing, NAME, NEW, OLD, UNTIL_THE_END};
use qfile_tests::fifo;
use qfile_tests::framed::{CHANGED, framed};
use qfile_tests::peer::Joint;
use qfile_tests::process::{Running, run, wrapped_in};
use qfile_tests::receiver::needs_strace;
use qfile_tests::suite;
use rustix::process::{Pid, Signal, kill_process};

suite! {
    a_client_that_is_interrupted_while_the_answer_comes_leaves_no_trace,
    a_client_killed_while_the_answer_comes_leaves_no_trace_either,
    a_client_that_is_interrupted_after_the_answer_keeps_it,
    a_client_killed_at_any_moment_leaves_a_whole_original,
    a_client_interrupted_at_any_moment_leaves_a_whole_original_and_no_temporary_file,
    a_client_killed_at_any_moment_leaves_a_file_with_several_names_or_its_backup_whole,
    a_client_ended_at_any_step_of_the_replacement_leaves_a_whole_original [needs_strace],
    a_server_that_is_interrupted_while_the_file_comes_leaves_nothing,
    a_server_that_is_interrupted_while_a_window_is_shown_takes_it_away,
}

const POLITE: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::HUP];

/// Waits until a script has written to the FIFO.
fn until_written(editing: &Editing, name: &str) {
    fs::read(editing.elsewhere(name)).unwrap();
}

fn start(mut command: Command) -> Running {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Running::start(command)
}

/// Sends the signal; the exit status, 128+N after a signal that was not caught.
fn signal(running: &mut Running, signal: Signal) -> i32 {
    kill_process(Pid::from_child(&running.child), signal).unwrap();
    let status = running.child.wait().unwrap();
    status
        .code()
        .or(status.signal().map(|number| 128 + number))
        .unwrap()
}

fn signal_while_the_answer_comes(what: Signal) {
    for bytes in [0, 1, 1_000_000, 3_000_000] {
        let editing = Editing::new();
        fifo::make(&editing.elsewhere("here"));
        editing.service(&format!(
            "cat > /dev/null; head -c {bytes} /dev/zero; echo > \"$WORK/here\"; exec {UNTIL_THE_END}"
        ));
        let mut running = start(editing.command_in_target(&[]));
        until_written(&editing, "here");
        assert_eq!(signal(&mut running, what), 128 + what.as_raw());
        editing.assert_only(OLD);
    }
}

fn a_client_that_is_interrupted_while_the_answer_comes_leaves_no_trace() {
    POLITE.into_iter().for_each(signal_while_the_answer_comes);
}

fn a_client_killed_while_the_answer_comes_leaves_no_trace_either() {
    // Not even that: the file that takes the answer has no name.
    signal_while_the_answer_comes(Signal::KILL);
}

fn a_client_that_is_interrupted_after_the_answer_keeps_it() {
    let editing = Editing::new();
    fifo::make(&editing.elsewhere("here"));
    // Stderr is still held, so the call has not ended.
    editing.service(&format!(
        "cat > /dev/null; echo edited; exec > /dev/null; echo > \"$WORK/here\"; exec {UNTIL_THE_END}"
    ));
    let mut running = start(editing.command_in_target(&[]));
    until_written(&editing, "here");
    // That the end of the answer has arrived cannot be seen from outside: either is right.
    signal(&mut running, Signal::TERM);
    assert_eq!(editing.content(), OLD);
    if editing.names().len() > 1 {
        let kept = format!("{NAME}.incomplete-from-vault");
        assert_eq!(editing.names(), [NAME, &kept]);
        assert_eq!(fs::read(editing.beside(&kept)).unwrap(), b"edited\n");
    }
}

const ROUNDS: u32 = 40;

/// An editing that takes a moment at each step, and the content that it ends with.
fn long_editing() -> (Editing, Vec<u8>) {
    let new = b"new content\n".repeat(400_000);
    let editing = Editing::new();
    editing.answers(&framed(CHANGED, &new));
    (editing, new)
}

/// Runs the client again and again and signals it a little later each time, until it was too late.
fn signal_at_any_moment(what: &[Signal], two_names: bool, check: fn(&Editing, &[u8], Signal)) {
    let (editing, new) = long_editing();
    let begin = Instant::now();
    start(editing.command_in_target(&[]))
        .finish()
        .assert_code(0);
    let whole = begin.elapsed();
    for round in 0..ROUNDS {
        make_anew(&editing, two_names);
        let mut running = start(editing.command_in_target(&[]));
        thread::sleep(moment(whole, round));
        let this = what[round as usize % what.len()];
        signal(&mut running, this);
        check(&editing, &new, this);
    }
}

/// The file as it was before, and nothing of what the last round has left.
fn make_anew(editing: &Editing, two_names: bool) {
    for name in editing.names() {
        fs::remove_file(editing.beside(&name)).unwrap();
    }
    fs::write(editing.file(), OLD).unwrap();
    if two_names {
        let _second_round = fs::remove_file(editing.elsewhere("other name"));
        fs::hard_link(editing.file(), editing.elsewhere("other name")).unwrap();
    }
}

/// Spread over the whole run; not a synchronisation, any moment is right.
fn moment(whole: Duration, round: u32) -> Duration {
    whole * round / (ROUNDS - 5)
}

fn is_whole(content: &[u8], new: &[u8]) -> bool {
    content == OLD || content == new
}

fn a_client_killed_at_any_moment_leaves_a_whole_original() {
    signal_at_any_moment(&[Signal::KILL], false, |editing, new, _| {
        assert!(is_whole(&editing.content(), new), "neither old nor new");
    });
}

fn a_client_interrupted_at_any_moment_leaves_a_whole_original_and_no_temporary_file() {
    signal_at_any_moment(&POLITE, false, |editing, new, signal| {
        assert!(is_whole(&editing.content(), new), "neither old nor new");
        for name in editing.names() {
            // All of the answer may have come just before.
            let named = name == NAME || name == format!("{NAME}.incomplete-from-vault");
            assert!(named, "{name} is left after {signal:?}");
        }
    });
}

fn a_client_killed_at_any_moment_leaves_a_file_with_several_names_or_its_backup_whole() {
    let what = [Signal::KILL, Signal::TERM, Signal::KILL, Signal::INT];
    signal_at_any_moment(&what, true, assert_it_or_its_backup_is_whole);
}

#[track_caller]
fn assert_it_or_its_backup_is_whole(editing: &Editing, new: &[u8], signal: Signal) {
    let content = editing.content();
    assert_eq!(fs::read(editing.elsewhere("other name")).unwrap(), content);
    let backup = fs::read(editing.beside("letter.txt~")).ok();
    assert!(
        is_whole(&content, new) || backup.as_deref() == Some(OLD),
        "neither the original nor its backup is whole after {signal:?}"
    );
}

/// The calls by which an edit gets to its place: what is synced, named, exchanged, written over and
/// removed.
const STEPS: [&str; 8] = [
    "fsync",
    "linkat",
    "renameat2",
    "unlinkat",
    "fallocate",
    "copy_file_range",
    "ftruncate",
    "fchmod",
];

/// More often than that the client makes none of them.
const MANY: u32 = 20;

/// Has the file edited; the client gets the signal when it makes this call for the so many-th time.
fn signal_at_step(editing: &Editing, step: &str, number: u32, what: Signal) -> i32 {
    let inject = format!("inject={step}:signal={}:when={number}", what.as_raw());
    let trace = format!("trace={step}");
    let wrapper = ["strace", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let command = wrapped_in(&wrapper, &editing.command_in_target(&[]));
    run(command).code()
}

fn a_client_ended_at_any_step_of_the_replacement_leaves_a_whole_original() {
    for two_names in [false, true] {
        let editing = Editing::new();
        editing.answers(&framed(CHANGED, NEW));
        let mut killed = 0;
        for step in STEPS {
            for number in 1..=MANY {
                assert!(number < MANY, "{step}: without an end");
                let mut is_reached = true;
                for what in [Signal::KILL, Signal::INT, Signal::TERM] {
                    make_anew(&editing, two_names);
                    let code = signal_at_step(&editing, step, number, what);
                    if two_names {
                        assert_it_or_its_backup_is_whole(&editing, NEW, what);
                    } else {
                        assert!(is_whole(&editing.content(), NEW), "{what:?} at {step}");
                    }
                    if what == Signal::KILL {
                        is_reached = code == 128 + what.as_raw();
                        killed += u32::from(is_reached);
                    } else {
                        // What has begun is brought to its end.
                        assert_eq!(editing.content(), NEW, "{what:?} at {step}");
                        assert_eq!(editing.names(), [NAME], "{what:?} at {step}");
                    }
                }
                if !is_reached {
                    break;
                }
            }
        }
        assert!(killed >= 4, "{two_names}: {killed} steps");
    }
}

/// Starts the server with `bytes` sent to it and the connection open.
fn server_with(editing: &Editing, bytes: &[u8]) -> (Running, qfile_tests::peer::Side) {
    let (mut mine, theirs) = Joint::Sockets.sides();
    let mut command = editing.server();
    theirs.give_to(&mut command);
    let running = Running::start(command);
    mine.send(bytes).unwrap();
    (running, mine)
}

fn request() -> Vec<u8> {
    let mut request = b"a.txt".to_vec();
    request.resize(256, 0);
    request.extend_from_slice(OLD);
    request
}

fn a_server_that_is_interrupted_while_the_file_comes_leaves_nothing() {
    for what in POLITE {
        let editing = Editing::new();
        let (mut running, _client) = server_with(&editing, &request());
        while editing.scratch_folders().is_empty() {
            thread::yield_now();
        }
        assert_eq!(signal(&mut running, what), 128 + what.as_raw());
        editing.assert_nothing_left_there();
    }
}

fn a_server_that_is_interrupted_while_a_window_is_shown_takes_it_away() {
    let editing = Editing::new();
    for name in ["here", "closed"] {
        fifo::make(&editing.elsewhere(name));
    }
    fs::create_dir(editing.elsewhere("programs")).unwrap();
    editing.script(
        "programs/zenity",
        // The second window tells where the file is.
        &format!(
            "[ \"$2\" = --no-markup ] && [ \"$1\" = --info ] || exit 0
             {UNTIL_THE_END} &
             trap 'kill $!; echo closed > \"$WORK/closed\"; exit' TERM
             echo > \"$WORK/here\"
             wait"
        ),
    );
    let (mut mine, theirs) = Joint::Sockets.sides();
    let mut command = editing.server();
    let path = std::env::var_os("PATH").unwrap();
    let programs = [editing.elsewhere("programs")];
    let folders = programs.into_iter().chain(std::env::split_paths(&path));
    command
        .env("PATH", std::env::join_paths(folders).unwrap())
        .env("DISPLAY", ":7");
    theirs.give_to(&mut command);
    let mut running = Running::start(command);
    mine.send(&request()).unwrap();
    mine.stop_sending();
    until_written(&editing, "here");
    let status = signal(&mut running, Signal::TERM);
    assert_eq!(fs::read(editing.elsewhere("closed")).unwrap(), b"closed\n");
    assert_eq!(status, 128 + 15);
    // The user may not have finished.
    for folder in editing.scratch_folders() {
        assert_eq!(fs::read(folder.join("a.txt")).unwrap(), OLD);
        fs::remove_dir_all(folder).unwrap();
    }
}

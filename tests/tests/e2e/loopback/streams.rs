//! What passes between the two sides, what each notices of the other, and what ends when.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use qfile_tests::process::{Finished, Running, run};
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;

suite! {
    megabytes_pass_both_ways_at_once,
    own_streams_may_be_pipes_sockets_or_files,
    the_end_of_either_stream_is_felt_while_the_other_goes_on,
    the_end_of_the_answer_is_felt_on_a_socket_that_is_also_the_input,
    that_the_service_closes_its_stdin_is_not_felt_before_it_ends,
    that_the_service_has_ended_is_felt_as_a_broken_pipe_or_reset,
    an_answer_that_nobody_reads_does_not_hold_up_the_service,
    a_child_that_holds_stdout_delays_the_end_of_input,
    a_child_that_holds_only_stderr_delays_the_status_but_not_the_end_of_input,
    a_stdin_that_stays_open_does_not_delay_the_end,
    own_streams_are_nonblocking_only_while_it_runs,
    only_the_services_stderr_is_filtered,
    the_answer_is_filtered_if_asked_for_and_there_is_no_program,
    a_caller_that_is_killed_is_felt_by_both_sides_as_the_end,
}

/// Two qubes with a FIFO, `$FIFO` in scripts, that lets one side wait for another.
struct Scene {
    qubes: Qubes,
    fifo: PathBuf,
}

impl Scene {
    /// [`TARGET`] has the service `svc`, this script.
    fn new(service: &str) -> Self {
        let qubes = Qubes::new();
        let fifo = qubes.root().join("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        let script = format!("FIFO='{}'\n{service}", fifo.display());
        qubes.set_service(TARGET, "svc", &script);
        Self { qubes, fifo }
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = self.qubes.command(SOURCE, "qrexec-loopback");
        command
            .args(options)
            .args([TARGET, "svc"])
            .env("FIFO", &self.fifo);
        command
    }

    /// Calls with this shell script as PROGRAM.
    fn call(&self, program: &str) -> Finished {
        let mut command = self.command(&[]);
        command.args(["/bin/sh", "-c", program]);
        run(command)
    }

    /// Lets what waits on the FIFO go on.
    fn go_on(&self) {
        fs::write(&self.fifo, "go on\n").unwrap();
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.qubes.root().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

/// Bytes that no buffer size divides and that do not repeat soon.
fn bytes(count: u32) -> Vec<u8> {
    let mixed = |n: u32| n.wrapping_mul(2_654_435_761).to_le_bytes()[3];
    (0..count).map(mixed).collect()
}

fn flags(fd: &impl std::os::fd::AsFd) -> OFlag {
    OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL).unwrap())
}

fn as_path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn megabytes_pass_both_ways_at_once() {
    for buffer in [
        "--buffer-size=1",
        "--buffer-size=4096",
        "--buffer-size=262144",
    ] {
        let count = if buffer.ends_with("=1") {
            20_011
        } else {
            10_000_019
        };
        let scene = Scene::new("exec cat");
        let sent = scene.file("sent", &bytes(count));
        let received = scene.file("received", b"");
        let script = r#"cat "$0" & exec >&-; exec cat >"$1""#;
        let mut command = scene.command(&[buffer]);
        command.args(["/bin/sh", "-c", script, as_path(&sent), as_path(&received)]);
        run(command).assert_code(0);
        assert!(
            fs::read(received).unwrap() == fs::read(sent).unwrap(),
            "{buffer}"
        );
    }
}

fn own_streams_may_be_pipes_sockets_or_files() {
    let scene = Scene::new("exec cat");
    let sent = bytes(3_000_017);

    let source = scene.file("source", &sent);
    let target = scene.file("target", b"before ");
    let mut command = scene.command(&[]);
    command.stdin(File::open(source).unwrap());
    command.stdout(OpenOptions::new().append(true).open(&target).unwrap());
    Running::start(command).finish().assert_code(0);
    assert!(fs::read(target).unwrap() == [b"before ", &sent[..]].concat());

    let mut command = scene.command(&[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = Running::start(command);
    let mut stdin = running.child.stdin.take().unwrap();
    let answer = qfile_tests::process::drain(running.child.stdout.take().unwrap());
    stdin.write_all(&sent).unwrap();
    drop(stdin);
    running.finish().assert_code(0);
    assert!(answer.join().unwrap() == sent);

    let (mut near, far) = UnixStream::pair().unwrap();
    let mut command = scene.command(&[]);
    command
        .stdin(OwnedFd::from(far.try_clone().unwrap()))
        .stdout(OwnedFd::from(far));
    let running = Running::start(command);
    let answer = qfile_tests::process::drain(near.try_clone().unwrap());
    near.write_all(&sent).unwrap();
    near.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(answer.join().unwrap() == sent);
    running.finish().assert_code(0);
}

fn the_end_of_either_stream_is_felt_while_the_other_goes_on() {
    // The program ends its output first, then the service its own.
    let scene = Scene::new("cat; echo answered; exec >&-; read line <$FIFO; exit 0");
    let program = "echo asked; exec >&-; cat >&2; echo done >$FIFO";
    let called = scene.call(program);
    called.assert_code(0);
    assert_eq!(called.stderr(), "asked\nanswered\n");
    // The service ends its output first.
    let scene = Scene::new("echo early; exec >&-; cat >&2");
    let called = scene.call("cat >&2; echo late");
    called.assert_code(0);
    assert_eq!(called.stderr(), "early\nlate\n");
}

fn the_end_of_the_answer_is_felt_on_a_socket_that_is_also_the_input() {
    let scene = Scene::new("echo early; exec >&-; cat >&2");
    let (mut near, far) = UnixStream::pair().unwrap();
    let mut command = scene.command(&[]);
    command.stdin(OwnedFd::from(far.try_clone().unwrap()));
    command.stdout(OwnedFd::from(far));
    let running = Running::start(command);
    let mut answer = String::new();
    near.read_to_string(&mut answer).unwrap();
    near.write_all(b"late\n").unwrap();
    drop(near);
    let called = running.finish();
    called.assert_code(0);
    assert_eq!(
        (answer.as_str(), called.stderr().as_str()),
        ("early\n", "late\n")
    );
}

fn that_the_service_closes_its_stdin_is_not_felt_before_it_ends() {
    let scene = Scene::new("exec <&-; read line <$FIFO; exit 0");
    let called = scene.call("head -c 50000000 /dev/zero && echo not felt >&2; echo >$FIFO");
    called.assert_code(0);
    assert_eq!(called.stderr(), "not felt\n");
}

fn that_the_service_has_ended_is_felt_as_a_broken_pipe_or_reset() {
    let called = Scene::new("head -c 10 >/dev/null").call("exec cat /dev/zero");
    // A writer that was waiting at that moment sees ECONNRESET; 141 is SIGPIPE.
    if called.code() != 141 {
        called.assert_code(1);
        called.assert_says("reset");
    }
}

fn an_answer_that_nobody_reads_does_not_hold_up_the_service() {
    let scene = Scene::new("head -c 50000000 /dev/zero && echo written >&2");
    let called = scene.call("exec <&-; exit 0");
    called.assert_code(0);
    assert_eq!(called.stderr(), "written\n");
    // Here a child of the program holds its stdin and does not read it.
    let script = "exec 3<&0; (read line <$FIFO) & exit 0";
    let scene = Scene::new("head -c 50000000 /dev/zero; echo go on >$FIFO");
    scene.call(script).assert_code(0);
}

fn a_child_that_holds_stdout_delays_the_end_of_input() {
    let scene = Scene::new("(read line <$FIFO; echo late) 2>/dev/null & exit 3");
    let mut command = scene.command(&[]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut running = Running::start(command);
    scene.go_on();
    let mut answer = String::new();
    running
        .child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut answer)
        .unwrap();
    assert_eq!(answer, "late\n");
    running.finish().assert_code(3);
}

fn a_child_that_holds_only_stderr_delays_the_status_but_not_the_end_of_input() {
    let scene = Scene::new("(read line <$FIFO) </dev/null >/dev/null & exit 3");
    let mut command = scene.command(&[]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut running = Running::start(command);
    let mut answer = Vec::new();
    running
        .child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut answer)
        .unwrap();
    assert!(running.child.try_wait().unwrap().is_none());
    scene.go_on();
    running.finish().assert_code(3);
}

fn a_stdin_that_stays_open_does_not_delay_the_end() {
    let scene = Scene::new("exit 3");
    let (_open, far) = UnixStream::pair().unwrap();
    let mut command = scene.command(&[]);
    command.stdin(OwnedFd::from(far)).stdout(Stdio::null());
    Running::start(command).finish().assert_code(3);
}

fn own_streams_are_nonblocking_only_while_it_runs() {
    // One socket as both, so that what is restored last counts.
    let scene = Scene::new("echo up; read line <$FIFO; cat; exit 0");
    let (mut near, far) = UnixStream::pair().unwrap();
    let before = flags(&far);
    let mut command = scene.command(&[]);
    command.stdin(OwnedFd::from(far.try_clone().unwrap()));
    command.stdout(OwnedFd::from(far.try_clone().unwrap()));
    let running = Running::start(command);
    near.read_exact(&mut [0; 3]).unwrap();
    assert_eq!(flags(&far), before | OFlag::O_NONBLOCK);
    scene.go_on();
    near.shutdown(std::net::Shutdown::Write).unwrap();
    running.finish().assert_code(0);
    assert_eq!(flags(&far), before);
}

fn only_the_services_stderr_is_filtered() {
    let print = r"printf '\033[31m\303\244\r\tok\n' >&2";
    let raw = "\u{1b}[31mä\r\tok\n";
    let filtered = "_[31m___\tok\n";
    for (options, service_says) in [
        (&["-T"][..], filtered),
        (&["--filter-escape-chars-stderr"], filtered),
        (&[], raw),
    ] {
        let scene = Scene::new(print);
        assert_eq!(run(scene.command(options)).stderr(), service_says);
        let scene = Scene::new("exit 0");
        let mut command = scene.command(options);
        command.args(["/bin/sh", "-c", print]);
        assert_eq!(run(command).stderr(), raw);
    }
}

fn the_answer_is_filtered_if_asked_for_and_there_is_no_program() {
    let scene = Scene::new(r"printf '\033[31m\n'");
    let answer = |options| run(scene.command(options)).stdout;
    assert_eq!(answer(&["-t"]), b"_[31m\n");
    assert_eq!(answer(&["--filter-escape-chars-stdout"]), b"_[31m\n");
    assert_eq!(answer(&[]), b"\x1b[31m\n");
    let mut command = scene.command(&["-t"]);
    command.args(["/bin/sh", "-c", "cat >&2"]);
    assert_eq!(run(command).stderr(), "\u{1b}[31m\n");
}

fn a_caller_that_is_killed_is_felt_by_both_sides_as_the_end() {
    for (signal, status) in [("TERM", 143), ("INT", 130), ("HUP", 129), ("KILL", 137)] {
        let scene = Scene::new("echo up; cat >/dev/null; echo felt >$FIFO");
        let mut command = scene.command(&[]);
        let program = format!("read line; kill -{signal} $PPID; cat >/dev/null; echo felt >&2");
        command.args(["/bin/sh", "-c", &program]);
        let called = run(command);
        called.assert_code(status);
        assert_eq!(called.stderr(), "felt\n");
        assert_eq!(fs::read_to_string(&scene.fifo).unwrap(), "felt\n");
    }
}

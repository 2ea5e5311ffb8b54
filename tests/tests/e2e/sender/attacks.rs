//! A hostile receiver against who sends to it: `qvm-copy`, off a terminal and on one, and
//! `qfile-agent` on a terminal, all through the whole way from qube to qube. (The agent alone, joined
//! to its receiver by pipes and sockets, is the subject of `verdict`.)
//!
//! On a terminal what counts is the screen that a person sees.

use std::fs::File;
use std::io::Read as _;

use qfile_tests::code::LEGAL_EOF;
use qfile_tests::fifo;
use qfile_tests::hostile::{Hostile, Sender};
use qfile_tests::process::{Running, run};
use qfile_tests::stream::Verdict;
use qfile_tests::suite;
use qfile_tests::terminal::Terminal;

use rustix::process::Signal;

suite! {
    a_verdict_at_once_stops_the_copy,
    a_verdict_in_pieces_is_a_verdict,
    a_late_verdict_is_waited_for_and_the_terminal_says_so,
    a_verdict_that_never_comes_is_waited_for_until_the_user_ends_it,
    a_verdict_that_stops_in_the_middle_ends_the_copy,
    an_early_success_followed_by_silence_is_a_failure,
    a_receiver_that_confirms_and_never_ends_holds_nobody,
    a_receiver_that_reads_no_more_is_interrupted_by_the_user,
    no_name_drives_the_terminal,
    a_name_that_is_announced_as_4_gib_is_cut,
    a_receiver_that_never_stops_talking_is_not_listened_to,
    what_the_receiver_says_on_stderr_does_not_drive_the_terminal,
}

/// Wide enough that no message of these tests is broken.
const COLUMNS: u16 = 200;

/// More than all that stands between a sender and a receiver that does not read.
const LARGE: usize = 4 << 20;

/// What a sender left to be seen.
struct Seen {
    code: i32,
    /// As a person reads it, without the line breaks of the terminal.
    text: String,
    /// The same with them.
    lines: Vec<String>,
    /// All that went to the terminal, or to stderr.
    bytes: Vec<u8>,
}

/// Every way to be attacked, but for the one of `verdict`.
const WAYS: [(Sender, bool); 3] = [
    (Sender::Command, false),
    (Sender::Command, true),
    (Sender::Agent, true),
];

/// Sends to the receiver that `plays`, in every way.
#[track_caller]
fn in_every_way(plays: impl Fn() -> Hostile, judge: impl Fn(&Seen)) {
    for (sender, on_terminal) in WAYS {
        let hostile = plays();
        let command = hostile.command(sender);
        judge(&if on_terminal {
            let left = Terminal::start(&command, COLUMNS).finish();
            Seen {
                code: left.code,
                text: left.screen.replace('\n', ""),
                lines: left.screen.lines().map(str::to_owned).collect(),
                bytes: left.bytes,
            }
        } else {
            let finished = run(command);
            Seen {
                code: finished.code(),
                text: finished.stderr(),
                lines: finished.stderr().lines().map(str::to_owned).collect(),
                bytes: finished.stderr,
            }
        });
    }
}

#[track_caller]
fn assert_failed(seen: &Seen, says: &str) {
    assert_eq!(seen.code, 1, "{}", seen.text);
    assert!(seen.text.contains(says), "{says:?}: {}", seen.text);
    assert_eq!(seen.text.matches("Fatal error").count(), 1, "{}", seen.text);
    let confirmed = "qfile-agent: 1 file copied";
    assert!(!seen.lines.iter().any(|line| line.starts_with(confirmed)));
}

fn a_verdict_at_once_stops_the_copy() {
    let refuses = |code: u32| {
        let verdict = Verdict::new(code, 0).naming("file").to_bytes();
        // It reads not a byte, and keeps everything open for as long as anybody is there.
        Hostile::new(LARGE).says(&verdict).runs("exec 1>&-")
    };
    let exists = r#"A file named "file" already exists in QubesIncoming dir"#;
    in_every_way(|| refuses(17), |seen| assert_failed(seen, exists));
    let early = "the receiver confirmed the copy before it was complete";
    in_every_way(|| refuses(0), |seen| assert_failed(seen, early));
}

fn a_verdict_in_pieces_is_a_verdict() {
    let answers = |code: u32| {
        let hostile = Hostile::new(1000).takes_all();
        let verdict = Verdict::new(code, hostile.checksum()).naming("file");
        hostile.says_byte_by_byte(&verdict.to_bytes())
    };
    in_every_way(
        || answers(0),
        |seen| {
            assert_eq!(seen.code, 0, "{}", seen.text);
            assert!(seen.text.contains("1 file copied"), "{}", seen.text);
        },
    );
    let full = r#"No space left on device"; Last file: "file""#;
    in_every_way(|| answers(28), |seen| assert_failed(seen, full));
}

fn a_late_verdict_is_waited_for_and_the_terminal_says_so() {
    for sender in [Sender::Command, Sender::Agent] {
        let hostile = Hostile::new(100_000).takes_all();
        let verdict = Verdict::new(0, hostile.checksum()).to_bytes();
        let mut hostile = hostile.waits().says(&verdict);
        let mut terminal = Terminal::start(&hostile.command(sender), COLUMNS);
        terminal.until_shown("97.66 KiB sent; the target qube is writing to disk");
        hostile.let_go();
        let left = terminal.finish();
        left.assert_code(0);
        left.assert_shows("qfile-agent: 1 file copied, 97.66 KiB");
        assert!(!left.screen.contains("writing to disk"), "{}", left.screen);
    }
}

fn a_verdict_that_never_comes_is_waited_for_until_the_user_ends_it() {
    // By Ctrl-C, on a terminal,
    let hostile = Hostile::new(1000).takes_all().waits();
    let mut terminal = Terminal::start(&hostile.command(Sender::Command), COLUMNS);
    terminal.until_shown("the target qube is writing to disk");
    terminal.type_keys("\x03");
    let left = terminal.finish();
    left.assert_code(32);
    left.assert_shows("cancelled");

    // and by a signal, off it.
    let hostile = Hostile::new(1000).takes_all().runs("echo >>taken").waits();
    let taken = hostile.path("taken");
    fifo::make(&taken);
    let mut command = hostile.command(Sender::Command);
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::null());
    let running = Running::start(command);
    let mut line = String::new();
    File::open(taken)
        .and_then(|mut taken| taken.read_to_string(&mut line))
        .expect("the receiver says when it has taken everything");
    let pid = rustix::process::Pid::from_child(&running.child);
    rustix::process::kill_process(pid, Signal::TERM).expect("it waits");
    let ended = running.finish();
    ended.assert_code(32);
    ended.assert_says("cancelled");
}

/// It costs the sender its patience of ten seconds.
fn a_verdict_that_stops_in_the_middle_ends_the_copy() {
    let hostile = Hostile::new(1000).takes_all();
    let verdict = Verdict::new(0, hostile.checksum()).to_bytes();
    let hostile = hostile.says(&verdict[..15]).waits();
    let copied = run(hostile.command(Sender::Command));
    copied.assert_code(1);
    copied.assert_says("the receiver's answer was cut off");
}

fn an_early_success_followed_by_silence_is_a_failure() {
    let early = || {
        let hostile = Hostile::new(LARGE);
        let verdict = Verdict::new(0, hostile.checksum()).naming("file");
        hostile.says(&verdict.to_bytes()).waits()
    };
    let says = "the receiver confirmed the copy before it was complete";
    let hostile = early();
    let copied = run(hostile.command(Sender::Command));
    copied.assert_code(1);
    copied.assert_says(says);
    for sender in [Sender::Command, Sender::Agent] {
        let mut hostile = early();
        let mut terminal = Terminal::start(&hostile.command(sender), COLUMNS);
        // While the receiver still keeps silent.
        terminal.until_shown(says);
        hostile.let_go();
        terminal.finish().assert_code(1);
    }
}

fn a_receiver_that_confirms_and_never_ends_holds_nobody() {
    let hostile = Hostile::new(1000).takes_all();
    let verdict = Verdict::new(0, hostile.checksum()).naming("file");
    let hostile = hostile.says(&verdict.to_bytes()).waits();
    let copied = run(hostile.command(Sender::Command));
    copied.assert_code(0);
}

fn a_receiver_that_reads_no_more_is_interrupted_by_the_user() {
    let hostile = Hostile::new(LARGE).takes(100_000).waits();
    let mut terminal = Terminal::start(&hostile.command(Sender::Command), COLUMNS);
    terminal.until_shown("of 4.00 MiB");
    terminal.type_keys("\x03");
    let left = terminal.finish();
    left.assert_code(32);
    left.assert_shows("cancelled");
    assert!(!left.screen.contains("of 4.00 MiB"), "{}", left.screen);
}

/// Title, clear screen, bell, alternative screen, carriage return and overprinting, C1, bidi,
/// markup, shell, format strings.
const NAMES: [&[u8]; 7] = [
    b"\x1b]0;title\x07end",
    b"\x1b[2J\x1b[1;1H\x1b[?1049hend",
    b"a\r\nqfile-agent: 1 file copied, 4 KiB\r\nend",
    b"\xC2\x9B2J\x9B2J\x90end",
    "\u{202E}fdp.exe\u{2066}end".as_bytes(),
    b"<b>$(touch owned)`touch owned`'\"&amp;</b>end",
    b"%n%s%p%1000d\0end",
];

fn no_name_drives_the_terminal() {
    for code in [17, 28, 84, LEGAL_EOF] {
        for name in NAMES {
            let answers = || {
                let verdict = Verdict::new(code, 0).naming(name);
                Hostile::new(1000).takes_all().says(&verdict.to_bytes())
            };
            in_every_way(answers, |seen| {
                let shown: String = name.iter().map(|byte| harmless(*byte)).collect();
                assert_failed(seen, &shown);
                assert_harmless(&seen.bytes);
            });
        }
    }
}

fn harmless(byte: u8) -> char {
    match byte {
        b'"' => '_',
        b' '..=b'~' => char::from(byte),
        _ => '_',
    }
}

/// Of all that can drive a terminal there is only what draws and clears the line of progress.
#[track_caller]
fn assert_harmless(bytes: &[u8]) {
    let text = String::from_utf8(bytes.to_vec()).expect("all text is UTF-8");
    let rest = text.replace("\x1b[2K", "");
    let control = |c: &char| c.is_control() && !matches!(c, '\r' | '\n');
    assert_eq!(rest.chars().find(control), None, "{text:?}");
}

fn a_name_that_is_announced_as_4_gib_is_cut() {
    let answers = || {
        let mut answer = Verdict::new(28, 0).to_bytes();
        answer.extend_from_slice(&u32::MAX.to_le_bytes());
        answer.extend_from_slice(&[b'n'; 100_000]);
        Hostile::new(1000).takes_all().says(&answer)
    };
    in_every_way(answers, |seen| {
        assert_failed(seen, r#"No space left on device"; Last file: "nnn"#);
        assert!(seen.text.contains("nnn..."), "{}", seen.text);
        let names = seen.text.matches('n').count();
        assert!((500..1200).contains(&names), "{names}");
    });
}

fn a_receiver_that_never_stops_talking_is_not_listened_to() {
    for talk in ["yes", "tr '\\0' '\\377' </dev/zero", "cat /dev/zero"] {
        let hostile = Hostile::new(LARGE).runs(talk);
        let copied = run(hostile.command(Sender::Command));
        copied.assert_code(1);
        copied.assert_says("Fatal error");
        assert!(copied.stderr.len() < 4000, "{}", copied.stderr());
    }
}

fn what_the_receiver_says_on_stderr_does_not_drive_the_terminal() {
    let says = r"printf 'before\033]0;title\007\033[2J\302\233after\n' >&2";
    let confirms = || {
        let hostile = Hostile::new(1000).takes_all().runs(says);
        let verdict = Verdict::new(0, hostile.checksum()).to_bytes();
        hostile.says(&verdict)
    };
    in_every_way(confirms, |seen| {
        assert_eq!(seen.code, 0, "{}", seen.text);
        assert!(seen.text.contains("before"), "{}", seen.text);
        assert_harmless(&seen.bytes);
    });
}

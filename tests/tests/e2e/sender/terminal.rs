//! The progress of a copy as a person sees it: on a terminal of any width that changes meanwhile,
//! with files of any name, and where there is no terminal.

use std::fs;
use std::process::Command;

use qfile_tests::hostile::{Hostile, Sender};
use qfile_tests::process::run;
use qfile_tests::programs::program;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;
use qfile_tests::terminal::Terminal;

suite! {
    a_copy_under_way_shows_how_far_it_is_and_which_file,
    the_line_moves_while_bytes_do,
    a_narrow_terminal_keeps_the_percentage_and_the_end_of_the_name,
    a_terminal_that_becomes_narrower_or_wider_is_followed,
    names_of_any_width_stay_on_one_line,
    a_name_that_would_drive_the_terminal_is_shown_as_harmless_text,
    a_warning_stands_above_the_line,
    without_a_terminal_there_are_plain_lines,
    a_terminal_that_cannot_move_its_cursor_gets_plain_lines,
    nothing_is_coloured,
    help_has_no_colours_where_none_are_wanted,
}

/// Content of a file of 4 MiB that a receiver takes the half of.
const LARGE: usize = 4 << 20;

/// A receiver that takes half of 4 MiB and then waits.
fn half_way() -> Hostile {
    Hostile::new(LARGE).takes(LARGE / 2).waits()
}

/// The line of progress: the last that stands on the screen.
fn line(screen: &str) -> &str {
    screen.trim_end().lines().last().unwrap_or_default()
}

fn a_copy_under_way_shows_how_far_it_is_and_which_file() {
    let hostile = half_way();
    let mut terminal = Terminal::start(&hostile.command(Sender::Command), 80);
    // What is on the way counts as sent, so it is more than what the receiver took.
    let screen = terminal.until(|screen| {
        screen.contains(" left, ") && percentage(screen).is_some_and(|now| now >= 50)
    });
    let line = line(&screen);
    let (share, rest) = line.split_once("%, ").unwrap();
    assert!(share.trim().parse::<u32>().unwrap() < 100, "{line}");
    assert!(rest.contains(" MiB of 4.00 MiB, 0:"), "{line}");
    assert!(rest.ends_with("iB/s  \"file\""), "{line}");
    terminal.type_keys("\x03");
    terminal.finish().assert_code(32);
}

fn percentage(screen: &str) -> Option<u32> {
    line(screen).split_once('%')?.0.trim().parse().ok()
}

fn the_line_moves_while_bytes_do() {
    let hostile = Hostile::new(LARGE).takes(LARGE / 4).waits();
    let mut hostile = hostile.takes(LARGE / 2).waits();
    let mut terminal = Terminal::start(&hostile.command(Sender::Command), 80);
    let at_least = |share| move |screen: &str| percentage(screen).is_some_and(|now| now >= share);
    let screen = terminal.until(at_least(25));
    assert!(!at_least(75)(&screen), "{screen}");
    hostile.let_go();
    terminal.until(at_least(75));
    terminal.type_keys("\x03");
    terminal.finish().assert_code(32);
}

fn a_narrow_terminal_keeps_the_percentage_and_the_end_of_the_name() {
    for (columns, ends) in [(20, "%  \"qu\"...\".txt\""), (10, "%"), (5, "%")] {
        let hostile = Hostile::of_file("quarterly-report.txt", LARGE);
        let hostile = hostile.takes(LARGE / 2).waits();
        let mut terminal = Terminal::start(&hostile.command(Sender::Command), columns);
        let screen = terminal.until(|screen| percentage(screen).is_some_and(|now| now >= 50));
        assert_eq!(screen.trim_end().lines().count(), 1, "{screen}");
        let shown = line(&screen);
        assert!(shown.ends_with(ends), "{columns}: {screen}");
        assert!(shown.len() < usize::from(columns), "{columns}: {screen}");
        terminal.type_keys("\x03");
        terminal.finish().assert_code(32);
    }
}

fn a_terminal_that_becomes_narrower_or_wider_is_followed() {
    let hostile = half_way();
    let mut terminal = Terminal::start(&hostile.command(Sender::Command), 80);
    terminal.until_shown(" of 4.00 MiB");
    terminal.resize(20);
    terminal.until(|screen| percentage(screen).is_some() && line(screen).len() < 20);
    terminal.resize(100);
    terminal.until_shown(" of 4.00 MiB");
    terminal.type_keys("\x03");
    terminal.finish().assert_code(32);
}

fn names_of_any_width_stay_on_one_line() {
    for (name, ends) in [
        ("四半期報告書と予算案の最終版.txt", "最終版.txt\""),
        ("отчёт-за-квартал-и-бюджет.txt", "бюджет.txt\""),
        ("한글로-쓴-아주-긴-파일-이름입니다.txt", "입니다.txt\""),
        (&format!("{}end", "long-".repeat(40)), "long-end\""),
    ] {
        let hostile = Hostile::of_file(name, LARGE).takes(LARGE / 2).waits();
        let mut terminal = Terminal::start(&hostile.command(Sender::Command), 30);
        let screen = terminal.until(|screen| percentage(screen).is_some_and(|now| now >= 50));
        assert_eq!(screen.trim_end().lines().count(), 1, "{screen}");
        assert!(line(&screen).ends_with(ends), "{screen}");
        terminal.type_keys("\x03");
        terminal.finish().assert_code(32);
    }
}

fn a_name_that_would_drive_the_terminal_is_shown_as_harmless_text() {
    let name = "a\u{1b}[2J\u{1b}]0;title\u{7}\r\n\u{9b}2J\u{202e}e\u{301}nd";
    let hostile = Hostile::of_file(name, LARGE).takes(LARGE / 2).waits();
    let mut terminal = Terminal::start(&hostile.command(Sender::Command), 120);
    let screen = terminal.until(|screen| percentage(screen).is_some_and(|now| now >= 50));
    assert!(
        line(&screen).contains(r"  $'a\x1b[2J\x1b]0;title\x07\r\n"),
        "{screen}"
    );
    assert!(line(&screen).ends_with(r"\u202ee\u0301nd'"), "{screen}");
    let bytes = String::from_utf8_lossy(terminal.bytes()).into_owned();
    for hostile in ["\u{1b}[2J", "\u{1b}]", "\u{7}", "\u{9b}", "\u{202e}"] {
        assert!(!bytes.contains(hostile), "{hostile:?}: {bytes:?}");
    }
    terminal.type_keys("\x03");
    terminal.finish().assert_code(32);
}

/// A folder with a file and a named pipe, and the command that copies it.
fn folder_with_pipe() -> (Qubes, Command) {
    let qubes = Qubes::new();
    let folder = qubes.home(SOURCE).join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "content").unwrap();
    let (fifo, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
    rustix::fs::mknodat(rustix::fs::CWD, folder.join("pipe"), fifo, mode, 0).unwrap();
    let mut command = qubes.command(SOURCE, "qvm-copy-to-vm");
    command.args([TARGET, "folder"]);
    (qubes, command)
}

const PLAIN: &str = "\
qvm-copy-to-vm: 1 special file (named pipes, sockets, devices) will be left out
qfile-agent: \"folder/pipe\" is a named pipe, which cannot be copied: left out
qfile-agent: 1 file and 1 folder copied, 7 bytes
qfile-agent: everything else was copied
";

fn a_warning_stands_above_the_line() {
    let (_qubes, command) = folder_with_pipe();
    let left = Terminal::start(&command, 120).finish();
    left.assert_code(3);
    assert_eq!(left.screen.trim_end(), PLAIN.trim_end());
}

fn without_a_terminal_there_are_plain_lines() {
    let (_qubes, command) = folder_with_pipe();
    let finished = run(command);
    finished.assert_code(3);
    assert_eq!(finished.stderr(), PLAIN);
}

fn a_terminal_that_cannot_move_its_cursor_gets_plain_lines() {
    let (_qubes, mut command) = folder_with_pipe();
    let left = Terminal::start(command.env("TERM", "dumb"), 120).finish();
    left.assert_code(3);
    assert_eq!(left.bytes, PLAIN.replace('\n', "\r\n").as_bytes());
}

fn nothing_is_coloured() {
    for no_color in [None, Some("1")] {
        let (_qubes, mut command) = folder_with_pipe();
        match no_color {
            Some(value) => command.env("NO_COLOR", value).env("COLORTERM", "truecolor"),
            None => command.env_remove("NO_COLOR"),
        };
        let left = Terminal::start(&command, 120).finish();
        assert!(!is_coloured(&left.bytes), "{:?}", left.bytes);
    }
}

fn help_has_no_colours_where_none_are_wanted() {
    for name in ["qvm-copy", "qvm-copy-to-vm", "qfile-agent"] {
        let mut command = Command::new(program(name));
        command.arg("--help").env("NO_COLOR", "1");
        let left = Terminal::start(&command, 100).finish();
        left.assert_code(0);
        left.assert_shows("xit status");
        assert!(!is_coloured(&left.bytes), "{:?}", left.bytes);
    }
}

/// An escape sequence that ends in `m` sets colours and the like.
fn is_coloured(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.split("\x1b[").skip(1).any(|after| {
        let sequence = after.find(|c: char| c.is_ascii_alphabetic());
        sequence.is_some_and(|at| after[at..].starts_with('m'))
    })
}

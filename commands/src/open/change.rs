//! `--diff`: shows what an edit changes, and asks whether it may replace the file.
//!
//! The edit comes from another qube, so every line of it is made safe to show. Lines that differ do
//! not look alike, because the question is whether the change is the one that the user has made.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt as _;

use desktop::dialog::Dialogs;
use program::question::{CHOICES, TYPE_Y_OR_N, answer};
use program::say::plain;
use quantity::counted;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use similar::{ChangeTag, TextDiff};

use super::noticed::Noticed;

/// The longest content that is compared line by line, in bytes.
const MAX_COMPARED: u64 = 4 << 20;

/// How many lines a window shows: more would not fit on a screen.
const MAX_IN_WINDOW: usize = 40;

/// How many lines a terminal shows.
const MAX_ON_TERMINAL: usize = 2000;

/// What the user is asked about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    /// The file, as it is shown.
    pub(super) file: &'a str,
    /// The qube that the edit comes from, as it is shown.
    pub(super) qube: &'a str,
    /// Whether a window is to ask, even where there is a terminal.
    pub(super) gui: bool,
    /// The signals that end the wait for an answer.
    pub(super) noticed: &'a Noticed,
}

/// What the user says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Yes,
    No,
    /// Nothing: a signal asks the command to end.
    Interrupted,
}

/// Shows how `new` differs from `old`, and asks; in a window if that is wanted, or where there is no
/// terminal.
///
/// # Errors
/// Why the edit must not replace the file: the user does not agree, or cannot be asked.
pub(super) fn ask(question: Question<'_>, old: &File, new: &File) -> Result<(), String> {
    let lines = changes(old, new).map_err(|error| plain(&format!("cannot compare it: {error}")))?;
    let terminal = || File::options().read(true).write(true).open("/dev/tty");
    let said = match (question.gui, terminal()) {
        (false, Ok(terminal)) => on_terminal(terminal, question, &lines),
        (_, terminal) => match (Dialogs::find(), terminal) {
            (Some(dialogs), _) => in_window(&dialogs, question, &lines),
            (None, Ok(terminal)) => on_terminal(terminal, question, &lines),
            (None, Err(error)) => Err(error),
        },
    };
    match said {
        Ok(Said::Yes) => Ok(()),
        Ok(Said::No) => Err("you answered no".to_owned()),
        Ok(Said::Interrupted) => Err("interrupted before you answered".to_owned()),
        Err(error) => Err(format!(
            "neither a terminal nor a window is available to ask whether it may be replaced ({})",
            plain(&error.to_string())
        )),
    }
}

/// What has changed, in lines that are safe to show.
fn changes(old: &File, new: &File) -> io::Result<Vec<String>> {
    let (old_len, new_len) = (old.metadata()?.len(), new.metadata()?.len());
    let bytes = |len| counted(len, "byte", "bytes");
    let sizes = format!("{} before, {} now", bytes(old_len), bytes(new_len));
    if old_len.max(new_len) > MAX_COMPARED {
        return Ok(vec![format!("too long to be compared: {sizes}")]);
    }
    let (old, new) = (content(old, old_len)?, content(new, new_len)?);
    if old == new {
        return Ok(vec!["the content is the same".to_owned()]);
    }
    if old.contains(&0) || new.contains(&0) {
        return Ok(vec![format!("not a text: {sizes}")]);
    }
    let diff = TextDiff::configure().diff_lines(&old[..], &new[..]);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(3) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        let (before, after) = (first.old_range().start, first.new_range().start);
        lines.push(format!(
            "@@ -{},{} +{},{} @@",
            before + 1,
            last.old_range().end - before,
            after + 1,
            last.new_range().end - after
        ));
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let line = change.value();
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            lines.push(format!("{sign}{}", text::content_line(text)));
            if !line.ends_with(b"\n") {
                // No line of a file looks like it: each begins with a sign here.
                lines.push("\\ no newline at the end of the line above".to_owned());
            }
        }
    }
    Ok(lines)
}

/// From the beginning of a file, wherever its position is.
fn content(file: &File, len: u64) -> io::Result<Vec<u8>> {
    let mut content = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut content, 0)?;
    Ok(content)
}

/// The first `max` lines, and how many there are beside.
fn shown(lines: &[String], max: usize) -> String {
    let mut text = lines[..lines.len().min(max)].join("\n");
    if lines.len() > max {
        let _strings_take_everything = write!(
            text,
            "\n... and {}",
            counted((lines.len() - max) as u64, "more line", "more lines")
        );
    }
    text
}

fn on_terminal(mut terminal: File, question: Question<'_>, lines: &[String]) -> io::Result<Said> {
    let Question { file, qube, .. } = question;
    let text = shown(lines, MAX_ON_TERMINAL);
    let mut before = format!("{text}\n");
    loop {
        write!(
            terminal,
            "{before}Replace {file} by this edit from {qube}? {CHOICES} "
        )?;
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            if !is_ready(&terminal, question.noticed)? {
                return Ok(Said::Interrupted);
            }
            let mut byte = [0];
            match terminal.read(&mut byte)? {
                0 => break,
                _ => line.push(byte[0]),
            }
        }
        match answer(&line) {
            Some(true) => return Ok(Said::Yes),
            Some(false) => return Ok(Said::No),
            None => before = format!("{TYPE_Y_OR_N}\n"),
        }
    }
}

/// Waits until `input` is ready to be read; false if a signal came, before that or meanwhile.
fn is_ready(input: impl AsFd, noticed: &Noticed) -> io::Result<bool> {
    loop {
        let mut fds = [
            PollFd::new(noticed, PollFlags::IN),
            PollFd::new(&input, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            // The thread that catches signals will tell which it was.
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) if !fds[0].revents().is_empty() => return Ok(false),
            Ok(_) if !fds[1].revents().is_empty() => return Ok(true),
            Ok(_) => {}
        }
    }
}

fn in_window(dialogs: &Dialogs, question: Question<'_>, lines: &[String]) -> io::Result<Said> {
    let Question { file, qube, .. } = question;
    let text = shown(lines, MAX_IN_WINDOW);
    let file = text::for_window(file);
    let text = format!("Replace {file} by this edit from {qube}?\n\n{text}");
    let mut window = dialogs.asking("Replace the file", &text).spawn()?;
    let pid = i32::try_from(window.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::NotFound)?;
    let ended = pidfd_open(pid, PidfdFlags::empty())?;
    if !is_ready(&ended, question.noticed)? {
        window.kill()?;
        window.wait()?;
        return Ok(Said::Interrupted);
    }
    Ok(match window.wait()?.success() {
        true => Said::Yes,
        false => Said::No,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn between(old: &[u8], new: &[u8]) -> Vec<String> {
        changes(&file(old), &file(new)).unwrap()
    }

    #[test]
    fn each_changed_line_is_shown_and_safe() {
        assert_eq!(
            between(b"a\nb\nc\n", b"a\nB\x1b[2J\nc\n"),
            ["@@ -1,3 +1,3 @@", " a", "-b", "+B\\x1b[2J", " c"]
        );
        assert_eq!(
            between(b"a\n", b"a"),
            [
                "@@ -1,1 +1,1 @@",
                "-a",
                "+a",
                "\\ no newline at the end of the line above"
            ]
        );
        assert_eq!(
            between("عربي\n".as_bytes(), "عربی\n".as_bytes()),
            ["@@ -1,1 +1,1 @@", "-عربي", "+عرب\\u06cc"]
        );
        assert_eq!(between(b"", b"x\n"), ["@@ -1,0 +1,1 @@", "+x"]);
        assert_eq!(between(b"x", b"x"), ["the content is the same"]);
    }

    #[test]
    fn what_is_no_text_or_too_long_is_told_by_its_size() {
        assert_eq!(
            between(b"a\0", b"abc"),
            ["not a text: 2 bytes before, 3 bytes now"]
        );
        let long = file(b"");
        long.set_len(MAX_COMPARED + 1).unwrap();
        let lines = changes(&file(b"a"), &long).unwrap();
        assert_eq!(
            lines,
            ["too long to be compared: 1 byte before, 4,194,305 bytes now"]
        );
    }

    #[test]
    fn a_window_shows_as_much_as_fits_on_a_screen() {
        let lines: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let text = shown(&lines, 40);
        assert!(text.ends_with("\n39\n... and 60 more lines"), "{text}");
        assert_eq!(shown(&lines[..2], 40), "0\n1");
    }
}

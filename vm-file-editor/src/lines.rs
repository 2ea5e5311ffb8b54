//! Lines of a program that may write anything: how long they are, and how many are passed on, has a
//! limit.

use std::time::Duration;

/// Longest line that is looked at, in bytes: the display function shows no more than 1,000 characters,
/// of four bytes at most.
const MAX_LINE: usize = 4096;

/// Bytes that may be passed on at once: what a pipe holds.
const BURST: u64 = 64 * 1024;

/// Bytes that may be passed on in a second, in the long run.
const PER_SECOND: u64 = 16 * 1024;

/// Puts lines together.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
}

impl Lines {
    /// Takes what was written, and gives each line that is complete and not blank, cleaned, to `each`.
    pub(crate) fn take(&mut self, written: &[u8], each: &mut impl FnMut(String)) {
        for piece in written.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = MAX_LINE - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if is_ended {
                self.end(each);
            }
        }
    }

    /// Nothing more will come: what was written last is a line without its newline, too.
    pub(crate) fn end(&mut self, each: &mut impl FnMut(String)) {
        let shown = text::line(self.line.trim_ascii_end());
        self.line.clear();
        if !shown.is_empty() {
            each(shown);
        }
    }
}

/// How much may be passed on.
#[derive(Debug)]
pub(crate) struct Rate {
    left: u64,
    /// What time has not added yet, in bytes times microseconds.
    rest: u128,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            left: BURST,
            rest: 0,
        }
    }
}

impl Rate {
    /// Whether a line of `len` bytes may be passed on, `elapsed` after it was last asked.
    pub(crate) fn allows(&mut self, len: usize, elapsed: Duration) -> bool {
        const MICROS: u128 = 1_000_000;
        let earned = self.rest + elapsed.as_micros() * u128::from(PER_SECOND);
        self.rest = earned % MICROS;
        let earned = u64::try_from(earned / MICROS).unwrap_or(u64::MAX);
        self.left = self.left.saturating_add(earned).min(BURST);
        let len = len as u64 + 1;
        let allowed = len <= self.left;
        if allowed {
            self.left -= len;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for piece in pieces {
            lines.take(piece, &mut |line| found.push(line));
        }
        lines.end(&mut |line| found.push(line));
        found
    }

    #[test]
    fn lines_are_the_same_in_whatever_pieces_they_come() {
        let written = "  one \"two\"\r\n\n \t\nзавершено\nlast".as_bytes();
        for len in 1..=written.len() {
            let pieces: Vec<&[u8]> = written.chunks(len).collect();
            assert_eq!(lines(&pieces), ["  one \"two\"", "завершено", "last"]);
        }
    }

    #[test]
    fn of_a_long_line_the_begin_is_kept_and_the_rest_is_no_line() {
        let long = vec![b'x'; 3 * MAX_LINE];
        let found = lines(&[&long, &long, b"\nnext\n"]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].len(), text::MAX_CHARS);
        assert_eq!(found[1], "next");
    }

    #[test]
    fn a_burst_passes_and_a_flood_is_held_to_its_rate() {
        let mut rate = Rate::default();
        let line = 1023;
        let at_once = (0..1000)
            .filter(|_| rate.allows(line, Duration::ZERO))
            .count();
        assert_eq!(at_once, 64);
        let in_ten_seconds = (0..100_000)
            .filter(|_| rate.allows(line, Duration::from_micros(100)))
            .count();
        assert_eq!(in_ten_seconds, 160);
        assert!(rate.allows(60_000, Duration::from_secs(1_000_000)));
        assert!(!rate.allows(60_000, Duration::ZERO));
    }
}

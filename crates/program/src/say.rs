//! The one place that writes to people on stderr.

use std::env;
use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _, stderr};

/// Writes `text` and a newline to stderr in one write, so that it is not torn apart by what others
/// write there.
///
/// That nobody reads stderr any more is no reason to fail (or to panic, as `eprintln!` does), so
/// errors are ignored. Names in `text` have passed `text`.
pub fn say(text: impl Display) {
    let line = format!("{}\n", plain(&text.to_string()));
    let _nobody_reads = stderr().lock().write_all(line.as_bytes());
}

/// `text` without the numbers of errors at the ends of its lines, such as `(os error 2)`: the words
/// before them say the same. No name ends like this, because names are in quotes.
#[must_use]
pub fn plain(text: &str) -> String {
    let lines: Vec<&str> = text.split('\n').map(without_number).collect();
    lines.join("\n")
}

fn without_number(line: &str) -> &str {
    let number = line.strip_suffix(')').and_then(|line| {
        let (words, number) = line.rsplit_once(" (os error ")?;
        number
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then_some(words)
    });
    number.unwrap_or(line)
}

/// Takes away what another program, which has ended, left on the last line of the terminal. Where
/// stderr is no terminal, or one that cannot move its cursor, nothing was left.
pub fn clear_line() {
    let can_move = env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    if can_move && stderr().is_terminal() {
        let _nobody_reads = stderr().lock().write_all(b"\r\x1b[2K");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use super::*;

    #[test]
    fn a_person_needs_no_number_of_an_error() {
        let error = Error::from_raw_os_error(2);
        let text = format!("cannot open \"a (os error 2)\": {error}\n  \"b\": {error}\ncheck it");
        assert_eq!(
            plain(&text),
            "cannot open \"a (os error 2)\": No such file or directory\n  \"b\": No such file or \
             directory\ncheck it"
        );
        assert_eq!(plain("a (os error x)\n"), "a (os error x)\n");
    }
}

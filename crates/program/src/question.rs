//! A question that is answered with yes or no on a terminal.

use std::io::{self, BufRead, Write};

/// What stands behind a question: the answers, of which the second is that of an empty line.
pub const CHOICES: &str = "[y/N]";

/// What is said to an answer that is neither.
pub const TYPE_Y_OR_N: &str = "type y for yes, or n for no";

/// Whether a line says yes; `None` if it says neither yes nor no, as a word of another language.
#[must_use]
pub fn answer(line: &[u8]) -> Option<bool> {
    match line.trim_ascii().to_ascii_lowercase().as_slice() {
        b"y" | b"yes" => Some(true),
        b"" | b"n" | b"no" => Some(false),
        _ => None,
    }
}

/// Asks until there is an answer. The end of `input` is a no.
///
/// # Errors
/// Those of reading and writing.
pub fn ask(input: &mut impl BufRead, output: &mut impl Write, question: &str) -> io::Result<bool> {
    loop {
        write!(output, "{question} {CHOICES} ")?;
        output.flush()?;
        let mut line = Vec::new();
        input.read_until(b'\n', &mut line)?;
        if let Some(answer) = answer(&line) {
            return Ok(answer);
        }
        writeln!(output, "{TYPE_Y_OR_N}")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_neither_yes_nor_no_is_asked_about_again() {
        for (typed, expected, times) in [
            ("y\n", true, 1),
            ("YES\n", true, 1),
            ("n\n", false, 1),
            ("\n", false, 1),
            ("", false, 1),
            ("ja\noui\n y \n", true, 3),
            ("si\nno\n", false, 2),
            ("yup", false, 2),
        ] {
            let mut output = Vec::new();
            let answer = ask(&mut typed.as_bytes(), &mut output, "Go on?").unwrap();
            assert_eq!(answer, expected, "{typed:?}");
            let output = String::from_utf8(output).unwrap();
            assert_eq!(output.matches("Go on? [y/N] ").count(), times, "{output}");
            assert_eq!(output.matches(TYPE_Y_OR_N).count(), times - 1, "{output}");
        }
    }
}

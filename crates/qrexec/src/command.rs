//! A command as the argument of qubes.VMExec, VMExecGUI and VMRootExec.
//!
//! ```text
//! ARG   = PART *( "+" PART )        one PART is one argument, the first is the program
//! PART  = *( PLAIN / "--" / "-" HEX HEX )
//! PLAIN = A-Z a-z 0-9 . _           HEX = 0-9 A-F
//! ```
//!
//! `--` is a dash, `-HH` any byte. A byte may be escaped that need not be, so that one command has
//! many spellings. [`encode`] gives the shortest, which is the only one that policy should have to
//! know; [`decode`] takes all, because other callers send them.

use std::ffi::{CString, NulError};
use std::fmt;

/// The longest argument that a qube can send, in bytes: 3,900 arrive, and 4,000 stop the channel
/// between the qube and dom0 for good (measured over the socket vchan, whose buffer has 4,096 bytes).
pub const MAX_LEN_FROM_A_QUBE: usize = 3_900;

/// Why an argument is no command. Positions count bytes of the argument, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotACommand {
    /// A byte that has to be escaped is not.
    Byte(u8, usize),
    /// What follows a dash is neither a dash nor two digits from `0-9A-F`.
    Escape(usize),
    /// The argument that begins here has a NUL in it, which no program can be given.
    Nul(usize),
    /// The name of the program is empty.
    NoProgram,
}

impl fmt::Display for NotACommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(byte, at) => {
                write!(f, "the byte 0x{byte:02X} at position {at} is not escaped")
            }
            Self::Escape(at) => write!(
                f,
                "behind the dash at position {at} there is no dash, and no two digits of 0-9 and A-F"
            ),
            Self::Nul(at) => write!(
                f,
                "the part at position {at} has a NUL byte, which no program can be given"
            ),
            Self::NoProgram => f.write_str("it names no program"),
        }
    }
}

impl std::error::Error for NotACommand {}

/// The program and its arguments, as `execve(2)` takes them. There is at least the program, whose name
/// is not empty.
///
/// # Errors
/// It is no command: nothing may be executed.
pub fn decode(untrusted: &[u8]) -> Result<Vec<CString>, NotACommand> {
    let mut command = Vec::new();
    let mut part = Vec::new();
    let (mut starts_at, mut at) = (0, 0);
    while let Some(&byte) = untrusted.get(at) {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' => part.push(byte),
            b'+' => {
                command.push(finished(std::mem::take(&mut part), starts_at)?);
                starts_at = at + 1;
            }
            b'-' if untrusted.get(at + 1) == Some(&b'-') => {
                part.push(b'-');
                at += 1;
            }
            b'-' => {
                let value = escaped(&untrusted[at + 1..]).ok_or(NotACommand::Escape(at))?;
                part.push(value);
                at += 2;
            }
            _ => return Err(NotACommand::Byte(byte, at)),
        }
        at += 1;
    }
    command.push(finished(part, starts_at)?);
    match command.first() {
        Some(program) if !program.is_empty() => Ok(command),
        _ => Err(NotACommand::NoProgram),
    }
}

/// The shortest spelling of a program and its arguments. Without any, and with one that is empty, it is
/// empty, which is no command.
pub fn encode<A: AsRef<[u8]>>(command: impl IntoIterator<Item = A>) -> String {
    let mut argument = String::new();
    for (number, part) in command.into_iter().enumerate() {
        if number > 0 {
            argument.push('+');
        }
        for &byte in part.as_ref() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' => {
                    argument.push(char::from(byte));
                }
                b'-' => argument.push_str("--"),
                _ => {
                    argument.push('-');
                    argument.extend([byte >> 4, byte & 15].map(digit));
                }
            }
        }
    }
    argument
}

fn finished(part: Vec<u8>, starts_at: usize) -> Result<CString, NotACommand> {
    CString::new(part).map_err(|_: NulError| NotACommand::Nul(starts_at))
}

/// The value of the two digits in front.
fn escaped(behind_dash: &[u8]) -> Option<u8> {
    let (&high, &low) = (behind_dash.first()?, behind_dash.get(1)?);
    Some(value(high)? << 4 | value(low)?)
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn digit(value: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(value & 15)])
}

/// The body of the fuzz target: an argument is refused, or it is a command whose shortest spelling
/// means the same, is no longer and stays as it is.
#[cfg(any(test, fuzzing))]
pub mod fuzzing {
    use super::{NotACommand, decode, encode};

    /// Tries `untrusted` as an argument, and as the bytes of arguments that are separated by NUL.
    ///
    /// # Panics
    /// A property does not hold.
    pub fn command(untrusted: &[u8]) {
        if let Ok(command) = decode(untrusted) {
            let bytes = || command.iter().map(|part| part.to_bytes());
            let shortest = encode(bytes());
            assert!(shortest.len() <= untrusted.len());
            assert_eq!(decode(shortest.as_bytes()), Ok(command.clone()));
            // A plain byte takes one, a dash two, every other byte three, and a + joins two parts.
            let cost = |byte: &u8| match byte {
                b'.' | b'_' => 1,
                b'-' => 2,
                _ if byte.is_ascii_alphanumeric() => 1,
                _ => 3,
            };
            let parts = bytes().flatten().map(cost).sum::<usize>();
            assert_eq!(shortest.len(), parts + command.len() - 1);
        }
        let words: Vec<&[u8]> = untrusted.split(|byte| *byte == 0).collect();
        let encoded = encode(&words);
        match decode(encoded.as_bytes()) {
            Ok(command) => {
                let decoded: Vec<&[u8]> = command.iter().map(|part| part.as_bytes()).collect();
                assert_eq!(decoded, words);
            }
            Err(error) => {
                assert_eq!(error, NotACommand::NoProgram);
                assert!(words[0].is_empty());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(argument: &str) -> Vec<Vec<u8>> {
        let command = decode(argument.as_bytes()).unwrap_or_else(|error| {
            panic!("{argument}: {error}");
        });
        command.into_iter().map(CString::into_bytes).collect()
    }

    #[test]
    fn the_table_of_the_contract() {
        let table: [(&str, &[&[u8]]); 11] = [
            ("ls+--a+-2Fhome-2Fuser", &[b"ls", b"-a", b"/home/user"]),
            ("----help", &[b"--help"]),
            ("-C3-A9-FF", &[b"\xC3\xA9\xFF"]),
            ("--41", &[b"-41"]),
            ("a-2Bb", &[b"a+b"]),
            ("---61", &[b"-a"]),
            ("-2D41", &[b"-41"]),
            ("-41BC", &[b"ABC"]),
            ("echo+", &[b"echo", b""]),
            ("echo++", &[b"echo", b"", b""]),
            ("a.b_C0", &[b"a.b_C0"]),
        ];
        for (argument, expected) in table {
            assert_eq!(words(argument), expected, "{argument}");
        }
    }

    #[test]
    fn what_is_no_command_says_why() {
        for (argument, expected) in [
            ("---", NotACommand::Escape(2)),
            ("a-", NotACommand::Escape(1)),
            ("-4", NotACommand::Escape(0)),
            ("-2d", NotACommand::Escape(0)),
            ("-", NotACommand::Escape(0)),
            ("-a", NotACommand::Escape(0)),
            ("-0a", NotACommand::Escape(0)),
            ("a+-4+b", NotACommand::Escape(2)),
            ("a b", NotACommand::Byte(b' ', 1)),
            ("a/b", NotACommand::Byte(b'/', 1)),
            ("a,b", NotACommand::Byte(b',', 1)),
            ("\u{e9}", NotACommand::Byte(0xC3, 0)),
            ("ls\n", NotACommand::Byte(b'\n', 2)),
            ("a+b-00c", NotACommand::Nul(2)),
            ("-00", NotACommand::Nul(0)),
            ("", NotACommand::NoProgram),
            ("+", NotACommand::NoProgram),
            ("+a", NotACommand::NoProgram),
        ] {
            assert_eq!(decode(argument.as_bytes()), Err(expected), "{argument:?}");
            assert!(!expected.to_string().is_empty());
        }
    }

    /// Every byte at the start, in the middle and at the end of the program and of an argument.
    #[test]
    fn every_byte_in_every_position() {
        for byte in 1..=u8::MAX {
            for at in 0..3 {
                let mut with_byte = b"ab".to_vec();
                with_byte.insert(at, byte);
                for command in [
                    vec![with_byte.clone()],
                    vec![b"x".to_vec(), with_byte.clone()],
                ] {
                    let argument = encode(&command);
                    assert_eq!(words(&argument), command, "{byte:#x}");
                    let is_plain = byte.is_ascii_alphanumeric() || b"._".contains(&byte);
                    let more = match byte {
                        _ if is_plain => 0,
                        b'-' => 1,
                        _ => 2,
                    };
                    assert_eq!(argument.len(), command.join(&0).len() + more, "{byte:#x}");
                }
            }
        }
    }

    /// A byte that stands as it is means itself, or is refused.
    #[test]
    fn every_byte_that_is_not_escaped() {
        for byte in 0..=u8::MAX {
            let decoded = decode(&[b'x', byte, b'y']);
            let is_plain = byte.is_ascii_alphanumeric() || b"._".contains(&byte);
            match byte {
                b'+' => assert_eq!(decoded.unwrap().len(), 2),
                b'-' => assert_eq!(decoded, Err(NotACommand::Escape(1))),
                _ if is_plain => assert_eq!(decoded.unwrap()[0].as_bytes(), [b'x', byte, b'y']),
                _ => assert_eq!(decoded, Err(NotACommand::Byte(byte, 1))),
            }
        }
    }

    #[test]
    fn no_argument_and_an_empty_one_are_the_same() {
        assert_eq!(encode::<&str>([]), "");
        assert_eq!(encode([""]), "");
        assert_eq!(encode(["a", "", ""]), "a++");
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(
            program in proptest::collection::vec(1..=u8::MAX, 1..20),
            mut rest in proptest::collection::vec(proptest::collection::vec(1..=u8::MAX, 0..20), 0..20)
        ) {
            rest.insert(0, program);
            prop_assert_eq!(words(&encode(&rest)), rest);
        }

        #[test]
        fn encoding_gives_the_shortest_spelling(argument in "([A-C+]|-2[BDF]|--|-4[12]){0,30}") {
            super::fuzzing::command(argument.as_bytes());
        }

        #[test]
        fn whatever_comes_is_a_command_or_refused(argument in any::<Vec<u8>>()) {
            super::fuzzing::command(&argument);
        }
    }

    /// What `make fuzz` starts from.
    #[test]
    fn the_corpus_of_the_fuzz_target() {
        test_support::corpus("command", 5, fuzzing::command);
    }
}

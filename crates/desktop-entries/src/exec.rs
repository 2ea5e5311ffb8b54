//! The command line of the key `Exec`, by the rules of GIO: first each field code is replaced by
//! text, then the line is split into words as a shell does it, without anything being expanded.

use std::error;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use shlex::bytes::Shlex;

/// What field codes stand for. No file is opened, so `%f`, `%F`, `%u` and `%U` stand for nothing.
#[derive(Clone, Copy, Debug)]
pub struct Codes<'a> {
    /// The key `Icon`, for `%i`.
    pub icon: Option<&'a [u8]>,
    /// The key `Name` in the language of the user, for `%c`.
    pub name: Option<&'a [u8]>,
    /// The desktop file, for `%k`.
    pub file: &'a Path,
}

/// Why a value of `Exec` is no command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A quotation mark lacks its other one, or a backslash is the last character.
    Quotes,
    /// There is no word in it, or the first one is empty.
    Empty,
    /// A NUL, which no argument of a program can hold.
    Nul,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quotes => "a quotation mark in its key Exec lacks its other one",
            Self::Empty => "its key Exec names no program",
            Self::Nul => "its key Exec has a NUL byte",
        })
    }
}

impl error::Error for Malformed {}

/// The words of the command line `exec`, whose escapes are undone.
///
/// # Errors
/// It is no command line.
pub fn words(exec: &[u8], codes: &Codes<'_>) -> Result<Vec<Vec<u8>>, Malformed> {
    let line = expanded(exec, codes);
    if line.contains(&0) {
        return Err(Malformed::Nul);
    }
    let mut split = Shlex::new(&line);
    let words: Vec<Vec<u8>> = split.by_ref().collect();
    if split.had_error {
        return Err(Malformed::Quotes);
    }
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err(Malformed::Empty),
    }
}

fn expanded(exec: &[u8], codes: &Codes<'_>) -> Vec<u8> {
    let mut line = Vec::with_capacity(exec.len());
    let mut bytes = exec.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        // A last `%` is no code.
        let code = bytes.next_if(|_| byte == b'%');
        match (code, codes.icon, codes.name) {
            (None, _, _) => line.push(byte),
            (Some(b'%'), _, _) => line.push(b'%'),
            (Some(b'i'), Some(icon), _) => {
                line.extend(b"--icon ");
                quote(icon, &mut line);
            }
            (Some(b'c'), _, Some(name)) => quote(name, &mut line),
            (Some(b'k'), _, _) => quote(codes.file.as_os_str().as_bytes(), &mut line),
            // Files that are not there, codes that are no longer used, and unknown ones.
            (Some(_), _, _) => {}
        }
    }
    line
}

/// Appends `text` as one word, whatever it holds. Always in single quotes, as GIO does it: a code
/// that stands within double quotes, in the command of `sh -c`, is a word for that shell too.
fn quote(text: &[u8], line: &mut Vec<u8>) {
    line.push(b'\'');
    for byte in text {
        match byte {
            b'\'' => line.extend(b"'\\''"),
            byte => line.push(*byte),
        }
    }
    line.push(b'\'');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(exec: &str) -> Result<Vec<String>, Malformed> {
        let codes = Codes {
            icon: Some(b"my icon"),
            name: Some(b"It's $HOME"),
            file: Path::new("/usr/share/applications/a b.desktop"),
        };
        let words = words(exec.as_bytes(), &codes)?.into_iter();
        Ok(words.map(|word| String::from_utf8(word).unwrap()).collect())
    }

    #[test]
    fn field_codes_stand_for_what_gio_gives_them() {
        for (exec, expected) in [
            ("a %f %F %u %U b", vec!["a", "b"]),
            ("a %i", vec!["a", "--icon", "my icon"]),
            ("a %c", vec!["a", "It's $HOME"]),
            ("a --title=%c", vec!["a", "--title=It's $HOME"]),
            ("a %k", vec!["a", "/usr/share/applications/a b.desktop"]),
            ("a 100%% %%f", vec!["a", "100%", "%f"]),
            ("a %d %D %n %N %v %m %x b", vec!["a", "b"]),
            ("a %", vec!["a", "%"]),
            (
                "sh -c \"echo %k\"",
                vec!["sh", "-c", "echo '/usr/share/applications/a b.desktop'"],
            ),
        ] {
            assert_eq!(split(exec).unwrap(), expected, "{exec}");
        }
        let none = Codes {
            icon: None,
            name: None,
            file: Path::new("/f"),
        };
        assert_eq!(words(b"a %i %c", &none).unwrap(), [b"a"]);
    }

    #[test]
    fn words_are_those_of_a_shell_that_expands_nothing() {
        for (exec, expected) in [
            ("a  b\tc", vec!["a", "b", "c"]),
            ("\"a b\" 'c \"d' e\\ f", vec!["a b", "c \"d", "e f"]),
            (r#"a "\"\\\$\`\x""#, vec!["a", r#""\$`\x"#]),
            ("a '' \"\"", vec!["a", "", ""]),
            (
                "a $HOME `id` $(id) * ~ ; b | c && d > e",
                vec![
                    "a", "$HOME", "`id`", "$(id)", "*", "~", ";", "b", "|", "c", "&&", "d", ">",
                    "e",
                ],
            ),
        ] {
            assert_eq!(split(exec).unwrap(), expected, "{exec}");
        }
    }

    #[test]
    fn what_is_no_command_line_is_refused() {
        for (exec, error) in [
            ("", Malformed::Empty),
            ("  ", Malformed::Empty),
            ("%f", Malformed::Empty),
            ("'' a", Malformed::Empty),
            ("a 'b", Malformed::Quotes),
            ("a \"b", Malformed::Quotes),
            ("a\0b", Malformed::Nul),
        ] {
            assert_eq!(split(exec), Err(error), "{exec:?}");
        }
    }

    proptest! {
        #[test]
        fn a_value_is_one_word_whatever_it_holds(name in proptest::collection::vec(1_u8.., 0..20)) {
            let codes = Codes { icon: None, name: Some(&name), file: Path::new("/f") };
            prop_assert_eq!(words(b"a x%cy", &codes).unwrap()[1].clone(), [b"x", &*name, b"y"].concat());
        }
    }
}

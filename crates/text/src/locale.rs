//! What the locale of the user says about text: the encoding of the terminal, and the language.
//!
//! A locale that is not set says nothing: then the text is UTF-8, as programs that are started by
//! qrexec or systemd have none. The locale `C` says that the text is ASCII, as it does to ls and bash.

#[cfg(not(test))]
use std::env;
#[cfg(not(test))]
use std::sync::OnceLock;

/// The locale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Locale {
    /// The terminal shows characters that are written as UTF-8.
    pub(crate) is_utf8: bool,
    /// The language is written with the Persian forms of letters and digits of the Arabic script.
    pub(crate) has_persian_letters: bool,
}

/// Languages with ی and ک. Arabic, and those that are written in other scripts too, are not here.
const PERSIAN_LETTERS: [&str; 8] = ["fa", "ur", "ps", "ckb", "sd", "ks", "mzn", "glk"];

impl Locale {
    /// The locale of this process, which does not change while it runs.
    #[cfg(not(test))]
    pub(crate) fn current() -> Self {
        static CURRENT: OnceLock<Locale> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            // locale(7): the first that is set and not empty.
            let mut values = ["LC_ALL", "LC_CTYPE", "LANG"]
                .into_iter()
                .filter_map(|name| env::var(name).ok());
            Self::of(&values.find(|value| !value.is_empty()).unwrap_or_default())
        })
    }

    /// The locale that tests expect.
    #[cfg(test)]
    pub(crate) fn current() -> Self {
        Self::of("en_US.UTF-8")
    }

    /// What `name` says, in the form `language_TERRITORY.encoding@modifier`. A locale that names no
    /// encoding is one of UTF-8, except C: the others are no longer common.
    fn of(name: &str) -> Self {
        let (name, _) = name.split_once('@').unwrap_or((name, ""));
        let (language, encoding) = match name.split_once('.') {
            Some((language, encoding)) => (language, Some(encoding)),
            None => (name, None),
        };
        let is_utf8 = match encoding {
            Some(encoding) => {
                let letters = encoding.chars().filter(char::is_ascii_alphanumeric);
                letters.collect::<String>().eq_ignore_ascii_case("utf8")
            }
            None => !matches!(language, "C" | "POSIX"),
        };
        let (language, _) = language.split_once('_').unwrap_or((language, ""));
        Self {
            is_utf8,
            has_persian_letters: PERSIAN_LETTERS.contains(&language),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_names_an_encoding_and_a_language() {
        let table = [
            ("", true, false),
            ("C", false, false),
            ("POSIX", false, false),
            ("C.UTF-8", true, false),
            ("C.utf8", true, false),
            ("de_DE", true, false),
            ("de_DE.ISO-8859-1", false, false),
            ("de_DE.UTF-8@euro", true, false),
            ("de_DE@euro", true, false),
            ("fa_IR", true, true),
            ("ur_PK.UTF-8", true, true),
            ("ar_EG.UTF-8", true, false),
            ("fa_IR.ISO-8859-6", false, true),
        ];
        for (name, is_utf8, has_persian_letters) in table {
            let expected = Locale {
                is_utf8,
                has_persian_letters,
            };
            assert_eq!(Locale::of(name), expected, "{name}");
        }
    }
}

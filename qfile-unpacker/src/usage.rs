//! What the command line takes, as a table: `--help` and the manual page are both made of it.
//!
//! [`args`](crate::args) is written by hand; that it knows every option here is tested.

use std::ffi::OsStr;
use std::fmt::Write as _;

/// One line about the program.
pub const ABOUT: &str =
    "Receive files and folders from another qube: the receiving end of qubes.Filecopy";

/// The two forms of the command line.
pub const FORMS: [&str; 2] = [
    "qfile-unpacker [OPTIONS] [UID [DIR]]",
    "qfile-unpacker UID DIR [-v] [-w [BYTES]]",
];

/// What the arguments mean.
pub const ARGUMENTS: [(&str, &str); 2] = [
    (
        "UID",
        "Whose incoming folder; only root may name another uid [default: the caller's]",
    ),
    (
        "DIR",
        "Where to put what comes [default: ~/QubesIncoming/QUBE of UID]",
    ),
];

/// An option.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Its letter.
    pub short: Option<char>,
    /// Its name, without the dashes.
    pub long: &'static str,
    /// The name of its value, if it takes one.
    pub value: Option<&'static str>,
    /// What it does.
    pub help: &'static str,
}

/// The options.
pub const FLAGS: [Flag; 17] = [
    Flag {
        short: Some('v'),
        ..flag(
            "verbose",
            "Name each file that landed, the isolation, and paths in errors, on stderr",
        )
    },
    Flag {
        short: Some('w'),
        value: Some("BYTES"),
        ..flag(
            "wait-for-space",
            "Wait until there is room for a file and this much more; 0 is off",
        )
    },
    flag(
        "allow-all-names",
        "Accept names whose characters are not safe for display",
    ),
    flag("no-allow-all-names", "Refuse them (default)"),
    flag(
        "allow-unsafe-symlinks",
        "Accept symbolic links that lead anywhere",
    ),
    flag(
        "no-allow-unsafe-symlinks",
        "Refuse links that leave the folder they came with (default)",
    ),
    flag(
        "canonical-symlinks",
        "Refuse links whose target takes detours",
    ),
    flag("only-regular-files", "Refuse folders and links"),
    Flag {
        value: Some("WAY"),
        ..flag(
            "on-conflict",
            "What to do with a name that is there: fail (default), rename, skip-identical",
        )
    },
    Flag {
        value: Some("N"),
        ..flag(
            "max-bytes",
            "Refuse more than N bytes of content in all [default: no limit]",
        )
    },
    Flag {
        value: Some("N"),
        ..flag(
            "max-files",
            "Refuse more than N files, folders and links [default: no limit]",
        )
    },
    Flag {
        value: Some("PERCENT"),
        ..flag(
            "max-fill",
            "Refuse more than this share of what is free at the beginning",
        )
    },
    Flag {
        value: Some("dom0"),
        ..flag(
            "profile",
            "As dom0: canonical symlinks, 4 GiB, 4096 files, 90 % of the free space",
        )
    },
    flag("no-sparse", "Write zeros out instead of leaving holes"),
    flag(
        "no-space-check",
        "Receive files that are longer than the free space, such as sparse images",
    ),
    Flag {
        value: Some("LEVEL"),
        ..flag(
            "require-isolation",
            "Refuse to run with less: root, user-namespace or landlock",
        )
    },
    Flag {
        short: Some('h'),
        ..flag(
            "help",
            "Print help; only as the first argument, as --version",
        )
    },
];

/// The exit statuses.
pub const STATUSES: [(&str, &str); 3] = [
    ("0", "everything landed and is on disk"),
    (
        "1",
        "nothing was received; why is said on stderr, and in this qube's log",
    ),
    (
        "other",
        "a refusal stopped the copy: the errno that the verdict carries, cut to 8 bits",
    ),
];

/// What `first`, the first argument, asks to be told instead of receiving anything.
#[must_use]
pub fn asked_for(first: &OsStr) -> Option<String> {
    match first.to_str()? {
        "-h" | "--help" => Some(help()),
        "-V" | "--version" => {
            Some(concat!("qfile-unpacker ", env!("CARGO_PKG_VERSION"), "\n").to_owned())
        }
        _ => None,
    }
}

const fn flag(long: &'static str, help: &'static str) -> Flag {
    Flag {
        short: None,
        long,
        value: None,
        help,
    }
}

fn help() -> String {
    let mut text = format!("{ABOUT}\n\nUsage: {}\n       {}\n", FORMS[0], FORMS[1]);
    let mut section = |title: &str, rows: &[(String, &str)]| {
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let _never_fails = write!(text, "\n{title}:\n");
        for (name, meaning) in rows {
            let _never_fails = writeln!(text, "  {name:width$}  {meaning}");
        }
    };
    let named = |rows: &[(&'static str, &'static str)]| -> Vec<(String, &'static str)> {
        rows.iter()
            .map(|(name, meaning)| ((*name).to_owned(), *meaning))
            .collect()
    };
    section("Arguments", &named(&ARGUMENTS));
    section("Options", &FLAGS.map(|flag| (spelled(flag), flag.help)));
    section("Exit status", &named(&STATUSES));
    text
}

fn spelled(flag: Flag) -> String {
    let short = flag
        .short
        .map_or("    ".to_owned(), |letter| format!("-{letter}, "));
    let value = flag
        .value
        .map_or(String::new(), |value| format!(" {value}"));
    format!("{short}--{}{value}", flag.long)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::profile::UpdateLimits;
    use crate::{args, Error, Options};

    fn is_unknown(option: &str) -> bool {
        let parsed = args::parse(
            [OsString::from(option)].into_iter(),
            Options::default(),
            &UpdateLimits::default(),
        );
        matches!(parsed, Err(Error::Usage(why)) if why.starts_with("unknown option"))
    }

    #[test]
    fn the_parser_knows_every_option_of_the_table() {
        assert!(is_unknown("--no-such-option"));
        for flag in FLAGS.iter().filter(|flag| flag.long != "help") {
            assert!(!is_unknown(&format!("--{}", flag.long)), "{flag:?}");
            let short = flag.short.map(|letter| format!("-{letter}"));
            assert!(!short.is_some_and(|short| is_unknown(&short)), "{flag:?}");
        }
    }

    #[test]
    fn the_table_has_every_option_of_the_parser() {
        let parser = include_str!("args.rs")
            .split("#[cfg(test)]")
            .next()
            .unwrap();
        let named = parser.split("b\"--").skip(1);
        let named = named.filter_map(|rest| rest.split('"').next().filter(|name| !name.is_empty()));
        for name in named {
            assert!(FLAGS.iter().any(|flag| flag.long == name), "--{name}");
        }
    }

    #[test]
    fn help_and_version_are_told_only_for_the_first_argument_itself() {
        let asked = |text: &str| asked_for(OsStr::new(text));
        assert!(asked("--version").unwrap().starts_with("qfile-unpacker "));
        assert_eq!(asked("-h"), asked("--help"));
        for other in ["", "-v", "--help=x", "--helpme", "1000", "--"] {
            assert_eq!(asked(other), None, "{other}");
        }
        let help = asked("--help").unwrap();
        for flag in FLAGS {
            assert!(help.contains(flag.help), "{flag:?}");
        }
        assert!(
            help.lines().all(|line| line.chars().count() <= 120),
            "{help}"
        );
    }
}

//! What the command line takes, as one table: the parser, `--help`, the manual page and the settings
//! of the owner are all made of it.

use std::ffi::OsStr;
use std::fmt::Write as _;

use crate::environment::UpdateLimits;
use crate::error::Error;
use crate::options::{self, Level, Notify, OnConflict, Options};
use crate::profile;

/// One line about the program.
pub const ABOUT: &str =
    "Receive files and folders from another qube: the receiver of qubes.Filecopy";

/// The two forms of the command line.
pub const FORMS: [&str; 2] = [
    "qfile-unpacker [OPTIONS] [UID [DIR]]",
    "qfile-unpacker UID DIR [-v] [-w [BYTES]]",
];

/// What the arguments mean.
pub const ARGUMENTS: [(&str, &str); 2] = [
    (
        "UID",
        "The user who receives; only root may name another user [default: the caller]",
    ),
    (
        "DIR",
        "The incoming folder [default: ~/QubesIncoming/QUBE of UID]",
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
    /// Its key in the files of the owner's settings. What lifts a rule, or lowers the isolation, has
    /// none.
    pub setting: Option<&'static str>,
    pub(crate) effect: Effect,
}

/// What an option sets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Effect {
    /// This switch, on or off.
    Switch(fn(&mut Options) -> &mut bool, bool),
    /// What its value says.
    Value(fn(&mut Options, &[u8], &UpdateLimits) -> Result<(), Error>),
    /// Nothing: it is no option among others.
    Alone,
}

/// The options.
pub const FLAGS: [Flag; 19] = [
    Flag {
        short: Some('v'),
        ..switch(
            "verbose",
            |options| &mut options.verbose,
            "Print received files, the isolation, and paths in errors on stderr",
        )
    },
    Flag {
        short: Some('w'),
        setting: Some("WAIT_FOR_SPACE"),
        ..value(
            "wait-for-space",
            "BYTES",
            |options, bytes, _| {
                options.wait_for_space = margin(bytes)?;
                Ok(())
            },
            "Wait until there is space for a file and BYTES more, such as 100M; 0 turns this off",
        )
    },
    switch(
        "allow-all-names",
        |options| &mut options.allow_all_names,
        "Accept names with characters that are not safe for display",
    ),
    off(
        "no-allow-all-names",
        |options| &mut options.allow_all_names,
        "Refuse such names (default)",
    ),
    switch(
        "allow-unsafe-symlinks",
        |options| &mut options.allow_unsafe_symlinks,
        "Accept symbolic links with any target",
    ),
    off(
        "no-allow-unsafe-symlinks",
        |options| &mut options.allow_unsafe_symlinks,
        "Refuse symbolic links that lead out of their top-level folder (default)",
    ),
    switch(
        "canonical-symlinks",
        |options| &mut options.canonical_symlinks,
        "Refuse symbolic links whose target contains // or a . component",
    ),
    switch(
        "only-regular-files",
        |options| &mut options.only_regular_files,
        "Refuse folders and links",
    ),
    Flag {
        setting: Some("ON_CONFLICT"),
        ..value(
            "on-conflict",
            "WAY",
            |options, way, _| {
                options.on_conflict = OnConflict::parse(way)
                    .ok_or_else(|| Error::usage("no such way to treat conflicts", way))?;
                Ok(())
            },
            "What to do if a name already exists: fail (default), rename or skip-identical",
        )
    },
    Flag {
        setting: Some("MAX_BYTES"),
        ..value(
            "max-bytes",
            "SIZE",
            |options, bytes, _| {
                options.max_bytes = Some(size(bytes)?);
                Ok(())
            },
            "Refuse more than SIZE bytes of content in total, such as 10G [default: no limit]",
        )
    },
    Flag {
        setting: Some("MAX_FILES"),
        ..value(
            "max-files",
            "N",
            |options, count, _| {
                options.max_files = Some(number(count)?);
                Ok(())
            },
            "Refuse more than N files, folders and links [default: no limit]",
        )
    },
    value(
        "max-fill",
        "PERCENT",
        |options, percent, _| match number(percent)? {
            percent @ 0..=100 => {
                options.max_fill = Some(percent);
                Ok(())
            }
            _ => Err(Error::usage("more than all of the free space", percent)),
        },
        "Refuse more than PERCENT of the space that is free at the beginning",
    ),
    value(
        "profile",
        "dom0",
        |options, name, limits| match name {
            b"dom0" => profile::dom0(options, limits),
            other => Err(Error::usage("no such profile", other)),
        },
        "Use the limits of dom0: canonical symlinks, 4 GiB, 4096 files, 90 % of free space",
    ),
    switch(
        "no-sparse",
        |options| &mut options.no_sparse,
        "Write zeros instead of leaving holes",
    ),
    switch(
        "no-space-check",
        |options| &mut options.no_space_check,
        "Receive files that are longer than the free space, such as sparse images",
    ),
    value(
        "require-isolation",
        "LEVEL",
        |options, level, _| {
            let level = Level::parse(level)
                .ok_or_else(|| Error::usage("no such level of isolation", level))?;
            options.require_isolation = Some(level);
            Ok(())
        },
        "Refuse to run with less isolation than LEVEL: root, user-namespace or landlock",
    ),
    Flag {
        setting: Some("NOTIFY"),
        ..value(
            "notify",
            "yes|no",
            |options, answer, _| {
                options.notify = Notify::parse(answer)
                    .ok_or_else(|| Error::usage("neither yes nor no", answer))?;
                Ok(())
            },
            "Let qubes-filecopy(8) notify the user of this copy: yes (default) or no",
        )
    },
    Flag {
        effect: Effect::Alone,
        ..value(
            "report-fd",
            "N",
            |_, _, _| Ok(()),
            "Write a report to the pipe N, for qubes-filecopy(8); must be the first argument",
        )
    },
    Flag {
        short: Some('h'),
        effect: Effect::Alone,
        ..switch(
            "help",
            |options| &mut options.verbose,
            "Print help; --help and --version must be the first argument",
        )
    },
];

/// The exit statuses.
pub const STATUSES: [(&str, &str); 3] = [
    ("0", "all files arrived and are on disk"),
    (
        "1",
        "nothing was received; stderr and the log of this qube give the reason",
    ),
    (
        "other",
        "a refusal stopped the copy; the status is the errno of the verdict, reduced to 8 bits",
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

impl Flag {
    /// The option of this name, without its dashes.
    pub(crate) fn of_name(name: &[u8]) -> Option<&'static Self> {
        Self::find(|flag| flag.long.as_bytes() == name)
    }

    /// The option of this letter.
    pub(crate) fn of_letter(letter: u8) -> Option<&'static Self> {
        Self::find(|flag| flag.short == Some(letter.into()))
    }

    fn find(is_it: impl Fn(&Self) -> bool) -> Option<&'static Self> {
        static ALL: [Flag; FLAGS.len()] = FLAGS;
        let mut options = ALL
            .iter()
            .filter(|flag| !matches!(flag.effect, Effect::Alone));
        options.find(|flag| is_it(flag))
    }
}

const fn switch(
    long: &'static str,
    field: fn(&mut Options) -> &mut bool,
    help: &'static str,
) -> Flag {
    Flag {
        short: None,
        long,
        value: None,
        help,
        setting: None,
        effect: Effect::Switch(field, true),
    }
}

const fn off(long: &'static str, field: fn(&mut Options) -> &mut bool, help: &'static str) -> Flag {
    Flag {
        effect: Effect::Switch(field, false),
        ..switch(long, field, help)
    }
}

const fn value(
    long: &'static str,
    value: &'static str,
    set: fn(&mut Options, &[u8], &UpdateLimits) -> Result<(), Error>,
    help: &'static str,
) -> Flag {
    Flag {
        short: None,
        long,
        value: Some(value),
        help,
        setting: None,
        effect: Effect::Value(set),
    }
}

fn margin(text: &[u8]) -> Result<u64, Error> {
    size(text)?;
    options::margin(text)
        .ok_or_else(|| Error::usage("more space to wait for than is possible", text))
}

/// A number of bytes, with a suffix or without.
fn size(text: &[u8]) -> Result<u64, Error> {
    quantity::size(text)
        .ok_or_else(|| Error::usage("not a number of bytes such as 500, 10M or 2GiB", text))
}

/// A number of decimal digits.
pub(crate) fn number(text: &[u8]) -> Result<u64, Error> {
    options::number(text).ok_or_else(|| Error::usage("not a number that is possible here", text))
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
    use super::*;

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

    #[test]
    fn each_name_letter_and_setting_is_one_options_own() {
        let own = |names: Vec<&str>| {
            let all: std::collections::BTreeSet<_> = names.iter().collect();
            assert_eq!(all.len(), names.len(), "{names:?}");
        };
        own(FLAGS.iter().map(|flag| flag.long).collect());
        own(FLAGS.iter().filter_map(|flag| flag.setting).collect());
        let letters = FLAGS.iter().filter_map(|flag| flag.short);
        let letters: Vec<String> = letters.map(String::from).collect();
        own(letters.iter().map(|letter| &**letter).collect());
    }

    #[test]
    fn only_an_option_with_a_value_can_be_set_by_the_owner() {
        for flag in FLAGS.iter().filter(|flag| flag.setting.is_some()) {
            assert!(matches!(flag.effect, Effect::Value(_)), "{flag:?}");
        }
        let among_others = |flag: &&Flag| !matches!(flag.effect, Effect::Alone);
        for flag in FLAGS.iter().filter(among_others) {
            let takes_value = matches!(flag.effect, Effect::Value(_));
            assert_eq!(flag.value.is_some(), takes_value, "{flag:?}");
        }
    }
}

//! The command line, both forms of it.
//!
//! By hand and not with `clap`: in the legacy form `UID DIR [-v] [-w [BYTES]]` the value of `-w` may
//! be missing, in today's `[OPTIONS] [UID [DIR]]` it may not, and which form it is depends on the
//! first argument. Two parsers and the rule between them are longer than this one, and would bring
//! a dozen crates into a set-uid program.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::environment::UpdateLimits;
use crate::error::Error;
use crate::options::Options;
use crate::usage::{number, Effect, Flag};

/// Parses the arguments after the program's name; what they do not say stays as in `options`.
/// `limits` are for the profile.
///
/// # Errors
/// [`Error::Usage`].
pub(crate) fn parse(
    arguments: impl Iterator<Item = OsString>,
    mut options: Options,
    limits: &UpdateLimits,
) -> Result<Options, Error> {
    let mut arguments = Arguments::new(arguments);
    let mut positional = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.as_bytes() {
            b"--" => {
                positional.extend(arguments.rest.by_ref());
                break;
            }
            long if long.starts_with(b"--") => {
                long_option(long, &mut arguments, &mut options, limits)?;
            }
            short if short.len() > 1 && short[0] == b'-' => {
                short_options(&short[1..], &mut arguments, &mut options, limits)?;
            }
            _ => positional.push(argument),
        }
    }
    let mut positional = positional.into_iter();
    options.uid = positional.next().map_or(Ok(None), |uid| parse_uid(&uid))?;
    options.dir = positional.next().map(PathBuf::from);
    if options
        .dir
        .as_ref()
        .is_some_and(|dir| dir.as_os_str().is_empty())
    {
        return Err(Error::usage("the folder has no name", b""));
    }
    match positional.next() {
        Some(extra) => Err(Error::usage("one argument too many", extra.as_bytes())),
        None => Ok(options),
    }
}

/// What is left of the command line.
struct Arguments {
    rest: std::iter::Peekable<std::vec::IntoIter<OsString>>,
    is_legacy: bool,
}

impl Arguments {
    fn new(arguments: impl Iterator<Item = OsString>) -> Self {
        let all: Vec<OsString> = arguments.collect();
        let starts_with_digit =
            |first: &OsString| first.as_bytes().first().is_some_and(u8::is_ascii_digit);
        let is_legacy = all.len() >= 2 && all.first().is_some_and(starts_with_digit);
        Self {
            rest: all.into_iter().peekable(),
            is_legacy,
        }
    }

    fn next(&mut self) -> Option<OsString> {
        self.rest.next()
    }

    fn next_number(&mut self) -> Option<OsString> {
        self.rest
            .next_if(|next| !next.is_empty() && next.as_bytes().iter().all(u8::is_ascii_digit))
    }
}

fn short_options(
    letters: &[u8],
    arguments: &mut Arguments,
    options: &mut Options,
    limits: &UpdateLimits,
) -> Result<(), Error> {
    for (at, letter) in letters.iter().enumerate() {
        let option = [b'-', *letter];
        let flag = Flag::of_letter(*letter);
        let flag = flag.ok_or_else(|| Error::usage("unknown option", &option))?;
        let attached = &letters[at + 1..];
        match flag.effect {
            Effect::Switch(field, setting) => *field(options) = setting,
            Effect::Value(set) if !attached.is_empty() => return set(options, attached, limits),
            Effect::Value(set) => {
                let given = match arguments.is_legacy {
                    true => arguments.next_number().unwrap_or_else(|| "1".into()),
                    false => value(None, arguments, &option)?,
                };
                return set(options, given.as_bytes(), limits);
            }
            Effect::Alone => {}
        }
    }
    Ok(())
}

fn long_option(
    option: &[u8],
    arguments: &mut Arguments,
    options: &mut Options,
    limits: &UpdateLimits,
) -> Result<(), Error> {
    let mut parts = option.splitn(2, |byte| *byte == b'=');
    let (name, attached) = (parts.next().unwrap_or_default(), parts.next());
    let flag = name.strip_prefix(b"--").and_then(Flag::of_name);
    match flag.map(|flag| flag.effect) {
        Some(Effect::Switch(field, setting)) if attached.is_none() => {
            *field(options) = setting;
            Ok(())
        }
        Some(Effect::Switch(..)) => Err(Error::usage(
            "an option that takes no value has one",
            option,
        )),
        Some(Effect::Value(set)) => {
            let value = value(attached, arguments, name)?;
            set(options, value.as_bytes(), limits)
        }
        Some(Effect::Alone) | None => Err(Error::usage("unknown option", name)),
    }
}

fn value(
    attached: Option<&[u8]>,
    arguments: &mut Arguments,
    option: &[u8],
) -> Result<OsString, Error> {
    attached
        .map(|bytes| std::ffi::OsStr::from_bytes(bytes).to_owned())
        .or_else(|| arguments.next())
        .ok_or_else(|| Error::usage("an option lacks its value", option))
}

fn parse_uid(text: &OsString) -> Result<Option<u32>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    // 2^32-1 means "no change" to the calls that set uids.
    match u32::try_from(number(text.as_bytes())?) {
        Ok(uid) if uid != u32::MAX => Ok(Some(uid)),
        _ => Err(Error::usage("no such uid", text.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Level, OnConflict};

    fn parsed(arguments: &[&str]) -> Result<Options, String> {
        let arguments = arguments.iter().map(OsString::from);
        parse(arguments, Options::default(), &UpdateLimits::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_arguments_it_receives_for_the_caller() {
        assert_eq!(parsed(&[]), Ok(Options::default()));
        assert_eq!(parsed(&[""]), Ok(Options::default()));
    }

    #[test]
    fn uid_and_folder_are_taken_in_both_forms() {
        let expected = Options {
            uid: Some(1000),
            dir: Some(PathBuf::from("/in")),
            verbose: true,
            ..Options::default()
        };
        assert_eq!(parsed(&["-v", "1000", "/in"]), Ok(expected.clone()));
        assert_eq!(parsed(&["1000", "/in", "-v"]), Ok(expected.clone()));
        assert_eq!(parsed(&["--verbose", "--", "1000", "/in"]), Ok(expected));
        assert_eq!(parsed(&["", "/in"]).unwrap().uid, None);
    }

    #[test]
    fn only_the_legacy_form_has_a_wait_without_a_number() {
        let wait = |arguments: &[&str]| parsed(arguments).map(|options| options.wait_for_space);
        assert_eq!(wait(&["1000", "/in", "-w"]), Ok(1));
        assert_eq!(wait(&["1000", "/in", "-w", "-v"]), Ok(1));
        assert_eq!(wait(&["1000", "/in", "-w", "500"]), Ok(500));
        assert_eq!(wait(&["-w", "500"]), Ok(500));
        assert_eq!(wait(&["-w", "2M"]), Ok(2 << 20));
        assert!(wait(&["-w", "2G"]).is_err());
        assert_eq!(wait(&["-vw500"]), Ok(500));
        assert_eq!(wait(&["--wait-for-space=0"]), Ok(0));
        assert_eq!(wait(&["-w", "2147483647"]), Ok(2_147_483_647));
        assert!(wait(&["-w"]).is_err());
        assert!(wait(&["-w", "2147483648"]).is_err());
        // A single argument that starts with a digit is a uid, and today's form.
        assert_eq!(parsed(&["1000"]).unwrap().uid, Some(1000));
    }

    #[test]
    fn the_last_of_a_pair_counts() {
        let last = |arguments: &[&str]| {
            let options = parsed(arguments).unwrap();
            (options.allow_all_names, options.allow_unsafe_symlinks)
        };
        assert_eq!(
            last(&["--allow-all-names", "--no-allow-all-names"]),
            (false, false)
        );
        assert_eq!(
            last(&[
                "--no-allow-unsafe-symlinks",
                "--allow-unsafe-symlinks",
                "--allow-all-names"
            ]),
            (true, true)
        );
    }

    #[test]
    fn what_the_command_line_says_wins_over_what_was_set() {
        let set = Options {
            on_conflict: OnConflict::Rename,
            max_bytes: Some(5),
            max_files: Some(6),
            wait_for_space: 7,
            ..Options::default()
        };
        let parsed = |arguments: &[&str]| {
            let arguments = arguments.iter().map(OsString::from);
            parse(arguments, set.clone(), &UpdateLimits::default()).unwrap()
        };
        assert_eq!(parsed(&[]), set);
        let options = parsed(&["--on-conflict=fail", "--max-bytes=8", "-w0"]);
        assert_eq!(options.on_conflict, OnConflict::Fail);
        assert_eq!(options.max_bytes, Some(8));
        assert_eq!((options.max_files, options.wait_for_space), (Some(6), 0));
    }

    #[test]
    fn every_option_is_understood() {
        let options = parsed(&[
            "--on-conflict",
            "rename",
            "--max-bytes=5K",
            "--max-files",
            "6",
            "--max-fill=50",
            "--only-regular-files",
            "--canonical-symlinks",
            "--no-sparse",
            "--no-space-check",
            "--require-isolation=root",
        ]);
        let expected = Options {
            on_conflict: OnConflict::Rename,
            max_bytes: Some(5 << 10),
            max_files: Some(6),
            max_fill: Some(50),
            only_regular_files: true,
            canonical_symlinks: true,
            no_sparse: true,
            no_space_check: true,
            require_isolation: Some(Level::Root),
            ..Options::default()
        };
        assert_eq!(options, Ok(expected));
        assert_eq!(
            parsed(&["--on-conflict=skip-identical"])
                .unwrap()
                .on_conflict,
            OnConflict::SkipIdentical
        );
    }

    #[test]
    fn options_after_the_profile_change_it() {
        let profile = parsed(&["--profile", "dom0"]).unwrap();
        let limits = |options: &Options| (options.max_bytes, options.max_files, options.max_fill);
        assert!(profile.canonical_symlinks);
        assert_eq!(limits(&profile), (Some(4 << 30), Some(4096), Some(90)));
        let changed = parsed(&["--max-files=1", "--profile=dom0", "--max-bytes=7"]).unwrap();
        assert_eq!(limits(&changed), (Some(7), Some(4096), Some(90)));
    }

    #[test]
    fn what_is_not_understood_is_refused_in_one_line() {
        for arguments in [
            &["--verb"][..],
            &["--verbose=yes"],
            &["-x"],
            &["-h", "-h"],
            &["-v", "--help"],
            &["--wait-for-space"],
            &["--max-bytes"],
            &["--max-bytes", "-1"],
            &["--max-bytes", "+1"],
            &["--max-bytes=1.5G"],
            &["--max-files=1K"],
            &["--max-bytes="],
            &["--on-conflict=overwrite"],
            &["--profile"],
            &["--profile=dom1"],
            &["--max-fill=101"],
            &["--require-isolation=some"],
            &["x"],
            &["-1"],
            &["4294967295"],
            &["4294967296"],
            &["1000", ""],
            &["1000", "/in", "more"],
            &["--help\n\x1b[31m"],
        ] {
            let message = parsed(arguments).unwrap_err();
            assert!(!message.contains(['\n', '\x1b']), "{message:?}");
        }
    }
}

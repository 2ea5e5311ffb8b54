//! The command lines of programs whose stdout belongs to a protocol.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use text::{content_line, name, own};

use crate::failure::{Failure, end};
use crate::say::say;

/// The longest time that an option can give: a year. Clocks cannot count to every time that can be
/// typed.
pub const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The exit status of a command line that is wrong.
pub const WRONG_USAGE: u8 = 2;

/// Reads the command line of this process. What `clap` has to say goes to stderr, help and version
/// too.
///
/// # Errors
/// The status to end with at once: help was asked for, or the command line is wrong.
pub fn parse<A: Parser>() -> Result<A, ExitCode> {
    parse_from(env::args_os())
}

/// Reads a command line, the name of the program first, as [`parse`] does.
///
/// # Errors
/// As [`parse`].
pub fn parse_from<A: Parser>(line: impl IntoIterator<Item = OsString>) -> Result<A, ExitCode> {
    A::try_parse_from(line).map_err(|error| match error.use_stderr() {
        true => {
            let failure = Failure::new(what_is_wrong(error, A::command()));
            let failure = failure.with_status(WRONG_USAGE);
            end(A::command().get_name(), Err(failure))
        }
        false => {
            say_lines(&error.render().to_string());
            ExitCode::SUCCESS
        }
    })
}

/// What is wrong with a command line, in the words of `clap`, for a [`Failure`]: the lines of a list
/// begin with a blank. `definition` is what was parsed: of its usage `clap` leaves out all options here.
#[must_use]
pub fn what_is_wrong(error: clap::Error, definition: clap::Command) -> String {
    let tip = "if it is a value that begins with -, write -- before it";
    what_is_wrong_with_tip(error, definition, tip)
}

/// The same, with this `tip` where `clap` proposes to pass a word as a value.
#[must_use]
pub fn what_is_wrong_with_tip(
    mut error: clap::Error,
    mut definition: clap::Command,
    tip: &'static str,
) -> String {
    replace_suggested(&mut error, tip);
    let typed = take_typed(&mut error);
    let usage = definition.render_usage().to_string();
    let rendered = error.render().to_string();
    let (what, has_usage) = match rendered.split_once("\nUsage:") {
        Some((what, _)) => (what, true),
        None => (&*rendered, false),
    };
    let what = what.strip_prefix("error: ").unwrap_or(what);
    let lines = what.lines().filter(|line| !line.trim().is_empty());
    let lines = lines.filter(|line| !line.starts_with("For more information"));
    let mut lines: Vec<String> = lines.map(|line| content_line(line.as_bytes())).collect();
    // It is in the first line, before anything else that could look like it.
    if let (Some(first), Some(typed)) = (lines.first_mut(), typed) {
        *first = first.replacen(&format!("'{TYPED}'"), &name(typed.as_bytes()), 1);
    }
    if has_usage {
        lines.push(usage.trim_end().replacen("Usage:", "usage:", 1));
    }
    lines.push("see --help".to_owned());
    lines.join("\n")
}

/// What stands in the words of `clap` in place of what was typed.
const TYPED: &str = "WHAT-WAS-TYPED";

/// What was typed and is wrong, which may be the name of a file. In `error`, [`TYPED`] stands in its
/// place.
fn take_typed(error: &mut clap::Error) -> Option<String> {
    let context = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        _ => ContextKind::InvalidValue,
    };
    let typed = match error.get(context)? {
        // Of an empty value clap says that there is none.
        ContextValue::String(typed) if !typed.is_empty() => typed.clone(),
        _ => return None,
    };
    error.insert(context, ContextValue::String(TYPED.to_owned()));
    Some(typed)
}

/// What `clap` proposes where a word may have been meant as a value has the word as it was typed in it:
/// several lines, or what a terminal obeys. It also takes a name apart, where options of one letter would
/// end. What else it proposes has words of the definition only.
fn replace_suggested(error: &mut clap::Error, tip: &'static str) {
    let Some(ContextValue::StyledStrs(all)) = error.get(ContextKind::Suggested) else {
        return;
    };
    let proposes_a_value = |one: &StyledStr| one.to_string().starts_with("to pass ");
    let is_of_clap = |one: &StyledStr| !proposes_a_value(one);
    let mut safe: Vec<StyledStr> = all.iter().filter(|one| is_of_clap(one)).cloned().collect();
    if safe.len() < all.len() {
        safe.push(tip.into());
    }
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(safe));
}

/// The value of an option that is a size: see [`quantity::size`].
///
/// # Errors
/// What a size looks like.
pub fn size(typed: &str) -> Result<u64, String> {
    quantity::size(typed.as_bytes()).ok_or_else(|| format!("give {}", quantity::SIZE_FORM))
}

/// The value of an option that is a time: see [`quantity::time`].
///
/// # Errors
/// What a time looks like; or it is more than [`MAX_TIME`].
pub fn time(typed: &str) -> Result<Duration, String> {
    match quantity::time(typed.as_bytes()) {
        Some(time) if time > MAX_TIME => Err("give at most 365d".to_owned()),
        Some(time) => Ok(time),
        None => Err(format!("give {}", quantity::TIME_FORM)),
    }
}

/// Says what is to be said of a command line, on stderr. It repeats what was typed, and file names may
/// have been typed for the user.
pub fn say_lines(text: &str) {
    for line in text.trim_end().lines() {
        say(own(line.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "p")]
    struct Args {
        #[arg(long)]
        number: u8,
    }

    #[test]
    fn what_is_wrong_is_told_in_lines_that_can_have_a_name_before_them() {
        let wrong =
            |line: &[&str]| what_is_wrong(Args::try_parse_from(line).unwrap_err(), Args::command());
        assert_eq!(
            wrong(&["p"]),
            "the following required arguments were not provided:\n  --number <NUMBER>\n\
             usage: p --number <NUMBER>\nsee --help"
        );
        let hostile = wrong(&["p", "--number", "\u{202e}x"]);
        assert!(
            hostile.starts_with(r"invalid value $'\u202ex' for '--number"),
            "{hostile}"
        );
        let arabic = wrong(&["p", "--number", "كتاب"]);
        assert!(arabic.starts_with("invalid value \"كتاب\" for"), "{arabic}");
        // Each can be pasted into bash.
        for (typed, shown) in [
            ("two words", "\"two words\""),
            ("it's\n", r"$'it\'s\n'"),
            ("ملف (1).pdf", &*name("ملف (1).pdf".as_bytes())),
        ] {
            let unknown = wrong(&["p", "--number", "1", typed]);
            let expected = format!("unexpected argument {shown} found");
            assert_eq!(unknown.lines().next(), Some(&*expected));
        }
        assert!(wrong(&["p", "--number", ""]).contains("'--number <NUMBER>'"));
    }

    /// A command line with all that `clap` has a proposal for.
    fn every_kind() -> clap::Command {
        let word = clap::Arg::new("word");
        let named = clap::Arg::new("number").long("number");
        let number = named.value_parser(clap::value_parser!(u8));
        let kind = clap::Arg::new("kind").long("kind");
        let kind = kind.value_parser(["good", "bad"]);
        let below = clap::Command::new("below").arg(clap::Arg::new("number").long("deep"));
        let command = clap::Command::new("p").args([word, number, kind]);
        command.subcommand(below)
    }

    #[test]
    fn what_was_typed_makes_up_no_line() {
        for hostile in [
            "x\nerror: all files arrived",
            "x\r\nall files arrived",
            "x\n\nUsage: all files arrived",
            "x\nFor more information",
            "error: x",
            "x\u{1b}[2J\u{1b}]0;all\u{7}",
            "x\u{202e}",
            "'WHAT-WAS-TYPED'",
            "x' exists\nto pass 'y'",
        ] {
            for line in [
                &["p", &format!("--{hostile}")][..],
                &["p", &format!("-{hostile}")],
                &["p", &format!("--{hostile}=y")],
                &["p", &format!("--number{hostile}")],
                &["p", &format!("--number={hostile}")],
                &["p", &format!("--kind={hostile}")],
                &["p", "one", hostile],
                &["p", "below", hostile],
                &["p", "below", &format!("--number{hostile}")],
            ] {
                let error = every_kind().try_get_matches_from(line).unwrap_err();
                let told = what_is_wrong(error, every_kind());
                assert!(!told.contains(['\u{1b}', '\r', '\u{202e}']), "{told}");
                for one in told.lines().skip(1) {
                    let is_ours = one.starts_with("  tip: ")
                        || one.starts_with("  [possible values: ")
                        || one.starts_with("usage: p")
                        || one == "see --help";
                    assert!(is_ours && !one.contains("all"), "{line:?}: {told}");
                    assert!(!one.contains(TYPED), "{told}");
                }
            }
        }
        let wrong = |line: &[&str]| {
            let error = every_kind().try_get_matches_from(line).unwrap_err();
            what_is_wrong(error, every_kind())
        };
        assert!(wrong(&["p", "--nomber"]).contains("similar argument exists: '--number'"));
        assert!(wrong(&["p", "--none"]).contains("write -- before it"));
        // Where the value has the words that stand for it.
        let first = |line: &[&str]| wrong(line).lines().next().unwrap().to_owned();
        assert_eq!(
            first(&["p", "--x'WHAT-WAS-TYPED'"]),
            "unexpected argument \"--x'WHAT-WAS-TYPED'\" found"
        );
        assert_eq!(
            first(&["p", "--kind", "error: x"]),
            "invalid value \"error: x\" for '--kind <kind>'"
        );
    }

    #[test]
    fn a_time_that_no_clock_can_count_to_is_refused() {
        assert_eq!(time("365d"), Ok(MAX_TIME));
        for typed in [
            "366d",
            "31536001",
            "18446744073709551615",
            "18446744073709551615ms",
        ] {
            assert_eq!(time(typed), Err("give at most 365d".to_owned()), "{typed}");
        }
        assert!(
            time("1w")
                .unwrap_err()
                .starts_with("give a number of seconds")
        );
    }
}

//! The line that says what time it is, in one of the forms of `date -u -Iseconds` and
//! `date -u -Ins`.
//!
//! ```text
//! 2026-11-26T01:27:46+00:00
//! 2026-11-26T01:27:46,586021317+00:00
//! ```
//!
//! The zone can also be written `+0000` or `Z`. There is no other zone, no other number of digits, and
//! nothing behind the zone but the end of the line.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use text::foreign;

/// The longest line in bytes: the second form and a newline.
pub const MAX_LEN: usize = 36;

/// A digit of the date is a `d` here.
const DATE: &[u8] = b"dddd-dd-ddTdd:dd:dd";
/// What can follow it.
const FRACTION: &[u8] = b",ddddddddd";
/// The ways to write the only zone.
const ZONES: [&[u8]; 3] = [b"+00:00", b"+0000", b"Z"];

/// The first day of this program. No version of it was built earlier.
const FIRST_DAY: i64 = 1_795_651_200; // 2026-11-26T00:00:00Z
/// When the package was built, in seconds since 1970, as packaging/build sets it.
const BUILT: Option<&str> = option_env!("SOURCE_DATE_EPOCH");
/// How long after its build a program trusts times: 20 years.
const TRUSTED: i64 = 7305 * 24 * 60 * 60;

/// Why a line is no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// There is nothing in it.
    Empty,
    /// It has none of the forms.
    Form(Vec<u8>),
    /// The form is right, but there is no such day or time of day.
    Calendar(Vec<u8>),
    /// There is more than one line, or the line is too long.
    Long,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the line is empty"),
            Self::Form(line) => write!(
                f,
                "\"{}\" is not a time such as 2026-11-26T01:27:46+00:00",
                foreign(line)
            ),
            Self::Calendar(line) => {
                write!(f, "the calendar has no \"{}\"", foreign(line))
            }
            Self::Long => write!(
                f,
                "there is more than one line, or the line has more than {} bytes",
                MAX_LEN - 1
            ),
        }
    }
}

/// The time that a line says. A newline can be at its end.
///
/// # Errors
/// Why it is none.
pub fn parse(untrusted: &[u8]) -> Result<Timestamp, Wrong> {
    if untrusted.len() > MAX_LEN {
        return Err(Wrong::Long);
    }
    let line = untrusted.strip_suffix(b"\n").unwrap_or(untrusted);
    if line.is_empty() {
        return Err(Wrong::Empty);
    }
    if line.contains(&b'\n') {
        return Err(Wrong::Long);
    }
    let wrong = || Wrong::Form(line.to_vec());
    let (date, rest) = has_form(line, DATE).ok_or_else(wrong)?;
    let (fraction, zone) = has_form(rest, FRACTION).unwrap_or((&[], rest));
    if !ZONES.contains(&zone) {
        return Err(wrong());
    }
    of_calendar(date, fraction).ok_or_else(|| Wrong::Calendar(line.to_vec()))
}

/// The beginning of `text` that has this form, and what follows it.
fn has_form<'a>(text: &'a [u8], form: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (begin, rest) = text.split_at_checked(form.len())?;
    let fits = |(byte, form): (&u8, &u8)| match form {
        b'd' => byte.is_ascii_digit(),
        _ => byte == form,
    };
    begin.iter().zip(form).all(fits).then_some((begin, rest))
}

fn of_calendar(date: &[u8], fraction: &[u8]) -> Option<Timestamp> {
    let number = |at: usize, len: usize| -> Option<i32> {
        let digits = date.get(at..at + len)?;
        digits.iter().try_fold(0_i32, |number, digit| {
            Some(number * 10 + i32::from(digit.checked_sub(b'0')?))
        })
    };
    let small = |at: usize| i8::try_from(number(at, 2)?).ok();
    // What is left out is 0.
    let nanoseconds = fraction.iter().skip(1).fold(0_i32, |number, digit| {
        number * 10 + i32::from(digit.saturating_sub(b'0'))
    });
    let time = DateTime::new(
        i16::try_from(number(0, 4)?).ok()?,
        small(5)?,
        small(8)?,
        small(11)?,
        small(14)?,
        small(17)?,
        nanoseconds,
    );
    TimeZone::UTC.to_timestamp(time.ok()?).ok()
}

/// The times that can be right: not before this program was built, and not more than 20 years later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first of them.
    pub from: Timestamp,
    /// The last of them.
    pub to: Timestamp,
}

impl Window {
    /// That of this program.
    #[must_use]
    pub fn of_this_program() -> Self {
        Self::of_build(BUILT)
    }

    fn of_build(built: Option<&str>) -> Self {
        let built = built.and_then(|built| built.parse().ok());
        // A build that says that it is older than the program is not believed, nor one of the far
        // future.
        let built = built
            .filter(|built| (FIRST_DAY..FIRST_DAY + TRUSTED).contains(built))
            .unwrap_or(FIRST_DAY);
        Self {
            from: Timestamp::from_second(built).unwrap_or_default(),
            to: Timestamp::from_second(built + TRUSTED).unwrap_or_default(),
        }
    }

    /// Is this time in it?
    #[must_use]
    pub fn contains(&self, time: Timestamp) -> bool {
        (self.from..=self.to).contains(&time)
    }
}

/// The time `later` than `time`, or the last one that there is.
pub(super) fn after(time: Timestamp, later: SignedDuration) -> Timestamp {
    time.saturating_add(later).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(line: &str) -> Option<i64> {
        parse(line.as_bytes()).ok().map(Timestamp::as_second)
    }

    #[test]
    fn both_forms_and_three_spellings_of_the_zone_are_times() {
        let golden = [
            ("2026-11-26T01:27:46+00:00", 1_795_656_466, 0),
            (
                "2026-11-26T01:27:46,586021317+00:00",
                1_795_656_466,
                586_021_317,
            ),
            ("2026-11-26T01:27:46+0000", 1_795_656_466, 0),
            ("2026-11-26T01:27:46Z", 1_795_656_466, 0),
            ("2026-11-26T01:27:46,000000001Z\n", 1_795_656_466, 1),
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2000-02-29T23:59:59Z\n", 951_868_799, 0),
        ];
        for (line, seconds, nanoseconds) in golden {
            let time = parse(line.as_bytes()).unwrap();
            assert_eq!(time.as_second(), seconds, "{line}");
            assert_eq!(time.subsec_nanosecond(), nanoseconds, "{line}");
        }
    }

    #[test]
    fn nothing_else_is_a_time() {
        assert_eq!(parse(b""), Err(Wrong::Empty));
        assert_eq!(parse(b"\n"), Err(Wrong::Empty));
        for line in [
            "tomorrow",
            "@0",
            "now",
            "2026-11-26",
            "2026-11-26T01:27:46",
            "2026-11-26T01:27:46 ",
            "2026-11-26T01:27:46+0200",
            "2026-11-26T01:27:46+02:00",
            "2026-11-26T01:27:46-00:00",
            "2026-11-26T01:27:46z",
            "2026-11-26 01:27:46Z",
            "2026-11-26t01:27:46Z",
            " 2026-11-26T01:27:46Z",
            "2026-11-26T01:27:46Z ",
            "2026-11-26T01:27:46Z\r\n",
            "2026-11-26T01:27:46ZZ",
            "2026-11-26T01:27:46.586021317+00:00",
            "2026-11-26T01:27:46,5860213+00:00",
            "2026-11-26T01:27:46,5860213170+00:00",
            "2026-11-26T01:27:46,+00:00",
            "2026-11-26T01:27+00:00",
            "+026-11-26T01:27:46Z",
            "2026-11-26T01:27:-1Z",
            "２026-11-26T01:27:46Z",
            "2026-11-26T01:27:46+00:00\0",
        ] {
            assert!(
                matches!(parse(line.as_bytes()), Err(Wrong::Form(_))),
                "{line:?}"
            );
        }
        for line in [
            "2026-11-26T01:27:46Z\n\n",
            "2026-11-26T01:27:46Z\n2026-11-26T01:27:46Z",
            "2026-11-26T01:27:46,586021317+00:00\nx",
            "2026-11-26T01:27:46,58602131700+00:00",
            "\n2026-11-26T01:27:46Z",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(Wrong::Long), "{line:?}");
        }
    }

    #[test]
    fn the_calendar_is_checked() {
        for line in [
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-32T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-12-31T23:59:60Z",
            "2026-01-01T99:99:99Z",
        ] {
            assert!(
                matches!(parse(line.as_bytes()), Err(Wrong::Calendar(_))),
                "{line:?}"
            );
        }
        assert_eq!(seconds("2028-02-29T00:00:00Z"), Some(1_835_395_200));
    }

    #[test]
    fn a_message_shows_nothing_that_a_terminal_obeys() {
        let message = parse(b"\x1b[2J\xFF").unwrap_err().to_string();
        assert!(
            message.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "{message:?}"
        );
    }

    #[test]
    fn the_window_begins_with_the_build_and_is_20_years_long() {
        let default = Window::of_build(None);
        assert_eq!(default.from.as_second(), FIRST_DAY);
        let later = FIRST_DAY + 1_000_000;
        let built = Window::of_build(Some(&later.to_string()));
        assert_eq!(built.from.as_second(), later);
        assert_eq!(built.to.as_second() - later, TRUSTED);
        for wrong in ["", "0", "-1", "x", "9223372036854775807", "4000000000"] {
            assert_eq!(Window::of_build(Some(wrong)), default, "{wrong}");
        }
        let second = SignedDuration::from_secs(1);
        assert!(built.contains(built.from) && built.contains(built.to));
        assert!(!built.contains(built.from.saturating_sub(second).unwrap()));
        assert!(!built.contains(after(built.to, second)));
    }

    proptest! {
        #[test]
        fn every_time_of_the_calendar_is_read_back(
            seconds in 0_i64..250_000_000_000,
            nanoseconds in 0_i32..1_000_000_000,
        ) {
            let time = Timestamp::new(seconds, nanoseconds).unwrap();
            let date = time.strftime("%Y-%m-%dT%H:%M:%S");
            prop_assert_eq!(
                parse(format!("{date},{nanoseconds:09}+00:00\n").as_bytes()),
                Ok(time)
            );
            let whole = Timestamp::from_second(seconds).unwrap();
            prop_assert_eq!(parse(format!("{date}Z").as_bytes()), Ok(whole));
        }

        #[test]
        fn whatever_arrives_is_a_time_or_an_error(line in prop::collection::vec(any::<u8>(), 0..50)) {
            crate::fuzzing::clock(&line);
        }

        #[test]
        fn one_changed_byte_makes_another_time_or_an_error(at in 0_usize..35, byte: u8) {
            let mut line = b"2026-11-26T01:27:46,586021317+00:00".to_vec();
            line[at] = byte;
            crate::fuzzing::clock(&line);
        }
    }
}

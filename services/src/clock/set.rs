//! Correcting the clock.
//!
//! Where the clock is 2 s off or more, it is set. Where it is less, the kernel corrects it slowly
//! (`adjtime(3)`), so that no program sees the same moment twice. No library for our Rust has that
//! call, so Python makes it. Every qube of Qubes OS has Python.

use std::fmt::Display;
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use program::failure::Failure;
use program::programs::find_in_path;
use program::say::say;
use program::system_log;
use rustix::io::Errno;
use rustix::time::{ClockId, Timespec, clock_settime};
use text::foreign;

use super::time::{MAX_LEN, Window, after, parse};
use crate::arrival::{Arrived, Awaited, SinceBoot};
use program::bounded;

/// From here on the clock is set.
const STEP: Duration = Duration::from_secs(2);
/// What the kernel cannot correct, because it counts microseconds.
const NOTHING: Duration = Duration::from_micros(1);
/// A step of more than this is told.
const REMARKABLE: Duration = Duration::from_secs(60);
/// As long as Python can take.
const LIMIT: Duration = Duration::from_secs(10);

/// Corrects the clock by as many microseconds as its argument says; its status is that of the call.
const ADJTIME: &str = "\
import ctypes, sys
class Timeval(ctypes.Structure):
    _fields_ = [('sec', ctypes.c_long), ('usec', ctypes.c_long)]
c = ctypes.CDLL(None, use_errno=True)
delta = int(sys.argv[1])
if c.adjtime(ctypes.byref(Timeval(0, delta)), None):
    sys.exit(ctypes.get_errno())
";

/// The line that says what time it is, which has as long as `limit` from `begin` on.
pub(super) fn awaited(begin: SinceBoot, limit: Duration) -> Awaited {
    Awaited {
        what: "the time",
        max_len: MAX_LEN,
        begin,
        limit,
    }
}

/// How a program corrects the clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// Its name, for messages.
    pub(super) program: &'static str,
    /// Only say what would be done.
    pub(super) dry_run: bool,
}

/// What is to be done about a clock that is off by some time: that much has to be added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Correction {
    None,
    Slew(SignedDuration),
    Step(SignedDuration),
}

impl Correction {
    fn of(offset: SignedDuration) -> Self {
        match offset.unsigned_abs() {
            off if off < NOTHING => Self::None,
            off if off < STEP => Self::Slew(offset),
            _ => Self::Step(offset),
        }
    }
}

impl Setting {
    /// Corrects the clock by a line that has arrived in a call that began at `begin`.
    ///
    /// # Errors
    /// The line is no time, the time cannot be right, or the clock cannot be set.
    pub(super) fn by(self, arrived: &Arrived, begin: SinceBoot) -> Result<(), Failure> {
        let told = parse(&arrived.untrusted).map_err(|wrong| {
            Failure::new("cannot set the clock")
                .because(wrong)
                .advise("the clock was not changed")
        })?;
        let window = Window::of_this_program();
        if !window.contains(told) {
            return Err(Failure::new("cannot set the clock")
                .because(format_args!(
                    "{told} is not between {} and {}, when this program was built and 20 years later",
                    window.from, window.to
                ))
                .advise("the clock was not changed; check the clock that the time comes from"));
        }
        let later = delay(begin, arrived.at, SinceBoot::now());
        let now = Timestamp::now();
        self.correct(now, now.duration_until(after(told, later)))
    }

    fn correct(self, now: Timestamp, offset: SignedDuration) -> Result<(), Failure> {
        let correction = Correction::of(offset);
        if self.dry_run {
            self.say(match correction {
                Correction::None => "the clock is right".to_owned(),
                Correction::Slew(offset) => format!("would correct the clock by {offset:#} slowly"),
                Correction::Step(offset) => {
                    format!("would set the clock from {now} to {}", after(now, offset))
                }
            });
            return Ok(());
        }
        match correction {
            Correction::None => Ok(()),
            Correction::Slew(offset) => slew(offset).or_else(|failure| {
                // No program sees the same moment twice when the clock is set forward.
                match offset.is_positive() && failure.is_missing {
                    true => self.step(now, offset),
                    false => Err(failure.failure),
                }
            }),
            Correction::Step(offset) => self.step(now, offset),
        }
    }

    fn step(self, now: Timestamp, offset: SignedDuration) -> Result<(), Failure> {
        let new = after(now, offset);
        let time = Timespec {
            tv_sec: new.as_second(),
            tv_nsec: new.subsec_nanosecond().into(),
        };
        clock_settime(ClockId::Realtime, time).map_err(cannot_set)?;
        if offset.unsigned_abs() > REMARKABLE {
            let text = format!("the clock was {now} and is now {new}");
            system_log::info(self.program, &text);
            self.say(text);
        }
        Ok(())
    }

    fn say(self, text: impl Display) {
        say(format_args!("{}: {text}", self.program));
    }
}

/// How much later than told it is now.
fn delay(begin: SinceBoot, arrived: SinceBoot, now: SinceBoot) -> SignedDuration {
    // The other side looked at its clock some time between the two, most likely in the middle.
    let on_the_way = arrived.since(begin) / 2;
    signed(on_the_way + now.since(arrived))
}

/// Why the clock was not corrected slowly.
struct NotSlewed {
    /// There is no Python.
    is_missing: bool,
    failure: Failure,
}

fn slew(offset: SignedDuration) -> Result<(), NotSlewed> {
    let Some(python) = find_in_path("python3") else {
        return Err(NotSlewed {
            is_missing: true,
            failure: Failure::new(format_args!(
                "cannot correct the clock by {offset:#} slowly"
            ))
            .because("there is no python3")
            .advise("install python3; a clock that is 2 s off is set without it"),
        });
    };
    let mut command = Command::new(python);
    // Nothing of the folder, the user or the environment is loaded.
    command
        .args(["-I", "-S", "-c", ADJTIME])
        .arg(offset.as_micros().to_string());
    let failed = |why: &dyn Display| NotSlewed {
        is_missing: false,
        failure: Failure::new(format_args!(
            "cannot correct the clock by {offset:#} slowly"
        ))
        .because(why),
    };
    let output = bounded::output(&mut command, Instant::now() + LIMIT)
        .map_err(|error| failed(&format_args!("python3: {error}")))?;
    match output.status.code() {
        Some(0) => Ok(()),
        // The status of an error of Python's own.
        Some(1) if !output.stderr.is_empty() => {
            let last = output.stderr.trim_ascii_end().rsplit(|byte| *byte == b'\n');
            let last = last.into_iter().next().unwrap_or_default();
            Err(failed(&format_args!("python3: {}", foreign(last))))
        }
        Some(errno) => Err(NotSlewed {
            is_missing: false,
            failure: cannot_set(Errno::from_raw_os_error(errno)),
        }),
        None => Err(failed(&format_args!("python3 ended: {}", output.status))),
    }
}

fn cannot_set(error: Errno) -> Failure {
    let failure = Failure::new("cannot set the clock").because(error);
    match error {
        Errno::PERM => failure.advise("run the program as root"),
        _ => failure,
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_seconds_and_more_are_a_step_and_less_is_none() {
        let of = |nanoseconds| Correction::of(SignedDuration::from_nanos(nanoseconds));
        for sign in [1, -1] {
            let offset = |nanoseconds| SignedDuration::from_nanos(sign * nanoseconds);
            assert_eq!(of(sign * 999), Correction::None);
            assert_eq!(of(sign * 1000), Correction::Slew(offset(1000)));
            assert_eq!(
                of(sign * 1_999_999_999),
                Correction::Slew(offset(1_999_999_999))
            );
            assert_eq!(
                of(sign * 2_000_000_000),
                Correction::Step(offset(2_000_000_000))
            );
        }
        assert_eq!(of(0), Correction::None);
        assert_eq!(
            Correction::of(SignedDuration::MIN),
            Correction::Step(SignedDuration::MIN)
        );
    }

    #[test]
    fn half_of_the_call_and_all_of_what_followed_is_added() {
        let at = |millis| SinceBoot::at(Duration::from_millis(millis));
        assert_eq!(
            delay(at(1000), at(5000), at(5100)),
            SignedDuration::from_millis(2100)
        );
        assert_eq!(delay(at(7), at(7), at(7)), SignedDuration::ZERO);
    }

    proptest! {
        #[test]
        fn a_correction_is_by_what_the_clock_is_off(seconds in -10_i64..10, nanoseconds in 0_i32..1_000_000_000) {
            let offset = SignedDuration::new(seconds, nanoseconds);
            match Correction::of(offset) {
                Correction::None => prop_assert!(offset.unsigned_abs() < NOTHING),
                Correction::Slew(by) => prop_assert!(by == offset && by.unsigned_abs() < STEP),
                Correction::Step(by) => prop_assert!(by == offset && by.unsigned_abs() >= STEP),
            }
        }
    }
}

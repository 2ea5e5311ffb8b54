//! What arrives at a program, within a time and a length.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use program::failure::Failure;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read};
use rustix::time::{ClockId, clock_gettime};

use program::bounded::timespec;

/// The time since the machine was started, also while it was suspended (`clock_gettime(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) struct SinceBoot(Duration);

impl SinceBoot {
    /// Now.
    pub(crate) fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        Self(Duration::try_from(now).unwrap_or_default())
    }

    /// Some other moment.
    #[cfg(test)]
    pub(crate) fn at(since_boot: Duration) -> Self {
        Self(since_boot)
    }

    /// In nanoseconds: enough for 584 years.
    pub(crate) fn nanoseconds(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }

    /// How long it is since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// What has arrived, and when its last byte did.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// The bytes: a line, or something else.
    pub(crate) untrusted: Vec<u8>,
    /// When they were there.
    pub(crate) at: SinceBoot,
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awaited {
    /// Its name, for messages.
    pub(crate) what: &'static str,
    /// Most bytes that it can have.
    pub(crate) max_len: usize,
    /// Since when it is waited for.
    pub(crate) begin: SinceBoot,
    /// How long it can take from then on.
    pub(crate) limit: Duration,
}

/// Reads to the end of `from`, or until there is more than what is awaited can have.
///
/// # Errors
/// It has not ended in time, or cannot be read.
pub(crate) fn read_to_end(from: impl AsFd, awaited: Awaited) -> Result<Arrived, Failure> {
    let Awaited {
        what,
        max_len,
        begin,
        limit,
    } = awaited;
    let cannot = || format!("cannot read {what}");
    let late = || {
        Failure::new(cannot()).because(format_args!(
            "it has not arrived completely within {} s",
            limit.as_secs()
        ))
    };
    let deadline = Instant::now() + limit;
    let mut arrived = Arrived {
        untrusted: Vec::new(),
        at: SinceBoot::now(),
    };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut polled = [PollFd::new(&from, PollFlags::IN)];
        match poll(&mut polled, Some(&timespec(left))) {
            Ok(0) => return Err(late()),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(Failure::of(format_args!("cannot wait for {what}"))(error)),
        }
        let mut buffer = [0; 512];
        let count = match read(&from, &mut buffer) {
            Ok(count) => count,
            Err(Errno::INTR | Errno::AGAIN) => continue,
            Err(error) => return Err(Failure::of(cannot())(error)),
        };
        let now = SinceBoot::now();
        // The time that the machine was suspended is no time to wait for `poll`.
        if now.since(begin) > limit {
            return Err(late());
        }
        if count == 0 {
            return Ok(arrived);
        }
        arrived.at = now;
        arrived.untrusted.extend_from_slice(&buffer[..count]);
        if arrived.untrusted.len() > max_len {
            return Ok(arrived);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Write as _, pipe};

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn awaited(begin: SinceBoot, limit: Duration) -> Awaited {
        Awaited {
            what: "the line",
            max_len: 4,
            begin,
            limit,
        }
    }

    fn arrived(bytes: &[u8], limit: Duration) -> Result<Vec<u8>, Failure> {
        let (from, mut to) = pipe().unwrap();
        to.write_all(bytes).unwrap();
        drop(to);
        read_to_end(from, awaited(SinceBoot::now(), limit)).map(|arrived| arrived.untrusted)
    }

    #[test]
    fn all_is_read_but_not_without_end() {
        assert_eq!(arrived(b"", LONG).unwrap(), b"");
        assert_eq!(arrived(b"12\n3", LONG).unwrap(), b"12\n3");
        assert_eq!(arrived(&[b'x'; 5000], LONG).unwrap().len(), 512);
    }

    #[test]
    fn what_does_not_end_in_time_is_refused() {
        let (from, mut to) = pipe().unwrap();
        to.write_all(b"2026-11-26T01:27:46Z\n").unwrap();
        let failure = read_to_end(from, awaited(SinceBoot::now(), Duration::ZERO));
        assert_eq!(
            failure.unwrap_err().reason(),
            "cannot read the line: it has not arrived completely within 0 s"
        );
        drop(to);
    }

    #[test]
    fn a_call_that_began_too_long_ago_is_late_whatever_the_wait_was() {
        let (from, to) = pipe().unwrap();
        drop(to);
        let failure = read_to_end(
            from,
            awaited(SinceBoot(Duration::ZERO), Duration::from_nanos(1)),
        );
        assert!(failure.is_err());
    }
}

//! When the next connection to dom0 is tried.

use std::time::Duration;

/// The wait after the first connection that failed.
const SHORTEST: Duration = Duration::from_secs(1);

/// The longest wait.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);

/// A connection that was there for so long did not fail.
const LASTING: Duration = Duration::from_secs(5);

/// The waits: 1, 2, 4, … 60 s, without end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// No connection has failed yet.
    pub(crate) fn new() -> Self {
        Self { next: SHORTEST }
    }

    /// How long to wait after a connection that was there for this long, and whether it is the first one
    /// that failed since one lasted.
    pub(crate) fn after(&mut self, lasted: Duration) -> (Duration, bool) {
        if lasted >= LASTING {
            *self = Self::new();
        }
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        (wait, wait == SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_minute_and_is_short_again_after_a_connection_that_lasted() {
        let mut backoff = Backoff::new();
        let mut after = |lasted| {
            let (wait, is_first) = backoff.after(Duration::from_millis(lasted));
            (wait.as_secs(), is_first)
        };
        let waits: Vec<_> = [0, 1, 4_999, 0, 0, 0, 0, 0].map(&mut after).into();
        let expected = [1, 2, 4, 8, 16, 32, 60, 60].map(|wait| (wait, wait == 1));
        assert_eq!(waits, expected);
        assert_eq!(after(5_000), (1, true));
        assert_eq!(after(0), (2, false));
        assert_eq!(after(1_000_000), (1, true));
        assert_eq!(after(1_000_000), (1, true));
    }
}

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

    /// Is no connection known to have failed?
    pub(crate) fn is_new(self) -> bool {
        self.next == SHORTEST
    }

    /// How long to wait after a connection that was there for this long.
    pub(crate) fn after(&mut self, lasted: Duration) -> Duration {
        if lasted >= LASTING {
            *self = Self::new();
        }
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_minute_and_is_short_again_after_a_connection_that_lasted() {
        let mut backoff = Backoff::new();
        assert!(backoff.is_new());
        let mut after = |lasted| backoff.after(Duration::from_millis(lasted)).as_secs();
        let waits: Vec<u64> = [0, 1, 4_999, 0, 0, 0, 0, 0].map(&mut after).into();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(after(5_000), 1);
        assert_eq!(after(0), 2);
        assert_eq!(after(1_000_000), 1);
        assert!(!backoff.is_new());
    }
}

//! How long nothing is looked at.

use std::time::Duration;

/// Longest wait while nothing moves: what has to be reported is reported within a second.
const LONGEST: Duration = Duration::from_millis(900);

/// The wait between two looks. It becomes longer while nothing moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    delay: Duration,
    next: Duration,
    /// In kB.
    step: i128,
    last: Option<i128>,
}

impl Pace {
    /// Waits at least `delay`. What moves by an eighth of the threshold, in kB, moves.
    pub(crate) fn new(delay: Duration, threshold: u64) -> Self {
        Self {
            delay,
            next: delay,
            step: i128::from(threshold / 8),
            last: None,
        }
    }

    /// How long to wait after a look that found this much in use, in kB.
    pub(crate) fn after(&mut self, used: i128) -> Duration {
        let moved = self.last.is_none_or(|last| (used - last).abs() > self.step);
        if moved {
            self.last = Some(used);
            self.next = self.delay;
        } else {
            self.next = self.longer();
        }
        self.next
    }

    /// How long to wait after a look that found nothing.
    pub(crate) fn after_nothing(&mut self) -> Duration {
        self.next = self.longer();
        self.next
    }

    fn longer(&self) -> Duration {
        self.next.saturating_mul(2).min(LONGEST).max(self.delay)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(pace: &mut Pace, used: i128) -> u128 {
        pace.after(used).as_millis()
    }

    #[test]
    fn the_wait_grows_while_nothing_moves_and_is_short_again_when_something_does() {
        let mut pace = Pace::new(Duration::from_millis(100), 30_000);
        let waits: Vec<_> = [0, 10, 3750, 0, 5, 0]
            .map(|used| millis(&mut pace, used))
            .into();
        assert_eq!(waits, [100, 200, 400, 800, 900, 900]);
        assert_eq!(millis(&mut pace, 3751), 100);
        assert_eq!(millis(&mut pace, 3751), 200);
        // Slow growth adds up.
        assert_eq!(millis(&mut pace, 7501), 400);
        assert_eq!(millis(&mut pace, 7502), 100);
        assert_eq!(pace.after_nothing().as_millis(), 200);
    }

    #[test]
    fn a_delay_that_is_longer_stays() {
        let mut pace = Pace::new(Duration::from_secs(5), 0);
        assert_eq!(millis(&mut pace, 0), 5000);
        assert_eq!(millis(&mut pace, 0), 5000);
    }

    proptest! {
        #[test]
        fn a_wait_is_never_shorter_than_the_delay_nor_longer_than_a_second_for_nothing(
            delay in 1_u64..3_000_000,
            uses in proptest::collection::vec(0_i128..100, 1..30),
        ) {
            let delay = Duration::from_micros(delay);
            let mut pace = Pace::new(delay, 100);
            for used in uses {
                let wait = pace.after(used);
                prop_assert!(wait >= delay);
                prop_assert!(wait <= LONGEST.max(delay));
            }
        }
    }
}

//! What is reported, and when it is due.
//!
//! dom0 counts on this formula: it multiplies the number by 1.3 and shares the memory out by it.
//! `MemAvailable` would be a better measure of what can be given back, but a report that means
//! something else would change how every qube is treated beside the others.

use crate::args::Format;
use crate::counters::{Counters, FIELDS};

/// The memory in use in kB. It is below 0 where the counters do not fit together.
pub(crate) fn used(counters: &Counters) -> i128 {
    let [_, free, buffers, cached, swap_total, swap_free] = counters.values.map(i128::from);
    i128::from(counters.total) - buffers - cached - free + swap_total - swap_free
}

/// The text of a report.
pub(crate) fn text(format: Format, counters: &Counters) -> String {
    match format {
        Format::Four => used(counters).to_string(),
        Format::Three => {
            let lines = FIELDS.iter().zip(counters.values);
            lines
                .map(|(field, value)| format!("{field}: {value} kB\n"))
                .collect()
        }
    }
}

/// What was reported last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported {
    threshold: i128,
    last: Option<i128>,
}

impl Reported {
    /// Nothing yet. The threshold is in kB.
    pub(crate) fn nothing(threshold: u64) -> Self {
        Self {
            threshold: threshold.into(),
            last: None,
        }
    }

    /// Is a report due?
    pub(crate) fn is_due(&self, counters: &Counters) -> bool {
        let used = used(counters);
        let is_nearly_full = used / 10 > (i128::from(counters.total) + 12) / 13;
        match self.last.map(|last| used - last) {
            _ if used < 0 => false,
            None => true,
            Some(moved) => {
                moved.abs() > self.threshold || moved > self.threshold / 2 && is_nearly_full
            }
        }
    }

    /// It was reported.
    pub(crate) fn is(&mut self, counters: &Counters) {
        self.last = Some(used(counters));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::counters::{parse, tests::MEMINFO};

    use super::*;

    fn counters(total: u64, used: u64) -> Counters {
        // All is free but what is used.
        Counters {
            total,
            values: [total, total - used, 0, 0, 0, 0],
        }
    }

    #[test]
    fn the_formula_is_that_of_dom0() {
        let values = parse(MEMINFO.as_bytes()).unwrap();
        let counters = Counters {
            total: 409_600,
            values,
        };
        // 409600 − 1000 − 150000 − 100000 + 1000000 − 900000
        assert_eq!(text(Format::Four, &counters), "258600");
        assert_eq!(
            text(Format::Three, &counters),
            "MemTotal: 400000 kB\nMemFree: 100000 kB\nBuffers: 1000 kB\nCached: 150000 kB\n\
             SwapTotal: 1000000 kB\nSwapFree: 900000 kB\n"
        );
    }

    #[test]
    fn a_report_is_due_when_the_use_has_moved_far_enough() {
        let mut reported = Reported::nothing(30_000);
        assert!(reported.is_due(&counters(1_000_000, 100_000)));
        reported.is(&counters(1_000_000, 100_000));
        for (used, is_due) in [
            (100_000, false),
            (130_000, false),
            (130_001, true),
            (70_000, false),
            (69_999, true),
        ] {
            assert_eq!(
                reported.is_due(&counters(1_000_000, used)),
                is_due,
                "{used}"
            );
        }
        // Above 10/13 of the memory a smaller rise is enough, but not a smaller fall.
        reported.is(&counters(1_000_000, 800_000));
        for (used, is_due) in [(815_000, false), (815_001, true), (784_999, false)] {
            assert_eq!(
                reported.is_due(&counters(1_000_000, used)),
                is_due,
                "{used}"
            );
        }
    }

    #[test]
    fn counters_that_do_not_fit_together_are_not_reported() {
        let odd = Counters {
            total: 10,
            values: [10, 11, 0, 0, 0, 0],
        };
        assert_eq!(used(&odd), -1);
        assert!(!Reported::nothing(0).is_due(&odd));
    }

    proptest! {
        #[test]
        fn no_counters_overflow(
            total in any::<u64>(),
            values in proptest::array::uniform6(any::<u64>()),
            threshold in any::<u64>(),
        ) {
            let counters = Counters { total, values };
            let mut reported = Reported::nothing(threshold);
            if reported.is_due(&counters) {
                let digits = text(Format::Four, &counters);
                prop_assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{}", digits);
                reported.is(&counters);
                // What was reported is not due again.
                prop_assert!(!reported.is_due(&counters));
            }
        }
    }
}

//! What the fuzz target does with the bytes that the fuzzer makes up.

use crate::args::Format;
use crate::counters::{Counters, parse};
use crate::report::{Reported, text};
use crate::xenstore::{Header, Heard, judge};

/// Reads bytes as an answer of XenStore, and as `/proc/meminfo`.
///
/// # Panics
/// When something that must hold does not.
pub fn answers(untrusted: &[u8]) {
    if let Some((head, data)) = untrusted.split_first_chunk() {
        let heard = judge(&Header::parse(*head), 1, data.to_vec());
        if let Heard::Answer(Err(error)) = heard {
            let said = error.to_string();
            assert!(said.chars().all(|c| (' '..='~').contains(&c)), "{said:?}");
        }
    }
    if let Ok(values) = parse(untrusted) {
        let counters = Counters {
            total: values[0],
            values,
        };
        if Reported::nothing(0).is_due(&counters) {
            let report = text(Format::Four, &counters);
            assert!(report.bytes().all(|byte| byte.is_ascii_digit()), "{report}");
        }
        let three = text(Format::Three, &counters);
        assert_eq!(parse(three.as_bytes()).ok(), Some(values));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_corpus_holds() {
        test_support::corpus("xenstore_answer", 3, super::answers);
    }
}

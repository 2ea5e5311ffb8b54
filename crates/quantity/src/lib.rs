//! Sizes and times as people type them, on a command line or in a file of settings: one parser for
//! all programs, so that `10M` means the same everywhere. And numbers as messages show them.

mod shown;

use std::time::Duration;

pub use shown::{about, bytes, counted, entries, number};

/// What a size looks like, for messages and manual pages.
pub const SIZE_FORM: &str = "a number of bytes such as 500, 10M or 2GiB; K, M, G, T and P multiply by 1024, kB, MB, GB, TB and PB by 1000";

/// What a time looks like, for messages and manual pages.
pub const TIME_FORM: &str =
    "a number of seconds such as 90, or a time such as 500ms, 90s, 5m, 2h or 1d";

/// The number of bytes that `text` stands for: decimal digits, and a suffix or none.
///
/// `K`, `Ki` and `KiB` are 1024, `KB` is 1000, and so on for `M`, `G`, `T` and `P` (as in GNU
/// coreutils, "Block size"). `B` alone is 1. Capital letters make no difference.
///
/// `None` for anything else, and for what does not fit in 64 bits.
#[must_use]
pub fn size(text: &[u8]) -> Option<u64> {
    let (number, suffix) = split(text)?;
    let suffix = suffix.to_ascii_uppercase();
    let (letter, base) = match &*suffix {
        b"" | b"B" => return Some(number),
        [letter] | [letter, b'I'] | [letter, b'I', b'B'] => (letter, 1024_u64),
        [letter, b'B'] => (letter, 1000),
        _ => return None,
    };
    let power = 1 + b"KMGTP".iter().position(|prefix| prefix == letter)?;
    number.checked_mul(base.checked_pow(u32::try_from(power).ok()?)?)
}

/// The time that `text` stands for: decimal digits, and `ms`, `s`, `m`, `h`, `d` or nothing, which
/// is seconds.
///
/// `None` for anything else, and for more than 2^64 seconds.
#[must_use]
pub fn time(text: &[u8]) -> Option<Duration> {
    let (number, suffix) = split(text)?;
    let seconds = match suffix {
        b"ms" => return Some(Duration::from_millis(number)),
        b"" | b"s" => 1,
        b"m" => 60,
        b"h" => 60 * 60,
        b"d" => 24 * 60 * 60,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// The number at the beginning of `text`, and what follows it.
fn split(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, suffix) = text.split_at(digits);
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some((number, suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_multiplies() {
        let table: [(&str, u64); 20] = [
            ("0", 0),
            ("500", 500),
            ("007", 7),
            ("5B", 5),
            ("1K", 1024),
            ("1k", 1024),
            ("1Ki", 1024),
            ("1KiB", 1024),
            ("1kB", 1000),
            ("1KB", 1000),
            ("3M", 3 << 20),
            ("3MiB", 3 << 20),
            ("3MB", 3_000_000),
            ("2G", 2 << 30),
            ("2GB", 2_000_000_000),
            ("1T", 1 << 40),
            ("1TB", 1_000_000_000_000),
            ("1P", 1 << 50),
            ("18446744073709551615", u64::MAX),
            ("16383P", 16383 << 50),
        ];
        for (text, bytes) in table {
            assert_eq!(size(text.as_bytes()), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_none() {
        for text in [
            "",
            "K",
            "-1",
            "+1",
            " 1",
            "1 ",
            "1 K",
            "1.5G",
            "1X",
            "1KK",
            "1iB",
            "1BB",
            "1KiBs",
            "0x10",
            "1e3",
            "١",
            "18446744073709551616",
            "16384P",
            "99999999999999999999K",
        ] {
            assert_eq!(size(text.as_bytes()), None, "{text}");
        }
        assert_eq!(size(b"1\xFF"), None);
    }

    #[test]
    fn a_time_is_in_seconds_unless_it_says_otherwise() {
        let table = [
            ("0", 0),
            ("500ms", 500),
            ("90", 90_000),
            ("90s", 90_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
        ];
        for (text, milliseconds) in table {
            let expected = Duration::from_millis(milliseconds);
            assert_eq!(time(text.as_bytes()), Some(expected), "{text}");
        }
        for text in [
            "",
            "s",
            "-1",
            "1.5h",
            "1M",
            "1 s",
            "5min",
            "18446744073709551615d",
        ] {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
    }
}

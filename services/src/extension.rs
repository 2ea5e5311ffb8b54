//! What goes before a member because its header has no room for it: the records of POSIX (pax).

/// Longest extension in bytes. Attributes of files can be long, names cannot.
pub const MAX_LEN: u64 = 1024 * 1024;

/// What records say of a member, as far as it is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Its name.
    pub name: Option<Vec<u8>>,
    /// Bytes of content.
    pub len: Option<u64>,
    /// Time of last modification.
    pub mtime: Option<Time>,
    /// Time of last access.
    pub atime: Option<Time>,
    /// Its holes are left out.
    pub is_sparse: bool,
}

/// Seconds since 1970, and nanoseconds after them.
pub type Time = (i64, i64);

impl Records {
    /// Takes `bytes` apart, `LENGTH KEY=VALUE\n` each, by the lengths: a value may hold anything. Of
    /// two that say the same the last one counts.
    #[must_use]
    pub fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut records = Self::default();
        let mut sparse_name = None;
        while !bytes.is_empty() {
            let blank = bytes.iter().position(|byte| *byte == b' ')?;
            let len = usize::try_from(number(&bytes[..blank])?).ok()?;
            let record = bytes.get(blank + 1..len)?.strip_suffix(b"\n")?;
            bytes = &bytes[len..];
            let equals = record.iter().position(|byte| *byte == b'=')?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            // A record without a value takes an earlier one back.
            let is_set = !value.is_empty();
            match key {
                b"path" => records.name = is_set.then(|| value.to_vec()),
                b"size" if is_set => records.len = Some(number(value)?),
                b"size" => records.len = None,
                b"mtime" if is_set => records.mtime = Some(time(value)?),
                b"mtime" => records.mtime = None,
                b"atime" if is_set => records.atime = Some(time(value)?),
                b"atime" => records.atime = None,
                b"GNU.sparse.name" => sparse_name = is_set.then(|| value.to_vec()),
                _ => records.is_sparse |= key.starts_with(b"GNU.sparse."),
            }
        }
        records.is_sparse |= sparse_name.is_some();
        records.name = sparse_name.or(records.name);
        Some(records)
    }

    /// These records, and those of `others` where these say nothing.
    #[must_use]
    pub fn or(self, others: &Self) -> Self {
        Self {
            name: self.name.or_else(|| others.name.clone()),
            len: self.len.or(others.len),
            mtime: self.mtime.or(others.mtime),
            atime: self.atime.or(others.atime),
            is_sparse: self.is_sparse || others.is_sparse,
        }
    }
}

/// A number of 0..=`i64::MAX` in decimal digits.
fn number(text: &[u8]) -> Option<u64> {
    let is_digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| is_digits)?;
    number
        .parse()
        .ok()
        .filter(|number| i64::try_from(*number).is_ok())
}

/// A time in seconds, with a fraction or without, before 1970 or after it.
fn time(text: &[u8]) -> Option<Time> {
    let (is_negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |byte| *byte == b'.');
    let seconds = i64::try_from(number(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction
        .iter()
        .copied()
        .chain(std::iter::repeat(b'0'))
        .take(9);
    let nanoseconds = digits.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some(match (is_negative, nanoseconds) {
        (false, _) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        // The fraction counts forward, also before 1970.
        (true, _) => (-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    #[test]
    fn records_are_taken_apart_by_their_lengths() {
        let text = [
            ("SCHILY.xattr.user.x", "1\n9 size=7\n"),
            ("path", "a"),
            ("path", "b\n"),
            ("size", "99"),
        ]
        .map(|(key, value)| record(key, value))
        .concat();
        let expected = Records {
            name: Some(b"b\n".to_vec()),
            len: Some(99),
            ..Records::default()
        };
        assert_eq!(Records::parse(text.as_bytes()), Some(expected));
    }

    #[test]
    fn a_record_without_a_value_takes_an_earlier_one_back() {
        let text = ["path", "size", "mtime", "atime"]
            .map(|key| record(key, "1") + &record(key, ""))
            .concat();
        assert_eq!(Records::parse(text.as_bytes()), Some(Records::default()));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for text in [
            &b"x"[..],
            b" path=a\n",
            b"9 path=a",
            b"8 path=a\n",
            b"11 path=a\n",
            b"8 patha\n",
            b"0 \n",
            b"2 \n",
            b"3 \n",
            b"-10 path=a\n",
            b"9 path=a\n\0",
            b"99999999999999999999 path=a\n",
        ] {
            assert_eq!(
                Records::parse(text),
                None,
                "{:?}",
                String::from_utf8_lossy(text)
            );
        }
        for (key, value) in [
            ("size", "x"),
            ("size", "-1"),
            ("size", "9223372036854775808"),
            ("mtime", "x"),
            ("atime", "1.x"),
        ] {
            assert_eq!(
                Records::parse(record(key, value).as_bytes()),
                None,
                "{key}={value}"
            );
        }
    }

    #[test]
    fn times_have_fractions_and_signs() {
        for (text, expected) in [
            (&b"0"[..], Some((0, 0))),
            (b"1700000000.123456789", Some((1_700_000_000, 123_456_789))),
            (b"1.5", Some((1, 500_000_000))),
            (b"1.0000000019", Some((1, 1))),
            (b"1.", Some((1, 0))),
            (b"-1", Some((-1, 0))),
            (b"-1.25", Some((-2, 750_000_000))),
            (b"-0.5", Some((-1, 500_000_000))),
            (b"", None),
            (b"-", None),
            (b"+1", None),
            (b"1e9", None),
            (b"1.-5", None),
        ] {
            assert_eq!(time(text), expected, "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_file_with_holes_has_the_name_that_its_records_say() {
        let text = [
            ("GNU.sparse.major", "1"),
            ("path", "GNUSparseFile.0/a"),
            ("GNU.sparse.name", "a"),
        ]
        .map(|(key, value)| record(key, value))
        .concat();
        let records = Records::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (records.name.as_deref(), records.is_sparse),
            (Some(&b"a"[..]), true)
        );
    }
}

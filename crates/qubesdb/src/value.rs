//! What a key holds.

use std::fmt;

use crate::error::Invalid;

/// Longest value in bytes: the daemon of Qubes OS refuses 3,072, though its header file allows them.
pub const MAX_VALUE_LEN: usize = 3071;

/// A value: at most [`MAX_VALUE_LEN`] bytes, none of them NUL.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Value(Box<[u8]>);

impl Value {
    /// Judges a value.
    ///
    /// # Errors
    /// It is too long or has a NUL.
    pub fn parse(untrusted_bytes: &[u8]) -> Result<Self, Invalid> {
        if untrusted_bytes.len() > MAX_VALUE_LEN {
            return Err(Invalid::ValueTooLong);
        }
        if untrusted_bytes.contains(&0) {
            return Err(Invalid::ValueNul);
        }
        Ok(Self(untrusted_bytes.into()))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value(\"{}\")", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_at_most_3071_bytes_and_no_nul() {
        for good in [&b""[..], b"\xff\n\x01", &[b'x'; 3071]] {
            assert_eq!(Value::parse(good).unwrap().as_bytes(), good);
        }
        assert_eq!(Value::parse(&[b'x'; 3072]), Err(Invalid::ValueTooLong));
        assert_eq!(Value::parse(b"a\0"), Err(Invalid::ValueNul));
    }
}

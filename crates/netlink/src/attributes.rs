//! Attributes: a length, a number and a value each, one behind the other (`netlink(7)`).

/// The bit of an attribute that holds attributes.
const NESTED: u16 = 1 << 15;

/// The bits of the number itself.
const NUMBER: u16 = 0x3fff;

const HEAD_LEN: usize = 4;

/// Attributes that are being written.
#[derive(Debug)]
pub struct Attributes<'a> {
    bytes: &'a mut Vec<u8>,
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes }
    }

    /// A value as it is.
    pub fn bytes(&mut self, number: u16, value: &[u8]) {
        self.attribute(number, |bytes| bytes.extend_from_slice(value));
    }

    /// A number of 32 bits, in network order as all of netfilter's.
    pub fn u32(&mut self, number: u16, value: u32) {
        self.bytes(number, &value.to_be_bytes());
    }

    /// A name.
    pub fn text(&mut self, number: u16, value: &str) {
        self.attribute(number, |bytes| {
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(0);
        });
    }

    /// An attribute that holds those in `value`, as they were read.
    pub fn nested_bytes(&mut self, number: u16, value: &[u8]) {
        self.bytes(number | NESTED, value);
    }

    /// An attribute that holds those that `write` writes.
    pub fn nested(&mut self, number: u16, write: impl FnOnce(&mut Attributes<'_>)) {
        self.attribute(number | NESTED, |bytes| write(&mut Attributes { bytes }));
    }

    fn attribute(&mut self, number: u16, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEAD_LEN]);
        write(self.bytes);
        // Callers write no list that is longer: the kernel would refuse the message.
        let len = u16::try_from(self.bytes.len() - start).unwrap_or(0);
        self.bytes[start..start + 2].copy_from_slice(&len.to_ne_bytes());
        self.bytes[start + 2..start + 4].copy_from_slice(&number.to_ne_bytes());
        pad(self.bytes);
    }
}

/// Fills up to the next multiple of four.
pub(crate) fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// The attributes in `bytes`, up to the first that is malformed.
pub fn read(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (head, _) = bytes.split_first_chunk::<HEAD_LEN>()?;
        let len = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let number = u16::from_ne_bytes([head[2], head[3]]) & NUMBER;
        let value = bytes.get(HEAD_LEN..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((number, value))
    })
}

/// The value of the attribute `number`.
#[must_use]
pub fn find(bytes: &[u8], number: u16) -> Option<&[u8]> {
    let mut found = read(bytes).filter(|(this, _)| *this == number);
    found.next().map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        let mut attributes = Attributes::new(&mut bytes);
        attributes.text(1, "ab");
        attributes.nested(2, |inner| {
            inner.u32(3, 7);
            inner.bytes(4, &[]);
        });
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(find(&bytes, 1), Some(&b"ab\0"[..]));
        let inner = find(&bytes, 2).unwrap();
        let all: Vec<_> = read(inner).collect();
        assert_eq!(all, [(3, &[0, 0, 0, 7][..]), (4, &[][..])]);
        assert_eq!(find(&bytes, 5), None);
    }

    #[test]
    fn malformed_attributes_end_the_list() {
        for bytes in [
            &[][..],
            &[4, 0, 1],
            &[3, 0, 1, 0],
            &[9, 0, 1, 0, 0],
            &[0; 8],
        ] {
            assert_eq!(read(bytes).count(), 0, "{bytes:?}");
        }
    }
}

//! Messages: one that asks, or a batch for the tables that is done whole or not at all.

use crate::attributes::{Attributes, pad};

/// Length of `struct nlmsghdr`.
pub(crate) const HEAD_LEN: usize = 16;

/// Length of `struct nfgenmsg`, which follows it in messages to netfilter.
const FAMILY_LEN: usize = 4;

/// Flags of a message (`linux/netlink.h`).
pub mod flag {
    /// It asks the kernel for something.
    pub const REQUEST: u16 = 1;
    /// It is answered when it was done.
    pub const ACK: u16 = 4;
    /// It asks for a list.
    pub const DUMP: u16 = 0x300;
    /// What is there already is replaced.
    pub const REPLACE: u16 = 0x100;
    /// What is not there is made.
    pub const CREATE: u16 = 0x400;
    /// A new rule is the last one.
    pub const APPEND: u16 = 0x800;
}

// Types of the messages around a batch (`linux/netfilter/nfnetlink.h`).
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

/// The part of netfilter that has tables.
pub(crate) const NFTABLES: u16 = 10;

/// The number of the one message that the kernel is to answer. The others have 0.
pub(crate) const ANSWERED: u32 = 1;

/// One message, which the kernel answers.
#[derive(Debug)]
pub struct Request(pub(crate) Vec<u8>);

impl Request {
    /// A message to netfilter.
    pub fn to_netfilter(
        kind: u16,
        flags: u16,
        family: u8,
        write: impl FnOnce(&mut Attributes<'_>),
    ) -> Self {
        let mut bytes = Vec::new();
        append(&mut bytes, kind, flags, ANSWERED, [family, 0, 0, 0], write);
        Self(bytes)
    }

    /// A message as it goes to the kernel, with its head. The answer is known by the number that it
    /// is given here.
    #[must_use]
    pub fn from_bytes(mut bytes: Vec<u8>) -> Self {
        if let Some(number) = bytes.get_mut(8..12) {
            number.copy_from_slice(&ANSWERED.to_ne_bytes());
        }
        Self(bytes)
    }
}

/// Messages about tables that the kernel does together.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    // Where the last message stands.
    last: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// One without a message.
    #[must_use]
    pub fn new() -> Self {
        let mut bytes = Vec::new();
        let [high, low] = NFTABLES.to_be_bytes();
        append(
            &mut bytes,
            BATCH_BEGIN,
            flag::REQUEST,
            0,
            [0, 0, high, low],
            |_| {},
        );
        Self { bytes, last: 0 }
    }

    /// Adds a message.
    pub(crate) fn add(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        write: impl FnOnce(&mut Attributes<'_>),
    ) {
        self.last = self.bytes.len();
        let kind = NFTABLES << 8 | kind;
        let flags = flags | flag::REQUEST;
        append(&mut self.bytes, kind, flags, 0, [family, 0, 0, 0], write);
    }

    /// The bytes: the last message asks for an answer, which comes when all were done.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let flags = flag::REQUEST | flag::ACK | self.flags_of_last();
        let last = &mut self.bytes[self.last..];
        last[6..8].copy_from_slice(&flags.to_ne_bytes());
        last[8..12].copy_from_slice(&ANSWERED.to_ne_bytes());
        let [high, low] = NFTABLES.to_be_bytes();
        append(
            &mut self.bytes,
            BATCH_END,
            flag::REQUEST,
            0,
            [0, 0, high, low],
            |_| {},
        );
        self.bytes
    }

    fn flags_of_last(&self) -> u16 {
        let last = &self.bytes[self.last..];
        u16::from_ne_bytes([last[6], last[7]])
    }
}

fn append(
    bytes: &mut Vec<u8>,
    kind: u16,
    flags: u16,
    number: u32,
    head: [u8; FAMILY_LEN],
    write: impl FnOnce(&mut Attributes<'_>),
) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&number.to_ne_bytes());
    // Whose answer it is: the socket's.
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&head);
    write(&mut Attributes::new(bytes));
    pad(bytes);
    // No batch gets near 4 GiB: an address has at most 10,000 rules.
    let len = u32::try_from(bytes.len() - start).unwrap_or(0);
    bytes[start..start + 4].copy_from_slice(&len.to_ne_bytes());
}

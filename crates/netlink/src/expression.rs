//! Rules: each is a list of expressions, which load a field, or compare it, or decide
//! (`linux/netfilter/nf_tables.h`).

use crate::attributes::Attributes;
use crate::table::{Family, LIST_ENTRY};

/// The registers that a packet's fields are loaded into; the second is for the second part of a key.
/// The one of verdicts is 0.
const FIRST: u32 = 1;
const SECOND: u32 = 2;
const VERDICT_REGISTER: u32 = 0;

// Beginnings of headers, as the payload expression counts them.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

// Comparisons.
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;

/// What is known of a packet beside its bytes; the numbers of the meta expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meta {
    /// The name of the interface that it came from.
    InInterface = 6,
    /// The name of the interface that it goes to.
    OutInterface = 7,
    /// The protocol above IP, behind all extension headers.
    Protocol = 16,
    /// The group of the interface that it came from.
    InGroup = 21,
}

/// Which address of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where it comes from.
    Source,
    /// Where it goes to.
    Destination,
}

/// Bits of the state of a tracked connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(u32);

impl State {
    /// `established` (2) and `related` (4).
    pub const KNOWN: Self = Self(2 | 4);
}

/// What becomes of a packet (`linux/netfilter.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing of it is left.
    Drop,
    /// It passes this chain, and the one that led here.
    Accept,
}

impl Verdict {
    pub(crate) const fn code(self) -> i32 {
        match self {
            Self::Drop => 0,
            Self::Accept => 1,
        }
    }
}

const JUMP: i32 = -3;
const GOTO: i32 = -4;

/// A rule that is being written.
#[derive(Debug)]
pub struct Rule<'a, 'b> {
    expressions: &'a mut Attributes<'b>,
}

impl<'a, 'b> Rule<'a, 'b> {
    pub(crate) fn new(expressions: &'a mut Attributes<'b>) -> Self {
        Self { expressions }
    }

    fn expression(&mut self, name: &str, write: impl FnOnce(&mut Attributes<'_>)) {
        self.expressions.nested(LIST_ENTRY, |expression| {
            expression.text(1, name);
            expression.nested(2, write);
        });
    }

    /// Loads what is known of the packet.
    pub fn meta(&mut self, key: Meta) {
        self.expression("meta", |meta| {
            meta.u32(1, FIRST);
            meta.u32(2, key as u32);
        });
    }

    fn payload(&mut self, base: u32, offset: u32, len: u32, register: u32) {
        self.expression("payload", |payload| {
            payload.u32(1, register);
            payload.u32(2, base);
            payload.u32(3, offset);
            payload.u32(4, len);
        });
    }

    /// Loads bytes of the header above IP.
    pub fn transport(&mut self, offset: u32, len: u32) {
        self.payload(TRANSPORT, offset, len, FIRST);
    }

    /// Loads an address (RFC 791, RFC 8200).
    pub fn address(&mut self, family: Family, side: Side) {
        self.address_into(family, side, FIRST);
    }

    /// Loads an address behind what was loaded first: together they are a key of two parts.
    pub fn address_as_second(&mut self, family: Family, side: Side) {
        self.address_into(family, side, SECOND);
    }

    fn address_into(&mut self, family: Family, side: Side, register: u32) {
        let offset = match (family, side) {
            (Family::V4, Side::Source) => 12,
            (Family::V4, Side::Destination) => 16,
            (Family::V6, Side::Source) => 8,
            (Family::V6, Side::Destination) => 24,
        };
        self.payload(NETWORK, offset, family.address_len(), register);
    }

    /// Loads the byte of an IPv6 header that has the hop limit.
    pub fn hop_limit(&mut self) {
        self.payload(NETWORK, 7, 1, FIRST);
    }

    /// Leaves only these bits of what was loaded.
    pub fn mask(&mut self, mask: &[u8]) {
        let len = u32::try_from(mask.len()).unwrap_or(0);
        self.expression("bitwise", |bitwise| {
            bitwise.u32(1, FIRST);
            bitwise.u32(2, FIRST);
            bitwise.u32(3, len);
            bitwise.nested(4, |value| value.bytes(1, mask));
            bitwise.nested(5, |value| value.bytes(1, &vec![0; mask.len()]));
        });
    }

    fn compare(&mut self, how: u32, value: &[u8]) {
        self.expression("cmp", |cmp| {
            cmp.u32(1, FIRST);
            cmp.u32(2, how);
            cmp.nested(3, |data| data.bytes(1, value));
        });
    }

    /// Goes on if what was loaded begins with this.
    pub fn equal(&mut self, value: &[u8]) {
        self.compare(EQUAL, value);
    }

    /// Goes on if what was loaded does not begin with this.
    pub fn not_equal(&mut self, value: &[u8]) {
        self.compare(NOT_EQUAL, value);
    }

    /// Goes on if what was loaded is one of these or between them.
    pub fn between(&mut self, first: &[u8], last: &[u8]) {
        self.expression("range", |range| {
            range.u32(1, FIRST);
            range.u32(2, EQUAL);
            range.nested(3, |data| data.bytes(1, first));
            range.nested(4, |data| data.bytes(1, last));
        });
    }

    /// Goes on if what was loaded is in a set; its number if it belongs to the rule.
    pub fn lookup(&mut self, set: &str, number: Option<u32>) {
        self.expression("lookup", |lookup| {
            lookup.text(1, set);
            lookup.u32(2, FIRST);
            if let Some(number) = number {
                lookup.u32(4, number);
            }
        });
    }

    /// Goes on if the connection of the packet is in one of these states.
    pub fn connection(&mut self, state: State) {
        self.expression("ct", |ct| {
            ct.u32(1, FIRST);
            // The key `state`.
            ct.u32(2, 0);
        });
        self.mask(&state.0.to_ne_bytes());
        self.not_equal(&[0; 4]);
    }

    /// Decides.
    pub fn verdict(&mut self, verdict: Verdict) {
        self.decide(verdict.code(), None);
    }

    /// Goes to another chain and comes back.
    pub fn jump(&mut self, chain: &str) {
        self.decide(JUMP, Some(chain));
    }

    /// Goes to another chain for good.
    pub fn go_to(&mut self, chain: &str) {
        self.decide(GOTO, Some(chain));
    }

    fn decide(&mut self, code: i32, chain: Option<&str>) {
        self.expression("immediate", |immediate| {
            immediate.u32(1, VERDICT_REGISTER);
            immediate.nested(2, |data| {
                data.nested(2, |verdict| {
                    verdict.bytes(1, &code.to_be_bytes());
                    if let Some(chain) = chain {
                        verdict.text(2, chain);
                    }
                });
            });
        });
    }

    /// Answers with an ICMP message "unreachable" of this code, and drops the packet.
    pub fn reject(&mut self, code: u8) {
        self.expression("reject", |reject| {
            reject.u32(1, 0);
            reject.bytes(2, &[code]);
        });
    }

    /// Sends the connection to this address in place of its destination.
    pub fn translate_destination(&mut self, family: Family, address: &[u8]) {
        self.expression("immediate", |immediate| {
            immediate.u32(1, FIRST);
            immediate.nested(2, |data| data.bytes(1, address));
        });
        self.expression("nat", |nat| {
            // Of the destination.
            nat.u32(1, 1);
            nat.u32(2, family as u32);
            nat.u32(3, FIRST);
        });
    }
}

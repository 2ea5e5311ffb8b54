//! Tables, their chains and their sets (`linux/netfilter/nf_tables.h`).

use std::io;

use crate::attributes::find;
use crate::expression::Rule;
use crate::message::{Batch, NFTABLES, Request, flag};
use crate::socket::{NETFILTER_HEAD_LEN, Socket};

// Types of messages.
const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const GET_RULE: u16 = 7;
const DELETE_RULE: u16 = 8;
const NEW_SET: u16 = 9;
const DELETE_SET: u16 = 11;
const NEW_ELEMENTS: u16 = 12;
const GET_ELEMENTS: u16 = 13;
const DELETE_ELEMENTS: u16 = 14;

/// In every list: an entry.
pub(crate) const LIST_ENTRY: u16 = 1;

/// Names in messages: of the table, and of what is in it.
const IN_TABLE: u16 = 1;

// Attributes of a rule.
const IN_CHAIN: u16 = 2;
const USER_DATA: u16 = 7;

/// In the user data of a rule, a comment that nft shows (libnftnl: `NFTNL_UDATA_RULE_COMMENT`).
const COMMENT: u8 = 0;

/// Entries of one message; its list must stay below 64 KiB.
const ELEMENTS_AT_ONCE: usize = 1000;

/// The number in its batch of a set that has a name; nothing asks for a set by it.
const NAMED: u32 = u32::MAX;

/// nft's numbers of types, by which it shows the elements of a set.
pub mod key_type {
    /// `ipv4_addr`.
    pub const IPV4: u32 = 7;
    /// `ipv6_addr`.
    pub const IPV6: u32 = 8;
    /// `ifname`.
    pub const INTERFACE: u32 = 41;

    /// One behind the other.
    #[must_use]
    pub const fn both(first: u32, second: u32) -> u32 {
        first << 6 | second
    }
}

/// The family of a table (`linux/netfilter.h`: NFPROTO_IPV4, NFPROTO_IPV6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4 = 2,
    /// IPv6.
    V6 = 10,
}

impl Family {
    /// Bytes of an address.
    #[must_use]
    pub const fn address_len(self) -> u32 {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }

    /// The type of a set of addresses.
    #[must_use]
    pub const fn key_type(self) -> u32 {
        match self {
            Self::V4 => key_type::IPV4,
            Self::V6 => key_type::IPV6,
        }
    }
}

/// A chain that the kernel starts itself.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// The name of the chain.
    pub name: &'static str,
    /// `filter` or `nat`.
    pub kind: &'static str,
    /// Where packets pass it: 0 prerouting, 1 input, 2 forward, 3 output, 4 postrouting.
    pub number: u32,
    /// Chains of lower priorities come first.
    pub priority: i32,
    /// What becomes of a packet that no rule decides.
    pub policy: crate::Verdict,
}

/// What a set is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetFlags {
    /// It has a name.
    Named,
    /// It belongs to one rule, which names it by this number in its batch, and never changes.
    OfRule(u32),
}

/// A table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: &'static str,
}

impl Table {
    /// Makes it, unless it is there.
    pub fn make(self, batch: &mut Batch) {
        self.message(batch, NEW_TABLE, flag::CREATE, |_| {});
    }

    /// Deletes it.
    pub fn delete(self, batch: &mut Batch) {
        self.message(batch, DELETE_TABLE, 0, |_| {});
    }

    /// Makes a chain, unless it is there.
    pub fn chain(self, batch: &mut Batch, name: &str) {
        self.message(batch, NEW_CHAIN, flag::CREATE, |message| {
            message.text(3, name);
        });
    }

    /// Makes a chain that the kernel starts, unless it is there.
    pub fn hooked_chain(self, batch: &mut Batch, hook: &Hook) {
        self.message(batch, NEW_CHAIN, flag::CREATE, |message| {
            message.text(3, hook.name);
            message.nested(4, |at| {
                at.u32(1, hook.number);
                at.bytes(2, &hook.priority.to_be_bytes());
            });
            message.bytes(5, &hook.policy.code().to_be_bytes());
            message.text(7, hook.kind);
        });
    }

    /// Deletes the rules of a chain.
    pub fn flush(self, batch: &mut Batch, chain: &str) {
        self.message(batch, DELETE_RULE, 0, |message| {
            message.text(IN_CHAIN, chain);
        });
    }

    /// Deletes the rules of all chains.
    pub fn flush_all(self, batch: &mut Batch) {
        self.message(batch, DELETE_RULE, 0, |_| {});
    }

    /// Makes a set, unless it is there; `len` are the bytes of a key.
    pub fn set(self, batch: &mut Batch, name: &str, flags: SetFlags, key_type: u32, len: u32) {
        self.message(batch, NEW_SET, flag::CREATE, |message| {
            // Anonymous (1) and constant (2).
            let (flags, number) = match flags {
                SetFlags::Named => (0, NAMED),
                SetFlags::OfRule(number) => (1 | 2, number),
            };
            message.text(2, name);
            message.u32(3, flags);
            message.u32(4, key_type);
            message.u32(5, len);
            message.u32(10, number);
        });
    }

    /// Deletes a set.
    pub fn delete_set(self, batch: &mut Batch, name: &str) {
        self.message(batch, DELETE_SET, 0, |message| message.text(2, name));
    }

    /// Deletes all elements of a set.
    pub fn flush_set(self, batch: &mut Batch, name: &str) {
        self.message(batch, DELETE_ELEMENTS, 0, |message| message.text(2, name));
    }

    /// Adds elements to a set.
    pub fn add_elements(self, batch: &mut Batch, name: &str, flags: SetFlags, keys: &[Vec<u8>]) {
        self.elements(batch, (NEW_ELEMENTS, flag::CREATE), name, flags, keys);
    }

    /// Deletes elements of a set with a name, all of which must be there.
    pub fn delete_elements(self, batch: &mut Batch, name: &str, keys: &[Vec<u8>]) {
        self.elements(batch, (DELETE_ELEMENTS, 0), name, SetFlags::Named, keys);
    }

    fn elements(
        self,
        batch: &mut Batch,
        (kind, message_flags): (u16, u16),
        name: &str,
        flags: SetFlags,
        keys: &[Vec<u8>],
    ) {
        for some in keys.chunks(ELEMENTS_AT_ONCE) {
            self.message(batch, kind, message_flags, |message| {
                message.text(2, name);
                message.nested(3, |list| {
                    for key in some {
                        list.nested(LIST_ENTRY, |element| {
                            element.nested(1, |value| value.bytes(1, key));
                        });
                    }
                });
                if let SetFlags::OfRule(number) = flags {
                    message.u32(4, number);
                }
            });
        }
    }

    /// Adds a rule behind the others of a chain.
    pub fn rule(self, batch: &mut Batch, chain: &str, write: impl FnOnce(&mut Rule<'_, '_>)) {
        self.rule_with_comment(batch, chain, "", write);
    }

    /// Adds a rule with a comment of at most 253 bytes, which nft shows.
    pub fn rule_with_comment(
        self,
        batch: &mut Batch,
        chain: &str,
        comment: &str,
        write: impl FnOnce(&mut Rule<'_, '_>),
    ) {
        let flags = flag::CREATE | flag::APPEND;
        self.message(batch, NEW_RULE, flags, |message| {
            message.text(IN_CHAIN, chain);
            message.nested(4, |expressions| write(&mut Rule::new(expressions)));
            if let (false, Ok(len)) = (comment.is_empty(), u8::try_from(comment.len() + 1)) {
                let data = [&[COMMENT, len], comment.as_bytes(), &[0]].concat();
                message.bytes(USER_DATA, &data);
            }
        });
    }

    /// The comments of the rules of a chain, in order; a rule without one has an empty one. `None`:
    /// there is no such chain.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn comments(self, socket: &mut Socket, chain: &str) -> io::Result<Option<Vec<String>>> {
        self.dump(socket, GET_RULE, IN_CHAIN, chain, |rule| {
            // An old kernel lists the rules of all tables.
            let is_of = |number, name: &str| {
                find(rule, number)
                    .is_some_and(|text| text.strip_suffix(&[0]) == Some(name.as_bytes()))
            };
            let is_of_chain = is_of(IN_TABLE, self.name) && is_of(IN_CHAIN, chain);
            is_of_chain.then(|| find(rule, USER_DATA).and_then(comment).unwrap_or_default())
        })
    }

    /// The elements of a set; none if there is no such set.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn keys(self, socket: &mut Socket, set: &str) -> io::Result<Vec<Vec<u8>>> {
        let keys = self.dump(socket, GET_ELEMENTS, 2, set, |message| {
            let elements = crate::attributes::read(find(message, 3)?);
            let keys =
                elements.filter_map(|(_, element)| Some(find(find(element, 1)?, 1)?.to_vec()));
            Some(keys.collect::<Vec<_>>())
        })?;
        Ok(keys.unwrap_or_default().concat())
    }

    /// Asks for what is in `name`; `None`: there is no such thing.
    fn dump<T>(
        self,
        socket: &mut Socket,
        kind: u16,
        number: u16,
        name: &str,
        mut read: impl FnMut(&[u8]) -> Option<T>,
    ) -> io::Result<Option<Vec<T>>> {
        let (kind, flags) = (NFTABLES << 8 | kind, flag::REQUEST | flag::DUMP);
        let request = Request::to_netfilter(kind, flags, self.family as u8, |message| {
            message.text(IN_TABLE, self.name);
            message.text(number, name);
        });
        let asked = socket.dump(&request, |entry| read(entry.get(NETFILTER_HEAD_LEN..)?));
        match asked {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    fn message(
        self,
        batch: &mut Batch,
        kind: u16,
        flags: u16,
        write: impl FnOnce(&mut crate::attributes::Attributes<'_>),
    ) {
        batch.add(kind, flags, self.family as u8, |message| {
            message.text(IN_TABLE, self.name);
            write(message);
        });
    }
}

/// The comment in the user data of a rule.
fn comment(untrusted_data: &[u8]) -> Option<String> {
    let (head, rest) = untrusted_data.split_first_chunk::<2>()?;
    let text = rest.get(..usize::from(head[1]))?.strip_suffix(&[0])?;
    (head[0] == COMMENT).then(|| String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::comment;

    #[test]
    fn a_comment_is_read_as_it_was_written() {
        assert_eq!(comment(b"\0\x03ab\0").as_deref(), Some("ab"));
        for none in [&b""[..], b"\0", b"\0\x09ab\0", b"\x01\x03ab\0", b"\0\x02ab"] {
            assert_eq!(comment(none), None, "{none:?}");
        }
    }
}

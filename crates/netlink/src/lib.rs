//! Messages to the kernel about networks (`netlink(7)`).
//!
//! [`Socket`] sends a [`Request`], or a [`Batch`] that is done whole or not at all. [`attributes`]
//! is what messages consist of. [`Table`] and [`Rule`] are the tables, chains, sets and rules of
//! nftables.
//!
//! Why not through `nft -j -f -`: the messages are the interface that the kernel promises to keep
//! (`linux/netfilter/nf_tables.h`), while the JSON of nft is one program's, and has changed. No
//! other program is started for a change, so a program can give up the right to start any; no text
//! is parsed again on the way; and 1,000 addresses need neither the time nor the memory of one nft
//! process each.

pub mod attributes;
mod expression;
mod message;
mod socket;
mod table;

pub use expression::{Meta, Rule, Side, State, Verdict};
pub use message::{Batch, Request, flag};
pub use socket::{NETFILTER_HEAD_LEN, Part, Socket};
pub use table::{Family, Hook, SetFlags, Table, key_type};

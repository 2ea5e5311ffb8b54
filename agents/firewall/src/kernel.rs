//! The firewall of the kernel, over netlink.
//!
//! Why not through `nft -j -f -`: the messages are the interface that the kernel promises to keep
//! (`linux/netfilter/nf_tables.h`), while the JSON of nft is one program's, and has changed. No
//! other program is started for a change, so this process needs no right to start any; no text is
//! parsed again on the way; and 1,000 addresses need neither the time nor the memory of one nft
//! process each. The tests compare what the kernel got with what nft makes of the text of
//! [`firewall::nft`].

mod attributes;
pub(crate) mod conntrack;
mod message;
pub(crate) mod nftables;
mod socket;

pub(crate) use message::Batch;
pub(crate) use socket::Kernel;

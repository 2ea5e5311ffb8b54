//! The firewall of the kernel, over netlink (the crate [`netlink`]).
//!
//! The tests compare what the kernel got with what nft makes of the text of [`firewall::nft`].

pub(crate) mod conntrack;
pub(crate) mod nftables;

pub(crate) use netlink::Socket as Kernel;
pub(crate) use nftables::Batch;

//! The firewall rules of a qube, as dom0 writes them to QubesDB. Nothing here reads or writes
//! anything.
//!
//! Data runs one way: [`Rule::parse`] and [`Policy::parse`] turn the bytes of entries into types,
//! and these are all that is left of an entry, so that no value can carry syntax any further.
//! [`Policy::lines`] are the lines of the chain of an address: [`verdict`] judges packets and
//! tracked connections by them, [`nft`] writes them as text, and the agent sends them to the
//! kernel. Whatever is not understood is an error, and an error blocks the address.
//!
//! docs/firewall.md has the grammar.

mod address;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod host_name;
mod judge;
mod line;
mod net;
pub mod nft;
mod policy;
mod resolv_conf;
mod rule;

pub use address::{Client, Family};
pub use error::{Column, PolicyError, RuleError, RuleErrorKind};
pub use host_name::HostName;
pub use judge::{KnownAddresses, Packet, verdict};
pub use line::{Line, Match, SetName, Verdict};
pub use net::Net;
pub use policy::{MAX_RULES, Policy};
pub use resolv_conf::{RESOLV_CONF, name_servers, name_servers_in_use};
pub use rule::{Action, Destination, Ports, Protocol, Rule};

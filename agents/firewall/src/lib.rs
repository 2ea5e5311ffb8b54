//! The firewall of a network qube.
//!
//! `agent` is the program: it reads the rules of each address from QubesDB, and has the kernel
//! enforce them. What the rules mean is decided in the crate [`firewall`]; `kernel` are the messages
//! of netlink, `clients` is what is known of each address, `names` is when a name is looked up.
//!
//! Three processes share the work. The agent itself keeps CAP_NET_ADMIN and is confined before it
//! reads a rule (`confine`). Names are looked up by one that has no right at all (`resolver`), and
//! the user is told by one that runs as the user (`notices`).

mod agent;
pub mod args;
mod check;
mod clients;
mod confine;
mod flows;
mod helper;
mod hooks;
mod kernel;
mod legacy;
mod names;
mod notices;
mod resolver;
mod run;
mod systemd;

pub use run::main;

//! The contract of qrexec, as its clients and services see it.
//!
//! [`client`] finds `qrexec-client-vm`, starts it and ends it. [`target`] is what a call is addressed
//! to, [`channel`] the two directions of its data, [`status`] how it ended, in numbers and in words.
//! [`command`] is how a command is spelled in the argument of qubes.VMExec.

pub mod channel;
pub mod client;
pub mod command;
pub mod status;
pub mod target;

pub use status::CallStatus;
pub use target::Target;

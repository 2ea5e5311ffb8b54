//! The contract of qrexec, as its clients and services see it.
//!
//! [`client`] finds `qrexec-client-vm`, starts it and ends it. [`target`] is what a call is addressed
//! to, [`channel`] the two directions of its data, [`status`] how it ended, in numbers and in words.
//! [`command`] is how a command is spelled in the argument of qubes.VMExec. What takes the place of
//! `qrexec-client-vm` uses [`destination`], where another machine is; [`service`], what a call asks for;
//! [`settings`], what else is said of a service; [`build_tree`], where programs and service files are
//! that are not installed; [`local_side`], the local program; and [`relay`], which passes the
//! bytes on.

pub mod build_tree;
pub mod channel;
pub mod client;
pub mod command;
pub mod destination;
pub mod local_side;
pub mod relay;
pub mod service;
pub mod settings;
pub mod status;
pub mod target;

pub use destination::Destination;
pub use service::Service;
pub use settings::Settings;
pub use status::CallStatus;
pub use target::Target;

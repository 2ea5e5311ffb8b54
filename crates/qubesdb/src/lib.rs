//! QubesDB: the configuration of a qube as keys and values.
//!
//! [`Header`] is the head of every message, [`Path`] and [`Value`] are what can only be made by its
//! check, and [`Client`] speaks to the daemon of this qube (in dom0: of any qube), whose sockets
//! [`Address`] names. docs/qubesdb.md describes the protocol and its limits.

mod address;
mod client;
mod error;
mod header;
mod path;
mod value;

pub use address::{Address, DEFAULT_FOLDER, FOLDER_VARIABLE, folder};
pub use client::{Client, DEFAULT_TIMEOUT, Event, MAX_ANSWER_LEN, MAX_EVENTS};
pub use error::{Error, Invalid};
pub use header::{HEADER_LEN, Header, Kind, MAX_MESSAGE_LEN, Malformed, append_message};
pub use path::{MAX_PATH_LEN, Path};
pub use value::{MAX_VALUE_LEN, Value};

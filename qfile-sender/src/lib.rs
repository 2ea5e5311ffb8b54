//! What the programs that send a qfile stream share, whatever they make it of.
//!
//! [`Output`] writes the stream to stdout and stops as soon as [`Receiver`] hears something on
//! stdin; [`verdict`] judges what it heard, and [`Failure`] says what went wrong between the two
//! qubes, in the words of the wire format's table.

mod failure;
mod output;
mod stop;
pub mod verdict;

pub use failure::Failure;
pub use output::{BUFFER_LEN, Output};
pub use stop::Stop;
pub use verdict::{PACE, Receiver, Window};

//! What the programs that send a qfile stream share, and what they tell the commands that start
//! them.
//!
//! [`Output`] writes the stream to stdout and stops as soon as [`Receiver`] hears something on
//! stdin; [`verdict`] judges what it heard, and [`SendError`] says what went wrong between the two
//! qubes, in the words of the wire format's table. While the receiver is waited for, the [`Window`] that
//! shows the copy is kept up to date.
//!
//! [`result_line`] is how `qfile-agent` tells `qvm-copy` what became of a copy, [`manifest`] how it
//! tells `qvm-move` what may be deleted, [`entry_line`] what both tell scripts, and [`landed`] looks up what a copy that stopped has left in
//! the other qube.

pub mod entry_line;
mod error;
pub mod landed;
pub mod manifest;
mod output;
pub mod result_line;
mod stop;
pub mod verdict;
mod window;

pub use error::{SendError, error_type, refusal};
pub use output::{BUFFER_LEN, Output, end_stream};
pub use stop::Stop;
pub use verdict::Receiver;
pub use window::Window;

//! A qfile stream on a block device that has no partition table and no file system, so that no kernel
//! has anything to parse there.
//!
//! | bytes | content |
//! |---|---|
//! | 0–4095 | [`header`]: the length, the digests and the number of the transfer |
//! | 4096–8191 | [`answer`]: what the receiver says of it |
//! | 8192– | the stream |
//!
//! [`Writer`] writes all of it in the order that makes a device which is pulled out early say so.
//! [`digest`] takes the digests of a stream in passing, and [`StreamEnd`] finds where it ends.
//!
//! There is no input or output here beyond the trait [`Medium`]: no files, no clock, no environment.

pub mod answer;
mod block;
pub mod digest;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod header;
mod stream_end;
mod writer;

pub use answer::Answer;
pub use block::{BLOCK_LEN, Block};
pub use digest::{Digest, Digester};
pub use header::{Found, Header, Number, Source, Stream};
pub use stream_end::StreamEnd;
pub use writer::{Medium, Writer};

/// Where the header is, in bytes from the start of the device.
pub const HEADER_AT: u64 = 0;

/// Where the receiver's answer is, in bytes from the start of the device.
pub const ANSWER_AT: u64 = 4096;

/// Where the stream begins, in bytes from the start of the device.
pub const STREAM_AT: u64 = 8192;

//! The qfile wire format of Qubes OS and the rules by which names are judged.
//!
//! A sender turns entries into bytes ([`encode`]), a receiver turns bytes into entries
//! ([`decode`]), judges their names ([`name`], [`link`]) and answers with a [`verdict`]. Both
//! sides use the same code, so what a sender checks beforehand is what a receiver enforces.
//!
//! There is no input or output here beyond [`std::io::Read`] and [`std::io::Write`]: no files, no
//! clock, no environment. What has come from another qube and has not been judged is named
//! `untrusted_…`.

pub mod checksum;
pub mod copy_report;
pub mod decode;
pub mod edit_answer;
pub mod edit_request;
pub mod encode;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod header;
pub mod link;
pub mod name;
pub mod qube_name;
pub mod verdict;

pub use copy_report::CopyReport;
pub use decode::Decoder;
pub use encode::Encoder;
pub use header::{Entry, EntryHeader, Kind, Timestamp};
pub use link::{LinkRules, SafeTarget};
pub use name::SafeName;
pub use qube_name::QubeName;
pub use text::Charset;
pub use verdict::{Refusal, Verdict};

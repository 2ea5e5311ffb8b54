//! What the programs that people start share.
//!
//! [`command_line`] reads the arguments of programs whose stdout is not for people, [`programs`]
//! finds the other programs of the suite and those in `PATH`, [`inherited`] takes a descriptor known
//! by its number, [`say`] writes to people on stderr and [`dialog`] in a window ([`kdialog`] where
//! that is the desktop's). [`result_line`] is how `qfile-agent` tells `qvm-copy` what became of a
//! copy, and [`manifest`] how it tells `qvm-move` what may be deleted.
//!
//! With the feature `tokio` there are also [`channel`], the two directions of a service's data,
//! [`interrupt`], the wish to end early, and [`log`], which shows the single steps to whoever asks.

#[cfg(feature = "tokio")]
pub mod channel;
pub mod command_line;
pub mod dialog;
pub mod inherited;
#[cfg(feature = "tokio")]
pub mod interrupt;
pub mod kdialog;
#[cfg(feature = "tokio")]
pub mod log;
pub mod manifest;
mod plain;
pub mod programs;
pub mod result_line;
pub mod say;

//! What the programs that people start share.
//!
//! [`programs`] finds the other programs of the suite and those in `PATH`, [`inherited`] takes a
//! descriptor known by its number, [`say`] writes to people on stderr and [`dialog`] in a window,
//! [`result_line`] is how `qfile-agent` tells `qvm-copy` what became of a copy, and [`manifest`] how
//! it tells `qvm-move` what may be deleted.
//!
//! With the feature `tokio`, [`channel`] has the two directions of a service's data, [`interrupt`]
//! the wish to end early, and [`log`] what can be asked to be shown of the work.

#[cfg(feature = "tokio")]
pub mod channel;
pub mod dialog;
pub mod inherited;
#[cfg(feature = "tokio")]
pub mod interrupt;
pub mod kdialog;
#[cfg(feature = "tokio")]
pub mod log;
pub mod manifest;
pub mod programs;
pub mod result_line;
pub mod say;

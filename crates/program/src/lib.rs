//! What every program needs, whatever it does.
//!
//! [`command_line`] reads the arguments of programs whose stdout is not for people, [`programs`]
//! finds the other programs of the suite and those in `PATH`, [`bounded`] runs one for a limited
//! time, [`inherited`] takes a descriptor known by its number, [`say`] writes to people on stderr,
//! [`question`] asks them, [`failure`] tells them why a program failed and ends it, [`system_log`]
//! writes to the log of this qube, and [`systemd`] is told that a daemon is ready. [`services`] says
//! which services of this qube are on, and [`new_names`] tells of new files. [`mounts`] reads what
//! is mounted.
//!
//! With the feature `seccomp` there is also [`seccomp`], which limits the system calls of a
//! process.
//!
//! With the feature `tokio` there are also [`interrupt`], the wish to end early, [`log`], which
//! shows the single steps to whoever asks, and [`reaper`], which starts programs and waits for all
//! that descends from them.

pub mod bounded;
pub mod command_line;
pub mod failure;
pub mod inherited;
#[cfg(feature = "tokio")]
pub mod interrupt;
#[cfg(feature = "tokio")]
pub mod log;
pub mod mounts;
pub mod new_names;
pub mod programs;
pub mod question;
#[cfg(feature = "tokio")]
pub mod reaper;
pub mod say;
#[cfg(feature = "seccomp")]
pub mod seccomp;
pub mod services;
pub mod system_log;
pub mod systemd;

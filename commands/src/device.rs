//! Files on a block device that has no partition table and no file system: `qvm-copy-to-device`,
//! `qvm-copy-from-device`, `qvm-device-status`.
//!
//! [`send`] and [`receive`] tell the story of a transfer, [`status`] says what is on a device. The
//! format is in the crate `raw-device`. [`args`] has the command lines, `medium` opens a device,
//! `permission` keeps it from being overwritten by accident, with what `disk` knows of disks and
//! `signatures` of file systems. `pieces` takes the digests of what passes, `child` is the program at
//! the other end, and `progress` shows how far it is.

pub mod args;
mod child;
mod disk;
mod medium;
mod permission;
mod pieces;
mod progress;
pub mod receive;
pub mod send;
mod signatures;
pub mod status;

//! `qvm-copy` and `qvm-move` with a stand-in for `qrexec-client-vm` (how it calls, whom it believes, how it
//! ends), what they delete, and `qubes-fs-tree-check`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bench;
mod calls;
mod gui;
mod moves;
mod remove;
mod tree_check;

//! The clock of a qube.
//!
//! [`time`] understands the line that says what time it is, and `set` corrects
//! the clock. [`sync`] is `qubes-sync-clock`, which is given the line on stdin and is also the service
//! qubes.SetDateTime. [`ask`] is `qvm-sync-clock`, which calls qubes.GetDate for it. [`ntp`] is the
//! service qubes.SyncNtpClock, which has the time service of the qube ask the network.
//! [`args`] has the command lines.

pub mod args;
pub mod ask;
pub mod ntp;
mod set;
pub mod sync;
pub mod time;

//! `qubes-sync-clock`: sets the clock to the time on stdin. It is the local program of a call to
//! qubes.GetDate, and the service qubes.SetDateTime.

use program::failure::Failure;
use rustix::stdio::stdin;

use super::args::SyncClock;
use super::set::{Setting, awaited};
use crate::arrival::{SinceBoot, read_to_end};

/// The name of the program.
pub const NAME: &str = "qubes-sync-clock";

/// Sets the clock.
///
/// # Errors
/// What arrives is no time, cannot be right, or is late; or the clock cannot be set.
pub fn serve(args: &SyncClock) -> Result<(), Failure> {
    let begin = SinceBoot::now();
    let arrived = read_to_end(stdin(), awaited(begin, args.timeout))?;
    let setting = Setting {
        program: NAME,
        dry_run: args.dry_run,
    };
    setting.by(&arrived, begin)
}

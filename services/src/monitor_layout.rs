//! The service qubes.SetMonitorLayout: gives the X server of this qube the monitors that the GUI domain
//! has.
//!
//! [`lines`] understands all of the layout before anything is touched. [`mode`] makes modes of exactly
//! the sizes that are wanted, [`display`] connects to the X server, [`state`] is what it has, and
//! [`change`] sets the layout as one transaction: it is set whole, or stays as it was.

use program::failure::Failure;
use rustix::stdio::stdin;

use self::args::SetMonitorLayout;
use self::display::{Display, SCREEN};
use self::lines::{Layout, MAX_LEN};
use crate::arrival::{Awaited, SinceBoot, read_to_end};

pub mod args;
mod change;
pub mod display;
pub mod lines;
pub mod mode;
mod state;

/// The name of the program.
pub const NAME: &str = "qubes-set-monitor-layout";

/// Sets the layout on stdin.
///
/// # Errors
/// The lines are no layout, or it cannot be set. It is as it was then.
pub fn serve(args: &SetMonitorLayout) -> Result<(), Failure> {
    let awaited = Awaited {
        what: "the layout of the monitors from stdin",
        max_len: MAX_LEN,
        begin: SinceBoot::now(),
        limit: args.timeout,
    };
    let untrusted = read_to_end(stdin(), awaited)?.untrusted;
    let layout = Layout::parse(&untrusted).map_err(Failure::of("this is no layout of monitors"))?;
    let display = args.display.unwrap_or_else(Display::of_this_qube);
    let connection = display.connect(args.wait)?;
    change::set(&connection, SCREEN, &layout)
}

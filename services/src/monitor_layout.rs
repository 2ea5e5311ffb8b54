//! The service qubes.SetMonitorLayout: gives the X server of this qube the monitors that the GUI domain
//! has.
//!
//! [`lines`] understands all of the layout before anything is touched. [`mode`] makes modes of exactly
//! the sizes that are wanted, `display` connects to the X server, `state` is what it has, and `change`
//! sets the layout as one transaction: it is set whole, or stays as it was. `order` sees to it that the
//! layout of the last call counts, and `undisturbed` that no signal ends a transaction.

use std::time::Instant;

use program::failure::Failure;
use rustix::stdio::stdin;

use self::args::SetMonitorLayout;
use self::display::SCREEN;
use self::lines::{Layout, MAX_LEN};
use crate::arrival::{Awaited, SinceBoot, read_to_end};

pub mod args;
mod change;
mod display;
pub mod lines;
pub mod mode;
mod order;
mod state;
mod undisturbed;

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
    let called = SinceBoot::now();
    let layout = Layout::parse(&untrusted).map_err(Failure::of("this is no layout of monitors"))?;
    let display = args.display.unwrap_or_else(display::of_this_qube);
    let connection = display::connect(display, args.wait)?;
    let deadline = Instant::now() + args.wait;
    connection.stream().set_deadline(Some(deadline));
    change::set(&connection, SCREEN, &layout, called)
}

//! The X server whose monitors are set.

use std::time::{Duration, Instant};

use desktop::x11::{Connection, Display};
use program::failure::Failure;
use program::services;

/// The server of the session, and that of a qube which shows the windows of others: there the session has
/// the first one, and its windows are on the second.
const OF_SESSION: Display = Display::new(0);
const OF_GUI_QUBE: Display = Display::new(1);
const GUI_QUBE: &str = "guivm-gui-agent";

/// The service sets the monitors of the first screen.
pub(crate) const SCREEN: usize = 0;

/// The server of this qube.
pub(crate) fn of_this_qube() -> Display {
    match services::is_on_by_now(GUI_QUBE) {
        true => OF_GUI_QUBE,
        false => OF_SESSION,
    }
}

/// Connects to the server, which may still have to start, or to write the key of this user.
///
/// # Errors
/// It is not there in time, refuses, or does not answer.
pub(crate) fn connect(display: Display, longest: Duration) -> Result<Connection, Failure> {
    let deadline = Instant::now() + longest;
    display.connect_by(SCREEN, deadline).map_err(|why| {
        Failure::new(format_args!("cannot connect to the X server {display}"))
            .because(why)
            .advise("it has to run, and this user has to have its key: XAUTHORITY names the file")
    })
}

//! The X server whose monitors are set.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use program::failure::Failure;
use program::services;
use text::own;
use x11rb::errors::ConnectError;
use x11rb::rust_connection::RustConnection;

/// The server of the session, and that of a qube which shows the windows of others: there the session has
/// the first one, and its windows are on the second.
const OF_SESSION: &str = ":0";
const OF_GUI_QUBE: &str = ":1";
const GUI_QUBE: &str = "guivm-gui-agent";

/// How long to wait before the server is looked for again.
const PAUSE: Duration = Duration::from_millis(100);

/// The name of the server of this qube.
pub(crate) fn of_this_qube() -> String {
    let display = match services::is_on_by_now(GUI_QUBE) {
        true => OF_GUI_QUBE,
        false => OF_SESSION,
    };
    display.to_owned()
}

/// Connects to a server, which may still have to start; and the number of its screen.
///
/// # Errors
/// It is not there in time, or does not answer; the name is none.
pub(crate) fn connect(name: &str, longest: Duration) -> Result<(RustConnection, usize), Failure> {
    let cannot = || {
        Failure::new(format_args!(
            "cannot connect to the X server \"{}\"",
            own(name.as_bytes())
        ))
    };
    let deadline = Instant::now() + longest;
    let (tell, told) = channel();
    let display = name.to_owned();
    // A server that does not answer is waited for by another thread, which ends with the program.
    thread::spawn(move || {
        loop {
            let connected = RustConnection::connect(Some(&display));
            let can_come = matches!(connected, Err(ConnectError::IoError(_)));
            let is_last = !can_come || Instant::now() + PAUSE >= deadline;
            if tell.send(connected).is_err() || is_last {
                break;
            }
            thread::sleep(PAUSE);
        }
    });
    let mut last = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match told.recv_timeout(left) {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => last = Some(error),
            Err(error) => {
                let why = match (last, error) {
                    (Some(last), _) => last.to_string(),
                    (None, RecvTimeoutError::Timeout) => "it does not answer".to_owned(),
                    (None, RecvTimeoutError::Disconnected) => "it is not there".to_owned(),
                };
                return Err(cannot().because(why).advise(
                    "it has to run, and this user has to have its key: XAUTHORITY names the file",
                ));
            }
        }
    }
}

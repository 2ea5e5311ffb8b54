//! The X server whose monitors are set.

use std::fmt;
use std::os::unix::net::UnixStream;
use std::str::FromStr;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use program::failure::Failure;
use program::services;
use x11rb::errors::ConnectError;
use x11rb::reexports::x11rb_protocol::xauth::get_auth;
use x11rb::rust_connection::{DefaultStream, RustConnection};

/// The server of the session, and that of a qube which shows the windows of others: there the session has
/// the first one, and its windows are on the second.
const OF_SESSION: Display = Display(0);
const OF_GUI_QUBE: Display = Display(1);
const GUI_QUBE: &str = "guivm-gui-agent";

/// The service sets the monitors of the first screen.
pub(crate) const SCREEN: usize = 0;

/// How long to wait before the server is looked for again.
const PAUSE: Duration = Duration::from_millis(100);

/// The number of an X server of this qube.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Display(u16);

impl FromStr for Display {
    type Err = &'static str;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let digits = typed.strip_prefix(':').unwrap_or_default();
        let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
        match digits.parse() {
            Ok(number) if is_decimal => Ok(Self(number)),
            _ => Err("give a colon and a number, such as :0"),
        }
    }
}

impl fmt::Display for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{}", self.0)
    }
}

impl Display {
    /// The server of this qube.
    pub(crate) fn of_this_qube() -> Self {
        match services::is_on_by_now(GUI_QUBE) {
            true => OF_GUI_QUBE,
            false => OF_SESSION,
        }
    }

    /// Connects to the server, which may still have to start.
    ///
    /// # Errors
    /// It is not there in time, or does not answer.
    pub(crate) fn connect(self, longest: Duration) -> Result<RustConnection, Failure> {
        let deadline = Instant::now() + longest;
        let (tell, told) = channel();
        // A server that does not answer is waited for by another thread, which ends with the program.
        thread::spawn(move || {
            loop {
                let connected = self.try_to_connect();
                let may_come = matches!(connected, Err(ConnectError::IoError(_)));
                let is_last = !may_come || Instant::now() + PAUSE >= deadline;
                if tell.send(connected).is_err() || is_last {
                    break;
                }
                thread::sleep(PAUSE);
            }
        });
        let mut why = "it does not answer".to_owned();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match told.recv_timeout(left) {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => why = error.to_string(),
                // It is too late, or the last answer has been heard.
                Err(_) => {
                    let cannot = format_args!("cannot connect to the X server {self}").to_string();
                    return Err(Failure::new(cannot).because(why).advise(
                        "it has to run, and this user has to have its key: XAUTHORITY names the file",
                    ));
                }
            }
        }
    }

    /// Not as the library connects: where there is no socket, it would give the key to whoever listens at a
    /// port of this qube.
    fn try_to_connect(self) -> Result<RustConnection, ConnectError> {
        let socket = UnixStream::connect(format!("/tmp/.X11-unix/X{}", self.0))?;
        let (stream, (family, address)) = DefaultStream::from_unix_stream(socket)?;
        // Servers without a key let in who has none.
        let key = get_auth(family, &address, self.0).ok().flatten();
        let (name, key) = key.unwrap_or_default();
        RustConnection::connect_to_stream_with_auth_info(stream, SCREEN, name, key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_is_a_number_of_this_qube() {
        assert_eq!(":0".parse(), Ok(OF_SESSION));
        assert_eq!(":17".parse(), Ok(Display(17)));
        for wrong in [
            "",
            ":",
            "0",
            ":-1",
            ":+1",
            ":x",
            ":0.0",
            "host:0",
            "unix:/tmp/x",
            "/tmp/x",
            ":65536",
        ] {
            assert!(wrong.parse::<Display>().is_err(), "{wrong:?}");
        }
    }
}

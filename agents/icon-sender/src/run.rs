//! The loop that waits for windows, for dom0, and for the end.

use std::hash::RandomState;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use program::bounded::timespec;
use program::command_line;
use program::failure::{Failure, end};
use program::say::say;
use program::services;
use qrexec::client;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use x11rb::errors::ConnectionError;

use crate::args::Args;
use crate::backoff::{Backoff, LONGEST};
use crate::call::{Call, SERVICE, Written};
use crate::server::{Change, Server};
use crate::windows::Windows;

const NAME: &str = "icon-sender";

/// The services of a qube whose windows nobody looks at.
const WITHOUT_ICONS: [&str; 2] = ["minimal-netvm", "minimal-usbvm"];

/// Most events that are taken before something is sent, so that no window can stop the others.
const MAX_EVENTS: usize = 1024;

/// Runs the program; its exit status.
#[must_use]
pub fn main() -> ExitCode {
    match command_line::parse::<Args>() {
        Ok(Args {}) => end(NAME, serve()),
        Err(status) => status,
    }
}

fn serve() -> Result<(), Failure> {
    if WITHOUT_ICONS.into_iter().any(services::is_on_by_now) {
        return Ok(());
    }
    let client = client::find().map_err(|none| {
        Failure::new("cannot call dom0")
            .because(&none)
            .advise(none.advice())
    })?;
    let told_to_end = told_to_end()?;
    let sender = Sender {
        server: Server::connect()?,
        windows: Windows::default(),
        digests: RandomState::new(),
        client,
        told_to_end,
        call: None,
        next_try: Instant::now(),
        backoff: Backoff::new(),
    };
    match sender.run() {
        // The server has ended, and the session with it.
        Ok(()) | Err(ConnectionError::IoError(_)) => Ok(()),
        Err(error) => Err(Failure::of("cannot understand the X server")(error)),
    }
}

/// Can be read once the program has been told to end.
fn told_to_end() -> Result<UnixStream, Failure> {
    let cannot = || Failure::of("cannot wait for signals");
    let (told, tell) = UnixStream::pair().map_err(cannot())?;
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        let tell = tell.try_clone().map_err(cannot())?;
        pipe::register(signal, tell).map_err(cannot())?;
    }
    Ok(told)
}

struct Sender {
    server: Server,
    windows: Windows,
    digests: RandomState,
    client: PathBuf,
    told_to_end: UnixStream,
    /// The connection to dom0, if there is one.
    call: Option<Call>,
    /// When the next one is tried.
    next_try: Instant,
    backoff: Backoff,
}

/// Why the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// There may be something to do.
    Ready,
    CallEnded,
    ToldToEnd,
}

impl Sender {
    /// Sends icons until the program is told to end.
    fn run(mut self) -> Result<(), ConnectionError> {
        for window in self.server.windows()? {
            self.look_at(window)?;
        }
        loop {
            let has_more = self.take_changes()?;
            let has_sent = self.send()?;
            let longest = match has_more || has_sent {
                true => Some(Duration::ZERO),
                false => self.until_next_try(),
            };
            match self.wait(longest)? {
                Woken::Ready => {}
                Woken::CallEnded => self.end_call(),
                Woken::ToldToEnd => {
                    if let Some(call) = self.call {
                        call.cancel();
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Takes note of what the X server tells. Is there more?
    fn take_changes(&mut self) -> Result<bool, ConnectionError> {
        for _ in 0..MAX_EVENTS {
            match self.server.next_change()? {
                None => {
                    self.server.flush()?;
                    return Ok(false);
                }
                Some(Change::Mapped(window)) => self.look_at(window)?,
                Some(Change::Icon(window)) if self.windows.knows(window) => {
                    self.look_at(window)?;
                }
                Some(Change::Gone(window)) => self.windows.forget(window),
                Some(Change::Icon(_) | Change::Nothing) => {}
            }
        }
        Ok(true)
    }

    fn look_at(&mut self, window: u32) -> Result<(), ConnectionError> {
        match self.windows.look_at(window) {
            true => self.server.watch(window),
            false => Ok(()),
        }
    }

    /// Does the next thing for dom0. Can more be done at once?
    fn send(&mut self) -> Result<bool, ConnectionError> {
        let Some(call) = &mut self.call else {
            let is_due = self.next_try <= Instant::now();
            if is_due {
                self.connect();
            }
            return Ok(is_due);
        };
        if call.is_idle() {
            let Some(window) = self.windows.next() else {
                return Ok(false);
            };
            // It is asked for now, so that it is the icon of this moment.
            if let Some(icon) = self.server.icon(window)? {
                if self.windows.note_sent(window, icon.digest(&self.digests)) {
                    call.take(window, icon);
                }
            }
        }
        match call.write() {
            Written::All => Ok(true),
            Written::Part => Ok(false),
            Written::Closed => {
                self.end_call();
                Ok(true)
            }
        }
    }

    fn connect(&mut self) {
        match Call::start(&self.client) {
            Ok(call) => {
                self.call = Some(call);
                self.windows.look_at_all();
            }
            Err(error) => self.try_later(Duration::ZERO, &error.to_string()),
        }
    }

    fn end_call(&mut self) {
        if let Some(call) = self.call.take() {
            let (lasted, ended) = call.finish();
            self.try_later(lasted, &ended);
        }
    }

    fn try_later(&mut self, lasted: Duration, why: &str) {
        let is_first = self.backoff.is_new();
        self.next_try = Instant::now() + self.backoff.after(lasted);
        // Not each time: this goes on for as long as the session.
        if is_first {
            say(format_args!(
                "{NAME}: the call of {SERVICE} in dom0 ended: {why}; it is tried again after 1, 2, 4, \
                 up to {} seconds",
                LONGEST.as_secs()
            ));
        }
    }

    /// How long there is nothing to do unless something happens; `None`: for ever.
    fn until_next_try(&self) -> Option<Duration> {
        let is_called = self.call.is_some();
        (!is_called).then(|| self.next_try.saturating_duration_since(Instant::now()))
    }

    /// Waits until there is something to do.
    fn wait(&self, longest: Option<Duration>) -> Result<Woken, ConnectionError> {
        let mut polled = vec![
            PollFd::new(&self.told_to_end, PollFlags::IN),
            self.server.polled(),
        ];
        polled.extend(self.call.iter().flat_map(Call::polled));
        let timeout = longest.map(timespec);
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(ConnectionError::IoError(io::Error::from(error))),
        }
        let has = |at: usize, flags| {
            polled
                .get(at)
                .is_some_and(|polled| polled.revents().intersects(flags))
        };
        Ok(match () {
            () if has(0, PollFlags::IN) => Woken::ToldToEnd,
            () if has(2, PollFlags::IN) || has(3, PollFlags::ERR) => Woken::CallEnded,
            () => Woken::Ready,
        })
    }
}

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
use crate::call::{Call, Ending, SERVICE, Written};
use crate::server::{Change, Look, Looked, Server};
use crate::windows::Windows;

const NAME: &str = "icon-sender";

/// The services of a qube whose windows nobody looks at.
const WITHOUT_ICONS: [&str; 2] = ["minimal-netvm", "minimal-usbvm"];

/// Most events that are taken before something is sent, so that no window can stop the others. Between
/// two turns, no more than some thousands are read.
const MAX_EVENTS: usize = 1 << 16;

/// Most pieces of the property of a window that are looked at in one turn.
const PIECES_OF_TURN: usize = 64;

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
    let cannot = Failure::of("cannot wait for signals");
    let server = match Server::connect(told_to_end.try_clone().map_err(cannot)?) {
        Ok(server) => server,
        Err(_) if can_be_read(&told_to_end) => return Ok(()),
        Err(failure) => return Err(failure),
    };
    let mut sender = Sender {
        server,
        windows: Windows::default(),
        digests: RandomState::new(),
        client,
        told_to_end,
        look: None,
        call: None,
        ending: None,
        next_try: Instant::now(),
        backoff: Backoff::new(),
    };
    let ended = sender.run();
    let is_told = can_be_read(&sender.told_to_end);
    match ended {
        Err(_) if is_told => sender.cancel(),
        Ok(()) => sender.cancel(),
        // The session ends with the server, and so does a call: its stdin is closed.
        Err(Ended::Server(error)) if has_ended(&error) => {}
        Err(Ended::Server(error)) => {
            return Err(Failure::of("cannot understand the X server")(error));
        }
        Err(Ended::Wait(error)) => return Err(Failure::of("cannot wait for windows")(error)),
    }
    Ok(())
}

/// Why the loop ended early.
#[derive(Debug)]
enum Ended {
    Server(ConnectionError),
    Wait(Errno),
}

impl From<ConnectionError> for Ended {
    fn from(error: ConnectionError) -> Self {
        Self::Server(error)
    }
}

/// Does the error mean that the server has ended?
fn has_ended(error: &ConnectionError) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error, ConnectionError::IoError(error)
        if [BrokenPipe, ConnectionReset, UnexpectedEof].contains(&error.kind()))
}

fn can_be_read(stream: &UnixStream) -> bool {
    let mut polled = [PollFd::new(stream, PollFlags::IN)];
    let none = timespec(Duration::ZERO);
    poll(&mut polled, Some(&none)).is_ok_and(|count| count > 0)
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
    /// A look at the icon of a window that was not finished in its turn.
    look: Option<Look>,
    /// The connection to dom0, if there is one.
    call: Option<Call>,
    /// The one before, whose client has not ended yet. There is no new one until then.
    ending: Option<Ending>,
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
    fn run(&mut self) -> Result<(), Ended> {
        for window in self.server.windows()? {
            self.look_at(window)?;
        }
        loop {
            self.server.read_more();
            self.take_changes()?;
            let has_sent = self.send()?;
            let longest = match has_sent {
                true => Some(Duration::ZERO),
                false => self.until_next_try(),
            };
            match self.wait(longest).map_err(Ended::Wait)? {
                Woken::Ready => {}
                Woken::CallEnded => self.end_call(),
                Woken::ToldToEnd => return Ok(()),
            }
        }
    }

    /// Takes note of what the X server has told. It waits in memory otherwise, so this has to be done
    /// after each answer of the server.
    fn take_changes(&mut self) -> Result<(), ConnectionError> {
        for _ in 0..MAX_EVENTS {
            match self.server.next_change()? {
                None => break,
                Some(Change::Mapped(window)) => self.look_at(window)?,
                Some(Change::Icon(window)) if self.windows.knows(window) => {
                    self.look_at(window)?;
                }
                Some(Change::Gone(window)) => self.windows.forget(window),
                Some(Change::Icon(_) | Change::Nothing) => {}
            }
        }
        self.server.flush()
    }

    fn look_at(&mut self, window: u32) -> Result<(), ConnectionError> {
        match self.windows.look_at(window) {
            true => self.server.watch(window),
            false => Ok(()),
        }
    }

    /// Does the next thing for dom0. Can more be done at once?
    fn send(&mut self) -> Result<bool, ConnectionError> {
        if let Some(ending) = &mut self.ending {
            if let Some(how) = ending.ended() {
                let lasted = ending.lasted();
                self.ending = None;
                self.try_later(lasted, &how);
            }
            return Ok(false);
        }
        let Some(call) = &self.call else {
            let is_due = self.next_try <= Instant::now();
            if is_due {
                self.connect();
            }
            return Ok(is_due);
        };
        if call.is_idle() && !self.look_for_icon()? {
            return Ok(false);
        }
        match self.call.as_mut().map(Call::write) {
            Some(Written::All) | None => Ok(true),
            Some(Written::Part) => Ok(false),
            Some(Written::Closed) => {
                self.end_call();
                Ok(true)
            }
        }
    }

    /// Has the call take the next icon, if one is found in this turn. Was there a window to look at?
    fn look_for_icon(&mut self) -> Result<bool, ConnectionError> {
        let next = self.look.take();
        let Some(mut look) = next.or_else(|| self.windows.next().map(Look::at)) else {
            return Ok(false);
        };
        for _ in 0..PIECES_OF_TURN {
            // It is asked for now, so that it is the icon of this moment.
            let looked = self.server.look(&mut look)?;
            self.take_changes()?;
            let Looked::All(icon) = looked else { continue };
            let window = look.window();
            let Some(icon) = icon else { return Ok(true) };
            let is_new = self.windows.note_sent(window, icon.digest(&self.digests));
            if let Some(call) = self.call.as_mut().filter(|_| is_new) {
                call.take(window, icon);
            }
            return Ok(true);
        }
        self.look = Some(look);
        Ok(true)
    }

    fn connect(&mut self) {
        match Call::start(&self.client) {
            Ok(call) => {
                self.call = Some(call);
                self.look = None;
                self.windows.look_at_all();
            }
            Err(error) => self.try_later(Duration::ZERO, &error.to_string()),
        }
    }

    fn end_call(&mut self) {
        if let Some(call) = self.call.take() {
            self.ending = Some(call.finish());
        }
    }

    /// Ends a call that there is, without waiting for it.
    fn cancel(&mut self) {
        self.end_call();
        if let Some(ending) = self.ending.take() {
            ending.cancel();
        }
    }

    fn try_later(&mut self, lasted: Duration, why: &str) {
        let (wait, is_first) = self.backoff.after(lasted);
        self.next_try = Instant::now() + wait;
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
        let next = match (&self.ending, &self.call) {
            (Some(ending), _) => ending.deadline(),
            (None, Some(_)) => return None,
            (None, None) => self.next_try,
        };
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Waits until there is something to do.
    fn wait(&self, longest: Option<Duration>) -> Result<Woken, Errno> {
        let mut polled = vec![
            PollFd::new(&self.told_to_end, PollFlags::IN),
            self.server.polled(),
        ];
        polled.extend(self.call.iter().flat_map(Call::polled));
        polled.extend(self.ending.iter().map(Ending::polled));
        let timeout = longest.map(timespec);
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        let has = |at: usize, flags| {
            polled
                .get(at)
                .is_some_and(|polled| polled.revents().intersects(flags))
        };
        let is_called = self.call.is_some();
        Ok(match () {
            () if has(0, PollFlags::IN) => Woken::ToldToEnd,
            () if is_called && (has(2, PollFlags::IN) || has(3, PollFlags::ERR)) => {
                Woken::CallEnded
            }
            () => Woken::Ready,
        })
    }
}

//! The link to the other daemon: how it is found, read from, sent to and lost.

use std::io;
use std::time::Instant;

use program::failure::Failure;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use vchan_socket::RETRY_EVERY;

use super::{ACCEPT_PAUSE, LINK, Running};

impl Running {
    /// The link's descriptor says something.
    pub(super) fn link(&mut self, buffer: &mut [u8]) -> Result<(), Failure> {
        let Some(link) = &mut self.server.link else {
            return Ok(());
        };
        if !link.is_connected() {
            return self.look_for_peer(Instant::now());
        }
        match link.read(buffer) {
            Ok(0) => self.lose_peer(),
            Ok(got) => self.server.core.receive_from_peer(&buffer[..got]),
            Err(error) if is_nothing_now(&error) => {}
            Err(_) => self.lose_peer(),
        }
        Ok(())
    }

    pub(super) fn look_for_peer(&mut self, now: Instant) -> Result<(), Failure> {
        self.link_from = None;
        let Some(link) = &mut self.server.link else {
            return Ok(());
        };
        // What is waited for changes with the peer.
        if self.link_interest.take().is_some() {
            if let Some(descriptor) = link.descriptor() {
                let _removed = epoll::delete(&self.epoll, descriptor);
            }
        }
        let found = match link.advance() {
            Ok(found) => found,
            // Clients are served all the same.
            Err(error) if self.has_met_peer || is_for_want(&error) => {
                self.server.core.log().line(format_args!(
                    "cannot reach the other daemon, which is tried again: {error}"
                ));
                self.link_from = Some(now + ACCEPT_PAUSE);
                return Ok(());
            }
            Err(error) => return Err(Failure::of("cannot reach the other daemon")(error)),
        };
        match found {
            true => {
                self.has_met_peer = true;
                self.server.core.peer_came();
                self.send_to_peer();
            }
            false => {
                self.link_from = link.retry_after().map(|after| now + after);
                self.wait_for_link();
            }
        }
        Ok(())
    }

    pub(super) fn send_to_peer(&mut self) {
        let Some(link) = &mut self.server.link else {
            return;
        };
        if !link.is_connected() {
            return;
        }
        loop {
            if self.server.core.is_peer_ended() {
                return self.lose_peer();
            }
            let waiting = self.server.core.waiting_for_peer();
            if waiting.is_empty() {
                break;
            }
            match link.write(waiting) {
                Ok(count) => self.server.core.sent_to_peer(count),
                Err(error) if is_nothing_now(&error) => break,
                Err(_) => return self.lose_peer(),
            }
        }
        self.wait_for_link();
    }

    fn wait_for_link(&mut self) {
        let Some(link) = &self.server.link else {
            return;
        };
        let Some(descriptor) = link.descriptor() else {
            return;
        };
        let mut interest = EventFlags::IN;
        interest.set(
            EventFlags::OUT,
            !self.server.core.waiting_for_peer().is_empty(),
        );
        let data = EventData::new_u64(LINK);
        let waited = match self.link_interest {
            Some(same) if same == interest => return,
            Some(_) => epoll::modify(&self.epoll, descriptor, data, interest),
            None => epoll::add(&self.epoll, descriptor, data, interest),
        };
        self.link_interest = Some(interest);
        if waited.is_err() {
            self.lose_peer();
        }
    }

    /// The next peer is looked for after a pause, so that one who comes and goes costs little.
    fn lose_peer(&mut self) {
        if let Some(link) = &mut self.server.link {
            link.hang_up();
        }
        self.link_interest = None;
        self.server.core.peer_went();
        self.link_from = Some(Instant::now() + RETRY_EVERY);
    }
}

fn is_nothing_now(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Is it the system that has nothing left at the moment?
fn is_for_want(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)
    )
}

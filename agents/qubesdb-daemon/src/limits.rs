//! What one client, one user or the other daemon can take up. Whoever reaches a limit is refused or
//! disconnected; nobody else notices.

use std::time::Duration;

/// The limits of a daemon.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most clients at once. The system's limit on descriptors may lower it.
    pub clients: usize,
    /// Of these, most with one uid that is not root's: one user does not lock out the others.
    pub clients_of_a_user: usize,
    /// Most watches of one client.
    pub watches: usize,
    /// Most watches of all clients together, so that one change makes no more events; the client with
    /// the most is disconnected.
    pub watches_in_all: usize,
    /// Most bytes that wait for one client: about 7,000 events.
    pub unsent: usize,
    /// Most bytes that wait for all clients together; the one with the most is disconnected.
    pub unsent_in_all: usize,
    /// Above so many waiting bytes a client's commands are not looked at, and a long answer is not
    /// continued.
    pub enough_unsent: usize,
    /// Longest time between the first byte of a client's message and its last.
    pub message_time: Duration,
    /// Most keys.
    pub entries: usize,
    /// Most bytes of keys and values together.
    pub bytes: usize,
    /// Most bytes that wait for the other daemon, beside the first answer to it.
    pub unsent_to_peer: usize,
    /// Most changes that the other daemon has not answered, or has not been told.
    pub unanswered: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 2_048,
            clients_of_a_user: 1_024,
            watches: 1_024,
            watches_in_all: 16_384,
            unsent: 512 << 10,
            unsent_in_all: 64 << 20,
            enough_unsent: 64 << 10,
            message_time: Duration::from_secs(30),
            entries: 65_536,
            bytes: 16 << 20,
            unsent_to_peer: 4 << 20,
            unanswered: 65_536,
        }
    }
}

//! Both directions at once: a server that answers early must not block one that still listens.

use std::cell::Cell;

use qvm_common::channel::{Sink, Source};

use crate::answer::{self, Answer, Fault, Limit};
use crate::original::Original;
use crate::request::{self, SendError};

/// What came of sending a file and receiving the answer.
#[derive(Debug)]
pub struct Conversation {
    pub(crate) answer: Answer,
    pub(crate) fault: Option<Fault>,
    /// The request, if the original could not be read to its end: closing it would say that this was
    /// all.
    _unended: Option<Sink>,
}

impl Conversation {
    /// The answer cannot be taken for the whole new content, however the call ends.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.fault.is_some()
    }
}

/// Sends `original`, receives until the other side has no more to say. Nothing that has a name is
/// touched, and nothing is left when this is given up half-way.
pub async fn converse(
    original: &Original,
    limit: Limit,
    to: Sink,
    mut from: Source,
) -> Conversation {
    let asked = Cell::new(false);
    let mut answer = Answer::default();
    let mut request = Some(to);
    let received = {
        let send = async {
            let Some(to) = &mut request else {
                return Ok(());
            };
            let sent = request::send(original, limit.view_only, to).await;
            // An answer that comes from now on is one.
            asked.set(sent.is_ok());
            if !matches!(sent, Err(SendError::Read(_))) {
                request = None;
            }
            sent
        };
        let receive = answer::receive(original, limit, &mut from, &asked, &mut answer);
        tokio::pin!(send, receive);
        tokio::select! {
            biased;
            sent = &mut send => match sent {
                // The user there is not to work on a part of the file.
                Err(error @ SendError::Read(_)) => Err(Fault::from(error)),
                sent => {
                    let received = receive.await;
                    sent.map_err(Fault::from).and(received)
                }
            },
            // Whoever has said everything before being asked will not take the rest either.
            received = &mut receive => received.and(Err(Fault::NotTaken(None))),
        }
    };
    let fault = received.err();
    if let Some(fault) = &fault {
        tracing::info!(%fault, "the answer is not trusted");
    }
    Conversation {
        answer,
        fault,
        _unended: request,
    }
}

impl From<SendError> for Fault {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Read(error) => Self::NotRead(error),
            SendError::Write(error) => Self::NotTaken(Some(error)),
        }
    }
}

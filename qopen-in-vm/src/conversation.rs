//! Both directions at once: a server that answers early must not block one that still listens.

use std::cell::Cell;

use qrexec::channel::{Sink, Source};

use crate::answer::{self, Answer, Form, Limit};
use crate::answer_error::AnswerError;
use crate::original::Original;
use crate::request;

/// Bytes of start-up text that are shown.
const MAX_EXCERPT_LEN: usize = 60;

/// What came of sending a file and receiving the answer.
#[derive(Debug)]
pub struct Conversation {
    pub(crate) answer: Answer,
    pub(crate) fault: Option<AnswerError>,
    /// The request, if the original could not be read to its end: closing it would say that this was
    /// all.
    _unended: Option<Sink>,
}

impl Conversation {
    /// The answer is whole, whatever the call ends with: it says so itself.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.fault.is_none() && matches!(self.answer.form, Form::Framed(_))
    }

    /// What there is to say if a start-up file of the other qube, which `qube` names, has printed text
    /// before the answer.
    #[must_use]
    pub fn start_up_text(&self, qube: &str) -> Option<String> {
        let text = &self.answer.untrusted_start_up_text;
        let is_blank = |line: &&[u8]| line.trim_ascii().is_empty();
        let mut lines = text.split(|byte| *byte == b'\n');
        let first = lines.find(|line| !is_blank(line)).unwrap_or_default();
        let first = text::foreign(&first[..first.len().min(MAX_EXCERPT_LEN)]);
        (!text.is_empty()).then(|| {
            format!(
                "a start-up file in {qube} prints text into the answers of services there; the \
                 text begins with \"{first}\""
            )
        })
    }

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
    let mut answer = match request::may_ask_for_frame(original, limit.view_only).await {
        Ok(asks_for_frame) => Answer::to(asks_for_frame),
        Err(error) => {
            return Conversation {
                answer: Answer::to(false),
                fault: Some(AnswerError::NotRead(error)),
                _unended: Some(to),
            };
        }
    };
    let asks_for_frame = answer.asked_for_frame;
    let mut unended = None;
    let received = {
        let send = async {
            let mut to = to;
            let sent = request::send(original, limit.view_only, asks_for_frame, &mut to).await;
            // An answer that comes from now on is one.
            asked.set(sent.is_ok());
            match sent {
                Err(AnswerError::NotRead(_)) => (sent, Some(to)),
                _ => (sent, None),
            }
        };
        let receive = answer::receive(original, limit, &mut from, &asked, &mut answer);
        tokio::pin!(send, receive);
        tokio::select! {
            biased;
            (sent, request) = &mut send => {
                unended = request;
                // The user there is not to work on a part of the file, nor is an answer waited for.
                let received = match unended {
                    Some(_) => Ok(()),
                    None => receive.await,
                };
                sent.and(received)
            }
            // Whoever has said everything before being asked will not take the rest either.
            received = &mut receive => received.and(Err(AnswerError::NotTaken(None))),
        }
    };
    let fault = received.err();
    if let Some(fault) = &fault {
        tracing::info!(%fault, "the answer is not trusted");
    }
    Conversation {
        answer,
        fault,
        _unended: unended,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn whoever_has_no_more_to_say_before_it_was_asked_sees_the_end_of_the_request() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        // More than a socket takes.
        fs::write(&path, vec![7; 4 << 20]).unwrap();
        let original = Original::open(&path).unwrap();
        let (mut request, to) = UnixStream::pair().unwrap();
        let (from, says_nothing) = UnixStream::pair().unwrap();
        drop(says_nothing);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _held = runtime.block_on(async {
            let to = Sink::new(to.into()).unwrap();
            let from = Source::new(from.into()).unwrap();
            let limit = Limit {
                view_only: false,
                max_bytes: None,
            };
            let conversation = converse(&original, limit, to, from).await;
            assert!(matches!(
                conversation.fault,
                Some(AnswerError::NotTaken(None))
            ));
            conversation
        });
        assert!(request.read_to_end(&mut Vec::new()).unwrap() > 0);
    }
}

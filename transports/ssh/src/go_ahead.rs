//! Waiting for the go-ahead of the other machine.

use std::io;
use std::time::Duration;

use qrexec::channel::Source;
use qrexec::relay::End;
use tokio::time::timeout;

use crate::wire::GO_AHEAD;

/// Most bytes that may come before the go-ahead: what the start-up files of the account print.
const MAX_BEFORE: usize = 64 * 1024;

/// What came from the other machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The go-ahead, and the first bytes of the service.
    Allowed(Vec<u8>),
    /// The end, without a go-ahead.
    Ended,
    /// Too much else.
    Else,
    /// Nothing that is one of these, for too long.
    Late,
}

/// Reads up to the go-ahead, and passes over what comes before it, for at most the time `limit`.
///
/// # Errors
/// Those of `read(2)`.
pub(crate) async fn wait(from: &mut End<Source>, limit: Option<Duration>) -> io::Result<Answer> {
    match limit {
        Some(limit) => timeout(limit, read(from)).await.unwrap_or(Ok(Answer::Late)),
        None => read(from).await,
    }
}

async fn read(from: &mut End<Source>) -> io::Result<Answer> {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(Answer::Ended);
        }
        read.extend_from_slice(&buffer[..count]);
        if let Some(answer) = look_at(&mut read) {
            return Ok(answer);
        }
    }
}

/// The answer, if it is known yet.
fn look_at(read: &mut Vec<u8>) -> Option<Answer> {
    let found = read
        .windows(GO_AHEAD.len())
        .position(|window| window == GO_AHEAD);
    match found {
        Some(at) if at <= MAX_BEFORE => Some(Answer::Allowed(read.split_off(at + GO_AHEAD.len()))),
        None if read.len() < MAX_BEFORE + GO_AHEAD.len() => None,
        _ => Some(Answer::Else),
    }
}

#[cfg(test)]
mod tests {
    use qrexec::relay::source_pair;
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn an_answer_that_does_not_come_is_late() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut from, writer) = source_pair().unwrap();
            let limit = Some(Duration::from_millis(10));
            assert_eq!(wait(&mut from, limit).await.unwrap(), Answer::Late);
            drop(writer);
            for limit in [None, Some(Duration::from_secs(100))] {
                assert_eq!(wait(&mut from, limit).await.unwrap(), Answer::Ended);
            }
        });
    }

    #[test]
    fn what_comes_before_is_passed_over_and_what_follows_is_kept() {
        for before in [&b""[..], b"welcome\n", b"\0qrexec-v1 \0", &[0; MAX_BEFORE]] {
            let mut read = [before, GO_AHEAD, b"bytes\0"].concat();
            let answer = Answer::Allowed(b"bytes\0".to_vec());
            assert_eq!(look_at(&mut read), Some(answer));
        }
    }

    #[test]
    fn a_part_of_it_is_not_enough() {
        for len in 0..GO_AHEAD.len() {
            assert_eq!(look_at(&mut GO_AHEAD[..len].to_vec()), None);
        }
        assert_eq!(look_at(&mut b"qrexec-v1 allowed\n".to_vec()), None);
    }

    #[test]
    fn at_most_64_kib_are_passed_over() {
        let before = vec![b'x'; MAX_BEFORE + 1];
        assert_eq!(
            look_at(&mut [&before, &GO_AHEAD[..]].concat()),
            Some(Answer::Else)
        );
        let len = MAX_BEFORE + GO_AHEAD.len();
        assert_eq!(look_at(&mut vec![b'x'; len - 1]), None);
        assert_eq!(look_at(&mut vec![b'x'; len]), Some(Answer::Else));
    }
}

//! Waiting until the user is done with the file.
//!
//! That an opener has ended means little: many only ask another program to open the file. So from
//! then on it is looked again and again for whoever is at work on the file. To return too early would
//! take the file, and in a disposable the window too, away from the user; so where nobody was seen at
//! work at all, the user is asked.

use std::collections::HashSet;
use std::time::Duration;

use rustix::process::Pid;
use tokio::time::{Instant, sleep};

use crate::failure::Failure;
use crate::intake::Document;
use crate::processes::{Process, Trace, traces_of};
use crate::reaper::Reaper;
use crate::scratch::Scratch;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Between two looks at who is at work.
    pub(crate) look_every: Duration,
    /// After an opener has returned, until whoever it has asked has the file.
    pub(crate) settling: Duration,
    /// Nobody opens a file, reads it and closes it in less.
    pub(crate) too_quick: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            look_every: Duration::from_millis(300),
            settling: Duration::from_secs(3),
            too_quick: Duration::from_secs(10),
        }
    }
}

/// What one look shows.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// Somebody is at work on the file.
    at_work: bool,
    /// Something that the opener has started still runs.
    descendants: bool,
    /// The opener has returned this long ago.
    since_return: Duration,
    /// The opener, and whoever was at work, took this long.
    worked_for: Duration,
    /// The file was saved: before the opener returned, or by somebody seen at work.
    edited: bool,
    /// The opener said that it failed.
    failed: bool,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Wait,
    Done,
    Ask,
}

/// How the wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The user is done.
    Done,
    /// Nobody was seen at work, or only for a moment: the user knows better.
    Unsure {
        /// Somebody was.
        seen: bool,
    },
}

fn next(look: &Look, patience: &Patience) -> Next {
    let seen = look.edited || look.failed || look.worked_for >= patience.too_quick;
    if look.at_work {
        Next::Wait
    } else if seen && !look.descendants {
        Next::Done
    } else if look.since_return < patience.settling {
        Next::Wait
    } else if seen {
        // What still runs never had to do with the file: a bus, a portal, an agent.
        Next::Done
    } else {
        Next::Ask
    }
}

/// Waits until nobody is at work on `document`. The opener was started at `start` and has
/// returned just now.
pub(crate) async fn until_done(
    document: &Document,
    scratch: &Scratch,
    reaper: &mut Reaper,
    start: Instant,
    failed: bool,
    patience: &Patience,
) -> Result<Waited, Failure> {
    let returned = Instant::now();
    let mut last_at_work = returned;
    let mut edited = document.looks_saved();
    let mut at_work = AtWork::default();
    loop {
        let descendants = reaper.reap();
        let traces = traces_of(scratch.path()).map_err(Failure::system("look into /proc"))?;
        let somebody = at_work.update(&traces);
        let now = Instant::now();
        if somebody {
            last_at_work = now;
        }
        // Whoever was never seen may not have finished with a change.
        edited = edited || (at_work.ever && document.looks_saved());
        let look = Look {
            at_work: somebody,
            descendants,
            since_return: now - returned,
            worked_for: last_at_work - start,
            edited,
            failed,
        };
        match next(&look, patience) {
            Next::Wait => sleep(patience.look_every).await,
            Next::Done => return Ok(Waited::Done),
            Next::Ask => return Ok(Waited::Unsure { seen: at_work.ever }),
        }
        tracing::debug!(?look, "looked");
    }
}

/// Waits for the opener itself; in words, how it failed, if it did.
pub(crate) async fn for_opener(reaper: &mut Reaper, opener: Pid) -> Result<(), String> {
    let status = reaper.wait(opener).await;
    match (status.exit_status(), status.terminating_signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("ended with status {code}")),
        (None, Some(signal)) => Err(format!("was ended by signal {signal}")),
        (None, None) => Err("ended in an unknown way".to_owned()),
    }
}

/// Who is at work: whoever has the file open now, and whoever has once named it, until it ends.
#[derive(Debug, Default)]
struct AtWork {
    named_it: HashSet<Process>,
    ever: bool,
}

impl AtWork {
    fn update(&mut self, traces: &[Trace]) -> bool {
        let naming = traces.iter().filter(|trace| trace.names);
        self.named_it.extend(naming.map(|trace| trace.process));
        self.named_it.retain(Process::lives);
        let somebody = !self.named_it.is_empty() || traces.iter().any(|trace| trace.has_open);
        self.ever |= somebody;
        somebody
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        look_every: Duration::from_secs(1),
        settling: Duration::from_secs(3),
        too_quick: Duration::from_secs(10),
    };

    const RETURNED_AT_ONCE: Look = Look {
        at_work: false,
        descendants: false,
        since_return: Duration::ZERO,
        worked_for: Duration::ZERO,
        edited: false,
        failed: false,
    };

    fn at(seconds: u64, look: Look) -> Next {
        let since_return = Duration::from_secs(seconds);
        next(
            &Look {
                since_return,
                ..look
            },
            &PATIENCE,
        )
    }

    #[test]
    fn an_opener_that_only_asks_another_program_is_not_believed() {
        assert_eq!(at(0, RETURNED_AT_ONCE), Next::Wait);
        assert_eq!(at(2, RETURNED_AT_ONCE), Next::Wait);
        assert_eq!(at(3, RETURNED_AT_ONCE), Next::Ask);
    }

    #[test]
    fn whoever_is_at_work_is_waited_for_however_long() {
        for look in [
            RETURNED_AT_ONCE,
            Look {
                edited: true,
                ..RETURNED_AT_ONCE
            },
            Look {
                failed: true,
                ..RETURNED_AT_ONCE
            },
        ] {
            let look = Look {
                at_work: true,
                ..look
            };
            assert_eq!(at(0, look), Next::Wait);
            assert_eq!(at(1_000_000, look), Next::Wait);
        }
    }

    #[test]
    fn an_editor_that_was_seen_and_has_ended_is_enough() {
        let edited = Look {
            edited: true,
            ..RETURNED_AT_ONCE
        };
        let worked_for = Duration::from_secs(10);
        let long = Look {
            worked_for,
            ..RETURNED_AT_ONCE
        };
        for look in [edited, long] {
            assert_eq!(at(0, look), Next::Done);
        }
    }

    #[test]
    fn a_daemon_left_behind_holds_nothing_up_for_long() {
        let daemon = Look {
            descendants: true,
            edited: true,
            ..RETURNED_AT_ONCE
        };
        assert_eq!(at(2, daemon), Next::Wait);
        assert_eq!(at(3, daemon), Next::Done);
        assert_eq!(
            at(
                3,
                Look {
                    edited: false,
                    ..daemon
                }
            ),
            Next::Ask
        );
    }

    #[test]
    fn a_failed_opener_is_not_asked_about() {
        assert_eq!(
            at(
                0,
                Look {
                    failed: true,
                    ..RETURNED_AT_ONCE
                }
            ),
            Next::Done
        );
    }
}

//! Waiting until the user is done with the file.
//!
//! That an opener has ended means little: many only ask another program to open the file. So it is
//! looked again and again for whoever is at work on the file, while the opener runs and afterwards. To
//! return too early would take the file, and in a disposable the window too, away from the user; so
//! where nobody was seen at work at all, the user is asked.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, WaitStatus};
use tokio::time::{Instant, sleep};

use crate::at_work::AtWork;
use crate::error::Error;
use crate::intake::Document;
use crate::processes::traces_of;
use crate::scratch::Scratch;
use program::reaper::Reaper;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Between two looks at who is at work.
    pub(crate) look_every: Duration,
    /// After an opener has returned, until whoever it has asked has the file.
    pub(crate) settling: Duration,
    /// Who only asks what a file is does not have it open for as long.
    pub(crate) glance: Duration,
    /// Nobody opens a file, reads it and closes it in less.
    pub(crate) too_quick: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            look_every: Duration::from_millis(300),
            settling: Duration::from_secs(3),
            glance: Duration::from_secs(1),
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
    /// The opener has returned this long ago; `None` while it runs.
    since_return: Option<Duration>,
    /// Nobody has been at work for this long.
    idle_for: Duration,
    /// The opener, and whoever was at work, took this long.
    worked_for: Duration,
    /// The file was saved: before the opener returned, or by somebody seen at work.
    edited: bool,
    /// The opener said that it failed.
    failed: bool,
    /// Somebody was seen to have a look at the file, however short.
    looked_at: bool,
    /// What becomes of the file does not matter, so nobody is asked about it.
    view_only: bool,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Wait,
    Done,
    Ask,
}

/// How the wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waited {
    /// In words, how the opener failed, if it did.
    pub(crate) opened: Result<(), String>,
    pub(crate) end: End,
}

/// What is known of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The user is done.
    Done,
    /// Nobody was seen at work, or only for a moment: the user knows better.
    Unsure {
        /// Somebody was.
        seen: bool,
    },
}

fn next(look: &Look, patience: &Patience) -> Next {
    let Some(since_return) = look.since_return else {
        return Next::Wait;
    };
    let seen = look.edited || look.failed || look.worked_for >= patience.too_quick;
    if look.at_work {
        Next::Wait
    } else if seen && !look.descendants {
        Next::Done
    } else if since_return < patience.settling {
        Next::Wait
    } else if seen {
        // What still runs never had to do with the file: a bus, a portal, an agent.
        Next::Done
    } else if !look.looked_at && !look.view_only {
        Next::Ask
    } else if look.idle_for < patience.settling {
        // Who has looked may have passed the file on to a program that runs already.
        Next::Wait
    } else {
        Next::Done
    }
}

/// Waits until nobody is at work on `document` any more. `opener` was started just now, as `pid`.
pub(crate) async fn until_done(
    document: &Document,
    scratch: &Scratch,
    reaper: &mut Reaper,
    (opener, pid): (&Path, Pid),
    patience: &Patience,
) -> Result<Waited, Error> {
    let start = Instant::now();
    let mut opened = None;
    let mut last_at_work = start;
    let mut edited = false;
    let mut at_work = AtWork::default();
    loop {
        let descendants = reaper.reap();
        let traces = traces_of(scratch.path(), opener).map_err(Error::system("look into /proc"))?;
        let now = Instant::now();
        let somebody = at_work.update(&traces, opened.is_some(), now, patience);
        if somebody || opened.is_none() {
            last_at_work = now;
        }
        // Whoever was never seen may not have finished with a change.
        edited = edited || (at_work.ever() && document.looks_saved());
        let look = Look {
            at_work: somebody,
            descendants,
            since_return: opened.as_ref().map(|(returned, _)| now - *returned),
            idle_for: now - last_at_work,
            worked_for: last_at_work - start,
            edited,
            failed: matches!(opened, Some((_, Err(_)))),
            looked_at: at_work.has_looked(),
            view_only: document.view_only,
        };
        tracing::debug!(?look, "looked");
        let end = match next(&look, patience) {
            Next::Wait => None,
            Next::Done => Some(End::Done),
            Next::Ask => Some(End::Unsure {
                seen: at_work.ever(),
            }),
        };
        match (end, &opened) {
            (Some(end), Some((_, opened))) => {
                let opened = opened.clone();
                return Ok(Waited { opened, end });
            }
            (_, Some(_)) => sleep(patience.look_every).await,
            (_, None) => tokio::select! {
                status = reaper.wait(pid) => {
                    last_at_work = Instant::now();
                    opened = Some((last_at_work, in_words(status)));
                    edited = edited || document.looks_saved();
                }
                () = sleep(patience.look_every) => {}
            },
        }
    }
}

/// How the opener failed, if it did.
fn in_words(status: WaitStatus) -> Result<(), String> {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("ended with status {code}")),
        (None, Some(signal)) => Err(format!("was ended by signal {signal}")),
        (None, None) => Err("ended in an unknown way".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        look_every: Duration::from_secs(1),
        settling: Duration::from_secs(3),
        glance: Duration::from_secs(1),
        too_quick: Duration::from_secs(10),
    };

    const RETURNED_AT_ONCE: Look = Look {
        at_work: false,
        descendants: false,
        since_return: Some(Duration::ZERO),
        idle_for: Duration::ZERO,
        worked_for: Duration::ZERO,
        edited: false,
        failed: false,
        looked_at: false,
        view_only: false,
    };

    fn at(seconds: u64, look: Look) -> Next {
        let since_return = Duration::from_secs(seconds);
        next(
            &Look {
                since_return: Some(since_return),
                idle_for: since_return,
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

    #[test]
    fn an_opener_that_runs_is_waited_for_whatever_else_is_seen() {
        let look = Look {
            since_return: None,
            idle_for: Duration::from_secs(100),
            edited: true,
            looked_at: true,
            ..RETURNED_AT_ONCE
        };
        assert_eq!(next(&look, &PATIENCE), Next::Wait);
    }

    #[test]
    fn a_short_look_is_enough_once_nobody_has_the_file_for_a_while() {
        let look = Look {
            looked_at: true,
            worked_for: Duration::from_secs(4),
            ..RETURNED_AT_ONCE
        };
        assert_eq!(at(0, look), Next::Wait);
        assert_eq!(at(2, look), Next::Wait);
        assert_eq!(at(3, look), Next::Done);
        let left_just_now = Look {
            since_return: Some(Duration::from_secs(60)),
            idle_for: Duration::from_secs(2),
            ..look
        };
        assert_eq!(next(&left_just_now, &PATIENCE), Next::Wait);
    }

    #[test]
    fn what_is_only_looked_at_is_not_asked_about() {
        let look = Look {
            view_only: true,
            ..RETURNED_AT_ONCE
        };
        assert_eq!(at(2, look), Next::Wait);
        assert_eq!(at(3, look), Next::Done);
    }
}

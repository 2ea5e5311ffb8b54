//! `--timeout`: how long a whole call may take, and what is said when that was not enough.

use std::time::{Duration, Instant};

use program::command_line;
use program::failure::Failure;
use transfer::result_line::Outcome;

use crate::ending::Ending;

/// When a call is cancelled.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    limit: Duration,
    /// `None` beyond all clocks.
    at: Option<Instant>,
}

impl Deadline {
    /// So long after now.
    #[must_use]
    pub fn after(limit: Duration) -> Self {
        Self {
            limit,
            at: Instant::now().checked_add(limit),
        }
    }

    /// True if it is over.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.at.is_some_and(|at| at <= Instant::now())
    }

    /// The time that is left; `None` if there is no end.
    #[must_use]
    pub fn left(self) -> Option<Duration> {
        Some(self.at?.saturating_duration_since(Instant::now()))
    }

    /// What to say when it is over.
    #[must_use]
    pub fn told(self) -> String {
        format!("the time limit of {:?} (--timeout) is reached", self.limit)
    }

    /// Waits until it is over; for ever if there is none. There has to be a runtime.
    pub(crate) async fn reached(deadline: Option<Self>) {
        match deadline.and_then(|deadline| deadline.at) {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }

    /// The same end of a call, which says why it was cancelled if nobody cancelled it.
    #[must_use]
    pub(crate) fn explain(deadline: Option<Self>, mut ending: Ending) -> Ending {
        let is_cancelled = ending.status() == Outcome::Cancelled.status();
        if let Some(deadline) = deadline.filter(|deadline| is_cancelled && deadline.has_passed()) {
            let known = ending.failure.to_string();
            let failure = Failure::new(deadline.told()).with_status(ending.status());
            ending.failure = match known.is_empty() {
                true => failure,
                false => failure.advise(known),
            };
        }
        ending
    }
}

/// The value of `--timeout`: a time that is not none.
pub(crate) fn limit(typed: &str) -> Result<Duration, String> {
    match command_line::time(typed)? {
        Duration::ZERO => Err("give more than no time".to_owned()),
        time => Ok(time),
    }
}

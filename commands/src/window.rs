//! The window that shows the progress of a copy, with a Cancel button.
//!
//! The sender writes byte counts to the descriptor that was the stdout of `qrexec-client-vm`
//! (`PROGRESS_TYPE=gui`); they become percentages for the dialog. When nobody reads the counts any
//! more, the sender takes that for Cancel.

use std::io;
use std::os::fd::OwnedFd;

use desktop::dialog::{Dialogs, ProgressBar};
use qrexec::Target;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::pipe;

use crate::bar::Bar;

/// A progress window that is to be shown.
#[derive(Debug)]
pub struct Window {
    counts: pipe::Receiver,
    total_bytes: u64,
    bar: Option<ProgressBar>,
}

impl Window {
    /// Prepares a window for the byte counts that come from the pipe `counts`. It appears with the
    /// first count: before, dom0 is asking. Its words depend on whether what was copied is deleted
    /// afterwards, and name the target if that is known.
    ///
    /// # Errors
    /// The pipe cannot be watched.
    pub fn new(
        counts: OwnedFd,
        total_bytes: u64,
        dialogs: &Dialogs,
        deletes: bool,
        target: &Target,
    ) -> io::Result<Self> {
        let (title, verb) = match deletes {
            true => ("qvm-move", "Moving"),
            false => ("qvm-copy", "Copying"),
        };
        let text = match target {
            Target::Default => format!("{verb} to another qube"),
            Target::Disposable(_) => format!("{verb} to a new disposable"),
            named => format!("{verb} to {named}"),
        };
        Ok(Self {
            counts: pipe::Receiver::from_owned_fd(counts)?,
            total_bytes,
            bar: dialogs.progress(title, &text),
        })
    }

    /// Shows the progress; comes to an end when the user presses Cancel or closes the window, and
    /// then nobody reads the counts any more. Dropped before that, it closes the window.
    pub async fn until_cancelled(self) {
        let mut counts = BufReader::new(self.counts).lines();
        let mut to_open = self.bar;
        let mut bar: Option<Bar> = None;
        let mut shown = 0;
        let mut open = true;
        loop {
            tokio::select! {
                () = closed(bar.as_mut()) => return,
                count = counts.next_line(), if open => match count {
                    Ok(Some(count)) => {
                        if let Some(to_open) = to_open.take() {
                            bar = Bar::open(to_open).await;
                        }
                        let now = percent(count.parse().unwrap_or(0), self.total_bytes);
                        if let Some(bar) = bar.as_mut().filter(|_| now > shown) {
                            shown = now;
                            bar.show(now).await;
                        }
                    }
                    Ok(None) | Err(_) => open = false,
                },
            }
        }
    }
}

/// The share of `count`; 100 stays unsaid, because it would close the dialog before the receiver
/// has confirmed anything.
fn percent(count: u64, total: u64) -> u8 {
    let share = u128::from(count) * 100 / u128::from(total.max(1));
    u8::try_from(share.min(99)).unwrap_or(99)
}

async fn closed(bar: Option<&mut Bar>) {
    match bar {
        Some(bar) => bar.closed().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_100_before_the_receiver_has_confirmed() {
        let table = [
            (0, 0, 0),
            (0, 10, 0),
            (5, 10, 50),
            (10, 10, 99),
            (11, 10, 99),
            (u64::MAX, u64::MAX, 99),
            (u64::MAX / 2, u64::MAX, 49),
            (7, 0, 99),
        ];
        for (count, total, share) in table {
            assert_eq!(percent(count, total), share, "{count} of {total}");
        }
    }
}

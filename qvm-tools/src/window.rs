//! The window that shows the progress of a copy, with a Cancel button.
//!
//! The sender writes byte counts to the descriptor that was the stdout of `qrexec-client-vm`
//! (`PROGRESS_TYPE=gui`); they become percentages for the dialog. When nobody reads the counts any
//! more, the sender takes that for Cancel.

use std::io;
use std::os::fd::OwnedFd;

use qvm_common::dialog::Dialogs;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};

/// A progress window that is to be shown.
#[derive(Debug)]
pub struct Window {
    counts: pipe::Receiver,
    total_bytes: u64,
    command: Option<Command>,
}

impl Window {
    /// Prepares a window for the byte counts that come from the pipe `counts`. It appears with the
    /// first count: before, dom0 is asking. It says what is done: what is copied may be deleted afterwards.
    ///
    /// # Errors
    /// The pipe cannot be watched.
    pub fn new(
        counts: OwnedFd,
        total_bytes: u64,
        dialogs: &Dialogs,
        deletes: bool,
    ) -> io::Result<Self> {
        let (title, text) = match deletes {
            true => ("qvm-move", "Moving to another qube"),
            false => ("qvm-copy", "Copying to another qube"),
        };
        let command = dialogs.progress(title, text);
        Ok(Self {
            counts: pipe::Receiver::from_owned_fd(counts)?,
            total_bytes,
            command: command.map(Command::from),
        })
    }

    /// Shows the progress; comes to an end when the user presses Cancel or closes the window, and
    /// then nobody reads the counts any more. Dropped before that, it closes the window.
    pub async fn until_cancelled(self) {
        let mut counts = BufReader::new(self.counts).lines();
        let mut command = self.command;
        let mut dialog: Option<(Child, ChildStdin)> = None;
        let mut shown = 0;
        let mut open = true;
        loop {
            tokio::select! {
                () = ended(dialog.as_mut()) => return,
                count = counts.next_line(), if open => match count {
                    Ok(Some(count)) => {
                        dialog = dialog.or_else(|| start(command.take()));
                        let count = count.parse().unwrap_or(0);
                        show(dialog.as_mut(), &mut shown, percent(count, self.total_bytes)).await;
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

/// The dialog and its input, kept apart: tokio closes the input of a child that is waited for.
fn start(command: Option<Command>) -> Option<(Child, ChildStdin)> {
    let mut dialog = command?.kill_on_drop(true).spawn().ok()?;
    let input = dialog.stdin.take()?;
    Some((dialog, input))
}

async fn ended(dialog: Option<&mut (Child, ChildStdin)>) {
    match dialog {
        Some((dialog, _)) => drop(dialog.wait().await),
        None => std::future::pending().await,
    }
}

/// Errors are left to [`ended`]: a dialog that does not read has ended.
async fn show(dialog: Option<&mut (Child, ChildStdin)>, shown: &mut u8, percent: u8) {
    if let Some((_, input)) = dialog.filter(|_| percent > *shown) {
        *shown = percent;
        let _seen_by_ended = input.write_all(format!("{percent}\n").as_bytes()).await;
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

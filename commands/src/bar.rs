//! A progress bar on the desktop, with a Cancel button: zenity's, which reads percentages, or
//! kdialog's, which is told them over D-Bus.

use std::process::Stdio;
use std::time::Duration;

use desktop::dialog::ProgressBar;
use desktop::kdialog;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How often kdialog is asked whether the user has cancelled.
const ASK_EVERY: Duration = Duration::from_millis(400);

/// How long D-Bus may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A progress bar that is open. Dropped, it closes.
#[derive(Debug)]
pub(crate) enum Bar {
    /// The dialog and its input, kept apart: tokio closes the input of a child that is waited for.
    Zenity(Child, ChildStdin),
    Kdialog(Kdialog),
}

/// The bar, the process that opened it, and the task that asks whether the user has cancelled.
#[derive(Debug)]
pub(crate) struct Kdialog {
    bar: kdialog::Bar,
    _opener: Child,
    asking: JoinHandle<()>,
}

impl Bar {
    /// Opens it; `None` where that does not work: a copy without a bar is better than none.
    pub(crate) async fn open(bar: ProgressBar) -> Option<Self> {
        match bar {
            ProgressBar::Reads(command) => {
                let mut dialog = Command::from(command).kill_on_drop(true).spawn().ok()?;
                let input = dialog.stdin.take()?;
                Some(Self::Zenity(dialog, input))
            }
            ProgressBar::OverDbus(progress) => Kdialog::open(progress).await.map(Self::Kdialog),
        }
    }

    /// Shows so many percent. Errors are left to [`closed`](Self::closed).
    pub(crate) async fn show(&mut self, percent: u8) {
        match self {
            Self::Zenity(_, input) => {
                let line = format!("{percent}\n");
                let _seen_by_closed = input.write_all(line.as_bytes()).await;
            }
            Self::Kdialog(kdialog) => call(kdialog.bar.show(percent)).await,
        }
    }

    /// Waits until the user has pressed Cancel or closed it.
    pub(crate) async fn closed(&mut self) {
        match self {
            Self::Zenity(dialog, _) => drop(dialog.wait().await),
            Self::Kdialog(kdialog) => drop((&mut kdialog.asking).await),
        }
    }
}

impl Kdialog {
    async fn open(progress: kdialog::Progress) -> Option<Self> {
        let mut opener = Command::from(progress.command());
        let mut opener = opener.kill_on_drop(true).spawn().ok()?;
        let mut line = String::new();
        let mut stdout = BufReader::new(opener.stdout.take()?);
        timeout(PATIENCE, stdout.read_line(&mut line))
            .await
            .ok()?
            .ok()?;
        let bar = progress.opened(&line)?;
        call(bar.allow_cancel()).await;
        let asked = bar.clone();
        let asking = tokio::spawn(async move {
            while !is_cancelled(&asked).await {
                sleep(ASK_EVERY).await;
            }
        });
        Some(Self {
            bar,
            _opener: opener,
            asking,
        })
    }
}

impl Drop for Kdialog {
    fn drop(&mut self) {
        self.asking.abort();
        let _closed_already = self.bar.close().spawn();
    }
}

async fn is_cancelled(bar: &kdialog::Bar) -> bool {
    let asked = Command::from(bar.was_cancelled())
        .kill_on_drop(true)
        .output();
    match timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => !answer.status.success() || answer.stdout.trim_ascii() == b"true",
        // D-Bus that does not work is no wish of the user.
        Ok(Err(_)) | Err(_) => false,
    }
}

async fn call(command: std::process::Command) {
    let mut command = Command::from(command);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let _seen_when_asked = timeout(PATIENCE, command.status()).await;
}

//! What `qvm-move` does when the copy is confirmed: deletes what the manifest says, and only that.
//!
//! `plan` makes sure that the manifest is whole before anything is deleted, `walk` goes through
//! it from folder to folder by descriptors, `entry` deletes what stands under one name if it still
//! is what was confirmed, by way of a private name (`aside`) and only if no program has it open for
//! writing (`writers`), and `stays` collects what is not deleted, and why.

mod aside;
mod entry;
mod plan;
pub(crate) mod stays;
mod walk;
mod writers;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::walk::{Exclude, Links};
use program::failure::Failure;
use tokio::runtime;
use tokio::task::spawn_blocking;
use transfer::landed::Landed;

use crate::client::Interruptions;
use crate::deadline::Deadline;
use crate::ending::with;
use transfer::result_line::Outcome;

use stays::{End, Stays};
use walk::Remover;

/// What is to be deleted.
#[derive(Debug)]
pub struct Removal {
    /// The manifest of a copy that the receiver has confirmed.
    pub manifest: File,
    /// What became of symbolic links in the copy.
    pub links: Links,
    /// The arguments, as they were typed, without trailing slashes.
    pub arguments: Vec<Vec<u8>>,
    /// What arrived in an earlier call that stopped: it was never confirmed, and stays.
    pub landed: Option<Landed>,
    /// What the user did not want to be copied.
    pub exclude: Option<Exclude>,
    /// When it stops.
    pub deadline: Option<Deadline>,
}

/// Deletes what the manifest says. SIGINT, SIGTERM and SIGHUP stop it between one entry and the next.
///
/// # Errors
/// A [`Failure`] with status 3 that lists what stays, if anything does; with status 32 when it was
/// interrupted before everything had been tried.
pub fn remove(removal: Removal) -> Result<(), Failure> {
    match run(removal) {
        Ok((stays, End::Complete)) if stays.is_empty() => Ok(()),
        Ok((stays, end)) => {
            let outcome = match end {
                End::Interrupted => Outcome::Cancelled,
                End::Complete | End::Unreadable(_) => Outcome::Partial,
            };
            Err(with(outcome, stays.told(&end)))
        }
        Err(error) => Err(nothing_tried(&error)),
    }
}

/// The list of what was sent cannot be read from its beginning to its end.
pub(crate) fn nothing_tried(error: &io::Error) -> Failure {
    with(
        Outcome::Partial,
        format!(
            "what was sent arrived, but nothing is deleted here, because the list of \
             sent files cannot be read: {error}"
        ),
    )
    .advise("to move the files again, first remove the copies there")
}

/// What stays, and how the deleting ended.
fn run(removal: Removal) -> io::Result<(Stays, End)> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut interruptions = Interruptions::new(removal.deadline)?;
        let stop = Arc::new(AtomicBool::new(false));
        let remover = Remover::new(removal.links, removal.landed, Arc::clone(&stop));
        let remover = remover.without(removal.exclude);
        let work = spawn_blocking(move || remover.remove(&removal.manifest, &removal.arguments));
        tokio::pin!(work);
        let done = tokio::select! {
            done = &mut work => done,
            () = interruptions.next() => {
                stop.store(true, Ordering::Relaxed);
                work.await
            }
        };
        done.map_err(io::Error::other)?
    })
}

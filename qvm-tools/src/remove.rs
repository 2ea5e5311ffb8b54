//! What `qvm-move` does when the copy is confirmed: deletes what the manifest says, and only that.
//!
//! `plan` makes sure that the manifest is whole before anything is deleted, `walk` goes through
//! it from folder to folder by descriptors, `entry` deletes what stands under one name if it still
//! is what was confirmed, and `stays` collects what is not deleted, and why.

mod entry;
mod plan;
mod stays;
mod walk;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use qfile_walk::Links;
use tokio::runtime;
use tokio::task::spawn_blocking;

use crate::client::Interruptions;
use crate::ending::Ending;
use qvm_common::result_line::Outcome;

use stays::Stays;
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
}

/// Deletes what the manifest says. SIGINT and SIGTERM stop it between one entry and the next.
///
/// # Errors
/// An [`Ending`] with status 3 that lists what stays, if anything does; with status 32 when it was
/// interrupted before everything had been tried.
pub fn remove(removal: Removal) -> Result<(), Ending> {
    match run(removal) {
        Ok((stays, false)) if stays.is_empty() => Ok(()),
        Ok((stays, false)) => Err(Ending::new(
            Outcome::Partial,
            format!("everything was copied, but {}", stays.told()),
        )),
        Ok((stays, true)) => Err(Ending::new(Outcome::Cancelled, stays.told_of_interrupted())),
        Err(error) => Err(Ending::new(
            Outcome::Partial,
            format!(
                "everything was copied, but deleting came to an end: the list of what was copied \
                 cannot be read: {error}\nLook at what is still here, and delete it yourself."
            ),
        )),
    }
}

/// What stays, and whether the end was early.
fn run(removal: Removal) -> io::Result<(Stays, bool)> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut interruptions = Interruptions::new()?;
        let stop = Arc::new(AtomicBool::new(false));
        let remover = Remover::new(removal.links, Arc::clone(&stop));
        let work = spawn_blocking(move || remover.remove(&removal.manifest, &removal.arguments));
        tokio::pin!(work);
        let done = tokio::select! {
            done = &mut work => done,
            () = interruptions.next(None) => {
                stop.store(true, Ordering::Relaxed);
                work.await
            }
        };
        done.map_err(io::Error::other)?
    })
}

//! The random bytes that dom0 gives a qube at its start.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::{Duration, Instant};

use program::failure::Failure;

use crate::database::Database;
use crate::keys::SEED;

/// What is written to it is mixed into the pool of the kernel (`random(4)`). That cannot make the
/// pool worse, whatever the bytes are, so they are not judged.
const POOL: &str = "/dev/urandom";

/// Uses the seed, and removes it so that nobody reads it later; whether there was one.
pub(crate) fn take(database: &mut Database) -> Result<bool, Failure> {
    let Some(seed) = database.read(SEED)?.filter(|seed| !seed.is_empty()) else {
        return Ok(false);
    };
    let write = || OpenOptions::new().write(true).open(POOL)?.write_all(&seed);
    write().map_err(Failure::of(format_args!(
        "cannot write the random seed to \"{POOL}\""
    )))?;
    database.remove(SEED)?;
    Ok(true)
}

/// The same; waits for the seed, at most this long. `database` is used for nothing else: other events
/// are passed over.
pub(crate) fn wait_for(database: &mut Database, patience: Duration) -> Result<bool, Failure> {
    let started = Instant::now();
    database.watch(SEED)?;
    loop {
        if take(database)? {
            return Ok(true);
        }
        let left = patience.saturating_sub(started.elapsed());
        if left.is_zero() || database.next_event(Some(left))?.is_none() {
            return Ok(false);
        }
    }
}

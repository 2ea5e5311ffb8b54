//! Which services of this qube are switched on.

use std::io;
use std::path::Path;
use std::sync::Once;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::new_names::NewNames;
use crate::say::say;

/// Folder of a file for each service that is on.
const SERVICES: &str = "/run/qubes-service";

/// Is made at boot when the files of that folder are complete.
const RUN: &str = "/run";
const COMPLETE: &str = "qubes-service-environment";

/// How long it is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Is this service of the qube on?
///
/// At boot this is known once all services have been written. The first call of a process waits for
/// that, for at most ten seconds. After them, what is there counts, and this is said.
#[must_use]
pub fn is_on(name: &str) -> bool {
    static WAITED: Once = Once::new();
    WAITED.call_once(|| {
        let why = match wait_for(Path::new(RUN), COMPLETE, LONGEST_WAIT) {
            Ok(true) => return,
            Ok(false) => "it has not been made within ten seconds".to_owned(),
            Err(error) => error.to_string(),
        };
        say(format_args!(
            "the services of this qube may not be known yet, and those that are on now count: \
             {RUN}/{COMPLETE}: {why}"
        ));
    });
    is_on_by_now(name)
}

/// Is this service of the qube on, as far as is known now? For programs of the session, which begins
/// after the boot.
#[must_use]
pub fn is_on_by_now(name: &str) -> bool {
    Path::new(SERVICES).join(name).exists()
}

/// Waits until there is `name` in `folder`; `false`: it is not there in time.
fn wait_for(folder: &Path, name: &str, longest: Duration) -> io::Result<bool> {
    let path = folder.join(name);
    // At most times it is there, and nothing needs to be watched.
    if path.exists() {
        return Ok(true);
    }
    let deadline = Instant::now() + longest;
    let new_names = NewNames::of(folder)?;
    while !path.exists() {
        let rest = deadline.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Ok(false);
        }
        let rest = Timespec::try_from(rest).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&new_names, PollFlags::IN)], Some(&rest)) {
            Ok(_) | Err(Errno::INTR) => new_names.forget(),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use super::*;

    /// Nobody waits that long when all is well.
    const HANGS_AFTER: Duration = Duration::from_secs(60);

    #[test]
    fn a_name_that_is_there_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("complete"), "").unwrap();
        assert!(wait_for(folder.path(), "complete", Duration::ZERO).unwrap());
    }

    #[test]
    fn a_name_that_is_made_or_moved_there_ends_the_wait() {
        for is_moved in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("complete");
            thread::scope(|scope| {
                let waiting = scope.spawn(|| wait_for(folder.path(), "complete", HANGS_AFTER));
                // Others do not.
                let other = folder.path().join("other");
                fs::write(&other, "").unwrap();
                match is_moved {
                    true => fs::rename(other, path).unwrap(),
                    false => fs::write(path, "").unwrap(),
                }
                assert!(waiting.join().unwrap().unwrap());
            });
        }
    }

    #[test]
    fn what_is_never_made_is_not_waited_for_without_end() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("other"), "").unwrap();
        let limit = Duration::from_millis(20);
        assert!(!wait_for(folder.path(), "complete", limit).unwrap());
        assert!(wait_for(&folder.path().join("none"), "complete", limit).is_err());
    }
}

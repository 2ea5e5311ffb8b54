//! Whether the file system has room for a file, asked at its header and not after gigabytes.

use std::os::fd::AsFd;
use std::time::Duration;

use qfile_proto::Refusal;
use rustix::fs::fstatvfs;

use crate::options::Options;
use crate::say::Say;

/// How often, and for how many times, to look whether room has been made: ten minutes in all.
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSES: u32 = 600;

/// The rules of space.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    check: bool,
    margin: u64,
    max_bytes: Option<u64>,
    max_fill: Option<u64>,
}

impl Space {
    /// As the options say.
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            check: !options.no_space_check,
            margin: options.wait_for_space,
            max_bytes: options.max_bytes,
            max_fill: options.max_fill,
        }
    }

    /// Most bytes of content in the whole stream: what the options say, or the share of what is free
    /// in `dir` now that they say, if that is less.
    pub(crate) fn limit(&self, dir: impl AsFd) -> Result<Option<u64>, Refusal> {
        let Some(percent) = self.max_fill else {
            return Ok(self.max_bytes);
        };
        let share = (free(dir)? / 100).saturating_mul(percent);
        Ok(Some(self.max_bytes.map_or(share, |most| most.min(share))))
    }

    /// True if even small files have to wait for room.
    pub(crate) fn waits(&self) -> bool {
        self.margin > 0
    }

    /// Waits for room, if that was asked for, and refuses what cannot fit.
    ///
    /// # Errors
    /// `ENOSPC`.
    pub(crate) fn make_sure(&self, dir: impl AsFd, len: u64, say: &Say) -> Result<(), Refusal> {
        let wanted = len.saturating_add(self.margin);
        let mut pauses = 0;
        while self.waits() && free(&dir)? < wanted && pauses < MAX_PAUSES {
            if pauses == 0 {
                say.to_everyone("waiting until there is enough space");
            }
            std::thread::sleep(PAUSE);
            pauses += 1;
        }
        let needed = match (self.waits(), self.check) {
            (true, _) => wanted,
            (false, true) => len,
            (false, false) => return Ok(()),
        };
        if free(&dir)? < needed {
            return Err(Refusal::System(libc::ENOSPC));
        }
        Ok(())
    }
}

/// Bytes that an ordinary user can still fill; all there are where the file system cannot say.
fn free(dir: impl AsFd) -> Result<u64, Refusal> {
    let stat = fstatvfs(dir).map_err(|errno| Refusal::System(errno.raw_os_error()))?;
    if stat.f_blocks == 0 {
        return Ok(u64::MAX);
    }
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

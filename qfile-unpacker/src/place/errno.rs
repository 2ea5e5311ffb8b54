//! The errors of system calls as refusals.

use qfile_proto::Refusal;
use rustix::io::Errno;

pub(super) fn refusal(errno: Errno) -> Refusal {
    match errno {
        Errno::EXIST => Refusal::AlreadyExists,
        _ => Refusal::System(errno.raw_os_error()),
    }
}

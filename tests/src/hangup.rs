//! Tests under `nohup`, or as a background job of a script: what these make them ignore, the programs
//! that they start would ignore too (`execve(2)`), and a test that hangs up on one, or interrupts it,
//! would wait for ever.

use std::sync::Once;
use std::{fs, io};

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// If SIGHUP or SIGINT is ignored, catches it and does nothing about it: it does not end the tests, and
/// what they start gets the default action in its place.
pub(crate) fn give_children_the_default() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        for kind in [SignalKind::hangup(), SignalKind::interrupt()] {
            if is_ignored(kind) {
                catch(kind).expect("a handler can be installed");
            }
        }
    });
}

fn is_ignored(kind: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is there");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.expect("proc_pid_status(5)") >> (kind.as_raw_value() - 1) & 1 == 1
}

fn catch(kind: SignalKind) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    // The handler stays when the runtime is gone.
    signal(kind).map(drop)
}

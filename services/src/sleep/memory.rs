//! Room in the memory of a small qube, before drivers load their firmware again.

use std::hint::black_box;
use std::time::Instant;

use super::{Run, kernel};

/// So many bytes are asked for, so that others go to the swap space.
const ROOM: u64 = 512 << 20;
/// So many bytes are touched before the time is looked at again.
const PIECE: usize = 1 << 20;

/// Pushes what is not used to the swap space, and has the kernel put together what is free.
pub(super) fn make_room(run: &mut Run) {
    let text = run.root.text("proc/meminfo").unwrap_or_default();
    let step = "push what is not used to the swap space";
    if run.has_time(step) {
        let done = touch(ROOM.min(spare(&text) / 2), run.step_deadline());
        run.note(step, done);
    }
    for (file, value) in [("compact_memory", "1"), ("drop_caches", "3")] {
        let step = format!("write to /proc/sys/vm/{file}");
        if run.has_time(&step) {
            let path = run.root.path("proc/sys/vm").join(file);
            let done = kernel::write(&path, value, run.step_deadline());
            run.note(step, done);
        }
    }
}

/// Uses so many bytes for a moment.
///
/// # Errors
/// They cannot be had, or not before `deadline`.
fn touch(len: u64, deadline: Instant) -> Result<(), String> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let mut room: Vec<u8> = Vec::new();
    // What cannot be had must not end the program, because the devices have yet to come back.
    room.try_reserve_exact(len)
        .map_err(|_| format!("there are no {len} bytes of memory"))?;
    while room.len() < len {
        if Instant::now() >= deadline {
            return Err(format!("no time was left after {} bytes", room.len()));
        }
        // A page that is not zero has to be somewhere.
        room.resize(len.min(room.len() + PIECE), 1);
    }
    black_box(room);
    Ok(())
}

/// What can be used without taking memory from anybody who needs it, in bytes (`proc_meminfo(5)`).
fn spare(text: &str) -> u64 {
    let kibibytes = |key: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    let keys = ["MemAvailable:", "SwapFree:"];
    let sum = keys
        .into_iter()
        .filter_map(kibibytes)
        .fold(0, u64::saturating_add);
    sum.saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_spare_is_available_or_swap_space() {
        let text = "MemTotal: 9 kB\nMemAvailable:  100 kB\nSwapFree:      24 kB\n";
        assert_eq!(spare(text), 124 << 10);
        assert_eq!(spare(""), 0);
        assert_eq!(spare("MemAvailable: -1 kB\nSwapFree: x"), 0);
    }

    #[test]
    fn memory_that_cannot_be_had_is_told() {
        let far = Instant::now() + Duration::from_secs(600);
        assert_eq!(touch(3 << 20, far), Ok(()));
        assert_eq!(touch(0, far), Ok(()));
        let none = touch(u64::MAX, far).unwrap_err();
        assert!(none.starts_with("there are no "), "{none}");
        let late = touch(3 << 20, Instant::now()).unwrap_err();
        assert_eq!(late, "no time was left after 0 bytes");
    }

    proptest! {
        #[test]
        fn whatever_the_kernel_says(text in "(MemAvailable:)?[ -~\n]{0,60}") {
            let _no_panic = spare(&text);
        }
    }
}

//! Room in the memory of a small qube, before drivers load their firmware again.

use std::hint::black_box;

use super::{Run, kernel};

/// So many bytes are asked for, so that others go to the swap space.
const ROOM: u64 = 512 << 20;

/// Pushes what is not used to the swap space, and has the kernel put together what is free.
pub(super) fn make_room(run: &mut Run) {
    let text = run.root.text("proc/meminfo").unwrap_or_default();
    touch(ROOM.min(spare(&text) / 2));
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
fn touch(len: u64) {
    let len = usize::try_from(len).unwrap_or(0);
    // A page that is not zero has to be somewhere.
    black_box(vec![1_u8; len]);
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_spare_is_available_or_swap_space() {
        let text = "MemTotal: 9 kB\nMemAvailable:  100 kB\nSwapFree:      24 kB\n";
        assert_eq!(spare(text), 124 << 10);
        assert_eq!(spare(""), 0);
        assert_eq!(spare("MemAvailable: -1 kB\nSwapFree: x"), 0);
    }

    proptest! {
        #[test]
        fn whatever_the_kernel_says(text in "(MemAvailable:)?[ -~\n]{0,60}") {
            let _no_panic = spare(&text);
        }
    }
}

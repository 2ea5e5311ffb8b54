//! Files whose length the system does not know before they are read.

use std::os::fd::AsFd;

use files::Stat;
use rustix::fs::fstatfs;

/// The file systems whose files are made up by the kernel when they are read: the lengths that it
/// states for them are 0, or a page, or anything (`statfs(2)`, `linux/magic.h`).
const MADE_UP: [u64; 14] = [
    0x0000_9fa0, // proc
    0x6265_6572, // sysfs
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0x6265_6570, // configfs
    0x6367_7270, // cgroup2
    0x0027_e0eb, // cgroup
    0xcafe_4a11, // bpf
    0x6165_676c, // pstore
    0xf97c_ff8c, // selinux
    0x4341_5d53, // smack
    0x0765_5821, // resctrl
    0xabba_1974, // xenfs
];

/// True if the length in `stat`, the state of the open `file`, says nothing about its content.
pub fn has_no_true_length(file: impl AsFd, stat: &Stat) -> bool {
    // Such a file has no blocks on any disk, which saves most others the call.
    stat.allocated == 0
        && fstatfs(file).is_ok_and(|found| {
            let kind = u64::try_from(found.f_type).unwrap_or(0);
            MADE_UP.contains(&kind)
        })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use files::Stat;
    use rustix::fs::fstat;

    use super::*;

    #[test]
    fn what_the_kernel_makes_up_has_no_true_length_and_an_empty_file_has_one() {
        let has_none = |file: &File| {
            let stat = Stat::from(fstat(file).unwrap());
            has_no_true_length(file, &stat)
        };
        assert!(has_none(&File::open("/proc/self/status").unwrap()));
        assert!(!has_none(&tempfile::tempfile().unwrap()));
    }
}

//! A move to a qube where the file system lets nobody read what arrives: the original stays.

use std::fs;

use qfile_tests::mounted::{self, Mounted};
use qfile_tests::moving::Moving;
use qfile_tests::programs::program;
use qfile_tests::receiver::needs_strace;
use qfile_tests::suite;
use qfile_tests::tree::Snapshot;
use qfile_tests::user::in_private_mounts;

suite! {
    what_stays_closed_is_not_deleted [needs_strace],
    what_stays_closed_on_bindfs_is_not_deleted [needs_bindfs],
    what_lands_without_its_mode_is_deleted [needs_bindfs],
}

fn needs_bindfs() -> Result<(), String> {
    mounted::needs("bindfs", |point| Mounted::bindfs(point, &[]))
}

fn something() -> (Moving, Snapshot) {
    let moving = Moving::new();
    moving.file("d/e/f", "content");
    moving.file("h", vec![7; 300_000]);
    let before = moving.snapshot();
    (moving, before)
}

fn what_stays_closed_is_not_deleted() {
    for fault in [
        "error=EPERM",
        "error=ENOSYS",
        "error=EOPNOTSUPP",
        "retval=0",
    ] {
        let (moving, before) = something();
        moving.set_service(&format!(
            "exec strace -f --seccomp-bpf -o /dev/null -e trace=linkat,fchmod \
             -e inject=linkat:error=ENOENT -e inject=fchmod:{fault} '{}'",
            program("qfile-unpacker").display()
        ));
        let moved = moving.run(&["d", "h"]);
        moved.assert_nothing_deleted(1, &before.with_times_of_access(&moved.left));
        moved.finished.assert_says("Last file: \"d/e/f\"");
        assert!(!moving.incoming().join("d/e/f").exists());
    }
}

fn what_stays_closed_on_bindfs_is_not_deleted() {
    for option in ["--chmod-deny", "--chmod-ignore", "--perms=fu-r"] {
        in_private_mounts(|| {
            let (moving, before) = something();
            fs::create_dir_all(moving.incoming()).expect("the home is ours");
            let mounted = Mounted::bindfs(&moving.incoming(), &[option]);
            let mounted = mounted.expect("it has been tried");
            let moved = moving.run(&["d", "h"]);
            moved.assert_nothing_deleted(1, &before.with_times_of_access(&moved.left));
            moved.finished.assert_says("Last file: \"d/e/f\"");
            drop(mounted);
        });
    }
}

fn what_lands_without_its_mode_is_deleted() {
    in_private_mounts(|| {
        let (moving, before) = something();
        fs::create_dir_all(moving.incoming()).expect("the home is ours");
        let options = ["--chmod-deny", "--perms=fu+r"];
        let mounted = Mounted::bindfs(&moving.incoming(), &options);
        let mounted = mounted.expect("it has been tried");
        moving.run(&["d", "h"]).assert_all_gone();
        assert_eq!(moving.arrived().paths(), before.paths());
        drop(mounted);
    });
}

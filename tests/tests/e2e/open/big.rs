//! A file of 2 GiB, both ways, by programs that may not have a fifth of that in memory.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use qfile_tests::editing::{Editing, NAME, OLD};
use qfile_tests::process::{run, wrapped_in};
use qfile_tests::suite;
use rustix::fs::statvfs;

suite! {
    two_gibibytes_both_ways_in_constant_memory [needs_disk],
}

const SIZE: u64 = 2 << 30;

/// Address space of each program, in KiB.
const MAX_MEMORY: &str = "400000";

/// The copy there and the answer; what is sent is sparse.
fn needs_disk() -> Result<(), String> {
    for folder in [std::env::temp_dir(), "/tmp".into()] {
        let disk = statvfs(&folder).map_err(|error| error.to_string())?;
        if disk.f_bavail * disk.f_frsize < 3 * SIZE {
            let folder = folder.display();
            return Err(format!("needs {} GiB in {folder}", (3 * SIZE) >> 30));
        }
    }
    Ok(())
}

fn marks() -> impl Iterator<Item = u64> {
    (0..SIZE).step_by(1 << 20)
}

fn two_gibibytes_both_ways_in_constant_memory() {
    let editing = Editing::with(NAME.as_ref(), OLD);
    let file = File::options().write(true).open(editing.file()).unwrap();
    file.set_len(SIZE).unwrap();
    for offset in marks() {
        file.write_all_at(&offset.to_be_bytes(), offset).unwrap();
    }
    drop(file);
    editing.editor("printf 'and more' >> \"$1\"");

    let mut open = editing.command("qvm-open-in-dvm");
    open.arg(editing.file());
    let limit = "ulimit -v \"$1\"; shift; exec \"$@\"";
    let limited = wrapped_in(&["sh", "-c", limit, "sh", MAX_MEMORY], &open);
    run(limited).assert_code(0);

    assert_eq!(fs::metadata(editing.file()).unwrap().len(), SIZE + 8);
    let file = File::open(editing.file()).unwrap();
    let mut mark = [0; 8];
    for offset in marks() {
        file.read_exact_at(&mut mark, offset).unwrap();
        assert_eq!(u64::from_be_bytes(mark), offset);
    }
    file.read_exact_at(&mut mark, SIZE).unwrap();
    assert_eq!(&mark, b"and more");
    assert_eq!(editing.names(), [NAME]);
}

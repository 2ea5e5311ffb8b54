//! The ends of the programs that move files over a device.

use qfile_tests::fifo;
use qfile_tests::process::Finished;
use qfile_tests::raw_device::Carriers;
use qfile_tests::terminal::Terminal;

const MIB: u64 = 1 << 20;

/// The program is given an image of which `prepare` makes what it needs.
fn ended(program: &str, arguments: &[&str], prepare: impl FnOnce(&Carriers)) -> Finished {
    let carriers = Carriers::new();
    let _image = carriers.image("image", MIB);
    prepare(&carriers);
    carriers.run(program, arguments)
}

fn with_files(carriers: &Carriers) {
    carriers.send(&[], &carriers.path("image")).assert_code(0);
}

pub(crate) fn files_are_written_to_a_device(program: &str) {
    ended(program, &["image", "src"], |_| {}).assert_code(0);
}

pub(crate) fn a_device_is_too_small(program: &str) {
    let grow = |carriers: &Carriers| drop(carriers.image("src/large", 2 * MIB));
    ended(program, &["image", "src"], grow).assert_code(1);
}

pub(crate) fn a_pipe_is_not_written_to_a_device(program: &str) {
    let add = |carriers: &Carriers| fifo::make(&carriers.path("src/pipe"));
    ended(program, &["image", "src"], add).assert_code(3);
}

pub(crate) fn writing_to_a_device_is_cancelled(program: &str) {
    let carriers = Carriers::new();
    let _image = carriers.image("image", 64 << 30);
    let _holes = carriers.image("src/large", 60 << 30);
    let mut command = carriers.command(program);
    command.args(["image", "src"]);
    let mut terminal = Terminal::start(&command, 100);
    terminal.until_shown("MiB of ");
    terminal.type_keys("\x03");
    terminal.finish().assert_code(32);
}

pub(crate) fn files_are_read_from_a_device(program: &str) {
    ended(program, &["image"], with_files).assert_code(0);
}

pub(crate) fn a_device_has_no_files(program: &str) {
    ended(program, &["image"], |_| {}).assert_code(1);
}

pub(crate) fn a_device_has_a_transfer(program: &str) {
    ended(program, &["image"], with_files).assert_code(0);
}

pub(crate) fn a_device_has_none(program: &str) {
    ended(program, &["image"], |_| {}).assert_code(1);
}

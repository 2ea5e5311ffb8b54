//! Copies from qube to qube, all the way.

mod concurrent;
mod going_on;
mod options;
mod qrexec;
mod read_once;
mod trees;

qfile_tests::topics! {
    concurrent,
    going_on,
    options,
    qrexec,
    read_once,
    trees,
}

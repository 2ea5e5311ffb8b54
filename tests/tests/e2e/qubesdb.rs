//! QubesDB: the commands, the daemon, and two daemons that are kept equal.

mod commands;
mod daemon;
mod pair;

qfile_tests::topics! {
    commands,
    daemon,
    pair,
}

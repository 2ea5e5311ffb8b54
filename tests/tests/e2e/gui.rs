//! What file managers call, and the windows that they lead to.

mod desktop;
mod names;

qfile_tests::topics! {
    desktop,
    names,
}

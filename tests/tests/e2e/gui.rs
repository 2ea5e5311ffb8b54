//! What file managers call, and the windows that they lead to.

mod desktop;
mod desktop_select_file;
mod names;
mod select_file;

qfile_tests::topics! {
    desktop,
    desktop_select_file,
    names,
    select_file,
}

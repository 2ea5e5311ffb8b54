//! What file managers call, and the windows that they lead to.

mod desktop;
mod desktop_icons;
mod desktop_keymap;
mod desktop_monitors;
mod desktop_select_file;
mod keymap;
mod names;
mod select_file;

qfile_tests::topics! {
    desktop,
    desktop_icons,
    desktop_monitors,
    desktop_keymap,
    desktop_select_file,
    keymap,
    names,
    select_file,
}

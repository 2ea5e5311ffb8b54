//! What file managers call, and the windows that they lead to.

mod desktop;
mod desktop_icons;
mod desktop_monitors;
mod names;

qfile_tests::topics! {
    desktop,
    desktop_icons,
    desktop_monitors,
    names,
}

//! The applications of a qube: dom0's menu, and what its entries start.

mod app_menus;
mod bus;
mod messages;
mod start_app;

qfile_tests::topics! {
    app_menus,
    bus,
    messages,
    start_app,
}

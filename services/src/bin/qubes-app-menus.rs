//! The service qubes.GetAppmenus.

use std::process::ExitCode;

use program::{command_line, failure};
use services::app_menus::{self, AppMenus};

fn main() -> ExitCode {
    match command_line::parse() {
        Ok(AppMenus {}) => failure::end(app_menus::NAME, app_menus::serve()),
        Err(status) => status,
    }
}

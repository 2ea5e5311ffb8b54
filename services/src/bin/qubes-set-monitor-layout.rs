//! The service qubes.SetMonitorLayout.

use std::process::ExitCode;

use program::command_line;
use program::failure::end;
use services::monitor_layout;
use services::monitor_layout::args::SetMonitorLayout;

fn main() -> ExitCode {
    match command_line::parse::<SetMonitorLayout>() {
        Ok(args) => end(monitor_layout::NAME, monitor_layout::serve(&args)),
        Err(status) => status,
    }
}

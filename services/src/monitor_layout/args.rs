//! The command line of qubes-set-monitor-layout.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;
use desktop::x11::Display;
use program::command_line::time;

/// Set the monitors of this qube: the service qubes.SetMonitorLayout.
///
/// The program reads one line for each monitor from stdin: its width, its height, and its place on the
/// screen from the left and from the top, in pixels. Its width and height in millimetres can follow.
/// All numbers are decimal and separated by blanks. The lines are the whole layout: monitors that are
/// not in it are switched off.
///
/// All lines are read before anything is changed. If they cannot be understood, or the X server cannot
/// show the layout, the monitors stay as they are. If two calls are made, the layout of the later one
/// counts.
#[derive(Debug, Parser)]
#[command(name = "qubes-set-monitor-layout", version, after_help = STATUS)]
#[command(override_usage = "qubes-set-monitor-layout [OPTION]... < LINES")]
pub struct SetMonitorLayout {
    /// The X server, instead of :0, or of :1 in a qube with the service guivm-gui-agent
    #[arg(long, value_name = "DISPLAY")]
    pub display: Option<Display>,

    /// The longest time to wait for the X server, and then for its answers
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub wait: Duration,

    /// The longest time to wait for the lines
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub timeout: Duration,

    /// Must be empty: the service takes no argument
    #[arg(hide = true, value_parser = crate::args::no_argument)]
    pub argument: Option<OsString>,
}

const STATUS: &str = "\
Exit status:
  0  the monitors are as the lines say, or a later call was made
  1  the lines are no layout, or it cannot be set
  2  the command line is wrong";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        SetMonitorLayout::command().debug_assert();
        let args = SetMonitorLayout::try_parse_from(["x", "--", ""]).unwrap();
        assert_eq!(args.wait, Duration::from_secs(60));
        assert!(SetMonitorLayout::try_parse_from(["x", "--", "y"]).is_err());
    }
}

//! The command line.

use clap::Parser;

/// Send the icons of windows to dom0.
///
/// The program is started with the desktop. It calls the service qubes.WindowIconUpdater of dom0, and
/// sends it the icon of each window, and each new icon of a window. dom0 shows them on the windows of
/// this qube.
///
/// If the connection to dom0 ends, the program tries again after 1, 2, 4, up to 60 seconds, without
/// end. It ends with the X server.
#[derive(Clone, Copy, Debug, Parser)]
#[command(name = "icon-sender", version, after_help = AFTER_HELP)]
pub struct Args {}

const AFTER_HELP: &str = "\
Exit status:
  0  the X server has ended, the program was told to end, or this qube has no windows to speak of:
     it has the service minimal-netvm or minimal-usbvm
  1  there is no X server or no qrexec
  2  the command line is wrong

Environment:
  DISPLAY  the X server";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }
}

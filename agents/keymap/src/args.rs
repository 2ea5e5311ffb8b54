//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Set the keyboard layout that dom0 wants.
///
/// The layout is the key /keyboard-layout of QubesDB. It is set on each display of this user with
/// setxkbmap, at once and after each change of the key. If a layout cannot be set, a notification says
/// why, and the old layout stays.
#[derive(Clone, Debug, Parser)]
#[command(name = "qubes-keymap", version, after_help = AFTER_HELP)]
pub struct Args {
    /// Set the layout once, and do not wait for changes
    #[arg(long)]
    pub once: bool,

    /// The folder with the sockets of the X servers
    #[arg(long, value_name = "FOLDER", default_value = "/tmp/.X11-unix")]
    pub sockets: PathBuf,
}

const AFTER_HELP: &str = "\
Exit status:
  0  with --once: the layout was set, or QubesDB has none
  1  QubesDB cannot be asked; with --once: the layout could not be set
  2  the command line is wrong";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_of_the_original_is_understood() {
        Args::command().debug_assert();
        let args = Args::try_parse_from(["qubes-keymap"]).unwrap();
        assert!(!args.once);
        assert_eq!(args.sockets, PathBuf::from("/tmp/.X11-unix"));
        assert!(Args::try_parse_from(["qubes-keymap", ":0"]).is_err());
    }
}

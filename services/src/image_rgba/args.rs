//! The command line of qubes-image-rgba.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;
use program::command_line::time;

/// Give a picture as pixels: the service qubes.GetImageRGBA.
///
/// The program reads a line from stdin, which names the picture: xdgicon:NAME is an icon of this
/// qube, FORMAT:- is a picture of this format that follows on stdin, - is one of any format, and
/// anything else is the name of a file. It writes the width and the height to stdout, then four
/// bytes for each pixel: red, green, blue and alpha. Nothing is written before the picture is
/// complete.
#[derive(Debug, Parser)]
#[command(name = "qubes-image-rgba", version, after_help = STATUS)]
#[command(override_usage = "qubes-image-rgba [OPTION]... < LINE")]
pub struct ImageRgba {
    /// The longest time for the whole call
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time)]
    pub timeout: Duration,

    /// Must be empty: the service takes no argument
    #[arg(hide = true, value_parser = crate::args::no_argument)]
    pub argument: Option<OsString>,
}

const STATUS: &str = "\
Exit status:
  0   the picture was written
  1   there is no such picture, it is not complete, or it is too large
  2   the command line is wrong";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        ImageRgba::command().debug_assert();
        let parsed = |words: &[&str]| ImageRgba::try_parse_from(words).is_ok();
        assert!(parsed(&["x", "--", ""]));
        assert!(!parsed(&["x", "--", "--timeout=1s"]));
    }
}

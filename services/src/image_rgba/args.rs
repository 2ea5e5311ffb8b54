//! The command line of qubes-image-rgba.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use picture::Format;
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

    /// Decode stdin: the program starts itself with it
    #[arg(long, hide = true)]
    pub decode: Option<Work>,

    /// The format of stdin
    #[arg(long, hide = true, requires = "decode", value_parser = format)]
    pub format: Option<Format>,

    /// Must be empty: the service takes no argument
    #[arg(hide = true, value_parser = crate::args::no_argument)]
    pub argument: Option<OsString>,
}

/// What the decoder decodes, which decides its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// The icon of an application.
    Icon,
    /// Any picture.
    Picture,
}

fn format(typed: &str) -> Result<Format, String> {
    Format::named(typed.as_bytes()).ok_or_else(|| "it is no known format".to_owned())
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
        assert!(parsed(&["x", "--decode", "icon", "--format", "png"]));
        assert!(!parsed(&["x", "--", "--decode=icon"]));
        assert!(!parsed(&["x", "--decode", "icon", "--format", "mvg"]));
    }
}

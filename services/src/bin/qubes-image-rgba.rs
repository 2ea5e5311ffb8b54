//! The service qubes.GetImageRGBA.

use std::process::ExitCode;

use program::command_line;
use services::image_rgba::{self, args::ImageRgba};

fn main() -> ExitCode {
    match command_line::parse::<ImageRgba>() {
        Ok(args) => image_rgba::serve(&args),
        Err(status) => status,
    }
}

//! The service qubes.GetImageRGBA: gives a picture of this qube, or one that the caller sends, as
//! pixels.
//!
//! Two processes. The first reads the line that names the picture (`request`), opens the file or
//! finds the icon (`source`), and starts the second, the decoder (`decoder`): it has the picture as
//! stdin and the answer as stdout, gives up everything else (`confine`) and decodes. It writes
//! nothing before the picture is whole. Whatever a picture makes of a decoder, also one that runs
//! out of memory or time, the first process says it and ends with a status.

pub mod args;
mod confine;
mod decoder;
mod request;
mod source;

use std::process::ExitCode;

use program::failure::{self, Failure};

use self::args::ImageRgba;
use self::request::Request;

/// The name of the program.
pub const NAME: &str = "qubes-image-rgba";

/// Serves a call, or is the decoder of one.
#[must_use]
pub fn serve(args: &ImageRgba) -> ExitCode {
    match &args.decode {
        Some(work) => decoder::decode(*work, args.format),
        None => failure::end(NAME, answer(args)),
    }
}

fn answer(args: &ImageRgba) -> Result<(), Failure> {
    let deadline = std::time::Instant::now() + args.timeout;
    let untrusted_line = request::line(deadline)?;
    let request = Request::parse(&untrusted_line)?;
    let source = source::open(&request)?;
    decoder::run(source, deadline)
}

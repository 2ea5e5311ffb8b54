//! The service qubes.GetImageRGBA: gives a picture of this qube, or one that the caller sends, as
//! pixels.
//!
//! Two processes. The first reads the line that names the picture (`request`) and becomes two. The
//! second is the decoder (`decoder`): it opens the file or finds the icon (`source`), gives up
//! everything but the picture and the answer (`confine`), and decodes. It writes nothing before the
//! picture is whole. Whatever a picture makes of a decoder, also one that runs out of memory or
//! time, the first process says it and ends with a status.

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

/// Serves a call.
#[must_use]
pub fn serve(args: &ImageRgba) -> ExitCode {
    failure::end(NAME, answer(args))
}

fn answer(args: &ImageRgba) -> Result<(), Failure> {
    let deadline = std::time::Instant::now() + args.timeout;
    let failed = Failure::of("cannot close what the caller has open");
    confine::close_inherited().map_err(failed)?;
    let untrusted_line = request::line(deadline)?;
    let request = Request::parse(&untrusted_line)?;
    decoder::run(&request, deadline)
}

//! The decoders, one format each.

mod bmp;
mod gif;
mod ico;
mod jpeg;
mod png;
mod svg;
mod webp;
mod xpm;
mod xpm_names;

use crate::{Error, Format, Limits, Picture};

/// Decodes a picture of a known format.
pub(crate) fn decode(untrusted: &[u8], format: Format, limits: &Limits) -> Result<Picture, Error> {
    let decode = match format {
        Format::Png => png::decode,
        Format::Jpeg => jpeg::decode,
        Format::Gif => gif::decode,
        Format::WebP => webp::decode,
        Format::Bmp => bmp::decode,
        Format::Ico => ico::decode,
        Format::Xpm => xpm::decode,
        Format::Svg => svg::decode,
    };
    decode(untrusted, limits)
}

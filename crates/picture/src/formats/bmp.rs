//! BMP.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder, ImageError};

use crate::{Error, Format, Limits, Picture};

/// Decodes a picture.
pub(crate) fn decode(untrusted: &[u8], limits: &Limits) -> Result<Picture, Error> {
    let decoder = BmpDecoder::new(Cursor::new(untrusted));
    of(
        decoder.map_err(Error::broken(Format::Bmp))?,
        Format::Bmp,
        limits,
    )
}

/// Takes the pixels of a decoder of `image`.
pub(crate) fn of(
    decoder: impl ImageDecoder,
    format: Format,
    limits: &Limits,
) -> Result<Picture, Error> {
    let broken = Error::broken::<ImageError>(format);
    let (width, height) = decoder.dimensions();
    let mut picture = Picture::clear(width, height, limits)?;
    let (bytes, has_alpha) = match decoder.color_type() {
        ColorType::Rgba8 => (4, true),
        ColorType::Rgb8 => (3, false),
        _ => return Err(Error::broken(format)("unusual channels")),
    };
    let len = picture.len() * bytes;
    decoder
        .read_image(&mut picture.rgba[..len])
        .map_err(broken)?;
    if !has_alpha {
        picture.expand_rgb();
    }
    Ok(picture)
}

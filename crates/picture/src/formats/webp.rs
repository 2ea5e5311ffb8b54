//! WebP: lossy and lossless; the first picture of an animation.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use crate::{Error, Format, Limits, Picture};

/// Decodes a picture.
pub(crate) fn decode(untrusted: &[u8], limits: &Limits) -> Result<Picture, Error> {
    let broken = Error::broken::<DecodingError>(Format::WebP);
    let mut decoder = WebPDecoder::new(Cursor::new(untrusted)).map_err(broken)?;
    let (width, height) = decoder.dimensions();
    let mut picture = Picture::clear(width, height, limits)?;
    decoder.set_memory_limit(picture.rgba.len());
    let (bytes, has_alpha) = match decoder.has_alpha() {
        true => (4, true),
        false => (3, false),
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

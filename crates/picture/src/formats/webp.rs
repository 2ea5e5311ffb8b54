//! WebP: lossy and lossless; the first picture of an animation.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use crate::{Error, Format, Limits, Picture};

/// Decodes a picture.
pub(crate) fn decode(untrusted: &[u8], limits: &Limits) -> Result<Picture, Error> {
    let broken = Error::broken::<DecodingError>(Format::WebP);
    // The library does not notice that the last bytes of lossy pixels are missing.
    if !is_whole(untrusted) {
        return Err(Error::broken(Format::WebP)("it ends too early"));
    }
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

/// Is there as much as the header of the container promises (RFC 9649, 2.3)?
fn is_whole(untrusted: &[u8]) -> bool {
    let header = untrusted.split_at_checked(8);
    header.is_some_and(|(header, content)| {
        let promised = [header[4], header[5], header[6], header[7]];
        content.len() >= u32::from_le_bytes(promised) as usize
    })
}

//! GIF: the first picture of an animation, on the whole screen that the file announces.

use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};

use crate::{Error, Format, Limits, Picture};

/// Decodes the first picture. What lies outside of the screen is cut off.
pub(crate) fn decode(untrusted: &[u8], limits: &Limits) -> Result<Picture, Error> {
    let broken = Error::broken::<DecodingError>(Format::Gif);
    let pixels = u64::from(limits.width) * u64::from(limits.height);
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    if let Some(bytes) = NonZeroU64::new(pixels * 4) {
        options.set_memory_limit(MemoryLimit::Bytes(bytes));
    }
    let mut decoder = options.read_info(untrusted).map_err(broken)?;
    let screen = (decoder.width(), decoder.height());
    let frame = decoder.next_frame_info().map_err(broken)?;
    let frame = frame.ok_or_else(|| Error::broken(Format::Gif)("no picture"))?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let size = (frame.width, frame.height);
    limits.check(size.0.into(), size.1.into())?;
    // Some programs announce no screen.
    let (width, height) = match screen {
        (0, _) | (_, 0) => size,
        announced => announced,
    };
    let mut picture = Picture::clear(width.into(), height.into(), limits)?;
    if size == (width, height) && (left, top) == (0, 0) {
        decoder
            .read_into_buffer(&mut picture.rgba)
            .map_err(broken)?;
        return Ok(picture);
    }
    let stride = usize::from(size.0) * 4;
    let mut frame = vec![0; stride * usize::from(size.1)];
    decoder.read_into_buffer(&mut frame).map_err(broken)?;
    let whole = picture.stride();
    let rows = picture.rgba.chunks_exact_mut(whole).skip(top);
    for (to, from) in rows.zip(frame.chunks_exact(stride)) {
        let to = to.get_mut(left * 4..).unwrap_or_default();
        let len = to.len().min(from.len());
        to[..len].copy_from_slice(&from[..len]);
    }
    Ok(picture)
}

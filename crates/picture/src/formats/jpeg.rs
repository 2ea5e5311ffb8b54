//! JPEG: baseline and progressive; grey, Y'CbCr, R G B, and the four inks of printers.

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::{Error, Format, Limits, Picture};

/// Decodes a picture. One that ends too early is refused.
pub(crate) fn decode(untrusted: &[u8], limits: &Limits) -> Result<Picture, Error> {
    let broken = Error::broken::<DecodeErrors>(Format::Jpeg);
    let silent = Error::broken::<&str>(Format::Jpeg);
    // The library does not notice that the lowest blocks are missing.
    if !has_end(untrusted) {
        return Err(silent("it ends too early"));
    }
    // The limits are compared below: what the decoder says of its own names no size.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(u16::MAX.into())
        .set_max_height(u16::MAX.into());
    let mut probe = JpegDecoder::new_with_options(ZCursor::new(untrusted), options);
    probe.decode_headers().map_err(broken)?;
    let info = probe.info().ok_or_else(|| silent("no size"))?;
    let mut picture = Picture::clear(info.width.into(), info.height.into(), limits)?;
    // The library writes pixels of four inks with a stride of three bytes, whatever it is asked
    // for, and adds no alpha to pixels that are R G B already.
    let has_no_alpha = matches!(
        probe.input_colorspace(),
        Some(ColorSpace::CMYK | ColorSpace::YCCK | ColorSpace::RGB)
    );
    let (colors, bytes) = match has_no_alpha {
        true => (ColorSpace::RGB, 3),
        false => (ColorSpace::RGBA, 4),
    };
    drop(probe);
    let options = options.jpeg_set_out_colorspace(colors);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(untrusted), options);
    decoder.decode_headers().map_err(broken)?;
    let len = picture.len() * bytes;
    if decoder.output_buffer_size() != Some(len) || decoder.output_colorspace() != Some(colors) {
        return Err(silent("unusual channels"));
    }
    decoder
        .decode_into(&mut picture.rgba[..len])
        .map_err(broken)?;
    if has_no_alpha {
        picture.expand_rgb();
    }
    Ok(picture)
}

/// Does the marker of the end (`EOI`) follow? Segments are passed over by their lengths, since a
/// preview within one has an end of its own (ITU-T T.81, annex B).
fn has_end(untrusted: &[u8]) -> bool {
    let mut rest = untrusted;
    while let Some(at) = rest.iter().position(|byte| *byte == 0xFF) {
        let after = &rest[at + 1..];
        rest = match after {
            [0xD9, ..] => return true,
            // Bytes that fill, a byte FF of the pixels, and markers without a segment.
            [0xFF, ..] => after,
            [0x00 | 0x01 | 0xD0..=0xD8, others @ ..] => others,
            [_, high, low, ..] => {
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                after.get(1 + len..).unwrap_or_default()
            }
            _ => return false,
        };
    }
    false
}

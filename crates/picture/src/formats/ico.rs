//! ICO: the largest picture of an icon of Windows, which is a PNG or a BMP without its first
//! header.

use std::io::Cursor;

use image::codecs::ico::IcoDecoder;

use super::{bmp, png};
use crate::{Error, Format, Limits, Picture};

/// Bytes before the list of pictures.
const HEADER_LEN: usize = 6;

/// Bytes of an item of the list.
const ITEM_LEN: usize = 16;

/// Bytes of the usual header of a picture (`BITMAPINFOHEADER`).
const HEADER_OF_WINDOWS_3: u32 = 40;

/// Decodes the largest picture; of several, that with the most colours.
///
/// The library would refuse a PNG that has not exactly four channels of 8 bits, and look at the
/// colours first.
pub(crate) fn decode(untrusted: &[u8], limits: &Limits) -> Result<Picture, Error> {
    let broken = Error::broken::<&str>(Format::Ico);
    let (header, rest) = untrusted
        .split_at_checked(HEADER_LEN)
        .ok_or_else(|| broken("no list"))?;
    let count = usize::from(u16::from_le_bytes([header[4], header[5]]));
    let items = rest.chunks_exact(ITEM_LEN).take(count);
    let item = items
        .max_by_key(|item| {
            // 0 stands for 256.
            let side = |byte: u8| u32::from(byte.wrapping_sub(1)) + 1;
            (side(item[0]) * side(item[1]), item[6], item[7])
        })
        .ok_or_else(|| broken("no picture"))?;
    let number =
        |at: usize| u32::from_le_bytes([item[at], item[at + 1], item[at + 2], item[at + 3]]);
    let (len, start) = (number(8) as usize, number(12) as usize);
    let content = start
        .checked_add(len)
        .and_then(|end| untrusted.get(start..end));
    let content = content.ok_or_else(|| broken("the picture is cut off"))?;
    if Format::of(content) == Some(Format::Png) {
        return png::decode(content, limits);
    }
    // An icon with this picture alone.
    let offset = u32::try_from(HEADER_LEN + ITEM_LEN).unwrap_or_default();
    let mut alone = Vec::with_capacity(HEADER_LEN + ITEM_LEN + len);
    alone.extend_from_slice(&[0, 0, 1, 0, 1, 0]);
    alone.extend_from_slice(&item[..12]);
    alone.extend_from_slice(&offset.to_le_bytes());
    alone.extend_from_slice(content);
    let decoder = IcoDecoder::new(Cursor::new(alone)).map_err(Error::broken(Format::Ico))?;
    let mut picture = bmp::of(decoder, Format::Ico, limits)?;
    if picture.rgba.chunks_exact(4).all(|pixel| pixel[3] == 0) {
        show_by_mask(content, &mut picture);
    }
    Ok(picture)
}

/// Makes opaque what the mask leaves visible. A picture of 32 bits whose alpha is 0 everywhere has
/// no alpha: programs from before Windows XP wrote 0.
fn show_by_mask(content: &[u8], picture: &mut Picture) {
    let number = |at: usize| {
        let bytes = content.get(at..at + 4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    let is_of_32_bits = content.get(14..16) == Some(&32u16.to_le_bytes());
    let (true, Some(header_len)) = (is_of_32_bits, number(0)) else {
        return;
    };
    // Three masks of channels follow the header (`BI_BITFIELDS`).
    let has_fields = header_len == HEADER_OF_WINDOWS_3 && number(16) == Some(3);
    let start = header_len as usize + if has_fields { 12 } else { 0 } + picture.rgba.len();
    let mask = content.get(start..).unwrap_or_default();
    let (width, stride) = (picture.width as usize, picture.stride());
    // A row of the mask is whole words of 32 bits. The rows begin at the bottom.
    let rows = picture.rgba.chunks_exact_mut(stride).rev();
    for (y, row) in rows.enumerate() {
        let bits = mask.get(y * width.div_ceil(32) * 4..).unwrap_or_default();
        for (x, pixel) in row.chunks_exact_mut(4).enumerate() {
            let is_hidden = bits
                .get(x / 8)
                .is_some_and(|byte| byte & (0x80 >> (x % 8)) != 0);
            pixel[3] = if is_hidden { 0 } else { u8::MAX };
        }
    }
}

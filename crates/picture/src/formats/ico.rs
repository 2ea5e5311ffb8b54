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
    bmp::of(decoder, Format::Ico, limits)
}

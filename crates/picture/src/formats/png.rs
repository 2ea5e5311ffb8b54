//! PNG, row by row: no second copy of the picture exists, also where it has 16 bits a channel.

use std::io::Cursor;

use png::{
    BitDepth, ColorType, Decoder, DecodingError, InterlaceInfo, Transformations,
    expand_interlaced_row,
};

use crate::{Error, Format, Limits, Picture};

/// Most bytes of what stands beside the pixels, such as a palette.
const MAX_BESIDE: usize = 8 << 20;

/// Bits of a pixel of ours.
const BITS: u8 = 32;

/// Decodes the still picture of a file.
pub(crate) fn decode(untrusted: &[u8], limits: &Limits) -> Result<Picture, Error> {
    let broken = Error::broken::<DecodingError>(Format::Png);
    let beside = png::Limits { bytes: MAX_BESIDE };
    let mut decoder = Decoder::new_with_limits(Cursor::new(untrusted), beside);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    // Palettes, few bits and the clear colour become whole channels.
    decoder.set_transformations(Transformations::EXPAND);
    let (width, height) = decoder.read_header_info().map_err(broken)?.size();
    let mut picture = Picture::clear(width, height, limits)?;
    let stride = picture.stride();
    let mut reader = decoder.read_info().map_err(broken)?;
    // The library would panic (found by fuzzing).
    let palette = reader.info().palette.as_deref().unwrap_or_default();
    if palette.len() % 3 != 0 {
        return Err(Error::broken(Format::Png)("the palette is cut off"));
    }
    let samples = Samples::of(reader.output_color_type());
    let mut line = vec![0; stride];
    let mut rows = 0;
    // The last step, which finds no more rows, compares the checksums of what was read.
    while let Some(row) = reader.next_interlaced_row().map_err(broken)? {
        let line = samples.convert(row.data(), &mut line);
        match row.interlace() {
            InterlaceInfo::Adam7(pass) => {
                expand_interlaced_row(&mut picture.rgba, stride, line, pass, BITS);
            }
            InterlaceInfo::Null(_) => {
                let whole = picture.rgba.chunks_exact_mut(stride).nth(rows);
                if let Some(whole) = whole.filter(|whole| whole.len() == line.len()) {
                    whole.copy_from_slice(line);
                    rows += 1;
                }
            }
        }
    }
    match reader.info().interlaced || rows == height as usize {
        true => Ok(picture),
        false => Err(Error::broken(Format::Png)("rows are missing")),
    }
}

/// What the samples of a row are.
#[derive(Clone, Copy)]
struct Samples {
    channels: usize,
    has_16_bits: bool,
}

impl Samples {
    /// With all transformations done.
    fn of((color, depth): (ColorType, BitDepth)) -> Self {
        Self {
            channels: color.samples(),
            has_16_bits: depth == BitDepth::Sixteen,
        }
    }

    /// Writes a row into the beginning of `rgba`, as far as there is room.
    fn convert<'a>(self, row: &[u8], rgba: &'a mut [u8]) -> &'a [u8] {
        let bytes = self.channels << u8::from(self.has_16_bits);
        let count = (row.len() / bytes).min(rgba.len() / 4);
        let rgba = &mut rgba[..count * 4];
        if self.channels == 4 && !self.has_16_bits {
            rgba.copy_from_slice(&row[..count * 4]);
            return rgba;
        }
        for (from, to) in row.chunks_exact(bytes).zip(rgba.chunks_exact_mut(4)) {
            let sample = |number: usize| match self.has_16_bits {
                false => from[number],
                true => narrowed(u16::from_be_bytes([from[number * 2], from[number * 2 + 1]])),
            };
            let pixel = match self.channels {
                1 => [sample(0), sample(0), sample(0), u8::MAX],
                2 => [sample(0), sample(0), sample(0), sample(1)],
                3 => [sample(0), sample(1), sample(2), u8::MAX],
                _ => [sample(0), sample(1), sample(2), sample(3)],
            };
            to.copy_from_slice(&pixel);
        }
        rgba
    }
}

/// The nearest value of 8 bits: 65535 is 255 (PNG specification, 13.12).
fn narrowed(sample: u16) -> u8 {
    let nearest = (u32::from(sample) * 255 + 32_767) / 65_535;
    u8::try_from(nearest).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::narrowed;

    #[test]
    fn sixteen_bits_become_the_nearest_eight() {
        for value in 0..=u8::MAX {
            assert_eq!(narrowed(u16::from(value) * 257), value);
        }
        assert_eq!((narrowed(128), narrowed(129)), (0, 1));
    }
}

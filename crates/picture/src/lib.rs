//! Pictures of any usual format as pixels: R G B A, 8 bits each, alpha straight.
//!
//! [`decode`] is the only entry. [`Format`] is what a picture is recognised by, and the modules of
//! `formats` decode one format each, nearly all with a library. `scale` makes a picture smaller.
//!
//! The bytes are hostile. The size in pixels is compared with [`Limits`] before memory is allocated
//! for it, but a decoder can still need much time and memory: whoever calls [`decode`] has limits
//! for both, and expects that the process ends there. Nothing here opens a file: an SVG picture
//! that refers to another one is drawn without it.

mod error;
mod format;
mod formats;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(test)]
mod golden;
mod scale;

pub use error::Error;
pub use format::{Format, NAMES};

/// What a picture may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The greatest width in pixels.
    pub width: u32,
    /// The greatest height in pixels.
    pub height: u32,
    /// A larger picture is made smaller until neither side has more pixels than this. A drawing,
    /// which has no pixels of its own, may then be larger than `width` and `height`.
    pub fit: Option<u32>,
}

impl Limits {
    /// What dom0 takes as a picture.
    pub const PICTURE: Self = Self {
        width: 8192,
        height: 5120,
        fit: None,
    };

    /// What dom0 takes as an icon, made smaller as icons of menus are.
    pub const ICON: Self = Self {
        width: 2048,
        height: 2048,
        fit: Some(512),
    };

    /// Compares the size of a picture with the limits.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::TooLarge`].
    pub(crate) fn check(&self, width: u32, height: u32) -> Result<(), Error> {
        match () {
            () if width == 0 || height == 0 => Err(Error::Empty),
            () if width > self.width || height > self.height => Err(Error::TooLarge {
                size: (width, height),
                limit: (self.width, self.height),
            }),
            () => Ok(()),
        }
    }
}

/// A whole picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Four bytes for each pixel, rows from the top, pixels from the left.
    pub rgba: Vec<u8>,
}

impl Picture {
    /// A clear picture of this size, if `limits` allow it.
    pub(crate) fn clear(width: u32, height: u32, limits: &Limits) -> Result<Self, Error> {
        limits.check(width, height)?;
        Ok(Self {
            width,
            height,
            rgba: vec![0; width as usize * height as usize * 4],
        })
    }

    /// Bytes in a row.
    pub(crate) fn stride(&self) -> usize {
        self.width as usize * 4
    }

    /// How many pixels there are.
    pub(crate) fn len(&self) -> usize {
        self.width as usize * self.height as usize
    }

    /// Adds the alpha of opaque pixels to pictures whose first bytes are R G B R G B …
    pub(crate) fn expand_rgb(&mut self) {
        for at in (0..self.len()).rev() {
            let [red, green, blue] = [0, 1, 2].map(|channel| self.rgba[at * 3 + channel]);
            self.rgba[at * 4..][..4].copy_from_slice(&[red, green, blue, u8::MAX]);
        }
    }
}

/// Decodes a picture. Without `wanted` the format is recognised by the first bytes.
///
/// # Errors
/// It is no picture of the wanted format, or of any; it exceeds the limits; or it is broken: there
/// is no half of a picture.
pub fn decode(untrusted: &[u8], wanted: Option<Format>, limits: &Limits) -> Result<Picture, Error> {
    // A text can begin with anything, so whoever names its format is believed.
    let named = wanted.filter(|format| matches!(format, Format::Svg | Format::Xpm));
    let found = Format::of(untrusted).or(named).ok_or(Error::Unknown)?;
    if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
        return Err(Error::OtherFormat { wanted, found });
    }
    let picture = formats::decode(untrusted, found, limits)?;
    Ok(match limits.fit {
        Some(side) => scale::fit(picture, side),
        None => picture,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_is_refused_without_a_guess() {
        for bytes in [
            &b""[..],
            b"x",
            b"%PDF-1.7",
            b"push graphic-context",
            b"\0\0\0\0",
        ] {
            assert_eq!(decode(bytes, None, &Limits::PICTURE), Err(Error::Unknown));
        }
    }

    #[test]
    fn another_format_than_the_wanted_one_is_refused() {
        let refused = decode(b"GIF89a", Some(Format::Png), &Limits::PICTURE);
        let (wanted, found) = (Format::Png, Format::Gif);
        assert_eq!(refused, Err(Error::OtherFormat { wanted, found }));
    }

    #[test]
    fn a_picture_has_at_least_a_pixel_and_at_most_those_of_the_limit() {
        let check = |width, height| Limits::PICTURE.check(width, height);
        assert_eq!(check(8192, 5120), Ok(()));
        assert_eq!(
            (check(0, 1), check(1, 0)),
            (Err(Error::Empty), Err(Error::Empty))
        );
        for (width, height) in [(8193, 1), (1, 5121), (u32::MAX, u32::MAX)] {
            assert!(matches!(check(width, height), Err(Error::TooLarge { .. })));
        }
    }

    #[test]
    fn opaque_pixels_get_their_alpha_in_place() {
        let limits = Limits::ICON;
        let mut picture = Picture::clear(2, 1, &limits).unwrap();
        picture.rgba[..6].copy_from_slice(&[1, 2, 3, 4, 5, 6]);
        picture.expand_rgb();
        assert_eq!(picture.rgba, [1, 2, 3, 255, 4, 5, 6, 255]);
    }
}

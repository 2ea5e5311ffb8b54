//! An icon that may be sent, in the format of qubes.GetImageRGBA.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

/// The largest width and height of an icon that is sent. The receiver takes 2048.
pub(crate) const MAX_SIDE: u16 = 1024;

/// The width and height of an icon that may be sent: 1 to [`MAX_SIDE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    width: u16,
    height: u16,
}

impl Size {
    /// `None` for what may not be sent.
    pub(crate) fn new(width: u32, height: u32) -> Option<Self> {
        let side = |untrusted: u32| {
            let side = u16::try_from(untrusted).ok()?;
            (1..=MAX_SIDE).contains(&side).then_some(side)
        };
        Some(Self {
            width: side(width)?,
            height: side(height)?,
        })
    }

    pub(crate) fn width(self) -> u16 {
        self.width
    }

    pub(crate) fn height(self) -> u16 {
        self.height
    }

    /// The number of pixels.
    pub(crate) fn pixels(self) -> u32 {
        u32::from(self.width) * u32::from(self.height)
    }
}

/// The width and height as the header of an image has them.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.width, self.height)
    }
}

/// An icon. It has exactly the pixels that its header announces.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Icon {
    size: Size,
    rgba: Vec<u8>,
}

impl Icon {
    /// The bytes are pixels: red, green, blue, alpha. `None` unless there are exactly as many as the size
    /// says.
    pub(crate) fn new(size: Size, rgba: Vec<u8>) -> Option<Self> {
        let is_whole = u32::try_from(rgba.len()) == Ok(size.pixels() * 4);
        is_whole.then_some(Self { size, rgba })
    }

    /// The bytes are the elements of a property, in the byte order of this machine, each of them a pixel:
    /// 0xAARRGGBB.
    pub(crate) fn from_argb(size: Size, mut elements: Vec<u8>) -> Option<Self> {
        for pixel in elements.chunks_exact_mut(4) {
            let [alpha, red, green, blue] =
                u32::from_ne_bytes([pixel[0], pixel[1], pixel[2], pixel[3]]).to_be_bytes();
            pixel.copy_from_slice(&[red, green, blue, alpha]);
        }
        Self::new(size, elements)
    }

    /// What is sent before the pixels: the number of the window, and the header of the image.
    pub(crate) fn header(&self, window: u32) -> Vec<u8> {
        format!("{window}\n{}\n", self.size).into_bytes()
    }

    /// The pixels.
    pub(crate) fn into_rgba(self) -> Vec<u8> {
        self.rgba
    }

    /// Icons that differ have different digests, unless somebody is very lucky; who is loses an icon.
    pub(crate) fn digest(&self, digests: &RandomState) -> u64 {
        digests.hash_one((self.size.width, self.size.height, &self.rgba))
    }
}

impl fmt::Debug for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Icon({})", self.size)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The elements of a property as bytes.
    pub(crate) fn bytes(elements: &[u32]) -> Vec<u8> {
        elements
            .iter()
            .flat_map(|element| element.to_ne_bytes())
            .collect()
    }

    #[test]
    fn a_pixel_is_sent_as_red_green_blue_and_alpha() {
        let size = Size::new(2, 1).unwrap();
        let icon = Icon::from_argb(size, bytes(&[0x1122_3344, 0xff00_0080])).unwrap();
        assert_eq!(icon.header(4_194_309), b"4194309\n2 1\n");
        assert_eq!(icon.into_rgba(), [0x22, 0x33, 0x44, 0x11, 0, 0, 0x80, 0xff]);
    }

    #[test]
    fn the_longest_header_is_one_that_the_receiver_takes() {
        let size = Size::new(1024, 1024).unwrap();
        let icon = Icon::new(size, vec![0; 4 << 20]).unwrap();
        let header = icon.header(u32::MAX);
        let lines: Vec<&[u8]> = header.split_inclusive(|byte| *byte == b'\n').collect();
        assert!(lines[0].len() <= 32 && lines[1].len() <= 10);
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn equal_icons_have_equal_digests() {
        let digests = RandomState::new();
        let digest = |width, height, byte| {
            let icon = Icon::new(Size::new(width, height).unwrap(), vec![byte; 8]).unwrap();
            icon.digest(&digests)
        };
        assert_eq!(digest(2, 1, 7), digest(2, 1, 7));
        assert_ne!(digest(2, 1, 7), digest(1, 2, 7));
        assert_ne!(digest(2, 1, 7), digest(2, 1, 8));
    }

    proptest! {
        #[test]
        fn no_icon_has_other_pixels_than_it_announces(
            width in 0_u32..40, height in 0_u32..40, len in 0_usize..10_000
        ) {
            let icon = Size::new(width, height).and_then(|size| Icon::new(size, vec![0; len]));
            let fits = width > 0 && height > 0 && (width * height * 4) as usize == len;
            prop_assert_eq!(icon.is_some(), fits);
        }

        #[test]
        fn only_sizes_that_the_receiver_takes_are_sizes(width in any::<u32>(), height in 1000_u32..1100) {
            for (width, height) in [(width, height), (height, width), (height, 1)] {
                let fits = (1..=1024).contains(&width) && (1..=1024).contains(&height);
                prop_assert_eq!(Size::new(width, height).is_some(), fits);
            }
        }
    }
}

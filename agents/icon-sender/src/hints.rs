//! The icon of a window that has no `_NET_WM_ICON`: the pixmaps that its property `WM_HINTS` names
//! (Inter-Client Communication Conventions Manual 2.0, 4.1.2.4).

use std::fmt;

use crate::icon::{Icon, Size};

/// The bits of the flags that say that a field is set.
const ICON_PIXMAP: u32 = 1 << 2;
const ICON_MASK: u32 = 1 << 5;

/// The elements of the property: the flags, and the two pixmaps.
const FLAGS_AT: usize = 0;
const ICON_PIXMAP_AT: usize = 3;
const ICON_MASK_AT: usize = 7;

/// How many elements are read. There is one more, the window group.
pub(crate) const LEN: u32 = 8;

/// The bits that a pixel of the two pixmaps can have.
pub(crate) const PIXMAP_DEPTHS: [u8; 2] = [1, 24];
pub(crate) const MASK_DEPTHS: [u8; 2] = [1, 8];

/// A pixel of an icon of two colours that is set.
const SET: [u8; 4] = [0x7f, 0x7f, 0x7f, 0xff];

/// Which pixmaps an icon is made of, as a window claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hints {
    pub(crate) pixmap: u32,
    pub(crate) mask: Option<u32>,
}

impl Hints {
    /// Takes the property apart. `None` if it is too short or names no pixmap.
    pub(crate) fn parse(elements: &[u32]) -> Option<Self> {
        let mask = *elements.get(ICON_MASK_AT)?;
        let flags = elements[FLAGS_AT];
        (flags & ICON_PIXMAP != 0).then_some(Self {
            pixmap: elements[ICON_PIXMAP_AT],
            mask: (flags & ICON_MASK != 0).then_some(mask),
        })
    }
}

/// What is drawn on a pixmap.
pub(crate) struct Picture<'a> {
    pub(crate) size: Size,
    /// The bits of a pixel.
    pub(crate) depth: u8,
    /// The pixel at a column and a row that are in the picture.
    pub(crate) pixel: &'a dyn Fn(u16, u16) -> u32,
}

impl fmt::Debug for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}, {} bits)", self.size, self.depth)
    }
}

/// Makes an icon of the two pixmaps. `None` if one of them has a depth that an icon cannot have: it is 1
/// or 24, and that of a mask 1 or 8. What lies outside the mask is not seen.
pub(crate) fn icon(pixmap: &Picture<'_>, mask: Option<&Picture<'_>>) -> Option<Icon> {
    let colour: fn(u32) -> [u8; 4] = match pixmap.depth {
        1 => |pixel| if pixel & 1 == 1 { SET } else { [0; 4] },
        24 => |pixel| {
            let [_, red, green, blue] = pixel.to_be_bytes();
            [red, green, blue, 0xff]
        },
        _ => return None,
    };
    let opacity: fn(u32) -> u8 = match mask.map(|mask| mask.depth) {
        None => |_| 0xff,
        Some(1) => |pixel| if pixel & 1 == 1 { 0xff } else { 0 },
        Some(8) => |pixel| pixel.to_be_bytes()[3],
        Some(_) => return None,
    };
    let seen = |column, row| match mask {
        None => 0xff,
        Some(mask) if column < mask.size.width() && row < mask.size.height() => {
            opacity((mask.pixel)(column, row))
        }
        Some(_) => 0,
    };
    let mut rgba = Vec::with_capacity(pixmap.size.pixels() as usize * 4);
    for row in 0..pixmap.size.height() {
        for column in 0..pixmap.size.width() {
            let [red, green, blue, alpha] = colour((pixmap.pixel)(column, row));
            rgba.extend(match alpha.min(seen(column, row)) {
                0 => [0; 4],
                alpha => [red, green, blue, alpha],
            });
        }
    }
    Icon::new(pixmap.size, rgba)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture<'a>(
        width: u32,
        depth: u8,
        pixels: &'a [u32],
    ) -> (Size, u8, impl Fn(u16, u16) -> u32 + 'a) {
        let height = u32::try_from(pixels.len()).unwrap() / width;
        let size = Size::new(width, height).unwrap();
        let pixel = move |column: u16, row: u16| {
            assert!(column < size.width() && row < size.height());
            pixels[usize::from(row) * width as usize + usize::from(column)]
        };
        (size, depth, pixel)
    }

    type Sample<'a> = (u32, u8, &'a [u32]);

    fn made(pixmap: Sample<'_>, mask: Option<Sample<'_>>) -> Option<Vec<[u8; 4]>> {
        let (size, depth, pixel) = picture(pixmap.0, pixmap.1, pixmap.2);
        let pixmap = Picture {
            size,
            depth,
            pixel: &pixel,
        };
        let icon = match mask {
            None => icon(&pixmap, None),
            Some(mask) => {
                let (size, depth, pixel) = picture(mask.0, mask.1, mask.2);
                icon(
                    &pixmap,
                    Some(&Picture {
                        size,
                        depth,
                        pixel: &pixel,
                    }),
                )
            }
        };
        let pixels = icon?.into_rgba();
        Some(
            pixels
                .chunks(4)
                .map(|pixel| pixel.try_into().unwrap())
                .collect(),
        )
    }

    const GREY: [u8; 4] = SET;
    const NONE: [u8; 4] = [0; 4];

    #[test]
    fn a_pixmap_becomes_an_icon() {
        assert_eq!(
            made((2, 1, &[1, 0, 0, 1]), None),
            Some(vec![GREY, NONE, NONE, GREY])
        );
        // What is above the 24 bits does not count.
        assert_eq!(
            made((1, 24, &[0x0012_3456, 0xab00_0000]), None),
            Some(vec![[0x12, 0x34, 0x56, 0xff], [0, 0, 0, 0xff]])
        );
    }

    #[test]
    fn a_mask_of_any_shape_cuts_the_pixels_that_it_covers() {
        let colours: &[u32] = &[1, 2, 3, 4, 5, 6];
        let opaque = |blue| [0, 0, blue, 0xff];
        // Three columns and two rows.
        assert_eq!(
            made((3, 24, colours), Some((3, 1, &[1, 0, 1, 0, 1, 0]))),
            Some(vec![opaque(1), NONE, opaque(3), NONE, opaque(5), NONE])
        );
        // Smaller: what lies outside is not seen.
        assert_eq!(
            made((3, 24, colours), Some((2, 1, &[1, 1]))),
            Some(vec![opaque(1), opaque(2), NONE, NONE, NONE, NONE])
        );
        // Larger.
        assert_eq!(
            made(
                (3, 24, colours),
                Some((4, 1, &[0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1]))
            ),
            Some(vec![NONE, opaque(2), opaque(3), opaque(4), NONE, NONE])
        );
        // The mask of 8 bits is the opacity.
        assert_eq!(
            made(
                (3, 24, colours),
                Some((3, 8, &[0, 1, 0x80, 0xff, 0x1ff, 0x100]))
            ),
            Some(vec![
                NONE,
                [0, 0, 2, 1],
                [0, 0, 3, 0x80],
                opaque(4),
                opaque(5),
                NONE
            ])
        );
        assert_eq!(
            made((2, 1, &[1, 0]), Some((2, 8, &[0x80, 0x80]))),
            Some(vec![[0x7f, 0x7f, 0x7f, 0x80], NONE])
        );
    }

    #[test]
    fn another_depth_makes_no_icon() {
        for depth in [0, 4, 8, 16, 30, 32] {
            assert_eq!(made((1, depth, &[1]), None), None);
        }
        for depth in [0, 4, 16, 24, 32] {
            assert_eq!(made((1, 24, &[1]), Some((1, depth, &[1]))), None);
        }
    }

    #[test]
    fn hints_that_are_too_short_or_name_no_pixmap_are_none() {
        let hints = [ICON_PIXMAP | ICON_MASK, 0, 0, 7, 0, 0, 0, 8, 0];
        let both = Hints {
            pixmap: 7,
            mask: Some(8),
        };
        assert_eq!(Hints::parse(&hints), Some(both));
        assert_eq!(Hints::parse(&hints[..8]), Some(both));
        for len in 0..8 {
            assert_eq!(Hints::parse(&hints[..len]), None);
        }
        let with_flags = |flags| {
            let mut hints = hints;
            hints[0] = flags;
            Hints::parse(&hints)
        };
        assert_eq!(
            with_flags(ICON_PIXMAP),
            Some(Hints {
                pixmap: 7,
                mask: None
            })
        );
        assert_eq!(with_flags(ICON_MASK), None);
        assert_eq!(with_flags(0), None);
    }
}

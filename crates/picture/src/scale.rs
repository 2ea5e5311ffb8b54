//! Making a picture smaller: each pixel becomes the mean of those that it covers.

use crate::Picture;

/// The channels of a pixel, multiplied by its alpha, so that clear pixels have no colour.
type Sum = [f32; 4];

/// Makes a picture smaller, in proportion, until neither side has more than `side` pixels.
pub(crate) fn fit(picture: Picture, side: u32) -> Picture {
    let longer = picture.width.max(picture.height);
    if longer <= side {
        return picture;
    }
    let scaled = |length: u32| {
        let (length, longer) = (u64::from(length), u64::from(longer));
        let rounded = (length * u64::from(side) + longer / 2) / longer;
        u32::try_from(rounded).unwrap_or(side).max(1)
    };
    let (width, height) = (scaled(picture.width), scaled(picture.height));
    let columns = Shares::new(picture.width, width);
    let columns: Vec<Share> = (0..picture.width as usize).map(|x| columns.of(x)).collect();
    let rows = Shares::new(picture.height, height);
    let mut small = Picture {
        width,
        height,
        rgba: Vec::with_capacity(width as usize * height as usize * 4),
    };
    // The old row with as many pixels as the new ones have, the new row, and the one below it.
    let mut narrow = vec![Sum::default(); width as usize];
    let mut line = narrow.clone();
    let mut next = narrow.clone();
    for (y, row) in picture.rgba.chunks_exact(picture.stride()).enumerate() {
        narrow.fill(Sum::default());
        for (pixel, column) in row.chunks_exact(4).zip(&columns) {
            let [red, green, blue, alpha] = [0, 1, 2, 3].map(|channel| f32::from(pixel[channel]));
            let share = alpha / 255.0;
            let pixel = [red * share, green * share, blue * share, alpha];
            add(&mut narrow, column.at, pixel, column.first);
            if column.second > 0.0 {
                add(&mut narrow, column.at + 1, pixel, column.second);
            }
        }
        let share = rows.of(y);
        for (at, pixel) in narrow.iter().enumerate() {
            add(&mut line, at, *pixel, share.first);
            add(&mut next, at, *pixel, share.second);
        }
        if rows.of(y + 1).at > share.at {
            small.rgba.extend(line.iter().flat_map(straight));
            std::mem::swap(&mut line, &mut next);
            next.fill(Sum::default());
        }
    }
    // Rounding may leave the last row open.
    if small.rgba.len() < width as usize * height as usize * 4 {
        small.rgba.extend(line.iter().flat_map(straight));
    }
    small
}

/// Which of the new pixels of a line the old ones are part of.
struct Shares {
    old: u64,
    new: u64,
}

/// An old pixel covers a part of the new pixel `at`, and a part of the one behind it, both as
/// shares of a new pixel.
struct Share {
    at: usize,
    first: f32,
    second: f32,
}

impl Shares {
    fn new(old: u32, new: u32) -> Self {
        Self {
            old: old.into(),
            new: new.into(),
        }
    }

    /// Counted in units of which a new pixel has `old`, and an old pixel `new`, which is less.
    fn of(&self, pixel: usize) -> Share {
        let begin = pixel as u64 * self.new;
        let at = begin / self.old;
        let first = self.new.min((at + 1) * self.old - begin);
        let share = |units: u64| units as f32 / self.old as f32;
        Share {
            at: usize::try_from(at).unwrap_or(usize::MAX),
            first: share(first),
            second: share(self.new - first),
        }
    }
}

fn add(line: &mut [Sum], at: usize, pixel: Sum, weight: f32) {
    if let Some(sum) = line.get_mut(at) {
        for (sum, channel) in sum.iter_mut().zip(pixel) {
            *sum += channel * weight;
        }
    }
}

/// The pixel with this sum.
fn straight(sum: &Sum) -> [u8; 4] {
    let alpha = byte(sum[3]);
    match alpha {
        0 => [0; 4],
        _ => {
            let [red, green, blue] = [0, 1, 2].map(|channel| byte(sum[channel] * 255.0 / sum[3]));
            [red, green, blue, alpha]
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such a cast saturates"
)]
fn byte(value: f32) -> u8 {
    value.round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Picture {
        let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Picture {
            width,
            height,
            rgba: rows.flat_map(|(x, y)| pixel(x, y)).collect(),
        }
    }

    #[test]
    fn a_small_picture_stays_as_it_is() {
        let small = picture(512, 3, |x, y| {
            [1, x.to_le_bytes()[0], y.to_le_bytes()[0], 4]
        });
        assert_eq!(fit(small.clone(), 512), small);
    }

    #[test]
    fn a_picture_keeps_its_proportions_and_its_colour() {
        for (size, expected) in [
            ((1024, 512), (512, 256)),
            ((2048, 2047), (512, 512)),
            ((2048, 1), (512, 1)),
            ((513, 512), (512, 511)),
            ((777, 1234), (322, 512)),
        ] {
            let small = fit(picture(size.0, size.1, |_, _| [200, 100, 50, 255]), 512);
            assert_eq!((small.width, small.height), expected);
            assert_eq!(small.rgba.len(), small.len() * 4);
            assert!(
                small
                    .rgba
                    .chunks(4)
                    .all(|pixel| pixel == [200, 100, 50, 255])
            );
        }
    }

    #[test]
    fn clear_pixels_give_no_colour_to_their_neighbours() {
        let striped = picture(4, 2, |x, _| match x % 2 {
            0 => [255, 0, 0, 255],
            _ => [0, 255, 0, 0],
        });
        let small = fit(striped, 2);
        assert_eq!((small.width, small.height), (2, 1));
        assert_eq!(small.rgba, [255, 0, 0, 128].repeat(2));
    }

    #[test]
    fn a_pixel_on_a_border_is_shared() {
        let three = picture(3, 1, |x, _| {
            [[0, 150, 30][x as usize]; 3]
                .map(u8::from)
                .into_iter()
                .chain([255])
                .collect::<Vec<u8>>()
                .try_into()
                .unwrap()
        });
        let small = fit(three, 2);
        assert_eq!(small.rgba, [50, 50, 50, 255, 70, 70, 70, 255]);
    }
}

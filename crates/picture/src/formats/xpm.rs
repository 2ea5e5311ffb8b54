//! XPM, version 3: a picture as the text of a C program.
//!
//! Written here, because the library that has it (`image-extras`) needs a newer Rust. Of the text
//! only the string constants count: one with the sizes, one for each colour, one for each row.

use std::collections::HashMap;
use std::str::{self, FromStr as _};

use svgtypes::Color;

use super::xpm_names::{OTHERS, SHADES};
use crate::{Error, Format, Limits, Picture};

/// Most characters that stand for a pixel. Two are enough for 6,000 colours.
const MAX_CHARS: usize = 8;

/// What a colour has for each kind of screen, the best one first: colour, shades of grey, four of
/// them, black and white.
const KINDS: [&[u8]; 4] = [b"c", b"g", b"g4", b"m"];

/// The name that a colour can have beside those.
const SYMBOL: &[u8] = b"s";

type Pixel = [u8; 4];

/// Decodes a picture.
pub(crate) fn decode(untrusted: &[u8], limits: &Limits) -> Result<Picture, Error> {
    let broken = Error::broken::<&str>(Format::Xpm);
    let mut strings = Strings(untrusted);
    let sizes = strings.next().ok_or_else(|| broken("no sizes"))?;
    let sizes: Vec<u32> = words(sizes).map_while(number).take(4).collect();
    let [width, height, colors, chars] = sizes[..] else {
        return Err(broken("no sizes"));
    };
    limits.check(width, height)?;
    let chars = chars as usize;
    if !(1..=MAX_CHARS).contains(&chars) {
        return Err(broken("too many characters for a pixel"));
    }
    let mut palette: HashMap<&[u8], Pixel> = HashMap::new();
    for _ in 0..colors {
        let line = strings
            .next()
            .ok_or_else(|| broken("colours are missing"))?;
        let (key, rest) = line
            .split_at_checked(chars)
            .ok_or_else(|| broken("a colour has no characters"))?;
        let pixel = color(rest).ok_or_else(|| broken("a colour is unknown"))?;
        palette.insert(key, pixel);
    }
    let mut picture = Picture::clear(width, height, limits)?;
    let stride = picture.stride();
    let mut last: (&[u8], Pixel) = (b"", [0; 4]);
    for row in picture.rgba.chunks_exact_mut(stride) {
        let line = strings.next().ok_or_else(|| broken("rows are missing"))?;
        if line.len() < width as usize * chars {
            return Err(broken("a row is too short"));
        }
        for (key, to) in line.chunks_exact(chars).zip(row.chunks_exact_mut(4)) {
            // Neighbours are often equal.
            if key != last.0 {
                let pixel = palette.get(key);
                last = (key, *pixel.ok_or_else(|| broken("a pixel has no colour"))?);
            }
            to.copy_from_slice(&last.1);
        }
    }
    Ok(picture)
}

/// The string constants of a C program, without comments. Escapes do not occur in pictures.
struct Strings<'a>(&'a [u8]);

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let at = self.0.iter().position(|byte| b"\"/".contains(byte))?;
            let rest = &self.0[at + 1..];
            if self.0[at] == b'"' {
                let end = rest.iter().position(|byte| *byte == b'"')?;
                self.0 = &rest[end + 1..];
                return Some(&rest[..end]);
            }
            self.0 = match rest.first() {
                Some(b'*') => {
                    let end = rest[1..].windows(2).position(|two| two == b"*/")?;
                    &rest[1 + end + 2..]
                }
                _ => rest,
            };
        }
    }
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

fn number(word: &[u8]) -> Option<u32> {
    str::from_utf8(word).ok()?.parse().ok()
}

/// The pixel of a line `KIND COLOUR [KIND COLOUR]...`. The name of a colour can have several words.
fn color(line: &[u8]) -> Option<Pixel> {
    let mut best: Option<(usize, Vec<u8>)> = None;
    let mut words = words(line).peekable();
    while let Some(kind) = words.next() {
        let mut name = words.next()?.to_vec();
        while let Some(word) = words.next_if(|word| !KINDS.contains(word) && *word != SYMBOL) {
            name.extend_from_slice(word);
        }
        let rank = KINDS.iter().position(|known| *known == kind);
        if let Some(rank) = rank.filter(|rank| best.as_ref().is_none_or(|best| *rank < best.0)) {
            best = Some((rank, name));
        }
    }
    pixel(&best?.1.to_ascii_lowercase())
}

fn pixel(name: &[u8]) -> Option<Pixel> {
    let opaque = |[red, green, blue]: [u8; 3]| [red, green, blue, u8::MAX];
    if let Some(digits) = name.strip_prefix(b"#") {
        return hexadecimal(digits).map(opaque);
    }
    let name = str::from_utf8(name).ok()?;
    if matches!(name, "none" | "transparent") {
        return Some([0; 4]);
    }
    if let Some(color) = of_x11(name) {
        let [_, channels @ ..] = color.to_be_bytes();
        return Some(opaque(channels));
    }
    // The library also reads the functions of CSS.
    let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase());
    let color = Color::from_str(name).ok().filter(|_| is_name)?;
    Some(opaque([color.red, color.green, color.blue]))
}

/// The colour 0xRRGGBB of a name that only X11 has.
fn of_x11(name: &str) -> Option<u32> {
    if let Ok(at) = OTHERS.binary_search_by_key(&name, |(other, _)| *other) {
        return Some(OTHERS[at].1);
    }
    let start = name.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let number: u32 = name[start.len()..].parse().ok()?;
    if matches!(start, "gray" | "grey") {
        // Percent, rounded as in X11: a half up, but down of 50 and 90.
        let half = if matches!(number, 50 | 90) { 49 } else { 50 };
        return (number <= 100).then(|| (number * 255 + half) / 100 * 0x01_0101);
    }
    let at = SHADES
        .binary_search_by_key(&start, |(other, _)| *other)
        .ok()?;
    let shade = usize::try_from(number.checked_sub(1)?).ok()?;
    SHADES[at].1.get(shade).copied()
}

/// Three channels of one to four digits each, of which the first two count.
fn hexadecimal(digits: &[u8]) -> Option<[u8; 3]> {
    let each = digits.len() / 3;
    if digits.len() != each * 3 || !(1..=4).contains(&each) {
        return None;
    }
    let mut channels = [0; 3];
    for (channel, digits) in channels.iter_mut().zip(digits.chunks_exact(each)) {
        let value = |digit: u8| char::from(digit).to_digit(16);
        let first = value(digits[0])?;
        // All digits have to be some.
        let others: Option<Vec<u32>> = digits[1..].iter().map(|digit| value(*digit)).collect();
        let second = others?.first().copied().unwrap_or(first);
        *channel = u8::try_from(first * 16 + second).ok()?;
    }
    Some(channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_the_best_of_those_of_a_line() {
        for (line, expected) in [
            (" c #FF0000", Some([255, 0, 0, 255])),
            ("\tm white g gray50 c #00f s border", Some([0, 0, 255, 255])),
            (" m black", Some([0, 0, 0, 255])),
            (" c None", Some([0, 0, 0, 0])),
            (" c light blue", Some([173, 216, 230, 255])),
            (" c Green", Some([0, 255, 0, 255])),
            (" c gray50", Some([127, 127, 127, 255])),
            (" c grey90", Some([229, 229, 229, 255])),
            (" c gray10", Some([26, 26, 26, 255])),
            (" c gray30", Some([77, 77, 77, 255])),
            (" c gray70", Some([179, 179, 179, 255])),
            (" c gray99", Some([252, 252, 252, 255])),
            (" c grey100", Some([255, 255, 255, 255])),
            (" c grey0", Some([0, 0, 0, 255])),
            (" c Gray", Some([190, 190, 190, 255])),
            (" c dark sea green1", Some([193, 255, 193, 255])),
            (" c yellow4", Some([139, 139, 0, 255])),
            (" c yellow5", None),
            (" c yellow0", None),
            (" c navy blue", Some([0, 0, 128, 255])),
            (" c 1", None),
            (" c grey101", None),
            (" c #ffff00008080", Some([255, 0, 128, 255])),
            (" c #12345", None),
            (" c #12345g", None),
            (" c rgb(1,2,3)", None),
            (" c", None),
            (" s border", None),
            ("", None),
        ] {
            assert_eq!(color(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn the_names_of_x11_can_be_searched() {
        assert!(OTHERS.is_sorted_by_key(|(name, _)| *name));
        assert!(SHADES.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn strings_in_comments_are_none() {
        let text = b"/* \"x\" */ static char * a[] = { /* \"y\" */ \"1 2\", / \"3\" }; \"cut";
        let strings: Vec<&[u8]> = Strings(text).collect();
        assert_eq!(strings, [&b"1 2"[..], b"3"]);
        assert_eq!(Strings(b"/* \"").next(), None);
        assert_eq!(Strings(b"/").next(), None);
    }
}

//! The formats, their names, and what each is recognised by.

use std::borrow::Cow;
use std::fmt::{self, Display};

/// A format that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Portable Network Graphics.
    Png,
    /// JPEG.
    Jpeg,
    /// Graphics Interchange Format; of an animation the first picture.
    Gif,
    /// WebP; of an animation the first picture.
    WebP,
    /// Bitmap of Windows.
    Bmp,
    /// Icon of Windows; the largest picture of it.
    Ico,
    /// X pixmap, version 3.
    Xpm,
    /// Scalable Vector Graphics, also compressed with gzip.
    Svg,
}

/// The names of the formats, as callers write them before `:-`, in any case.
pub const NAMES: [(&str, Format); 10] = [
    ("png", Format::Png),
    ("jpeg", Format::Jpeg),
    ("jpg", Format::Jpeg),
    ("gif", Format::Gif),
    ("webp", Format::WebP),
    ("bmp", Format::Bmp),
    ("ico", Format::Ico),
    ("xpm", Format::Xpm),
    ("svg", Format::Svg),
    ("svgz", Format::Svg),
];

/// How far the first element of an SVG picture is looked for. Comments and definitions stand before
/// it.
const PROLOGUE: usize = 64 << 10;

/// How far the signature of an X pixmap is looked for.
const COMMENTS: usize = 1 << 10;

/// What compressed data begin with (RFC 1952).
pub(crate) const GZIP: &[u8] = b"\x1F\x8B\x08";

impl Format {
    /// The format with this name.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        let mut names = NAMES.iter();
        let found = names.find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        found.map(|(_, format)| *format)
    }

    /// What a picture begins as.
    #[must_use]
    pub fn of(untrusted: &[u8]) -> Option<Self> {
        let begins = |signature: &[u8]| untrusted.starts_with(signature);
        match () {
            () if begins(b"\x89PNG\r\n\x1A\n") => Some(Self::Png),
            () if begins(b"\xFF\xD8\xFF") => Some(Self::Jpeg),
            () if begins(b"GIF87a") || begins(b"GIF89a") => Some(Self::Gif),
            () if begins(b"RIFF") && untrusted.get(8..12) == Some(b"WEBP") => Some(Self::WebP),
            () if begins(b"BM") => Some(Self::Bmp),
            () if begins(b"\0\0\x01\0") => Some(Self::Ico),
            () if begins(GZIP) => Some(Self::Svg),
            () if is_xpm(untrusted) => Some(Self::Xpm),
            () if is_svg(untrusted) => Some(Self::Svg),
            () => None,
        }
    }
}

impl Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Gif => "GIF",
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
            Self::Ico => "ICO",
            Self::Xpm => "XPM",
            Self::Svg => "SVG",
        })
    }
}

/// The specification demands the comment `/* XPM */` at the beginning.
fn is_xpm(untrusted: &[u8]) -> bool {
    let start = untrusted[..untrusted.len().min(COMMENTS)].trim_ascii_start();
    let comment = start.strip_prefix(b"/*").unwrap_or_default();
    comment.trim_ascii_start().starts_with(b"XPM")
}

fn is_svg(untrusted: &[u8]) -> bool {
    let start = &untrusted[..untrusted.len().min(PROLOGUE)];
    // Of UTF-16, the bytes that are not 0 are enough.
    let is_utf16 = start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF");
    let start: Cow<'_, [u8]> = match is_utf16 {
        true => start[2..]
            .iter()
            .copied()
            .filter(|byte| *byte != 0)
            .collect(),
        false => start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).into(),
    };
    let start = start.trim_ascii_start();
    let mut tags = start.split(|byte| *byte == b'<').skip(1);
    start.starts_with(b"<")
        && tags.any(|tag| {
            let name = tag.split(|byte| byte.is_ascii_whitespace() || b"/>".contains(byte));
            let name = name.into_iter().next().unwrap_or_default();
            name == b"svg" || name.ends_with(b":svg")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_has_its_names_in_any_case_and_no_others() {
        assert_eq!(Format::named(b"PnG"), Some(Format::Png));
        assert_eq!(Format::named(b"jpg"), Some(Format::Jpeg));
        for name in ["", "mvg", "msl", "png8", "png ", "text", "svg:"] {
            assert_eq!(Format::named(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn drawings_are_recognised_behind_what_may_stand_before_them() {
        let of = |text: &str| Format::of(text.as_bytes());
        for text in [
            "<svg/>",
            "\u{feff}<?xml version='1.0'?>\n<!-- x -->\n<!DOCTYPE svg>\n<svg xmlns='x'>",
            " \n<svg>",
            "<s:svg xmlns:s='x'/>",
        ] {
            assert_eq!(of(text), Some(Format::Svg), "{text}");
        }
        for text in ["svg", "<html><b>svg</b></html>", "x<svg/>", "<svgs/>"] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(of("/* XPM */\nstatic"), Some(Format::Xpm));
        assert_eq!(of("\n/*XPM*/"), Some(Format::Xpm));
        assert_eq!(of("/* no XPM */"), None);
    }
}

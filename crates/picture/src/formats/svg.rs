//! SVG, as it is or compressed with gzip: drawn at its own size, or smaller.
//!
//! Nothing outside of the text is read: a link to a file or to the network draws nothing, neither
//! does a drawing within the drawing. Pictures within the text (`data:`) are drawn if they are
//! within the limits. Scripts are not run. Letters are not drawn, because that needs the fonts of
//! the qube.

use std::borrow::Cow;
use std::io::Read as _;
use std::str;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::roxmltree::{Document, ParsingOptions};
use resvg::usvg::{ImageHrefResolver, ImageKind, Options, Tree};

use crate::format::GZIP;
use crate::{Error, Format, Limits, Picture};

/// Most bytes of a text, not compressed.
const MAX_TEXT: u64 = 16 << 20;

/// What can stand before the first character. It tells the order of bytes.
const BOM: char = '\u{feff}';

/// Why a text has no characters.
const UNKNOWN_ENCODING: &str = "its text is neither UTF-8 nor UTF-16 nor ISO 8859-1";

/// Names of encodings of which each byte below 0x80 and above 0x9F is a character of Unicode.
const LATIN: [&[u8]; 4] = [b"iso-8859-1", b"iso8859-1", b"latin1", b"windows-1252"];

/// Most elements, texts and comments. The icons of real themes have at most some thousands.
const MAX_NODES: u32 = 200_000;

/// Draws a picture.
pub(crate) fn decode(untrusted: &[u8], limits: &Limits) -> Result<Picture, Error> {
    let text = inflated(untrusted)?;
    let text = characters(&text).ok_or_else(|| Error::broken(Format::Svg)(UNKNOWN_ENCODING))?;
    let parsing = ParsingOptions {
        // Drawing programs write definitions. Those of other files are not read.
        allow_dtd: true,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text.trim_start_matches(BOM), parsing);
    let document = document.map_err(Error::broken(Format::Svg))?;
    let tree = Tree::from_xmltree(&document, &options(*limits));
    let tree = tree.map_err(Error::broken(Format::Svg))?;
    drop(document);
    let (width, height) = (tree.size().width(), tree.size().height());
    let size = match limits.fit {
        Some(side) if width.max(height) > side as f32 => {
            let scale = side as f32 / width.max(height);
            (
                pixels((width * scale).round()),
                pixels((height * scale).round()),
            )
        }
        _ => (pixels(width), pixels(height)),
    };
    limits.check(size.0, size.1)?;
    let mut pixmap = Pixmap::new(size.0, size.1).ok_or(Error::Empty)?;
    // A size that is no whole number is cut, but the drawing is not.
    let transform = Transform::from_scale(size.0 as f32 / width, size.1 as f32 / height);
    resvg::render(&tree, transform, &mut pixmap.as_mut());
    Ok(Picture {
        width: size.0,
        height: size.1,
        rgba: pixmap.take_demultiplied(),
    })
}

/// As many whole pixels as a length has, at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such a cast saturates, and the limits are far below"
)]
fn pixels(length: f32) -> u32 {
    (length as u32).max(1)
}

fn inflated(untrusted: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    let text = match untrusted.starts_with(GZIP) {
        false => Cow::Borrowed(untrusted),
        true => {
            let mut text = Vec::new();
            let mut decoder = MultiGzDecoder::new(untrusted).take(MAX_TEXT + 1);
            decoder
                .read_to_end(&mut text)
                .map_err(Error::broken(Format::Svg))?;
            Cow::Owned(text)
        }
    };
    match text.len() as u64 > MAX_TEXT {
        true => Err(Error::broken(Format::Svg)("the text is too long")),
        false => Ok(text),
    }
}

/// The text in UTF-8. Without a BOM or a declaration it is in UTF-8 (XML 1.0, 4.3.3).
fn characters(text: &[u8]) -> Option<Cow<'_, str>> {
    let utf16 = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = rest.chunks_exact(2).map(|two| unit([two[0], two[1]]));
        let characters: Result<String, _> = char::decode_utf16(units).collect();
        characters.ok().map(Cow::Owned)
    };
    match text {
        [0xFF, 0xFE, rest @ ..] => return utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => return utf16(rest, u16::from_be_bytes),
        _ => {}
    }
    match str::from_utf8(text) {
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) if is_latin(text) => Some(text.iter().copied().map(char::from).collect()),
        Err(_) => None,
    }
}

/// Does the declaration `<?xml … encoding="…"?>` name an encoding whose bytes are characters?
fn is_latin(text: &[u8]) -> bool {
    let declaration = text.split(|byte| *byte == b'>').next().unwrap_or_default();
    let declaration = declaration.to_ascii_lowercase();
    let mut parts = declaration.split(|byte| b"\"'".contains(byte));
    let named = parts.any(|part| {
        let name = part.trim_ascii_end().strip_suffix(b"=");
        name.is_some_and(|name| name.trim_ascii_end().ends_with(b"encoding"))
    });
    declaration.starts_with(b"<?xml")
        && named
        && parts.next().is_some_and(|name| LATIN.contains(&name))
}

/// How references are resolved: within the text only.
fn options(limits: Limits) -> Options<'static> {
    Options {
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(move |_, data, _| embedded(data, &limits)),
            resolve_string: Box::new(|_, _| None),
        },
        ..Options::default()
    }
}

/// A picture within the drawing. Its type is what it is, not what is said of it.
fn embedded(data: Arc<Vec<u8>>, limits: &Limits) -> Option<ImageKind> {
    let size = imagesize::blob_size(&data).ok()?;
    let [width, height] = [size.width, size.height].map(u32::try_from);
    limits.check(width.ok()?, height.ok()?).ok()?;
    match Format::of(&data)? {
        Format::Png => Some(ImageKind::PNG(data)),
        Format::Jpeg => Some(ImageKind::JPEG(data)),
        Format::Gif => Some(ImageKind::GIF(data)),
        Format::WebP => Some(ImageKind::WEBP(data)),
        Format::Bmp | Format::Ico | Format::Xpm | Format::Svg => None,
    }
}

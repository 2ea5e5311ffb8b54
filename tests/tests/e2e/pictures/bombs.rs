//! Pictures that would take all memory or time: each ends in its limits, with a message and not a
//! byte.

use std::fmt::Write as _;

use qfile_tests::pictures::{Gallery, fixture, gzipped, icon, png, svg, zeros};
use qfile_tests::suite;

suite! {
    a_header_that_promises_too_many_pixels_costs_nothing,
    more_pixels_than_promised_are_not_kept,
    data_beside_the_pixels_is_not_inflated,
    an_inflated_drawing_has_a_limit,
    nested_uses_end,
    a_million_elements_end,
    a_deep_drawing_ends,
    entities_end,
    a_drawing_that_takes_for_ever_ends,
    pictures_within_a_drawing_have_limits,
    an_animation_costs_its_first_picture,
    a_palette_without_end_ends,
    a_file_without_end_is_not_read,
}

/// As an icon, whose limits are lower.
#[track_caller]
fn assert_refused(content: impl AsRef<[u8]>, why: &str) {
    let gallery = Gallery::new();
    let path = gallery.add("icon", content);
    gallery.assert_refused(icon(&path), b"", why);
}

fn a_header_that_promises_too_many_pixels_costs_nothing() {
    let side = 30_000_u32;
    assert_refused(
        png(side, side, 6, &[]),
        "30000 x 30000 pixels, and at most 2048 x 2048",
    );
    assert_refused(png(u32::MAX >> 1, 1, 6, &[]), "2147483647 x 1 pixels");
    let mut bmp = fixture("24.bmp");
    bmp[18..26].copy_from_slice(&[0, 0, 0, 16, 0, 0, 0, 16]);
    assert_refused(&bmp, "BMP");
    let mut gif = fixture("still.gif");
    gif[6..10].fill(0xFF);
    assert_refused(&gif, "65535 x 65535 pixels");
    let mut webp = fixture("lossless.webp");
    webp[21..25].fill(0xFF);
    assert_refused(&webp, "");
    assert_refused("/* XPM */\"99999 99999 1 1\"", "99999 x 99999 pixels");
    assert_refused("/* XPM */\"4294967296 1 1 1\"", "XPM");
    let mut jpeg = fixture("colour.jpeg");
    let frame = jpeg.windows(2).position(|two| two == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xFF);
    assert_refused(&jpeg, "65535 x 65535 pixels");
}

fn more_pixels_than_promised_are_not_kept() {
    let image = png(1, 1, 0, &[(b"IDAT", &zeros(1 << 32))]);
    assert!(image.len() > 1 << 20);
    let gallery = Gallery::new();
    let path = gallery.add("icon", image);
    let finished = gallery.ask(format!("{}\n", icon(&path)));
    // Whether the decoder minds what is left over is its own affair.
    assert!(
        finished.stdout == b"" || finished.stdout == b"1 1\n\0\0\0\xFF",
        "{finished:?}"
    );
}

fn data_beside_the_pixels_is_not_inflated() {
    let profile = [&b"x\0\0"[..], &zeros(1 << 30)].concat();
    let text = [&b"x\0\0"[..], &zeros(1 << 30)].concat();
    let image = png(
        1,
        1,
        0,
        &[(b"iCCP", &profile), (b"zTXt", &text), (b"IDAT", &zeros(2))],
    );
    let gallery = Gallery::new();
    let path = gallery.add("icon", image);
    let picture = gallery.picture(icon(&path), b"");
    assert_eq!(picture.rgba, [0, 0, 0, 255]);
}

fn an_inflated_drawing_has_a_limit() {
    let bomb = gzipped(
        "<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'>",
        1 << 30,
        "</svg>",
    );
    assert!(bomb.len() < 2 << 20);
    assert_refused(&bomb, "the text is too long");
    // Compressed twice it is no drawing.
    let twice = gzipped("", 100, "");
    assert_refused(&twice, "SVG");
}

fn nested_uses_end() {
    let mut content = String::from("<defs><rect id='u0' width='8' height='8'/>");
    for level in 1..=20 {
        let below = format!("<use xlink:href='#u{}'/>", level - 1).repeat(10);
        write!(content, "<g id='u{level}'>{below}</g>").unwrap();
    }
    assert_refused(
        svg(&format!("{content}</defs><use xlink:href='#u20'/>")),
        "",
    );
    // One that refers to itself ends too.
    let gallery = Gallery::new();
    let path = gallery.add(
        "icon",
        svg("<g id='a'><use xlink:href='#b'/></g><g id='b'><use xlink:href='#a'/></g>"),
    );
    let finished = gallery.ask(format!("{}\n", icon(&path)));
    assert!(matches!(finished.code(), 0 | 1), "{finished:?}");
}

fn a_million_elements_end() {
    assert_refused(svg(&"<rect/>".repeat(1_000_000)), "");
    assert_refused(svg(&format!("<path d='{}'/>", "h1v1".repeat(4 << 20))), "");
}

fn a_deep_drawing_ends() {
    let levels = 100_000;
    let deep = format!("{}{}", "<g>".repeat(levels), "</g>".repeat(levels));
    assert_refused(svg(&deep), "");
    let deep = format!("{}{}", "<g opacity='.5'>".repeat(1000), "</g>".repeat(1000));
    let gallery = Gallery::new();
    let path = gallery.add("icon", svg(&deep));
    // What is empty is drawn, or is refused.
    let finished = gallery.ask(format!("{}\n", icon(&path)));
    assert!(matches!(finished.code(), 0 | 1), "{finished:?}");
}

fn entities_end() {
    let mut entities = String::from("<!ENTITY e0 'xxxxxxxxxx'>");
    for level in 1..=30 {
        let below = format!("&e{};", level - 1).repeat(10);
        write!(entities, "<!ENTITY e{level} '{below}'>").unwrap();
    }
    let text = format!("<!DOCTYPE svg [{entities}]>{}", svg("<desc>&e30;</desc>"));
    assert_refused(text, "");
}

fn a_drawing_that_takes_for_ever_ends() {
    let noise = "<feTurbulence baseFrequency='9' numOctaves='4000000000'/>";
    let content =
        format!("<filter id='f'>{noise}</filter><rect width='8' height='8' filter='url(#f)'/>");
    assert_refused(svg(&content), "10 s of computing time");
}

fn pictures_within_a_drawing_have_limits() {
    let image = png(30_000, 30_000, 0, &[(b"IDAT", &zeros(1000))]);
    let content = format!(
        "<image width='8' height='8' href='data:image/png;base64,{}'/>",
        base64(&image)
    );
    let gallery = Gallery::new();
    let path = gallery.add("icon", svg(&content));
    let picture = gallery.picture(icon(&path), b"");
    assert!(picture.rgba.iter().all(|byte| *byte == 0));
    let image = fixture("rgb8.png");
    let content = format!(
        "<image width='8' height='8' href='data:image/png;base64,{}'/>",
        base64(&image)
    );
    let path = gallery.add("icon", svg(&content));
    let picture = gallery.picture(icon(&path), b"");
    assert!(picture.rgba.chunks(4).any(|pixel| pixel[3] == 255));
}

fn an_animation_costs_its_first_picture() {
    let gif = fixture("animated.gif");
    let (frames, trailer) = gif.split_at(gif.len() - 1);
    let start = 13 + 16 * 3;
    let many = frames[start..].repeat(20_000);
    let gallery = Gallery::new();
    let path = gallery.add("icon", [&frames[..start], &many, trailer].concat());
    let picture = gallery.picture(icon(&path), b"");
    assert_eq!(picture.rgba.len(), 5 * 3 * 4);
}

fn a_palette_without_end_ends() {
    assert_refused(
        "/* XPM */\"1 1 4294967295 1\"\"a c red\"",
        "colours are missing",
    );
    assert_refused("/* XPM */\"1 1 1 4294967295\"", "too many characters");
    let many = "\"a c red\",".repeat(1 << 20);
    assert_refused(
        format!("/* XPM */\"1 1 4294967295 1\",{many}"),
        "colours are missing",
    );
}

fn a_file_without_end_is_not_read() {
    let gallery = Gallery::new();
    let path = gallery.add("icon", fixture("rgb8.png"));
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    gallery.assert_refused(icon(&path), b"", "more than 20 MiB");
    gallery.assert_refused("icon", b"", "more than 192 MiB");
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > chunk.len() {
                '='
            } else {
                char::from(digit)
            });
        }
    }
    text
}

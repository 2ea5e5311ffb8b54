//! Pictures of every format and kind of colour, and their pixels.
//!
//! The files of `fixtures/` were made without this library: PNG, BMP, ICO, XPM and GIF were written
//! byte by byte from known pixels; JPEG and WebP were written, and decoded, with GraphicsMagick
//! 1.3.40 (libjpeg, libwebp). `FILE.rgba` is the answer of the service for `FILE`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, Format, Limits, decode};

/// How far the decoders of a lossy format may be apart: each rounds in its own way.
const TOLERANCE: u8 = 4;

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let files = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|suffix| suffix != "rgba"));
    assert!(files.len() > 60, "the fixtures are not there");
    files.sort();
    files
}

#[test]
fn each_picture_has_its_pixels() {
    for file in fixtures() {
        let shown = file.display();
        let suffix = file.extension().unwrap().to_str().unwrap();
        let mut answer = file.clone().into_os_string();
        answer.push(".rgba");
        let answer = fs::read(answer).unwrap();
        let end = answer.iter().position(|byte| *byte == b'\n').unwrap();
        let picture = decode(
            &fs::read(&file).unwrap(),
            Format::named(suffix.as_bytes()),
            &Limits::PICTURE,
        );
        let picture = picture.unwrap_or_else(|error| panic!("{shown}: {error}"));
        let header = format!("{} {}", picture.width, picture.height);
        assert_eq!(header.as_bytes(), &answer[..end], "{shown}");
        let expected = &answer[end + 1..];
        assert_eq!(picture.rgba.len(), expected.len(), "{shown}");
        let is_lossy = suffix == "jpeg" || shown.to_string().contains("lossy");
        let tolerance = if is_lossy { TOLERANCE } else { 0 };
        let differences = picture.rgba.iter().zip(expected);
        let worst = differences.map(|(is, should)| is.abs_diff(*should)).max();
        assert!(
            worst <= Some(tolerance),
            "{shown}: {worst:?}\n{:?}\n{expected:?}",
            picture.rgba
        );
    }
}

/// Also the last one of a file: there is no half of a picture.
#[test]
fn a_picture_that_ends_too_early_is_refused() {
    for file in fixtures() {
        let whole = fs::read(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        // What stands behind the pixels of the first picture can be missing.
        let unneeded = match name.split_once('.').unwrap() {
            ("animated", _) => whole.len() * 2 / 3,
            (_, "png") => 12,
            (_, "jpeg") => 2,
            (_, "gif" | "bmp" | "ico" | "xpm") => 5,
            _ => 1,
        };
        for len in 0..whole.len() - unneeded {
            let cut = decode(&whole[..len], None, &Limits::PICTURE);
            assert!(
                cut.is_err(),
                "{} with {len} of {} bytes",
                file.display(),
                whole.len()
            );
        }
    }
}

#[test]
fn a_picture_that_is_too_large_is_refused_by_its_header() {
    let limits = Limits {
        width: 4,
        height: 3,
        fit: None,
    };
    for file in fixtures() {
        let refused = decode(&fs::read(&file).unwrap(), None, &limits);
        assert!(
            matches!(refused, Err(Error::TooLarge { .. })),
            "{}: {refused:?}",
            file.display()
        );
    }
}

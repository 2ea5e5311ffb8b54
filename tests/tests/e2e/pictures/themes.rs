//! Icons of real themes, compared with what other programs make of them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use qfile_tests::cannot_run::needs_program;
use qfile_tests::pictures::{Gallery, Received, icon};
use qfile_tests::suite;

suite! {
    drawings_look_as_librsvg_draws_them [needs_rsvg, needs_gm, needs_theme],
    pictures_are_those_of_graphicsmagick [needs_gm, needs_theme],
}

/// The theme with the most drawings in Debian's usual ones.
const THEME: &str = "/usr/share/icons/Adwaita";

/// How many icons are compared: a look at each of some hundreds takes minutes.
const COMPARED: usize = 60;

/// How far the channels of a drawing may be from those of librsvg, of 255: on average over the
/// whole picture, and how many of them may be far off, which are the pixels on the edges of shapes.
const MEAN: f64 = 5.0;
const FAR: u8 = 64;
const FAR_SHARE: f64 = 0.02;

fn needs_rsvg() -> Result<(), String> {
    needs_program("rsvg-convert")
}

fn needs_gm() -> Result<(), String> {
    needs_program("gm")
}

fn needs_theme() -> Result<(), String> {
    let is_there = Path::new(THEME).is_dir();
    is_there
        .then_some(())
        .ok_or_else(|| format!("needs {THEME}"))
}

/// Some of the files with this suffix, from all over the theme.
fn some(suffix: &str) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from(THEME)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension() == Some(OsStr::new(suffix)) => files.push(path),
                false => {}
            }
        }
    }
    files.sort();
    let step = files.len().div_ceil(COMPARED).max(1);
    files.into_iter().step_by(step).collect()
}

/// The pixels that GraphicsMagick reads from a file.
fn of_gm(path: &Path, (width, height): (usize, usize)) -> Received {
    let output = Command::new("gm")
        .arg("convert")
        .arg(path)
        .args(["-depth", "8", "rgba:-"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", path.display());
    let header = format!("{width} {height}\n");
    Received::read(&[header.as_bytes(), &output.stdout].concat()).unwrap()
}

/// Channels multiplied by the alpha: the colour of a clear pixel does not show.
fn shown(picture: &Received) -> Vec<u8> {
    let pixels = picture.rgba.chunks(4);
    let channels = pixels.flat_map(|pixel| {
        let alpha = u32::from(pixel[3]);
        [0, 1, 2, 3].map(|channel| match channel {
            3 => pixel[3],
            _ => u8::try_from((u32::from(pixel[channel]) * alpha + 127) / 255).unwrap(),
        })
    });
    channels.collect()
}

fn drawings_look_as_librsvg_draws_them() {
    let gallery = Gallery::new();
    let mut compared = 0;
    for path in some("svg") {
        let ours = gallery.picture(icon(&path), b"");
        let drawn = gallery.path("drawn.png");
        let status = Command::new("rsvg-convert")
            .args([
                "--width",
                &ours.width.to_string(),
                "--height",
                &ours.height.to_string(),
            ])
            .arg("--output")
            .arg(&drawn)
            .arg(&path)
            .status()
            .unwrap();
        assert!(status.success(), "{}", path.display());
        let theirs = of_gm(&drawn, (ours.width, ours.height));
        let (ours, theirs) = (shown(&ours), shown(&theirs));
        let apart: Vec<u8> = ours
            .iter()
            .zip(&theirs)
            .map(|(a, b)| a.abs_diff(*b))
            .collect();
        let count = apart.len() as f64;
        let mean = apart.iter().map(|apart| f64::from(*apart)).sum::<f64>() / count;
        let far = apart.iter().filter(|apart| **apart > FAR).count() as f64 / count;
        assert!(
            mean <= MEAN && far <= FAR_SHARE,
            "{}: {mean} {far}",
            path.display()
        );
        compared += 1;
    }
    assert!(compared > 10, "the theme has only {compared} drawings");
}

fn pictures_are_those_of_graphicsmagick() {
    let gallery = Gallery::new();
    let mut compared = 0;
    for path in some("png") {
        let ours = gallery.picture(icon(&path), b"");
        let theirs = of_gm(&path, (ours.width, ours.height));
        let apart = ours
            .rgba
            .iter()
            .zip(&theirs.rgba)
            .map(|(a, b)| a.abs_diff(*b));
        // 16 bits become 8 by rounding, which can be done in two ways.
        assert!(apart.max() <= Some(1), "{}", path.display());
        compared += 1;
    }
    assert!(compared > 10, "the theme has only {compared} pictures");
}

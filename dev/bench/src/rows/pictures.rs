//! Pictures as pixels, against the programs by which Qubes OS makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};

use super::{left_out, medians, ratio};
use crate::contest::{Contestant, hold};
use crate::figures::Figures;
use crate::measure::{Joint, Plan};
use crate::table::{Finding, Row, Unit};
use crate::workplace::{Workplace, remove};

const ROUNDS: usize = 25;

/// A drawing of a real theme.
const DRAWING: &str = "/usr/share/icons/Adwaita/scalable/devices/computer-symbolic.svg";

/// The side of the largest icon that dom0 takes.
const LARGEST: u32 = 2048;

/// From the start of the program to its end, which is what a call of qubes.GetImageRGBA adds to
/// qrexec. The files are in memory.
pub(crate) fn rows(place: &Workplace) -> Result<Vec<Row>> {
    if let Some(reason) = missing() {
        return Ok(left_out("pictures as pixels", "gm, rsvg-convert", reason));
    }
    let mut rows = Vec::new();
    let small = drawn(place, 512)?;
    let large = drawn(place, LARGEST)?;
    let drawing = place.path("drawing.svg");
    fs::copy(DRAWING, &drawing)?;
    let gm = ["gm", "convert"].map(PathBuf::from);
    let of_gm = [&gm[0], &gm[1], &small, Path::new("rgba:/dev/null")];
    rows.push(
        against(
            place,
            "a PNG icon of 512 × 512",
            "gm convert",
            &small,
            &of_gm,
            0.2,
        )?
        .0,
    );
    let [rsvg, into, nothing] = ["rsvg-convert", ">", "/dev/null"].map(Path::new);
    let of_rsvg = [rsvg, &drawing, into, nothing];
    rows.push(
        against(
            place,
            "an SVG icon",
            "rsvg-convert",
            &drawing,
            &of_rsvg,
            0.5,
        )?
        .0,
    );
    let work = format!("a PNG icon of {LARGEST} × {LARGEST}");
    let of_gm = [&gm[0], &gm[1], &large, Path::new("rgba:/dev/null")];
    let (row, peak_kib) = against(place, &work, "gm convert", &large, &of_gm, 1.0)?;
    rows.push(row);
    rows.push(Row {
        work,
        against: "peak memory".to_owned(),
        finding: Finding::Measured {
            figures: Figures::new([peak_kib as f64 / 1024.0]),
            unit: Unit::Mebibytes,
            target: Some(64.0),
        },
        detail: String::new(),
    });
    for path in [&small, &large, &drawing] {
        remove(path)?;
    }
    Ok(rows)
}

/// Why nothing can be compared.
fn missing() -> Option<String> {
    for program in ["gm", "rsvg-convert"] {
        let version = Command::new(program).arg("--version").output();
        if version.is_err() {
            return Some(format!("{program} is not installed"));
        }
    }
    let is_there = Path::new(DRAWING).is_file();
    (!is_there).then(|| format!("{DRAWING} is not there"))
}

/// A PNG of this side with shades of all channels and some shapes, as icons have them.
fn drawn(place: &Workplace, side: u32) -> Result<PathBuf> {
    let (path, drawing) = (place.path(&format!("{side}.png")), place.path("shades.svg"));
    let shades = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8' width='8' height='8'>\
        <linearGradient id='a' x2='1' y2='1'><stop stop-color='#e33'/>\
        <stop offset='1' stop-color='#36f'/></linearGradient>\
        <radialGradient id='b'><stop stop-color='#fff'/>\
        <stop offset='1' stop-color='#fc0' stop-opacity='.2'/></radialGradient>\
        <rect x='.5' y='.5' width='7' height='7' rx='1' fill='url(#a)'/>\
        <circle cx='4' cy='4' r='2.5' fill='url(#b)'/>\
        <path d='M1 7L4 1L7 7z' fill='#0a0' fill-opacity='.6'/></svg>";
    fs::write(&drawing, shades)?;
    let side = side.to_string();
    let status = Command::new("rsvg-convert")
        .args(["--width", &side, "--height", &side, "--output"])
        .args([&path, &drawing])
        .status()?;
    ensure!(status.success(), "rsvg-convert failed");
    remove(&drawing)?;
    Ok(path)
}

/// A row of ratios, and the worst peak of ours.
fn against(
    place: &Workplace,
    work: &str,
    name: &str,
    picture: &Path,
    theirs: &[&Path],
    target: f64,
) -> Result<(Row, u64)> {
    let line = place.path("line");
    fs::write(&line, format!("xdgicon:{}\n", picture.display()))?;
    let program = place.program("qubes-image-rgba");
    let words = [
        &program,
        Path::new("<"),
        &line,
        Path::new(">"),
        Path::new("/dev/null"),
    ];
    let contestant = |name, words: &[&Path]| Contestant {
        name,
        plan: Plan::new(Joint::Pipes, words),
        environment: Vec::new(),
        as_root: false,
        prepare: Box::new(|| Ok(())),
        check: Box::new(|| Ok(())),
    };
    let contestants = [contestant("ours", &words), contestant("theirs", theirs)];
    let standings = hold(place, ROUNDS, &contestants)?;
    remove(&line)?;
    let [ours, other] = &standings[..] else {
        bail!("there are two contestants");
    };
    let peak = ours.costs.iter().map(|cost| cost.peak_kib).max();
    let walls = [ours.wall(), other.wall()];
    let row = ratio(work, name, Some(target), walls, medians(&standings));
    Ok((row, peak.unwrap_or(0)))
}

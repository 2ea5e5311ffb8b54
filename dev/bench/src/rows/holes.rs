//! A large file that is almost nothing but holes.

use std::cell::Cell;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;

use super::{filling, landed, mebibytes, medians, ours, peak, ratio};
use crate::contest::{Contestant, hold};
use crate::material::file_of_holes;
use crate::measure::{Joint, Plan};
use crate::table::Row;
use crate::workplace::Workplace;

const ROUNDS: usize = 5;

/// Against two processes that only push as many zeros, and the blocks that it takes when landed.
pub(crate) fn rows(place: &Workplace) -> Result<Vec<Row>> {
    let len = place.either(16 << 30, 4 << 30);
    let (source, target) = (place.path("holes"), place.path("target"));
    file_of_holes(&source, len)?;
    // On a small machine the tmpfs is smaller than the file is long.
    let plan = ours(place, Joint::Pipes, &source, &target, &["--no-space-check"]);
    let landed = landed(&source, &target);
    let taken = Cell::new(0.0_f64);
    let ours = filling(place, "ours", plan, &source, &target);
    let whole = ours.check;
    let contestants = [
        Contestant {
            // Before every byte is read, lest that changes it.
            check: Box::new(|| {
                taken.set(blocks(&landed)?.max(taken.get()));
                whole()
            }),
            ..ours
        },
        Contestant {
            name: "push",
            plan: push_zeros(place, len),
            environment: Vec::new(),
            as_root: false,
            prepare: Box::new(|| Ok(())),
            check: Box::new(|| Ok(())),
        },
    ];
    let standings = hold(place, ROUNDS, &contestants)?;
    let blocks = [taken.get(), blocks(&source)?];
    fs::remove_file(&source)?;
    let [ours, push] = &standings[..] else {
        return Ok(Vec::new());
    };
    let work = format!("{} with 64 MiB of data", mebibytes(len));
    Ok(vec![
        ratio(
            &work,
            "two that push zeros",
            Some(1.15),
            [ours.wall(), push.wall()],
            medians(&standings),
        ),
        ratio(
            &work,
            "blocks of the source on disk",
            Some(1.01),
            blocks.map(|count| vec![count]),
            String::new(),
        ),
        peak(&work, ours),
    ])
}

fn push_zeros(place: &Workplace, len: u64) -> Plan {
    let push: OsString = place.program("push").into();
    let words = [
        push.clone(),
        len.to_string().into(),
        "|".into(),
        push,
        ">".into(),
        "/dev/null".into(),
    ];
    Plan::new(Joint::Pipes, &words)
}

fn blocks(path: &Path) -> Result<f64> {
    Ok(fs::metadata(path)?.blocks() as f64)
}

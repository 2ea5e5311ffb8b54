//! Many small files.

use anyhow::Result;

use super::{filling, medians, ours, peak, ratio, tar};
use crate::contest::hold;
use crate::material::{empty_files, small_files};
use crate::measure::Joint;
use crate::table::Row;
use crate::workplace::{Workplace, remove};

/// Files of 0–9 KB in 220 folders.
pub(crate) fn against_tar(place: &Workplace) -> Result<Vec<Row>> {
    // Whoever does less for each file wins by little here: it takes more rounds to see it.
    let (count, rounds) = place.either((50_000, 15), (20_000, 7));
    let (source, target) = (place.path("small"), place.path("target"));
    small_files(&source, count)?;
    let plan = ours(place, Joint::Pipes, &source, &target, &[]);
    let contestants = [
        filling(place, "ours", plan, &source, &target),
        filling(place, "tar", tar(&source, &target), &source, &target),
    ];
    let standings = hold(place, rounds, &contestants)?;
    remove(&source)?;
    let [ours, tar] = &standings[..] else {
        return Ok(Vec::new());
    };
    let work = format!("{count} files of 0-9 KB in 220 folders");
    Ok(vec![
        ratio(
            &work,
            "tar c | tar x",
            Some(1.0),
            [ours.wall(), tar.wall()],
            medians(&standings),
        ),
        peak(&work, ours),
    ])
}

/// Ten times as many files take ten times as long.
pub(crate) fn linear(place: &Workplace) -> Result<Vec<Row>> {
    let few = place.either(50_000, 10_000);
    let target = place.path("target");
    let names = ["many", "few"];
    let sources = names.map(|name| place.path(name));
    let mut contestants = Vec::new();
    for ((name, source), count) in names.iter().zip(&sources).zip([10 * few, few]) {
        empty_files(source, count)?;
        let plan = ours(place, Joint::Pipes, source, &target, &[]);
        contestants.push(filling(place, name, plan, source, &target));
    }
    let standings = hold(place, 5, &contestants)?;
    sources.iter().try_for_each(|source| remove(source))?;
    let [many, few_files] = &standings[..] else {
        return Ok(Vec::new());
    };
    let work = format!("{} empty files", 10 * few);
    let tenfold = few_files.wall().iter().map(|wall| 10.0 * wall).collect();
    Ok(vec![
        ratio(
            &work,
            &format!("ten times {few}"),
            Some(1.15),
            [many.wall(), tenfold],
            medians(&standings),
        ),
        peak(&work, many),
    ])
}

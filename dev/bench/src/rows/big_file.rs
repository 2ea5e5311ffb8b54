//! One large file of random bytes.

use std::fs;

use anyhow::Result;

use super::{filling, mebibytes, medians, ours, peak, push, ratio, tar};
use crate::contest::hold;
use crate::material::random_file;
use crate::measure::Joint;
use crate::table::Row;
use crate::workplace::Workplace;

const ROUNDS: usize = 7;

/// Against `tar` and against two processes that only move bytes.
pub(crate) fn over_pipes(place: &Workplace) -> Result<Vec<Row>> {
    let len = len(place);
    let (source, target) = (place.path("big"), place.path("target"));
    random_file(&source, len)?;
    let plan = ours(place, Joint::Pipes, &source, &target, &[]);
    let contestants = [
        filling(place, "ours", plan, &source, &target),
        filling(place, "tar", tar(&source, &target), &source, &target),
        filling(
            place,
            "push",
            push(place, Joint::Pipes, &source, &target),
            &source,
            &target,
        ),
    ];
    let standings = hold(place, ROUNDS, &contestants)?;
    let [ours, tar, push] = &standings[..] else {
        return Ok(Vec::new());
    };
    let work = format!("{} of random bytes, pipes", mebibytes(len));
    let detail = medians(&standings);
    Ok(vec![
        ratio(
            &work,
            "tar c | tar x",
            Some(0.95),
            [ours.wall(), tar.wall()],
            detail,
        ),
        ratio(
            &work,
            "tar c | tar x, processor time",
            Some(0.95),
            [ours.cpu(), tar.cpu()],
            String::new(),
        ),
        ratio(
            &work,
            "two that only move bytes",
            Some(1.15),
            [ours.wall(), push.wall()],
            String::new(),
        ),
        peak(&work, ours),
    ])
}

/// Against two processes that only move bytes, joined as qrexec joins programs.
pub(crate) fn over_sockets(place: &Workplace) -> Result<Vec<Row>> {
    let len = len(place);
    let (source, target) = (place.path("big"), place.path("target"));
    random_file(&source, len)?;
    let plan = ours(place, Joint::Sockets, &source, &target, &[]);
    let contestants = [
        filling(place, "ours", plan, &source, &target),
        filling(
            place,
            "push",
            push(place, Joint::Sockets, &source, &target),
            &source,
            &target,
        ),
    ];
    let standings = hold(place, ROUNDS, &contestants)?;
    fs::remove_file(&source)?;
    let [ours, push] = &standings[..] else {
        return Ok(Vec::new());
    };
    let work = format!("{} of random bytes, sockets", mebibytes(len));
    Ok(vec![
        ratio(
            &work,
            "two that only move bytes",
            Some(1.15),
            [ours.wall(), push.wall()],
            medians(&standings),
        ),
        peak(&work, ours),
    ])
}

fn len(place: &Workplace) -> u64 {
    place.either(2 << 30, 512 << 20)
}

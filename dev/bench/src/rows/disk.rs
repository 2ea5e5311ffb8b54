//! One large file on a disk, and all of it on the disk when the copy is confirmed.

use std::ffi::OsStr;
use std::fs::File;

use anyhow::Result;
use nix::unistd::syncfs;

use super::{filling, landed, left_out, mebibytes, medians, ours, peak, ratio};
use crate::contest::{Contestant, hold};
use crate::material::random_file;
use crate::measure::{Joint, Plan};
use crate::table::Row;
use crate::workplace::{Workplace, disk_folder};

const ROUNDS: usize = 5;
const AGAINST: &str = "cp, then sync -f";

/// Against `cp` and `sync -f`.
pub(crate) fn rows(place: &Workplace) -> Result<Vec<Row>> {
    let len = place.either(2 << 30, 512 << 20);
    let work = format!("{} of random bytes on a disk, synced", mebibytes(len));
    let folder = match disk_folder()? {
        Ok(folder) => folder,
        Err(reason) => return Ok(left_out(&work, AGAINST, reason)),
    };
    let (source, target) = (folder.path().join("big"), folder.path().join("target"));
    random_file(&source, len)?;
    let landed = landed(&source, &target);
    let cp: [&OsStr; 7] = [
        "cp".as_ref(),
        source.as_ref(),
        landed.as_ref(),
        ";".as_ref(),
        "sync".as_ref(),
        "-f".as_ref(),
        landed.as_ref(),
    ];
    let plan = ours(place, Joint::Pipes, &source, &target, &[]);
    let disk = File::open(folder.path())?;
    let cp = Plan::new(Joint::Pipes, &cp);
    let contestants = [("ours", plan), ("cp", cp)].map(|(name, plan)| Contestant {
        // Nobody pays for what was written or removed before.
        prepare: Box::new(|| {
            place.empty(&target)?;
            Ok(syncfs(&disk)?)
        }),
        ..filling(place, name, plan, &source, &target)
    });
    let standings = hold(place, ROUNDS, &contestants)?;
    let [ours, cp] = &standings[..] else {
        return Ok(Vec::new());
    };
    Ok(vec![
        ratio(
            &work,
            AGAINST,
            Some(1.2),
            [ours.wall(), cp.wall()],
            medians(&standings),
        ),
        peak(&work, ours),
    ])
}

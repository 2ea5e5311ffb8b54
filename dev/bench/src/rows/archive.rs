//! An archive that becomes a stream.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{mebibytes, medians, peak, ratio};
use crate::contest::{Contestant, hold};
use crate::material::{random_file, small_files};
use crate::measure::{Joint, Plan};
use crate::table::Row;
use crate::workplace::{Workplace, remove};

const ROUNDS: usize = 7;

/// Against `tar`, which writes the content of all members to the same minimal reader.
pub(crate) fn rows(place: &Workplace) -> Result<Vec<Row>> {
    let source = place.path("archived");
    let len = place.either(1 << 30, 256 << 20);
    random_file(&source, len)?;
    let mut rows = against_tar(place, &source, &format!("one file of {}", mebibytes(len)))?;
    let count = place.either(50_000, 20_000);
    small_files(&source, count)?;
    rows.extend(against_tar(
        place,
        &source,
        &format!("{count} files of 0-9 KB"),
    )?);
    Ok(rows)
}

/// Makes an archive of `source`, in whose place nothing is left.
fn against_tar(place: &Workplace, source: &Path, what: &str) -> Result<Vec<Row>> {
    let archive = archived(place, source)?;
    let tar2qfile = place.program("tar2qfile");
    let (archive_path, dash) = (archive.as_os_str(), OsStr::new("-"));
    // With the archive as stdin no verdict is waited for: the reader gives none.
    let ours = [tar2qfile.as_os_str(), dash, OsStr::new("<"), archive_path];
    let tar = [
        OsStr::new("tar"),
        OsStr::new("--to-stdout"),
        OsStr::new("-xf"),
        archive_path,
    ];
    let contestants = [("ours", ours), ("tar", tar)].map(|(name, words)| Contestant {
        name,
        plan: into_reader(place, &words),
        environment: Vec::new(),
        as_root: false,
        prepare: Box::new(|| Ok(())),
        check: Box::new(|| Ok(())),
    });
    let standings = hold(place, ROUNDS, &contestants)?;
    remove(&archive)?;
    let [ours, tar] = &standings[..] else {
        return Ok(Vec::new());
    };
    let work = format!("an archive of {what}");
    Ok(vec![
        ratio(
            &work,
            "tar x, one that only reads",
            Some(1.2),
            [ours.wall(), tar.wall()],
            medians(&standings),
        ),
        peak(&work, ours),
    ])
}

/// `words`, joined to a process that reads and throws away.
fn into_reader(place: &Workplace, words: &[&OsStr]) -> Plan {
    let push = place.program("push");
    let reader = [
        OsStr::new("|"),
        push.as_os_str(),
        OsStr::new(">"),
        OsStr::new("/dev/null"),
    ];
    Plan::new(Joint::Pipes, &[words, &reader].concat())
}

fn archived(place: &Workplace, source: &Path) -> Result<PathBuf> {
    let archive = place.path("archive.tar");
    let name = source.file_name().context("a path has a name")?;
    let made = Command::new("tar")
        .arg("-C")
        .arg(place.path(""))
        .arg("-cf")
        .arg(&archive)
        .arg(name)
        .status()
        .context("cannot start tar")?;
    ensure!(made.success(), "tar failed");
    remove(source)?;
    Ok(archive)
}

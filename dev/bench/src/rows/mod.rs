//! Each row of the table, topic by topic.

mod archive;
mod big_file;
mod device;
mod disk;
mod firewall;
mod holes;
mod image;
mod menus;
mod pictures;
mod qubesdb;
mod remote;
mod small_files;
mod start_up;
mod vmexec;

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::arrived::{Look, same};
use crate::contest::{Contestant, Standing};
use crate::figures::Figures;
use crate::measure::{Joint, Plan};
use crate::table::{Finding, Row, Unit, medians};
use crate::workplace::Workplace;

/// Rows that are measured together.
#[derive(Clone, Copy)]
pub(crate) struct Topic {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// Measures them.
    pub(crate) rows: fn(&Workplace) -> Result<Vec<Row>>,
}

const TOPICS: [Topic; 16] = [
    topic("pipes", big_file::over_pipes),
    topic("sockets", big_file::over_sockets),
    topic("small", small_files::against_tar),
    topic("linear", small_files::linear),
    topic("holes", holes::rows),
    topic("start-up", start_up::rows),
    topic("disk", disk::rows),
    topic("image", image::rows),
    topic("device", device::rows),
    topic("archive", archive::rows),
    topic("vmexec", vmexec::rows),
    topic("menus", menus::rows),
    topic("pictures", pictures::rows),
    topic("qubesdb", qubesdb::rows),
    topic("firewall", firewall::rows),
    topic("remote", remote::rows),
];

/// Resident memory that neither end may exceed, in MiB.
const PEAK_TARGET: f64 = 8.0;

const fn topic(name: &'static str, rows: fn(&Workplace) -> Result<Vec<Row>>) -> Topic {
    Topic { name, rows }
}

/// The topics named in `arguments`, all without any; `Err` is what to tell about the usage.
pub(crate) fn chosen(arguments: &[OsString]) -> Result<Vec<Topic>, String> {
    if arguments.is_empty() {
        return Ok(TOPICS.to_vec());
    }
    let chosen = arguments.iter().map(|argument| {
        let found = TOPICS.iter().find(|topic| argument == topic.name).copied();
        found.ok_or_else(|| {
            let names = TOPICS.map(|topic| topic.name).join("|");
            format!("usage: bench [{names}]...")
        })
    });
    chosen.collect()
}

/// Our two programs, as they copy `source` into the folder `target`.
fn ours(place: &Workplace, joint: Joint, source: &Path, target: &Path, more: &[&str]) -> Plan {
    let mut words: Vec<OsString> = vec![place.program("qfile-agent").into(), source.into()];
    words.extend(["|".into(), place.program("qfile-unpacker").into()]);
    words.extend(more.iter().map(OsString::from));
    words.extend([OsString::new(), target.into()]);
    Plan::new(joint, &words)
}

/// The same with `tar`.
fn tar(source: &Path, target: &Path) -> Plan {
    let parent = source.parent().unwrap_or(source).as_os_str();
    let name = source.file_name().unwrap_or_default();
    let words: [&OsStr; 12] = [
        "tar".as_ref(),
        "-C".as_ref(),
        parent,
        "-cf".as_ref(),
        "-".as_ref(),
        name,
        "|".as_ref(),
        "tar".as_ref(),
        "-C".as_ref(),
        target.as_os_str(),
        "-xf".as_ref(),
        "-".as_ref(),
    ];
    Plan::new(Joint::Pipes, &words)
}

/// Two processes that only move the bytes of the file `source`.
fn push(place: &Workplace, joint: Joint, source: &Path, target: &Path) -> Plan {
    let push = place.program("push");
    let copy = landed(source, target);
    let words: [&OsStr; 7] = [
        push.as_ref(),
        "<".as_ref(),
        source.as_ref(),
        "|".as_ref(),
        push.as_ref(),
        ">".as_ref(),
        copy.as_ref(),
    ];
    Plan::new(joint, &words)
}

/// Where a copy of `source` into the folder `target` lands.
fn landed(source: &Path, target: &Path) -> PathBuf {
    target.join(source.file_name().unwrap_or_default())
}

/// A contestant that copies `source` into the empty folder `target`, where it must be whole then.
fn filling<'a>(
    place: &'a Workplace,
    name: &'a str,
    plan: Plan,
    source: &'a Path,
    target: &'a Path,
) -> Contestant<'a> {
    let landed = landed(source, target);
    // The round that does not count has the time to look at every byte.
    let look = Cell::new(Look::AtContent);
    Contestant {
        name,
        plan,
        environment: Vec::new(),
        as_root: false,
        prepare: Box::new(move || place.empty(target)),
        check: Box::new(move || same(source, &landed, look.replace(Look::AtLengths))),
    }
}

/// A row of ratios: the first contestant's `what` divided by that of another.
fn ratio(
    work: &str,
    against: &str,
    target: Option<f64>,
    [ours, theirs]: [Vec<f64>; 2],
    detail: String,
) -> Row {
    Row {
        work: work.to_owned(),
        against: against.to_owned(),
        finding: Finding::Measured {
            figures: Figures::ratios(&ours, &theirs),
            unit: Unit::Ratio,
            target,
        },
        detail,
    }
}

/// The row of the memory that the largest of our programs took, in the worst round: a peak has no
/// spread that would excuse it.
fn peak(work: &str, ours: &Standing) -> Row {
    let peak = ours.costs.iter().map(|cost| cost.peak_kib).max();
    Row {
        work: work.to_owned(),
        against: "peak memory of the larger end".to_owned(),
        finding: Finding::Measured {
            figures: Figures::new([peak.unwrap_or(0) as f64 / 1024.0]),
            unit: Unit::Mebibytes,
            target: Some(PEAK_TARGET),
        },
        detail: String::new(),
    }
}

/// A row of figures of ours alone.
fn alone(work: &str, unit: Unit, target: f64, figures: impl IntoIterator<Item = f64>) -> Row {
    Row {
        work: work.to_owned(),
        against: "nothing".to_owned(),
        finding: Finding::Measured {
            figures: Figures::new(figures),
            unit,
            target: Some(target),
        },
        detail: String::new(),
    }
}

fn milliseconds(times: &[Duration]) -> Vec<f64> {
    times.iter().map(|time| time.as_secs_f64() * 1e3).collect()
}

/// The program `qubesdb-daemon` with its folders below `place`, which ends with this handle.
struct Daemon(Child);

impl Daemon {
    fn start(place: &Workplace, folder: &Path, domain: &str, arguments: &[&str]) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let vchan = place.path("vchan");
        fs::create_dir_all(&vchan)?;
        let mut child = Command::new(place.program("qubesdb-daemon"))
            .args(["--foreground", "--end-with-stdin"])
            .args(arguments)
            .env("QUBESDB_DIR", folder)
            .env("VCHAN_SOCKET_DIR", vchan)
            .env("VCHAN_DOMAIN", domain)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start qubesdb-daemon")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("piped")?).read_line(&mut line)?;
        ensure!(line == "READY=1\n", "the daemon did not start");
        Ok(Self(child))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _it_was_there = self.0.wait();
    }
}

fn left_out(work: &str, against: &str, reason: String) -> Vec<Row> {
    vec![Row {
        work: work.to_owned(),
        against: against.to_owned(),
        finding: Finding::LeftOut(reason),
        detail: String::new(),
    }]
}

fn mebibytes(len: u64) -> String {
    match len >> 30 {
        0 => format!("{} MiB", len >> 20),
        gibibytes => format!("{gibibytes} GiB"),
    }
}

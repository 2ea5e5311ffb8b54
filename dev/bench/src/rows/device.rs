//! One large file over a block device without a file system: to it, and from it.
//!
//! The device is a loop device in memory, where SHA-256 takes longer than writing.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{filling, left_out, mebibytes, medians, peak, ratio};
use crate::contest::{Contestant, Standing, hold};
use crate::material::random_file;
use crate::measure::{Joint, Plan};
use crate::table::Row;
use crate::workplace::{Workplace, remove};

const ROUNDS: usize = 5;
const TARGET: f64 = 1.1;
const AGAINST_DD: &str = "the longer of dd bs=1M conv=fsync and one thread of SHA-256";
const AGAINST_UNPACKER: &str =
    "the longer of dd bs=1M into qfile-unpacker and one thread of SHA-256";

/// Bytes on a device before the stream.
const STREAM_AT: u64 = 8192;

/// Bytes on a device before the length of the stream.
const LEN_AT: u64 = 16;

/// Against `dd` to the device, and from it into the receiver.
pub(crate) fn rows(place: &Workplace) -> Result<Vec<Row>> {
    let len = place.either(2 << 30, 512 << 20);
    let work = format!("{} of random bytes over a device", mebibytes(len));
    if !place.may_mount() {
        let reason = "needs root and mounts of its own".to_owned();
        return Ok(left_out(&work, AGAINST_DD, reason));
    }
    let (source, image, home) = (place.path("big"), place.path("image"), place.path("home"));
    random_file(&source, len)?;
    File::create(&image)?.set_len(len + (8 << 20))?;
    let device = match Loop::new(&image) {
        Ok(device) => device,
        Err(error) => return Ok(left_out(&work, AGAINST_DD, format!("{error:#}"))),
    };
    place.give(&device.path)?;
    place.empty(&home)?;
    place.give_home(&home)?;
    let mut rows = writing(place, &source, &device.path, &format!("{work}: to it"))?;
    let read = reading(
        place,
        &source,
        &device.path,
        &home,
        &format!("{work}: from it"),
    )?;
    rows.extend(read);
    drop(device);
    remove(&source)?;
    remove(&image)?;
    remove(&home)?;
    Ok(rows)
}

/// The programs that write `source` to `device`.
pub(super) fn to_device(place: &Workplace, source: &Path, device: &Path) -> Vec<OsString> {
    let program = place.program("qvm-copy-to-device");
    let words: [&OsStr; 5] = [
        program.as_ref(),
        "--without-progress".as_ref(),
        "--overwrite".as_ref(),
        device.as_ref(),
        source.as_ref(),
    ];
    words.map(OsStr::to_owned).to_vec()
}

/// The programs that read what is on `device`.
pub(super) fn from_device(place: &Workplace, device: &Path) -> Vec<OsString> {
    let program = place.program("qvm-copy-from-device");
    let words: [&OsStr; 3] = [
        program.as_ref(),
        "--without-progress".as_ref(),
        device.as_ref(),
    ];
    words.map(OsStr::to_owned).to_vec()
}

/// Where files from a device arrive below `home`.
pub(super) fn incoming(home: &Path) -> PathBuf {
    home.join("QubesIncoming/device")
}

fn writing(place: &Workplace, source: &Path, device: &Path, work: &str) -> Result<Vec<Row>> {
    let output = joined("of=", device);
    let input = joined("if=", source);
    let dd: [&OsStr; 6] = [
        "dd".as_ref(),
        "bs=1M".as_ref(),
        "conv=fsync".as_ref(),
        "status=none".as_ref(),
        &input,
        &output,
    ];
    let plans = [
        (
            "ours",
            Plan::new(Joint::Pipes, &to_device(place, source, device)),
        ),
        ("dd", Plan::new(Joint::Pipes, &dd)),
        ("sha256", digest(place, source)),
    ];
    let contestants = plans.map(|(name, plan)| Contestant {
        name,
        plan,
        environment: Vec::new(),
        as_root: false,
        prepare: Box::new(|| Ok(())),
        check: Box::new(|| Ok(())),
    });
    let standings = hold(place, ROUNDS, &contestants)?;
    // The last round may have been that of dd; what is read next is ours.
    let written = Command::new(place.program("qvm-copy-to-device"))
        .args(&to_device(place, source, device)[1..])
        .status();
    ensure!(written?.success(), "the device cannot be written");
    Ok(against_the_longer(work, AGAINST_DD, &standings))
}

fn reading(
    place: &Workplace,
    source: &Path,
    device: &Path,
    home: &Path,
    work: &str,
) -> Result<Vec<Row>> {
    let target = incoming(home);
    let input = joined("if=", device);
    let skip = OsString::from(format!("skip={STREAM_AT}B"));
    let count = OsString::from(format!("count={}B", stream_len(device)?));
    let unpacker = place.program("qfile-unpacker");
    // Nothing reads the verdict, so it goes to a file.
    let dd: [&OsStr; 12] = [
        "dd".as_ref(),
        "bs=1M".as_ref(),
        "status=none".as_ref(),
        &input,
        &skip,
        &count,
        "|".as_ref(),
        unpacker.as_ref(),
        "".as_ref(),
        target.as_ref(),
        ">".as_ref(),
        "/dev/null".as_ref(),
    ];
    let sha256 = Contestant {
        name: "sha256",
        plan: digest(place, source),
        environment: Vec::new(),
        as_root: false,
        prepare: Box::new(|| Ok(())),
        check: Box::new(|| Ok(())),
    };
    let ours = Plan::new(Joint::Pipes, &from_device(place, device));
    let contestants = [
        Contestant {
            environment: vec![("HOME", home.to_owned())],
            ..filling(place, "ours", ours, source, &target)
        },
        filling(place, "dd", Plan::new(Joint::Pipes, &dd), source, &target),
        sha256,
    ];
    let standings = hold(place, ROUNDS, &contestants)?;
    Ok(against_the_longer(work, AGAINST_UNPACKER, &standings))
}

/// The length in bytes of the stream on `device`, which its header says.
fn stream_len(device: &Path) -> Result<u64> {
    let mut len = [0; 8];
    File::open(device)?.read_exact_at(&mut len, LEN_AT)?;
    Ok(u64::from_le_bytes(len))
}

/// One thread that takes the SHA-256 of a file.
fn digest(place: &Workplace, source: &Path) -> Plan {
    let push = place.program("push");
    let words: [&OsStr; 3] = [push.as_ref(), "--sha256".as_ref(), source.as_ref()];
    Plan::new(Joint::Pipes, &words)
}

fn against_the_longer(work: &str, against: &str, standings: &[Standing]) -> Vec<Row> {
    let [ours, dd, sha256] = standings else {
        return Vec::new();
    };
    let longer = dd.wall().into_iter().zip(sha256.wall());
    let longer = longer.map(|(dd, sha256)| dd.max(sha256)).collect();
    vec![
        ratio(
            work,
            against,
            Some(TARGET),
            [ours.wall(), longer],
            medians(standings),
        ),
        peak(work, ours),
    ]
}

fn joined(prefix: &str, path: &Path) -> OsString {
    let mut word = OsString::from(prefix);
    word.push(path);
    word
}

/// A loop device, which ends with it.
struct Loop {
    path: PathBuf,
}

impl Loop {
    fn new(image: &Path) -> Result<Self> {
        let made = Command::new("losetup")
            .args(["--find", "--show"])
            .arg(image)
            .output()
            .context("needs losetup")?;
        ensure!(made.status.success(), "needs loop devices");
        let path = String::from_utf8(made.stdout)?;
        Ok(Self {
            path: PathBuf::from(path.trim_end()),
        })
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _gives_back = std::os::unix::fs::chown(&self.path, Some(0), Some(0));
        let _is_busy = Command::new("losetup")
            .arg("--detach")
            .arg(&self.path)
            .status();
    }
}

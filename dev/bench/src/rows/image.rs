//! How files went from qube to qube before: on the image of a disk that one unmounts and the
//! other mounts.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::device::{from_device, incoming, to_device};
use super::{filling, left_out, mebibytes, medians, ours, peak, ratio};
use crate::contest::{Contestant, hold};
use crate::material::random_file;
use crate::measure::{Joint, Plan};
use crate::table::Row;
use crate::workplace::{Workplace, remove};

const ROUNDS: usize = 5;
const AGAINST: &str = "a 1 GiB disk image, mounted twice";

/// Against making, mounting, filling, mounting again and emptying an image.
pub(crate) fn rows(place: &Workplace) -> Result<Vec<Row>> {
    let len = place.either(900 << 20, 300 << 20);
    let work = format!("{} of random bytes", mebibytes(len));
    let kind = match file_system(place) {
        Ok(kind) => kind,
        Err(reason) => return Ok(left_out(&work, AGAINST, reason)),
    };
    let (source, target) = (place.path("big"), place.path("target"));
    random_file(&source, len)?;
    let against = format!("{AGAINST} ({kind})");
    let image = place.path("image");
    let (carrier, home) = (place.path("carrier"), place.path("home"));
    let arrives = incoming(&home);
    place.empty(&home)?;
    place.give_home(&home)?;
    fs::create_dir_all(place.path("mnt"))?;
    let plan = ours(place, Joint::Pipes, &source, &target, &[]);
    let contestants = [
        filling(place, "ours", plan, &source, &target),
        Contestant {
            as_root: true,
            prepare: Box::new(|| {
                remove(&image)?;
                place.empty(&target)
            }),
            ..filling(
                place,
                "image",
                by_image(place, kind, &source, &target),
                &source,
                &target,
            )
        },
        Contestant {
            environment: vec![("HOME", home.clone())],
            prepare: Box::new(|| {
                File::create(&carrier)?.set_len(1 << 30)?;
                place.give(&carrier)?;
                place.empty(&arrives)
            }),
            ..filling(
                place,
                "device",
                over_device(place, &source, &carrier),
                &source,
                &arrives,
            )
        },
    ];
    let standings = hold(place, ROUNDS, &contestants)?;
    fs::remove_file(&source)?;
    for path in [&carrier, &home] {
        remove(path)?;
    }
    let [ours, image, device] = &standings[..] else {
        return Ok(Vec::new());
    };
    let walls = [ours.wall(), image.wall()];
    let over_device = format!("{work}, to an image without a file system and from it");
    let walls_over_device = [device.wall(), image.wall()];
    Ok(vec![
        ratio(&work, &against, None, walls, medians(&standings)),
        ratio(
            &over_device,
            &against,
            None,
            walls_over_device,
            medians(&standings),
        ),
        peak(&work, ours),
    ])
}

/// Files over an image file that has no file system.
fn over_device(place: &Workplace, source: &Path, carrier: &Path) -> Plan {
    let there = to_device(place, source, carrier);
    let back = from_device(place, carrier);
    Plan::new(Joint::Pipes, &[there, vec![";".into()], back].concat())
}

/// The file system for the image: vfat as it was, else one that can stand in for it.
fn file_system(place: &Workplace) -> Result<&'static str, String> {
    if !place.may_mount() {
        return Err("needs root and mounts of its own".to_owned());
    }
    // The node may be there in a container that may not use it.
    let free = Command::new("losetup").arg("--find").output();
    if !free.is_ok_and(|found| found.status.success()) {
        return Err("needs loop devices".to_owned());
    }
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let usable = ["vfat", "ext4"].into_iter().find(|kind| {
        let known = known
            .lines()
            .any(|line| line.ends_with(&format!("\t{kind}")));
        known
            && Command::new(format!("mkfs.{kind}"))
                .arg("-V")
                .output()
                .is_ok()
    });
    usable.ok_or_else(|| "needs a kernel with vfat, and mkfs.vfat".to_owned())
}

fn by_image(place: &Workplace, kind: &str, source: &Path, target: &Path) -> Plan {
    let (image, mounted) = (place.path("image"), place.path("mnt"));
    let path = |path: &Path| path.display().to_string();
    let (image, mounted) = (path(&image), path(&mounted));
    let arrived = format!("{mounted}/big");
    let make = match kind {
        "ext4" => "mkfs.ext4 -q",
        _ => "mkfs.vfat",
    };
    let script = [
        format!("truncate -s 1G {image}"),
        format!("{make} {image}"),
        format!("mount -o loop {image} {mounted}"),
        format!("cp {} {arrived}", path(source)),
        format!("umount {mounted}"),
        format!("mount -o loop {image} {mounted}"),
        format!("cp {arrived} {}", path(target)),
        format!("umount {mounted}"),
    ];
    let script = script.join(" ; ");
    Plan::new(Joint::Pipes, &script.split(' ').collect::<Vec<_>>())
}

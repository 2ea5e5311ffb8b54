//! The judgement of one block device.

use std::path::Path;

use super::excluded::{backing_file, by_folder, by_rules};
use crate::database::Entry;
use crate::system::{Number, System};
use crate::udev::Properties;
use crate::usage::Usage;
use crate::values::{ascii, label, word};

/// Bytes of a sector, in which the kernel counts, whatever the device has.
const SECTOR: u64 = 512;

/// What becomes of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stays as it is.
    Keep,
    /// It is published as this.
    Publish(Entry),
    /// It is withdrawn, if it is published.
    Withdraw,
    /// It cannot be described, so it is withdrawn.
    Error(&'static str),
}

/// Judges a device. `of_event`: what udev knows of it right now; the database of udev has that of
/// others.
pub(crate) fn judge(
    system: &System,
    usage: &Usage,
    name: &str,
    of_event: Option<&Properties>,
    is_published: bool,
) -> Verdict {
    if !system.has(name) {
        return Verdict::Withdraw;
    }
    let Some(device) = system.number(name) else {
        return Verdict::Error("the kernel gives it no number");
    };
    // Whoever uses it elsewhere still has it: what dom0 shows of it is to stay.
    if usage.is_attached(device) && is_published {
        return Verdict::Keep;
    }
    if let Some(why) = usage.unknown() {
        return Verdict::Error(why);
    }
    let known = match of_event {
        Some(event) => Ok(Some(event.clone())),
        None => Properties::in_database(system.root(), &format!("b{}:{}", device.0, device.1)),
    };
    let Ok(known) = known else {
        return Verdict::Error("what udev knows of it cannot be read");
    };
    let is_known = known.is_some();
    let properties = known.unwrap_or_default();
    if is_withheld(system, usage, name, device, &properties, of_event.is_some()) {
        return Verdict::Withdraw;
    }
    match (is_known, is_published) {
        (true, _) => {
            describe(system, name, &properties).map_or_else(Verdict::Error, Verdict::Publish)
        }
        // The rules of udev have not judged it, so they may leave it out.
        (false, true) => Verdict::Keep,
        (false, false) => Verdict::Withdraw,
    }
}

/// Is there a reason not to publish a device that can be described?
fn is_withheld(
    system: &System,
    usage: &Usage,
    name: &str,
    device: Number,
    properties: &Properties,
    of_event: bool,
) -> bool {
    let disk = system.disk(name);
    let number_of_disk = disk.as_ref().and_then(|disk| system.number(disk));
    let is_disk_taken = disk.iter().zip(number_of_disk).any(|(disk, device)| {
        usage.is_attached(device) || usage.of(system, disk, device).is_some()
    });
    let is_part_taken = || {
        system.partitions(name).iter().any(|partition| {
            let Some(device) = system.number(partition) else {
                return true;
            };
            usage.is_attached(device) || usage.of(system, partition, device).is_some()
        })
    };
    let mapped = mapped_name(system, name, properties);
    is_disk_taken
        || by_rules(name, device, mapped.as_deref(), properties, of_event)
        || usage.of(system, name, device).is_some()
        || is_part_taken()
        || is_without_content(system, name, properties)
        || is_in_excluded_folder(system, disk.as_deref().unwrap_or(name))
}

/// A loop device without a file, a network disk without a connection, a drive without a disc.
fn is_without_content(system: &System, name: &str, properties: &Properties) -> bool {
    let is_partition = system.disk(name).is_some();
    let is_empty_loop = !is_partition && backing_file(system, name).is_none();
    let is_empty_nbd =
        !is_partition && name.starts_with("nbd") && system.attribute(name, "pid").is_none();
    let is_empty_drive =
        properties.get("ID_TYPE") == b"cd" && properties.get("ID_CDROM_MEDIA") != b"1";
    is_empty_loop || is_empty_nbd || is_empty_drive
}

fn is_in_excluded_folder(system: &System, disk: &str) -> bool {
    let file = backing_file(system, disk).flatten();
    file.is_some_and(|file| by_folder(system.root(), &file))
}

fn mapped_name(system: &System, name: &str, properties: &Properties) -> Option<Vec<u8>> {
    let of_udev = properties.some("DM_NAME").map(<[u8]>::to_vec);
    let of_kernel = || {
        system
            .attribute(name, "dm/name")
            .filter(|name| !name.is_empty())
    };
    of_udev.or_else(of_kernel)
}

/// What a device is published as.
pub(crate) fn describe(
    system: &System,
    name: &str,
    properties: &Properties,
) -> Result<Entry, &'static str> {
    let sectors = system
        .attribute(name, "size")
        .ok_or("the kernel gives it no size")?;
    let sectors: u64 = std::str::from_utf8(&sectors)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or("its size is no number")?;
    let size = sectors.checked_mul(SECTOR).ok_or("its size is too large")?;
    let disk = system.disk(name);
    let is_read_only = system.attribute(name, "ro").is_none_or(|flag| flag != b"0");
    let mode = match is_read_only || properties.get("ID_TYPE") == b"cd" {
        true => "r",
        false => "w",
    };
    let desc = match backing_file(system, disk.as_deref().unwrap_or(name)).flatten() {
        Some(file) => ascii(&file),
        None => match mapped_name(system, name, properties) {
            Some(mapped) => ascii(&mapped),
            None => model_and_label(name, properties),
        },
    };
    let parent = match &disk {
        Some(disk) => disk.clone(),
        None => before_host(&system.device_path(name).unwrap_or_default()),
    };
    Ok(vec![
        ("desc", desc),
        ("size", size.to_string()),
        ("mode", mode.to_owned()),
        ("parent", ascii(parent.as_bytes())),
    ])
}

/// `MODEL (LABEL)`. dom0 takes the first word for the model, so there has to be one.
fn model_and_label(name: &str, properties: &Properties) -> String {
    let model = match word(properties.get("ID_MODEL")) {
        model if model.is_empty() => name.to_owned(),
        model => model,
    };
    format!("{model} ({})", label(properties.get("ID_FS_LABEL")))
}

/// What stands before `hostN` in the path of a device: the interface of a USB disk. Empty where
/// there is no such part.
fn before_host(path: &Path) -> String {
    let is_host = |part: &str| {
        part.strip_prefix("host").is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    let host = parts.iter().position(|part| is_host(part));
    let before = host.and_then(|at| at.checked_sub(1)).map(|at| parts[at]);
    before
        .filter(|before| *before != "/")
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests;

//! Which USB devices are published, and as what.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use files::Lock;
use program::failure::Failure;
use text::foreign;

use crate::database::{Entry, Published};
use crate::run::Steps;
use crate::system::names_in;
use crate::udev::Properties;
use crate::values::{field, hex4, interfaces};

/// What messages begin with.
pub(crate) const NAME: &str = "qubes-usb-devices";
/// The folder of QubesDB.
const FOLDER: &str = "/qubes-usb-devices";
const LOCK: &str = "/run/qubes-usb-devices.lock";

/// A device on a bus as the kernel names it, `2-1.4`; dom0 has `2-1_4`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BusId(String);

impl BusId {
    /// Reads the name of the kernel; `None`: it is no device, but an interface or a root hub.
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(name).ok()?;
        let (bus, ports) = text.split_once('-')?;
        let is_number =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_good = is_number(bus) && ports.split('.').all(is_number) && text.len() <= 31;
        is_good.then(|| Self(text.replace('.', "_")))
    }

    /// As dom0 has it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What becomes of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is nothing that could be published.
    Ignore,
    /// It is published as this.
    Publish(Entry),
    /// It is not to be published.
    Withdraw,
    /// It cannot be described, so it is withdrawn.
    Error(&'static str),
}

/// Judges a device by what udev knows of it and by its folder in sysfs.
pub(crate) fn judge(properties: &Properties, folder: &Path) -> Verdict {
    let is = |property, value: &[u8]| properties.get(property) == value;
    let is_hub = properties.get("TYPE").starts_with(b"9/");
    let path = properties.get("DEVPATH");
    let is_from_other_qube = path
        .split(|byte| *byte == b'/')
        .any(|part| part.starts_with(b"vhci_hcd"));
    if !is("DEVTYPE", b"usb_device") || is_hub || is_from_other_qube {
        return Verdict::Ignore;
    }
    if is("ID_VENDOR", b"QEMU") || is("QUBES_EXPORT_USB_DEVICE", b"0") {
        return Verdict::Withdraw;
    }
    describe(properties, folder).map_or_else(Verdict::Error, Verdict::Publish)
}

/// What a device is published as.
pub(crate) fn describe(properties: &Properties, folder: &Path) -> Result<Entry, &'static str> {
    let file = |name| fs::read(folder.join(name)).unwrap_or_default();
    let number = |property, name| {
        let of_udev = properties.some(property).map(<[u8]>::to_vec);
        let of_kernel = || file(name).trim_ascii().to_vec();
        hex4(&of_udev.unwrap_or_else(of_kernel)).ok_or("it has no number of its maker and model")
    };
    let [vendor, model] = [
        number("ID_VENDOR_ID", "idVendor")?,
        number("ID_MODEL_ID", "idProduct")?,
    ];
    let fields = ["ID_VENDOR_ENC", "ID_MODEL_ENC", "ID_SERIAL_SHORT"];
    let [maker, name, serial] = fields.map(|property| field(properties.get(property)));
    let version = file("version");
    let before_dot = version.trim_ascii().split(|byte| *byte == b'.').next();
    let version = match before_dot {
        Some(b"1") => "1",
        Some(b"2") => "2",
        Some(b"3") => "3",
        _ => return Err("it has no version of USB from 1 to 3"),
    };
    let interfaces = interfaces(properties.get("ID_USB_INTERFACES"))
        .ok_or("its list of interfaces is not understood")?;
    Ok(vec![
        ("desc", format!("{vendor}:{model} {maker} {name} {serial}")),
        ("usb-ver", version.to_owned()),
        ("interfaces", interfaces),
    ])
}

/// The folder of a device of which an event tells.
fn folder_of(root: &Path, event: &Properties) -> PathBuf {
    let path = event.get("DEVPATH");
    let relative = path.strip_prefix(b"/").unwrap_or(path);
    let relative = Path::new(std::ffi::OsStr::from_bytes(relative));
    root.join("sys").join(relative)
}

/// The device of an event.
fn bus_id_of(event: &Properties) -> Result<Option<BusId>, Failure> {
    let path = event.some("DEVPATH").ok_or_else(|| {
        Failure::new("there is no device in the environment (DEVPATH)")
            .advise("udev starts this program; \"refresh\" judges all devices")
    })?;
    if path.split(|byte| *byte == b'/').any(|part| part == b"..") {
        return Err(Failure::new(format_args!(
            "no device has the path \"{}\"",
            foreign(path)
        )));
    }
    Ok(BusId::parse(files::last_component(path)))
}

/// One process at a time.
fn begin() -> Result<(Lock, Published), Failure> {
    let lock = Lock::take(Path::new(LOCK))
        .map_err(Failure::of(format_args!("cannot take the lock \"{LOCK}\"")))?;
    Ok((lock, Published::open(FOLDER)?))
}

fn settle(published: &mut Published, id: &BusId, verdict: Verdict) -> Result<(), Failure> {
    match verdict {
        Verdict::Ignore => Ok(()),
        Verdict::Publish(entry) => published.publish(id.as_str(), &entry).map(drop),
        Verdict::Withdraw => published.withdraw(id.as_str()).map(drop),
        Verdict::Error(why) => {
            published.withdraw(id.as_str())?;
            Err(Failure::new(format_args!(
                "cannot describe the device \"{}\"",
                id.as_str()
            ))
            .because(why)
            .advise("it is not published"))
        }
    }
}

/// A device is there, or has changed.
pub(crate) fn add_change(event: &Properties) -> Result<(), Failure> {
    let Some(id) = bus_id_of(event)? else {
        return Ok(());
    };
    let verdict = judge(event, &folder_of(Path::new("/"), event));
    if verdict == Verdict::Ignore {
        return Ok(());
    }
    let (_lock, mut published) = begin()?;
    settle(&mut published, &id, verdict)
}

/// A device is gone, and so is whom it was connected to.
pub(crate) fn remove(event: &Properties) -> Result<(), Failure> {
    let Some(id) = bus_id_of(event)? else {
        return Ok(());
    };
    let (_lock, mut published) = begin()?;
    published.withdraw(id.as_str()).map(drop)
}

/// Anything may have happened. dom0 looks in any case.
pub(crate) fn refresh() -> Result<(), Failure> {
    let root = Path::new("/");
    let (_lock, mut published) = begin()?;
    let mut steps = Steps::of(NAME);
    let mut there = BTreeSet::new();
    let folder = root.join("sys/bus/usb/devices");
    for name in names_in(&folder) {
        let Some(id) = BusId::parse(name.as_bytes()) else {
            continue;
        };
        there.insert(id.as_str().to_owned());
        // udev has not judged one that it does not know.
        if let Some(properties) = in_database(root, &folder.join(&name)) {
            // One that is not to be published may be there from before.
            let verdict = match judge(&properties, &folder.join(&name)) {
                Verdict::Ignore => Verdict::Withdraw,
                other => other,
            };
            let done = settle(&mut published, &id, verdict);
            steps.take(done);
        }
    }
    for name in published.names()? {
        if !there.contains(&name) {
            steps.take(published.withdraw(&name).map(drop));
        }
    }
    steps.take(published.tell());
    steps.end()
}

/// What the database of udev has of the device in this folder, and what only an event tells.
fn in_database(root: &Path, folder: &Path) -> Option<Properties> {
    let number = fs::read(folder.join("dev")).ok()?;
    let number = std::str::from_utf8(number.trim_ascii()).ok()?;
    // One that cannot be read tells nothing, so the device cannot be described.
    let mut properties = Properties::in_database(root, &format!("c{number}"))
        .unwrap_or_else(|_| Some(Properties::default()))?;
    let path = fs::canonicalize(folder).ok()?;
    let relative = path
        .strip_prefix(fs::canonicalize(root.join("sys")).ok()?)
        .ok()?;
    properties.set(
        "DEVPATH",
        Path::new("/").join(relative).as_os_str().as_bytes(),
    );
    // `uevent` has what the kernel tells: DEVTYPE, TYPE.
    let uevent = fs::read(folder.join("uevent")).ok()?;
    properties.take_in(&uevent);
    Some(properties)
}

#[cfg(test)]
mod tests;

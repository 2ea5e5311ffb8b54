//! PCI devices and their drivers (`Documentation/ABI/testing/sysfs-bus-pci`).

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::root::{Root, word};

/// Where the devices are.
const DEVICES: &str = "sys/bus/pci/devices";
/// Subsystem vendors of virtual devices: virtio and Xen. They do not sleep.
const VIRTUAL: [&str; 2] = ["0x1af4", "0x5853"];
/// A graphics card of Intel: its vendor and its class.
const INTEL_GRAPHICS: (&str, &str) = ("0x8086", "0x030000");

/// The address of a device: `0000:00:07.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(String);

/// What is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAddress;

impl FromStr for Address {
    type Err = NoAddress;

    /// Understands `DDDD:BB:DD.F`, and `BB:DD.F` in the domain 0000. Digits are small.
    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let whole = match text.len() {
            7 => format!("0000:{text}"),
            12 => text.to_owned(),
            _ => return Err(NoAddress),
        };
        // A device has a number up to 1f, and a function one up to 7.
        let form = b"xxxx:xx:1x.7";
        let fits = |(byte, form): (u8, &u8)| match form {
            b'x' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            b'1' => matches!(byte, b'0' | b'1'),
            b'7' => matches!(byte, b'0'..=b'7'),
            _ => byte == *form,
        };
        let is_right = whole.bytes().zip(form).all(fits);
        is_right.then_some(Self(whole)).ok_or(NoAddress)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Address {
    /// The folder of the device.
    pub(super) fn folder(&self, root: &Root) -> PathBuf {
        root.path(DEVICES).join(&self.0)
    }

    /// The folder of its driver, if it has one.
    pub(super) fn driver(&self, root: &Root) -> io::Result<Option<PathBuf>> {
        match fs::canonicalize(self.folder(root).join("driver")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            driver => driver.map(Some),
        }
    }

    /// The file to which the address is written to take the device from its driver.
    pub(super) fn unbind(&self, root: &Root) -> PathBuf {
        self.folder(root).join("driver/unbind")
    }
}

/// The devices that have to be taken from their drivers before the machine sleeps, with the folders of
/// the drivers. Those that were found last come first.
pub(super) fn to_detach(root: &Root) -> io::Result<Vec<(Address, PathBuf)>> {
    let mut devices = Vec::new();
    for name in root.names(DEVICES)? {
        let Ok(address) = name.parse::<Address>() else {
            continue;
        };
        if let Some(driver) = address.driver(root)? {
            if !stays(&address.folder(root)) {
                devices.push((address, driver));
            }
        }
    }
    // The kernel finds and binds them in the order of their addresses.
    devices.reverse();
    Ok(devices)
}

fn stays(device: &Path) -> bool {
    let value = |name| word(&device.join(name)).unwrap_or_default();
    let is_virtual = VIRTUAL.contains(&value("subsystem_vendor").as_str());
    let (vendor, class) = INTEL_GRAPHICS;
    is_virtual || (value("vendor") == vendor && value("class") == class)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_has_two_forms() {
        let shown = |text: &str| text.parse::<Address>().map(|address| address.to_string());
        assert_eq!(shown("00:07.0"), Ok("0000:00:07.0".to_owned()));
        assert_eq!(shown("0000:00:07.0"), Ok("0000:00:07.0".to_owned()));
        assert_eq!(shown("10000:00:07.0"), Err(NoAddress));
        assert_eq!(shown("a1b2:ff:1f.7"), Ok("a1b2:ff:1f.7".to_owned()));
        for wrong in [
            "",
            "00:07",
            "00:07.8",
            "00:20.0",
            "00:2f.0",
            "0g:07.0",
            "00:0A.0",
            "00:07.0 ",
            "../07.0",
            "..:..:..",
            "0000:00:07/0",
            "0000/00:07.0",
            "00:07.0\n",
            "00-07.0",
            "００:07.0",
        ] {
            assert_eq!(shown(wrong), Err(NoAddress), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_an_address_is_a_name_and_no_path(text in "[0-9a-f:./]{0,14}") {
            if let Ok(address) = text.parse::<Address>() {
                let shown = address.to_string();
                prop_assert!(!shown.contains('/') && !shown.contains(".."));
                prop_assert_eq!(shown.parse::<Address>(), Ok(address));
            }
        }

        #[test]
        fn whatever_bytes_there_are(text in any::<String>()) {
            let _no_panic = text.parse::<Address>();
        }

        #[test]
        fn every_address_is_read_back(domain: u16, bus: u8, device in 0_u8..32, function in 0_u8..8) {
            let text = format!("{domain:04x}:{bus:02x}:{device:02x}.{function}");
            prop_assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }
}

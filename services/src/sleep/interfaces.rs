//! The network interfaces of real devices.

use std::io;
use std::path::Path;

use super::root::{Root, word};

/// Where the interfaces are.
const INTERFACES: &str = "sys/class/net";
/// The bit of an interface that is switched on: `IFF_UP` of `netdevice(7)`.
const UP: u32 = 1;

/// The interfaces that are switched on and belong to a device, but not to one of Xen.
pub(super) fn to_switch_off(root: &Root) -> io::Result<Vec<String>> {
    let mut names = root.names(INTERFACES)?;
    names.retain(|name| {
        let folder = root.path(INTERFACES).join(name);
        let is_real = folder.join("device").exists() && !is_of_xen(name, &folder);
        is_real && is_on(&folder) && is_name(name)
    });
    Ok(names)
}

/// Is it there, and switched off?
pub(super) fn is_off(root: &Root, name: &str) -> bool {
    let folder = root.path(INTERFACES).join(name);
    is_name(name) && folder.exists() && !is_on(&folder)
}

fn is_of_xen(name: &str, folder: &Path) -> bool {
    let kind = word(&folder.join("device/devtype"));
    name == "lo" || name.starts_with("vif") || kind.as_deref() == Some("vif")
}

fn is_on(folder: &Path) -> bool {
    let flags = word(&folder.join("flags")).unwrap_or_default();
    let digits = flags.strip_prefix("0x").unwrap_or(&flags);
    u32::from_str_radix(digits, 16).is_ok_and(|flags| flags & UP != 0)
}

/// A name that other programs do not take for an option, and that is no path.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('-') && !name.contains(['/', ' ', '\n'])
}

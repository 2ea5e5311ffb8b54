//! The backends of Xen (xen-blkback): each gives a disk of this qube to another one.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::udev::Properties;

/// Where they are, by name.
pub(crate) const DRIVER: &str = "sys/bus/xen-backend/drivers/vbd";
/// The file of a backend that tells which disk it gives away.
pub(crate) const DEVICE: &str = "physical_device";

/// Waits until the backend of an event tells which disk it gives away: the event comes before that is
/// known. `pause` comes between two looks, and ends the waiting by `false`. A backend that is gone, or
/// an event of anything else, is not waited for.
///
/// The file is looked for again and again, because sysfs tells nobody of a new file (`inotify(7)`).
pub(crate) fn wait(root: &Path, event: &Properties, mut pause: impl FnMut() -> bool) {
    let path = event.get("DEVPATH");
    let name = files::last_component(path);
    let is_plain = !path.split(|byte| *byte == b'/').any(|part| part == b"..");
    if event.get("SUBSYSTEM") != b"xen-backend" || !name.starts_with(b"vbd-") || !is_plain {
        return;
    }
    let below_sys = path.strip_prefix(b"/").unwrap_or(path);
    let folders = [
        root.join("sys").join(OsStr::from_bytes(below_sys)),
        root.join(DRIVER).join(OsStr::from_bytes(name)),
    ];
    let tells = |folder: &Path| fs::read(folder.join(DEVICE)).is_ok_and(|text| !text.is_empty());
    while folders.iter().any(|folder| folder.exists())
        && !folders.iter().any(|folder| tells(folder))
        && pause()
    {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(subsystem: &str, path: &str) -> Properties {
        let mut event = Properties::default();
        event.set("SUBSYSTEM", subsystem.as_bytes());
        event.set("DEVPATH", path.as_bytes());
        event
    }

    /// How often it waited for the backend, when `act` is what happens meanwhile.
    fn pauses(root: &Path, event: &Properties, mut act: impl FnMut(u32) -> bool) -> u32 {
        let mut count = 0;
        wait(root, event, || {
            count += 1;
            act(count)
        });
        count
    }

    #[test]
    fn a_backend_is_waited_for_until_it_tells_its_disk_or_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let of_backend = event("xen-backend", "/devices/vbd-5-51712");
        assert_eq!(pauses(root.path(), &of_backend, |_| true), 0);
        for path in ["sys/devices/vbd-5-51712", &format!("{DRIVER}/vbd-5-51712")] {
            let folder = root.path().join(path);
            fs::create_dir_all(&folder).unwrap();
            let tells = |count| {
                if count == 3 {
                    fs::write(folder.join(DEVICE), "7:0\n").unwrap();
                }
                true
            };
            assert_eq!(pauses(root.path(), &of_backend, tells), 3);
            assert_eq!(pauses(root.path(), &of_backend, |_| true), 0);
            fs::remove_file(folder.join(DEVICE)).unwrap();
            let goes = |count| {
                if count == 2 {
                    fs::remove_dir(&folder).unwrap();
                }
                true
            };
            assert_eq!(pauses(root.path(), &of_backend, goes), 2);
        }
    }

    #[test]
    fn the_waiting_ends_and_other_events_are_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        for path in ["sys/devices/vbd-5-51712", "sys/devices/vif-5-0"] {
            fs::create_dir_all(root.path().join(path)).unwrap();
        }
        let of_backend = event("xen-backend", "/devices/vbd-5-51712");
        assert_eq!(pauses(root.path(), &of_backend, |count| count < 7), 7);
        for other in [
            Properties::default(),
            event("block", "/devices/vbd-5-51712"),
            event("xen-backend", "/devices/vif-5-0"),
            event("xen-backend", "/devices/../devices/vbd-5-51712"),
        ] {
            assert_eq!(pauses(root.path(), &other, |_| true), 0, "{other:?}");
        }
    }
}

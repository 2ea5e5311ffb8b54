//! The command lines.

use std::ffi::OsString;
use std::path::Path;

use clap::{Parser, Subcommand};

/// Publish the block devices of this qube in QubesDB.
///
/// A device that is in use in this qube is withdrawn. So is one that cannot be described. The
/// devices that depend on it are judged again at each event: its disk, its partitions, and what a
/// device of the device mapper consists of.
#[derive(Debug, Parser)]
#[command(name = "qubes-block-devices", version, after_help = AFTER_HELP_OF_BLOCK)]
pub struct Block {
    /// What happened
    #[command(subcommand)]
    pub event: Event,
}

/// Publish the USB devices of this qube in QubesDB.
///
/// Hubs are not published, nor devices that belong to another qube. A device that cannot be
/// described is withdrawn.
#[derive(Debug, Parser)]
#[command(name = "qubes-usb-devices", version, after_help = AFTER_HELP_OF_USB)]
pub struct Usb {
    /// What happened
    #[command(subcommand)]
    pub event: Event,
}

/// What happened to devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Event {
    /// The device that udev describes in the environment is there, or has changed
    AddChange,
    /// It is gone
    Remove,
    /// Anything: judge all devices again
    Refresh,
}

const AFTER_HELP_OF_BLOCK: &str = "\
Called \"udev-block-add-change\" or \"udev-block-remove\", the program does what add-change or remove \
does. Nothing is written to stdout.

Exit status:
  0  the devices are published or withdrawn
  1  a device could not be, or could not be described and was withdrawn
  2  the command line is wrong

Environment:
  DEVNAME, DEVPATH           the device, from udev
  ID_*, DM_*                 what udev knows of it
  QUBES_EXPORT_BLOCK_DEVICE  0: it is not published. 1: it is published although udev ignores it
  QUBESDB_DIR                the folder of the sockets of QubesDB";

const AFTER_HELP_OF_USB: &str = "\
Called \"udev-usb-add-change\" or \"udev-usb-remove\", the program does what add-change or remove \
does. Nothing is written to stdout, which udev would read.

Exit status:
  0  the device is published or withdrawn, or is none to be published
  1  it could not be, or could not be described and was withdrawn
  2  the command line is wrong

Environment:
  DEVPATH, DEVTYPE, TYPE   the device, from udev
  ID_*                     what udev knows of it
  QUBES_EXPORT_USB_DEVICE  0: it is not published
  QUBESDB_DIR              the folder of the sockets of QubesDB";

/// The arguments of this process, with the event that its name stands for.
pub(crate) fn arguments(all: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut all = all.into_iter();
    let name = all.next().unwrap_or_default();
    let event = match Path::new(&name).file_name().and_then(|name| name.to_str()) {
        Some("udev-block-add-change" | "udev-usb-add-change") => Some("add-change"),
        Some("udev-block-remove" | "udev-usb-remove") => Some("remove"),
        _ => None,
    };
    let event = event.map(OsString::from);
    [name].into_iter().chain(event).chain(all).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_lines_are_consistent() {
        Block::command().debug_assert();
        Usb::command().debug_assert();
        let words = |line: &str| arguments(line.split(' ').map(OsString::from));
        let block = |line| {
            Block::try_parse_from(words(line))
                .map(|args| args.event)
                .ok()
        };
        let usb = |line| Usb::try_parse_from(words(line)).map(|args| args.event).ok();
        for (line, event) in [
            ("x add-change", Some(Event::AddChange)),
            ("x remove", Some(Event::Remove)),
            ("x refresh", Some(Event::Refresh)),
            ("x", None),
            ("x add", None),
            ("x remove sda", None),
        ] {
            assert_eq!(block(line), event, "{line}");
            assert_eq!(usb(line), event, "{line}");
        }
        assert_eq!(
            block("/usr/lib/qubes/udev-block-add-change"),
            Some(Event::AddChange)
        );
        assert_eq!(block("udev-block-remove"), Some(Event::Remove));
        assert_eq!(usb("udev-usb-add-change"), Some(Event::AddChange));
        assert_eq!(usb("udev-usb-remove"), Some(Event::Remove));
    }
}

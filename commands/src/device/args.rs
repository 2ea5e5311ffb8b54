//! The command lines: what was typed → what is wanted.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory as _, Parser};
use program::failure::Failure;
use qfile_proto::QubeName;
use raw_device::Source;
use walk::Links;

use crate::ending::command_line;

/// The name of the program that writes to a device.
pub const TO_DEVICE: &str = "qvm-copy-to-device";

/// The name of the program that reads from a device.
pub const FROM_DEVICE: &str = "qvm-copy-from-device";

/// The name of the program that says what is on a device.
pub const STATUS: &str = "qvm-device-status";

const STATUSES_OF_SENDING: &str = "\
DEVICE then contains only the transfer: no partition table and no file system. Its previous \
content is lost. If DEVICE has a partition table or a file system, the command asks for \
confirmation, or requires --overwrite. The disk that holds / or the home folder is always refused.

Exit status:
    0  all files are on the device
    1  the copy failed; stderr gives the reason
    2  the command line is wrong
    3  everything that was sent is on the device, but stderr names files that were left out
   32  cancelled";

const STATUSES_OF_RECEIVING: &str = "\
The files arrive in ~/QubesIncoming/NAME. The digests of the transfer are checked when all of it \
has been read. By then the files have already arrived. If a digest is wrong, a message says so, \
and the files must not be trusted.

Exit status:
    0  all files arrived and are on disk, and the digests are correct
    1  the copy failed; stderr gives the reason
    2  the command line is wrong";

const STATUSES_OF_STATUS: &str = "\
Lines are KEY: VALUE. The keys are state (complete, not complete, damaged or none); number, source and \
bytes of a transfer; and answer (none, received or refused) of a complete one.

Exit status:
    0  the transfer is complete
    1  the transfer is not complete, there is none, or the device cannot be read
    2  the command line is wrong";

/// What was typed for `qvm-copy-to-device`.
#[derive(Debug, Parser)]
#[command(
    name = TO_DEVICE,
    version,
    about = "Write files and folders to a block device or an image that has no file system",
    args_override_self = true,
    max_term_width = 100,
    after_help = STATUSES_OF_SENDING,
)]
pub struct ToDevice {
    /// Write to a device that has a partition table or a file system, and erase these
    #[arg(long)]
    pub(super) overwrite: bool,
    /// Send names whose characters are not safe for display; the reader has to allow them too
    #[arg(long)]
    pub(super) allow_all_names: bool,
    /// Write NAME as the name of the source [default: the name of this host]
    #[arg(long, value_name = "NAME", value_parser = source)]
    pub(super) source: Option<Source>,
    /// Show progress on the terminal (default)
    #[arg(long, overrides_with = "without_progress")]
    with_progress: bool,
    /// Show no progress
    #[arg(long, overrides_with = "with_progress")]
    without_progress: bool,
    /// Leave symbolic links out
    #[arg(long, overrides_with = "dereference")]
    ignore_symlinks: bool,
    /// Copy what symbolic links point to in their place
    #[arg(long, overrides_with = "ignore_symlinks")]
    dereference: bool,
    /// Leave out what a reader would refuse, and list it; the exit status is 3 then
    #[arg(long)]
    pub(super) skip_refused: bool,
    /// The block device, or an image file that is there
    #[arg(value_name = "DEVICE")]
    pub(super) device: PathBuf,
    /// The files and folders
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<OsString>,
}

/// What was typed for `qvm-copy-from-device`.
#[derive(Debug, Parser)]
#[command(
    name = FROM_DEVICE,
    version,
    about = "Receive what qvm-copy-to-device has written to a block device or an image",
    args_override_self = true,
    max_term_width = 100,
    after_help = STATUSES_OF_RECEIVING,
)]
pub struct FromDevice {
    /// Accept names whose characters are not safe for display
    #[arg(long)]
    pub(super) allow_all_names: bool,
    /// Put the files into ~/QubesIncoming/NAME; NAME is one that a qube can have
    #[arg(long, value_name = "NAME", default_value = "device", value_parser = qube)]
    pub(super) from: String,
    /// Show progress on the terminal (default)
    #[arg(long, overrides_with = "without_progress")]
    with_progress: bool,
    /// Show no progress
    #[arg(long, overrides_with = "with_progress")]
    without_progress: bool,
    /// The block device, or an image file
    #[arg(value_name = "DEVICE")]
    pub(super) device: PathBuf,
}

/// What was typed for `qvm-device-status`.
#[derive(Debug, Parser)]
#[command(
    name = STATUS,
    version,
    about = "Show what qvm-copy-to-device has written to a block device or an image",
    max_term_width = 100,
    after_help = STATUSES_OF_STATUS,
)]
pub struct Status {
    /// The block device, or an image file
    #[arg(value_name = "DEVICE")]
    pub(super) device: PathBuf,
}

impl ToDevice {
    /// What to do with symbolic links.
    pub(super) fn links(&self) -> Links {
        match (self.ignore_symlinks, self.dereference) {
            (true, _) => Links::Ignore,
            (false, true) => Links::Follow,
            (false, false) => Links::Send,
        }
    }

    /// True if progress is shown.
    pub(super) fn has_progress(&self) -> bool {
        !self.without_progress
    }
}

impl FromDevice {
    /// True if progress is shown.
    pub(super) fn has_progress(&self) -> bool {
        !self.without_progress
    }
}

/// The definitions of the three command lines.
#[must_use]
pub fn definitions() -> [clap::Command; 3] {
    [
        ToDevice::command(),
        FromDevice::command(),
        Status::command(),
    ]
}

/// Reads the command line of this process.
pub(super) fn parse<P: Parser>() -> Result<P, Failure> {
    P::try_parse().map_err(command_line(P::command()))
}

fn source(typed: &str) -> Result<Source, String> {
    let source = Source::parse(typed);
    source.ok_or_else(|| "a name has 1 to 64 characters of A-Z a-z 0-9 _ . -".to_owned())
}

fn qube(typed: &str) -> Result<String, String> {
    match QubeName::parse(typed.as_bytes()) {
        Some(name) => Ok(name.as_str().to_owned()),
        None => Err(
            "the name of a qube has 1 to 31 characters of A-Z a-z 0-9 _ . - and begins with a \
             letter"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_definitions_are_sound() {
        definitions()
            .into_iter()
            .for_each(clap::Command::debug_assert);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let from = |name: &str| FromDevice::try_parse_from(["", "--from", name, "d"]);
        let to = |name: &str| ToDevice::try_parse_from(["", "--source", name, "d", "f"]);
        for good in ["work", "dom0", "a.b-c_d"] {
            assert!(from(good).is_ok() && to(good).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "..", "../x", "a b", "\u{1b}[31m", "none"] {
            assert!(from(bad).is_err(), "{bad:?}");
            assert!(to(bad).is_err() || bad == "none" || bad == "..", "{bad:?}");
        }
        assert!(ToDevice::try_parse_from(["", "device"]).is_err());
        assert_eq!(
            FromDevice::try_parse_from(["", "d"]).unwrap().from,
            "device"
        );
    }
}

//! The command line of qubes-resize-disk.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use program::command_line::time;

/// Make the file system of a volume as large as its device: the service qubes.ResizeDisk.
///
/// The program reads the name of the volume from stdin: private or root. The file system can be ext2,
/// ext3, ext4, XFS or Btrfs. It is never made smaller. If it is already as large as its device, nothing
/// is done.
#[derive(Debug, Parser)]
#[command(name = "qubes-resize-disk", version, after_help = STATUS)]
#[command(override_usage = "qubes-resize-disk [OPTIONS] < NAME")]
pub struct ResizeDisk {
    /// The device of the volume private
    #[arg(long, value_name = "DEVICE", default_value = "/dev/xvdb", value_parser = device)]
    pub private: PathBuf,

    /// The device of the root file system
    #[arg(long, value_name = "DEVICE", default_value = "/dev/mapper/dmroot", value_parser = device)]
    pub root: PathBuf,

    /// The disk of the volume root, on which the device of the root file system is
    #[arg(long, value_name = "DEVICE", default_value = "/dev/xvda", value_parser = device)]
    pub disk: PathBuf,

    /// The longest time to wait for the name of the volume. Its steps have no limit
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub timeout: Duration,

    /// Must be empty: the service takes no argument
    #[arg(hide = true, value_parser = crate::args::no_argument)]
    pub argument: Option<OsString>,
}

/// The path becomes an argument of other programs, so it must not look like an option.
fn device(typed: &str) -> Result<PathBuf, String> {
    match typed.starts_with('/') {
        true => Ok(PathBuf::from(typed)),
        false => Err("give an absolute path".to_owned()),
    }
}

const STATUS: &str = "\
Exit status:
  0      the file system is as large as its device
  1      the volume cannot be resized, or a step failed
  2      the command line is wrong
  other  the status of the program of the step that failed";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        ResizeDisk::command().debug_assert();
        let parsed = |device: &str| ResizeDisk::try_parse_from(["x", "--private", device]).is_ok();
        assert!(parsed("/dev/loop0"));
        assert!(!parsed("loop0"));
        assert!(!parsed("-f"));
    }
}

//! The command lines of qubes-suspend and qubes-detach-pci-device.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use program::command_line::time;

/// Prepare this qube for the sleep of the machine, or wake it up: the services qubes.SuspendPre,
/// qubes.SuspendPost, qubes.SuspendPreAll and qubes.SuspendPostAll.
///
/// Each step is noted before it is done, so that post undoes a pre that was stopped half-way. A step
/// that fails is named, and all others are done.
#[derive(Debug, Parser)]
#[command(name = "qubes-suspend", version, after_help = STATUS, override_usage = FORMS)]
pub struct Suspend {
    /// The longest time that all steps can take
    #[arg(long, value_name = "TIME", default_value = "50s", value_parser = time)]
    pub timeout: Duration,

    /// Use sys, proc, run, etc and rw of this folder in place of those of /. The program can be tried
    /// on a made-up tree with it
    #[arg(long, value_name = "FOLDER", default_value = "/", alias = "sysfs-root")]
    pub root: PathBuf,

    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Stop the network, take the PCI devices from their drivers, and remove modules
    Pre {
        /// Must be empty: the service takes no argument
        #[arg(hide = true, value_parser = crate::args::no_argument)]
        argument: Option<OsString>,
    },
    /// Undo what pre has done
    Post {
        /// Must be empty: the service takes no argument
        #[arg(hide = true, value_parser = crate::args::no_argument)]
        argument: Option<OsString>,
    },
    /// Run the scripts in /etc/qubes/suspend-pre.d
    PreAll {
        /// Must be empty: the service takes no argument
        #[arg(hide = true, value_parser = crate::args::no_argument)]
        argument: Option<OsString>,
    },
    /// Run the scripts in /etc/qubes/suspend-post.d
    PostAll {
        /// Must be empty: the service takes no argument
        #[arg(hide = true, value_parser = crate::args::no_argument)]
        argument: Option<OsString>,
    },
    /// Write to a file of the kernel, as a process that can be left behind
    #[command(hide = true)]
    Write {
        /// The file
        file: PathBuf,
        /// What is written
        value: String,
    },
}

/// Take a PCI device from its driver: the service qubes.DetachPciDevice.
///
/// The program reads the address of the device from stdin, such as 00:07.0 or 0000:00:07.0. A device
/// without a driver is left as it is.
#[derive(Debug, Parser)]
#[command(name = "qubes-detach-pci-device", version, after_help = STATUS_OF_DETACH)]
#[command(override_usage = "qubes-detach-pci-device [OPTIONS] < ADDRESS")]
pub struct DetachPciDevice {
    /// The longest time for the address to arrive and the driver to let the device go
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub timeout: Duration,

    /// Write to a file of the kernel, as a process that can be left behind
    #[arg(long, hide = true, num_args = 2, value_names = ["FILE", "VALUE"], allow_hyphen_values = true)]
    pub write: Vec<OsString>,

    /// Use sys of this folder in place of /sys. The program can be tried on a made-up tree with it
    #[arg(long, value_name = "FOLDER", default_value = "/", alias = "sysfs-root")]
    pub root: PathBuf,

    /// Must be empty: the service takes no argument
    #[arg(hide = true, value_parser = crate::args::no_argument)]
    pub argument: Option<OsString>,
}

const FORMS: &str = "qubes-suspend [OPTIONS] pre|post|pre-all|post-all";

const STATUS: &str = "\
Exit status:
  0   everything is done
  1   a step or a script failed, or the time limit was reached
  2   the command line is wrong";

const STATUS_OF_DETACH: &str = "\
Exit status:
  0   the device has no driver
  1   the address is not understood or late, there is no such device, or its driver keeps it
  2   the command line is wrong";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_lines_are_well_formed() {
        Suspend::command().debug_assert();
        DetachPciDevice::command().debug_assert();
        let is_fine = |line: &[&str]| {
            let line = [&["qubes-suspend"], line].concat();
            Suspend::try_parse_from(line).is_ok()
        };
        for action in ["pre", "post", "pre-all", "post-all"] {
            assert!(is_fine(&[action]));
            assert!(is_fine(&[action, "--", ""]));
            assert!(!is_fine(&[action, "--", "x"]));
        }
        assert!(!is_fine(&[]));
        assert!(!is_fine(&["during"]));
    }
}

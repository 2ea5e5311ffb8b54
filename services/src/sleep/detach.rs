//! The service qubes.DetachPciDevice.

use std::io;
use std::path::Path;
use std::time::Instant;

use program::failure::Failure;
use rustix::stdio::stdin;
use text::foreign;

use super::args::DetachPciDevice;
use super::kernel;
use super::pci::Address;
use super::root::Root;
use crate::arrival::{Awaited, SinceBoot, read_to_end};

/// The name of the program.
pub const NAME: &str = "qubes-detach-pci-device";

/// Most bytes of stdin: an address and a newline.
const MAX_LEN: usize = 13;

/// Takes the device whose address is on stdin from its driver.
///
/// # Errors
/// Stdin has no address, there is no such device, or the driver keeps it.
pub fn serve(args: &DetachPciDevice) -> Result<(), Failure> {
    if let [file, value] = &args.write[..] {
        return kernel::write_here(Path::new(file), &value.to_string_lossy());
    }
    let deadline = Instant::now() + args.timeout;
    let awaited = Awaited {
        what: "the address of the device from stdin",
        max_len: MAX_LEN,
        begin: SinceBoot::now(),
        limit: args.timeout,
    };
    let untrusted = read_to_end(stdin(), awaited)?.untrusted;
    let line = untrusted.strip_suffix(b"\n").unwrap_or(&untrusted);
    let address: Option<Address> = std::str::from_utf8(line)
        .ok()
        .and_then(|line| line.parse().ok());
    let address = address.ok_or_else(|| {
        Failure::new("cannot detach a device").because(format_args!(
            "\"{}\" is not the address of a PCI device such as 00:07.0",
            foreign(line)
        ))
    })?;
    let root = Root::new(args.root.clone());
    let cannot = || {
        Failure::new(format_args!(
            "cannot take the device {address} from its driver"
        ))
    };
    if !address.folder(&root).exists() {
        return Err(cannot().because("there is no such device"));
    }
    let driver = address
        .driver(&root)
        .map_err(|error| cannot().because(error))?;
    if driver.is_none() {
        return Ok(());
    }
    // A driver that hangs keeps whoever asks it to let a device go.
    let unbind = address.unbind(&root);
    let written = kernel::write_as(kernel::OPTION, &unbind, &address.to_string(), deadline);
    match written {
        // Somebody else was quicker.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            Err(cannot().because(format_args!(
                "the driver has not let it go within {} s",
                args.timeout.as_secs()
            )))
        }
        written => written.map_err(|error| cannot().because(error)),
    }
}

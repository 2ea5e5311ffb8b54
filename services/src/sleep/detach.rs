//! The service qubes.DetachPciDevice.

use std::io;

use program::failure::Failure;
use rustix::io::Errno;
use rustix::stdio::stdin;
use text::foreign;

use super::args::DetachPciDevice;
use super::kernel;
use super::pci::Address;
use super::root::Root;

/// The name of the program.
pub const NAME: &str = "qubes-detach-pci-device";

/// Most bytes of stdin: an address, a newline, and one more to see that there is more.
const MAX_LEN: usize = 14;

/// Takes the device whose address is on stdin from its driver.
///
/// # Errors
/// Stdin has no address, there is no such device, or the driver keeps it.
pub fn serve(args: &DetachPciDevice) -> Result<(), Failure> {
    let untrusted = request()?;
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
    let written = kernel::write_now(&address.unbind(&root), &address.to_string());
    match written {
        // Somebody else was quicker.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        written => written.map_err(|error| cannot().because(error)),
    }
}

/// Stdin, or as much of it as shows that it is no address.
fn request() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut buffer = [0; MAX_LEN];
    while bytes.len() < MAX_LEN {
        match rustix::io::read(stdin(), &mut buffer) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(Errno::INTR) => {}
            Err(error) => return Err(Failure::of("cannot read stdin")(error)),
        }
    }
    Ok(bytes)
}

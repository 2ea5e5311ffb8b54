//! The service qubes.ResizeDisk: makes the file system of a volume as large as its device, while it is
//! mounted.
//!
//! [`file_system`] recognises what is on a device before anything is touched, `mounted` finds where it
//! is mounted, and `grow` has it grown by its own program. `root` first makes the device of the root
//! volume larger, which can be a partition (`partitions`) or a mapping (`mapping`).

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::time::Duration;

use program::failure::Failure;
use rustix::stdio::stdin;
use text::foreign;

use self::args::ResizeDisk;
use crate::arrival::{Awaited, SinceBoot, read_to_end};

pub mod args;
pub mod file_system;
mod grow;
pub mod mapping;
pub mod mounted;
pub mod partitions;
mod root;
mod steps;

/// The name of the program.
pub const NAME: &str = "qubes-resize-disk";

/// Most bytes of the name of a volume.
const MAX_NAME: usize = 64;

/// Resizes the volume whose name is on stdin.
///
/// # Errors
/// The volume cannot be resized while the qube runs; or a step failed, which is named, with the status
/// of its program.
pub fn serve(args: &ResizeDisk) -> Result<(), Failure> {
    let untrusted = request(args.timeout)?;
    match untrusted.trim_ascii() {
        b"private" => grow::grow(&args.private),
        b"root" => root::enlarge(&args.root, &args.disk).and_then(|()| grow::grow(&args.root)),
        b"volatile" => Err(not_supported(b"volatile")
            .because("its content is lost when the qube is shut down, and its size changes then")),
        b"" => Err(Failure::new("cannot resize a volume").because("stdin has no name of a volume")),
        other => Err(not_supported(other).because("only private and root can be resized")),
    }
}

/// The words of the original.
fn not_supported(volume: &[u8]) -> Failure {
    Failure::new(format_args!(
        "Automatic resize of '{}' not supported",
        foreign(volume)
    ))
}

/// All of stdin, which is a name.
fn request(limit: Duration) -> Result<Vec<u8>, Failure> {
    let what = "the name of the volume from stdin";
    let awaited = Awaited {
        what,
        max_len: MAX_NAME,
        begin: SinceBoot::now(),
        limit,
    };
    let name = read_to_end(stdin(), awaited)?.untrusted;
    match name.len() > MAX_NAME {
        true => Err(Failure::new(format_args!("cannot read {what}"))
            .because(format_args!("it has more than {MAX_NAME} bytes"))),
        false => Ok(name),
    }
}

/// An open block device.
#[derive(Debug)]
struct Device {
    file: File,
    /// Its number, as in `stat(2)`.
    number: u64,
    /// Its size in bytes.
    len: u64,
}

impl Device {
    /// Opens a device and reads a little from it, which makes the kernel look at its size again.
    fn open(path: &Path) -> Result<Self, Failure> {
        let shown = text::file(path);
        let cannot = |what: &str| Failure::of(format!("cannot {what} {shown}"));
        let mut file = File::open(path).map_err(cannot("open"))?;
        let metadata = file.metadata().map_err(cannot("look at"))?;
        if !metadata.file_type().is_block_device() {
            return Err(Failure::new(format_args!("cannot resize {shown}"))
                .because("it is not a block device"));
        }
        let _noticed = file.read(&mut [0; 512]).map_err(cannot("read"))?;
        let len = file
            .seek(SeekFrom::End(0))
            .map_err(cannot("find the size of"))?;
        Ok(Self {
            file,
            number: metadata.rdev(),
            len,
        })
    }
}

/// A size in the words of people and in bytes.
fn shown(len: u64) -> String {
    format!("{:.1} MiB ({len} bytes)", len as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_told_twice() {
        assert_eq!(shown(1_572_864), "1.5 MiB (1572864 bytes)");
    }

    #[test]
    fn what_is_no_block_device_is_refused() {
        for path in ["/dev/null", "/", "/no/such/device"] {
            let failure = Device::open(Path::new(path)).unwrap_err();
            assert!(failure.reason().contains(path), "{failure}");
        }
    }
}

//! A block device or an image file, opened so that nobody else uses it meanwhile.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::num::NonZeroU64;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use program::failure::Failure;
use raw_device::{BLOCK_LEN, Block, Medium};
use rustix::fs::{Advice, FileType, FlockOperation, Mode, OFlags, Stat, fadvise, flock, fstat};
use rustix::fs::{major, minor, open};
use rustix::io::Errno;

use crate::device::disk::Number;
use crate::device::permission::refuse_system_disk;

/// What writes past the cache begin and end at, in memory and on the device: the largest sector that
/// there is, in bytes (open(2), `O_DIRECT`).
pub(super) const ALIGNMENT: usize = 4096;

/// What a device is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// To write a transfer. Nobody else may use it, and it is not the disk of this system.
    Send,
    /// To read a transfer, and to write an answer if it can be written. Nobody else may use it.
    Receive,
    /// To look at it, whoever else uses it.
    Look,
}

/// An open device.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) file: File,
    /// The same block device, for writes that go past the cache of the kernel.
    direct: Option<File>,
    /// Its path as it was typed.
    path: PathBuf,
    /// Its number; `None` for a regular file.
    pub(super) number: Option<Number>,
    /// Its size in bytes. A regular file is never made longer.
    pub(super) capacity: u64,
    /// It can be written.
    pub(super) is_writable: bool,
}

impl Device {
    /// Opens the block device or regular file `path`.
    pub(super) fn open(path: &Path, purpose: Use) -> Result<Self, Failure> {
        let attempted = || format!("cannot open {}", text::file(path));
        let failed = |errno: Errno| {
            let failure = Failure::new(attempted()).because(io::Error::from(errno));
            match advice(errno) {
                Some(advice) => failure.advise(advice),
                None => failure,
            }
        };
        // Its kind is known before it is opened: opening a device of another kind may do something.
        let found = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        let stat = fstat(&found).map_err(failed)?;
        let is_block = match FileType::from_raw_mode(stat.st_mode) {
            FileType::BlockDevice => true,
            FileType::RegularFile => false,
            _ => {
                return Err(Failure::new(attempted())
                    .because("it is neither a block device nor a regular file")
                    .advise("give a block device such as /dev/sdb, or an image file"));
            }
        };
        if is_block && purpose == Use::Send {
            refuse_system_disk(number(&stat), &attempted())?;
        }
        let exclusive = match is_block && purpose != Use::Look {
            true => OFlags::EXCL,
            false => OFlags::empty(),
        };
        let reopen = |access: OFlags| {
            // The same file, whatever has taken its name meanwhile.
            let same = format!("/proc/self/fd/{}", found.as_raw_fd());
            open(same, access | exclusive | OFlags::CLOEXEC, Mode::empty())
        };
        // Not exclusive: that is what the other one is.
        let direct = || {
            let same = format!("/proc/self/fd/{}", found.as_raw_fd());
            let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
            open(same, flags, Mode::empty()).ok().map(File::from)
        };
        let (opened, is_writable) = match purpose {
            Use::Send => (reopen(OFlags::RDWR), true),
            Use::Look => (reopen(OFlags::RDONLY), false),
            Use::Receive => match reopen(OFlags::RDWR) {
                Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => (reopen(OFlags::RDONLY), false),
                opened => (opened, true),
            },
        };
        let mut file = File::from(opened.map_err(failed)?);
        if !is_block && purpose != Use::Look {
            flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(
                |errno| match errno {
                    Errno::WOULDBLOCK => failed(Errno::BUSY),
                    other => failed(other),
                },
            )?;
        }
        let capacity = file.seek(SeekFrom::End(0));
        Ok(Self {
            capacity: capacity.map_err(Failure::of(attempted()))?,
            direct: match is_block && purpose == Use::Send {
                true => direct(),
                false => None,
            },
            file,
            path: path.to_owned(),
            number: is_block.then(|| number(&stat)),
            is_writable,
        })
    }

    /// Its path, in quotation marks, as it may be shown.
    pub(super) fn shown(&self) -> String {
        text::file(&self.path)
    }

    /// Begins to write `len` bytes from `at` on to the device, which [`Medium::sync`] would wait for.
    /// Where writes go past the cache, they have been written.
    pub(super) fn begin_writing(&self, at: u64, len: u64) {
        if self.direct.is_some() {
            return;
        }
        // What is written there is not read again. The kernel may have no such call for it.
        let _a_hint = fadvise(&self.file, at, NonZeroU64::new(len), Advice::DontNeed);
    }

    /// The block from `at` on; zeros where the device is shorter.
    pub(super) fn block(&self, at: u64) -> io::Result<Block> {
        let mut block = [0; BLOCK_LEN];
        if self.capacity.saturating_sub(at) >= BLOCK_LEN as u64 {
            self.file.read_exact_at(&mut block, at)?;
        }
        Ok(block)
    }
}

impl Medium for &Device {
    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let is_aligned = at % ALIGNMENT as u64 == 0
            && bytes.len() % ALIGNMENT == 0
            && bytes.as_ptr().align_offset(ALIGNMENT) == 0;
        match self.direct.as_ref().filter(|_| is_aligned) {
            // A device that wants more than this alignment says so here.
            Some(direct) => match direct.write_all_at(bytes, at) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.file.write_all_at(bytes, at)
                }
                written => written,
            },
            None => self.file.write_all_at(bytes, at),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn number(stat: &Stat) -> Number {
    Number {
        major: major(stat.st_rdev),
        minor: minor(stat.st_rdev),
    }
}

fn advice(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::BUSY => Some(
            "it is mounted, or another program uses it; lsblk shows where it is mounted, and \
             umount unmounts it",
        ),
        Errno::NOENT => Some(
            "give a block device such as /dev/sdb, which lsblk lists, or an existing image file: \
             truncate --size=1G FILE creates one",
        ),
        Errno::ACCESS | Errno::PERM => {
            Some("you need permission to read and write it; ls -l shows who has permission")
        }
        Errno::ROFS => Some("it is write-protected"),
        _ => None,
    }
}

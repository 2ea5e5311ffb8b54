//! Which file system is on a device, and how large it says that it is.
//!
//! The places of the fields are those of the documents of the kernel (`Documentation/filesystems/ext4`),
//! of "XFS Algorithms & Data Structures", and of the wiki of Btrfs ("On-disk Format"). ext2, ext3 and
//! ext4 differ in features only, and one program resizes all three.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// So many bytes of a device are enough to recognise what is on it.
pub const LEN: usize = BTRFS + 4096;

/// Where the superblock of ext begins, in bytes.
const EXT: usize = 1024;
/// Where that of Btrfs begins.
const BTRFS: usize = 0x1_0000;

/// A kind of file system that can be grown while it is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ext2, ext3 or ext4.
    Ext,
    /// XFS.
    Xfs,
    /// Btrfs, and the number of this device in it.
    Btrfs(u64),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ext => "ext2/3/4",
            Self::Xfs => "XFS",
            Self::Btrfs(_) => "Btrfs",
        })
    }
}

impl Kind {
    /// Has the kernel this name for it?
    #[must_use]
    pub fn is_named(self, name: &str) -> bool {
        match self {
            Self::Ext => ["ext2", "ext3", "ext4"].contains(&name),
            Self::Xfs => name == "xfs",
            Self::Btrfs(_) => name == "btrfs",
        }
    }
}

/// A file system, as its superblock describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Its kind.
    pub kind: Kind,
    /// Its size on this device, in bytes.
    pub len: u64,
    /// The size of a block, in bytes. It grows by whole blocks.
    pub block: u64,
}

/// Why no file system is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// There is none of those that can be grown.
    None,
    /// There are the signatures of two, and which of them is used is not known.
    Two(Kind, Kind),
    /// What the superblock of this one says cannot be.
    Damaged(Kind),
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => {
                f.write_str("there is no file system of the kinds ext2/3/4, XFS and Btrfs")
            }
            Self::Two(one, other) => write!(f, "there are signatures of {one} and of {other}"),
            Self::Damaged(kind) => write!(f, "the superblock of {kind} is damaged"),
        }
    }
}

/// The beginning of a device, or what there is of it.
///
/// # Errors
/// It cannot be read.
pub fn beginning(device: &File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; LEN];
    let mut len = 0;
    while len < LEN {
        match device.read_at(&mut bytes[len..], len as u64) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

/// Recognises what is on a device by its [`beginning`].
///
/// # Errors
/// Why it is not recognised.
pub fn recognise(untrusted: &[u8]) -> Result<FileSystem, Unknown> {
    let mut found = [ext(untrusted), xfs(untrusted), btrfs(untrusted)]
        .into_iter()
        .flatten();
    let Some((kind, described)) = found.next() else {
        return Err(Unknown::None);
    };
    if let Some((other, _)) = found.next() {
        return Err(Unknown::Two(kind, other));
    }
    described
        .filter(|file_system| file_system.len > 0)
        .ok_or(Unknown::Damaged(kind))
}

/// A kind whose signature is there, and what its superblock says, if that can be.
type Found = Option<(Kind, Option<FileSystem>)>;

fn ext(bytes: &[u8]) -> Found {
    // s_magic.
    (field(bytes, EXT + 0x38)? == [0x53, 0xEF]).then_some(())?;
    let described = || {
        // s_log_block_size: 1 KiB to 64 KiB.
        let shift = u32::from_le_bytes(field(bytes, EXT + 0x18)?);
        let block = (shift <= 6).then(|| 1024 << shift)?;
        // s_feature_incompat has 64bit, and then s_blocks_count_hi counts.
        let has_64_bits = u32::from_le_bytes(field(bytes, EXT + 0x60)?) & 0x80 != 0;
        let low = u32::from_le_bytes(field(bytes, EXT + 0x04)?);
        let high = match has_64_bits {
            true => u32::from_le_bytes(field(bytes, EXT + 0x150)?),
            false => 0,
        };
        let blocks = u64::from(high) << 32 | u64::from(low);
        of_blocks(Kind::Ext, blocks, block)
    };
    Some((Kind::Ext, described()))
}

fn xfs(bytes: &[u8]) -> Found {
    (field(bytes, 0)? == *b"XFSB").then_some(())?;
    let described = || {
        // sb_blocksize and sb_dblocks.
        let block = u32::from_be_bytes(field(bytes, 4)?);
        let block = ((512..=65536).contains(&block) && block.is_power_of_two()).then_some(block)?;
        let blocks = u64::from_be_bytes(field(bytes, 8)?);
        of_blocks(Kind::Xfs, blocks, block.into())
    };
    Some((Kind::Xfs, described()))
}

fn btrfs(bytes: &[u8]) -> Found {
    (field(bytes, BTRFS + 0x40)? == *b"_BHRfS_M").then_some(())?;
    // dev_item: devid and total_bytes of this device.
    let number = u64::from_le_bytes(field(bytes, BTRFS + 0xC9)?);
    let kind = Kind::Btrfs(number);
    let described = || {
        let len = u64::from_le_bytes(field(bytes, BTRFS + 0xC9 + 8)?);
        let block = u32::from_le_bytes(field(bytes, BTRFS + 0x90)?);
        let block = ((512..=65536).contains(&block) && block.is_power_of_two()).then_some(block)?;
        Some(FileSystem {
            kind,
            len,
            block: block.into(),
        })
    };
    Some((kind, described()))
}

fn of_blocks(kind: Kind, blocks: u64, block: u64) -> Option<FileSystem> {
    let len = blocks.checked_mul(block)?;
    Some(FileSystem { kind, len, block })
}

fn field<const LEN: usize>(bytes: &[u8], at: usize) -> Option<[u8; LEN]> {
    bytes.get(at..at.checked_add(LEN)?)?.try_into().ok()
}

/// What is to be done about a file system on a device of some size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is as large as the device allows.
    Nothing,
    /// It can grow.
    Grow,
    /// The device is smaller. The file system must not be touched.
    TooSmall,
}

impl FileSystem {
    /// What is to be done on a device of so many bytes.
    #[must_use]
    pub fn on(&self, device: u64) -> Decision {
        match device.checked_sub(self.len) {
            None => Decision::TooSmall,
            Some(more) if more < self.block => Decision::Nothing,
            Some(_) => Decision::Grow,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
        bytes[at..at + field.len()].copy_from_slice(field);
    }

    fn ext_of(blocks: u64, shift: u32) -> Vec<u8> {
        let mut bytes = vec![0; LEN];
        put(&mut bytes, 0x438, &[0x53, 0xEF]);
        put(&mut bytes, 0x418, &shift.to_le_bytes());
        put(&mut bytes, 0x460, &0x80_u32.to_le_bytes());
        let blocks = blocks.to_le_bytes();
        put(&mut bytes, 0x404, &blocks[..4]);
        put(&mut bytes, 0x550, &blocks[4..]);
        bytes
    }

    #[test]
    fn each_kind_is_recognised_with_its_size() {
        let recognised = recognise(&ext_of(0x1_0000_0001, 2)).unwrap();
        assert_eq!(recognised.len, 0x1_0000_0001 * 4096);
        let mut old = ext_of(0x1_0000_0001, 0);
        put(&mut old, 0x460, &[0]);
        assert_eq!(recognise(&old).unwrap().len, 1024);

        let mut xfs = vec![0; LEN];
        put(&mut xfs, 0, b"XFSB");
        put(&mut xfs, 4, &4096_u32.to_be_bytes());
        put(&mut xfs, 8, &1000_u64.to_be_bytes());
        let recognised = recognise(&xfs).unwrap();
        assert_eq!((recognised.kind, recognised.len), (Kind::Xfs, 4_096_000));

        let mut btrfs = vec![0; LEN];
        put(&mut btrfs, 0x1_0040, b"_BHRfS_M");
        put(&mut btrfs, 0x1_0090, &4096_u32.to_le_bytes());
        put(&mut btrfs, 0x1_00C9, &3_u64.to_le_bytes());
        put(&mut btrfs, 0x1_00D1, &123_456_u64.to_le_bytes());
        let recognised = recognise(&btrfs).unwrap();
        assert_eq!((recognised.kind, recognised.len), (Kind::Btrfs(3), 123_456));

        put(&mut btrfs, 0x438, &[0x53, 0xEF]);
        assert_eq!(
            recognise(&btrfs),
            Err(Unknown::Two(Kind::Ext, Kind::Btrfs(3)))
        );
    }

    #[test]
    fn what_cannot_be_is_damaged_and_all_else_unknown() {
        for bytes in [&[][..], &[0; 100], &[0xFF; LEN], &[0; LEN]] {
            assert_eq!(recognise(bytes), Err(Unknown::None));
        }
        assert_eq!(recognise(&ext_of(0, 0)), Err(Unknown::Damaged(Kind::Ext)));
        assert_eq!(recognise(&ext_of(1, 7)), Err(Unknown::Damaged(Kind::Ext)));
        assert_eq!(
            recognise(&ext_of(u64::MAX, 2)),
            Err(Unknown::Damaged(Kind::Ext))
        );
        assert_eq!(
            recognise(b"XFSB\0\0\0\x01\0\0\0\0\0\0\0\x01"),
            Err(Unknown::Damaged(Kind::Xfs))
        );
    }

    #[test]
    fn real_file_systems_are_recognised_with_their_real_sizes() {
        let mut count = 0;
        for (program, options, name) in [
            ("mkfs.ext2", &["-q", "-F"][..], "ext2"),
            ("mkfs.ext4", &["-q", "-F", "-b", "1024"], "ext4"),
            ("mkfs.xfs", &["-q"], "xfs"),
            ("mkfs.btrfs", &["-q"], "btrfs"),
        ] {
            let image = tempfile::NamedTempFile::new().unwrap();
            let len = 320 << 20;
            image.as_file().set_len(len).unwrap();
            let path = std::env::var("PATH").unwrap_or_default();
            let made = Command::new(program)
                .env("PATH", format!("{path}:/usr/sbin:/sbin"))
                .args(options)
                .arg(image.path())
                .output();
            // What is not installed is tried by the end-to-end tests, which say so.
            if !made.is_ok_and(|made| made.status.success()) {
                continue;
            }
            count += 1;
            let recognised = recognise(&beginning(image.as_file()).unwrap()).unwrap();
            assert!(recognised.kind.is_named(name), "{recognised:?}");
            assert_eq!(recognised.on(len), Decision::Nothing, "{recognised:?}");
            assert_eq!(recognised.on(len - 1), Decision::TooSmall);
            assert_eq!(recognised.on(len + 65536), Decision::Grow);
        }
        let has_ext = std::path::Path::new("/usr/sbin/mkfs.ext4").exists();
        assert!(count > 0 || !has_ext);
    }

    proptest! {
        #[test]
        fn whatever_is_on_a_device_is_recognised_or_not(
            patches in prop::collection::vec((0..LEN - 8, any::<[u8; 8]>()), 0..20),
            begin in 0_usize..4,
            len in 0..LEN,
        ) {
            let mut bytes = match begin {
                0 => ext_of(1000, 2),
                _ => vec![0; LEN],
            };
            if begin == 1 {
                put(&mut bytes, 0, b"XFSB");
            }
            if begin == 2 {
                put(&mut bytes, 0x1_0040, b"_BHRfS_M");
            }
            for (at, patch) in patches {
                put(&mut bytes, at, &patch);
            }
            for bytes in [&bytes[..], &bytes[..len]] {
                if let Ok(file_system) = recognise(bytes) {
                    prop_assert!(file_system.len > 0 && file_system.block.is_power_of_two());
                }
            }
        }

        #[test]
        fn a_file_system_is_never_made_smaller(len in 1_u64.., block in 9_u32..17, device: u64) {
            let file_system = FileSystem { kind: Kind::Ext, len, block: 1 << block };
            match file_system.on(device) {
                Decision::TooSmall => prop_assert!(device < len),
                Decision::Nothing => prop_assert!(device - len < 1 << block),
                Decision::Grow => prop_assert!(device - len >= 1 << block),
            }
        }
    }
}

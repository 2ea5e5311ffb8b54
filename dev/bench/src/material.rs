//! The files to copy. What is there already is not made again.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Longest small file in bytes.
const SMALL: u64 = 9 << 10;

/// Folders that hold the small files: 20, and 10 in each of them.
const FOLDERS: (u64, u64) = (20, 10);

/// A file of `len` random bytes.
pub(crate) fn random_file(path: &Path, len: u64) -> Result<()> {
    if fs::metadata(path).is_ok_and(|there| there.len() == len) {
        return Ok(());
    }
    let mut random = File::open("/dev/urandom")?.take(len);
    let copied = io::copy(&mut random, &mut File::create(path)?);
    copied.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// `count` files of 0–9 KB of random bytes in 220 folders.
pub(crate) fn small_files(top: &Path, count: u64) -> Result<()> {
    let mut content = vec![0; usize::try_from(2 * SMALL)?];
    File::open("/dev/urandom")?.read_exact(&mut content)?;
    let (outer, inner) = FOLDERS;
    for folder in 0..outer * (inner + 1) {
        let path = folder_of(top, folder);
        fs::create_dir_all(&path)?;
    }
    for number in 0..count {
        let folder = folder_of(top, number % (outer * (inner + 1)));
        let file = folder.join(format!("file-{number:05}.bin"));
        let (start, len) = (number * 31 % SMALL, number * 7_919 % (SMALL + 1));
        let range = usize::try_from(start)?..usize::try_from(start + len)?;
        fs::write(file, &content[range])?;
    }
    Ok(())
}

fn folder_of(top: &Path, folder: u64) -> PathBuf {
    let (outer, inner) = FOLDERS;
    let path = top.join(format!("folder-{:02}", folder % outer));
    match folder / outer {
        0 => path,
        below => path.join(format!("below-{:02}", below % (inner + 1))),
    }
}

/// `count` empty files, 1,000 in each folder.
pub(crate) fn empty_files(top: &Path, count: u64) -> Result<()> {
    for number in 0..count {
        let folder = top.join(format!("folder-{:03}", number / 1_000));
        if number % 1_000 == 0 {
            fs::create_dir_all(&folder)?;
        }
        File::create(folder.join(format!("file-{number:06}")))?;
    }
    Ok(())
}

/// A file of `len` bytes with 64 MiB of data in 64 extents, and holes between them.
pub(crate) fn file_of_holes(path: &Path, len: u64) -> Result<()> {
    const EXTENTS: u64 = 64;
    let mut extent = vec![0; 1 << 20];
    File::open("/dev/urandom")?.read_exact(&mut extent)?;
    let file = File::create(path)?;
    file.set_len(len)?;
    for number in 0..EXTENTS {
        file.write_all_at(&extent, number * (len / EXTENTS))?;
    }
    Ok(())
}

//! Whether all that was to arrive is there. A copy that is quick because it is not whole is no copy.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, FileType, Metadata};
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// How much to read at once, in bytes.
const PIECE: usize = 256 << 10;

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Every name, and the length of every file.
    AtLengths,
    /// Every byte as well.
    AtContent,
}

/// Makes sure that `landed` is the file or folder `source`, no more and no less.
pub(crate) fn same(source: &Path, landed: &Path, look: Look) -> Result<()> {
    let (wanted, found) = (metadata(source)?, metadata(landed)?);
    let whole = shape(&wanted) == shape(&found)
        && match wanted.is_dir() {
            true => same_entries(source, landed, look)?,
            false => look == Look::AtLengths || same_content(source, landed)?,
        };
    ensure!(
        whole,
        "{} is not what {} is",
        landed.display(),
        source.display()
    );
    Ok(())
}

fn metadata(path: &Path) -> Result<Metadata> {
    fs::symlink_metadata(path).with_context(|| format!("{} did not arrive", path.display()))
}

/// What it is, and how long if that means anything.
fn shape(metadata: &Metadata) -> (FileType, Option<u64>) {
    let len = metadata.is_file().then_some(metadata.len());
    (metadata.file_type(), len)
}

fn same_entries(source: &Path, landed: &Path, look: Look) -> Result<bool> {
    let wanted = entries(source)?;
    if wanted != entries(landed)? {
        return Ok(false);
    }
    for (name, (kind, len)) in &wanted {
        if kind.is_dir() || look == Look::AtContent && *len != Some(0) {
            same(&source.join(name), &landed.join(name), look)?;
        }
    }
    Ok(true)
}

/// What is in a folder. Its entries are looked at from there, which is quicker than by their paths.
fn entries(folder: &Path) -> Result<BTreeMap<OsString, (FileType, Option<u64>)>> {
    let named = fs::read_dir(folder)?.map(|entry| {
        let entry = entry?;
        Ok((entry.file_name(), shape(&entry.metadata()?)))
    });
    named.collect()
}

fn same_content(source: &Path, landed: &Path) -> Result<bool> {
    let open = |path: &Path| File::open(path).map(|file| BufReader::with_capacity(PIECE, file));
    let (mut wanted, mut found) = (open(source)?, open(landed)?);
    loop {
        let (ours, theirs) = (wanted.fill_buf()?, found.fill_buf()?);
        let count = ours.len().min(theirs.len());
        if ours[..count] != theirs[..count] {
            return Ok(false);
        }
        if count == 0 {
            return Ok(ours.len() == theirs.len());
        }
        wanted.consume(count);
        found.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two folders with the same content.
    fn pair() -> (tempfile::TempDir, [std::path::PathBuf; 2]) {
        let top = tempfile::tempdir().unwrap();
        let both = ["source", "landed"].map(|name| top.path().join(name));
        for folder in &both {
            fs::create_dir_all(folder.join("below")).unwrap();
            fs::write(folder.join("below/long"), vec![7; 2 * PIECE + 1]).unwrap();
            fs::write(folder.join("empty"), "").unwrap();
        }
        (top, both)
    }

    #[test]
    fn a_whole_copy_is_recognised() {
        let (_top, [source, landed]) = pair();
        same(&source, &landed, Look::AtContent).unwrap();
    }

    #[test]
    fn a_copy_with_less_more_or_something_else_is_none() {
        let spoil: [fn(&Path); 5] = [
            |landed| fs::remove_file(landed.join("empty")).unwrap(),
            |landed| fs::write(landed.join("below/more"), "").unwrap(),
            |landed| fs::write(landed.join("below/long"), vec![7; 2 * PIECE]).unwrap(),
            |landed| fs::write(landed.join("empty"), "x").unwrap(),
            |landed| {
                fs::remove_file(landed.join("empty")).unwrap();
                fs::create_dir(landed.join("empty")).unwrap();
            },
        ];
        for (number, spoil) in spoil.into_iter().enumerate() {
            let (_top, [source, landed]) = pair();
            spoil(&landed);
            same(&source, &landed, Look::AtLengths).expect_err(&number.to_string());
        }
    }

    #[test]
    fn one_wrong_byte_is_found() {
        let (_top, [source, landed]) = pair();
        let mut content = vec![7; 2 * PIECE + 1];
        content[2 * PIECE] = 8;
        fs::write(landed.join("below/long"), content).unwrap();
        same(&source, &landed, Look::AtLengths).unwrap();
        same(&source, &landed, Look::AtContent).unwrap_err();
    }
}

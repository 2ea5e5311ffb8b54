//! What is known of a manifest before anything is deleted: that it is whole, which arguments were
//! sent, and which of them stand in another.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Seek as _, SeekFrom};

use qvm_common::manifest::{Kind, Reader};

/// The manifest as a whole.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The names of the arguments that were sent; each has its own.
    pub(super) sent: HashSet<Vec<u8>>,
    /// Those among them that were sent a second time, as a part of another argument, and are
    /// deleted with that.
    pub(super) inside_another: HashSet<Vec<u8>>,
}

/// An entry: the folder that it stands in, by device and inode, and its name there.
type Place = (u64, u64, Vec<u8>);

impl Plan {
    /// Reads all of `manifest`.
    pub(super) fn of(manifest: &File) -> io::Result<Self> {
        let mut tops: HashMap<Place, usize> = HashMap::new();
        scan(manifest, |argument, place, is_top| {
            if is_top {
                tops.insert(place, argument);
            }
        })?;
        let mut plan = Self::default();
        if tops.len() > 1 {
            let mut inside = HashSet::new();
            scan(manifest, |argument, place, is_top| {
                let other = tops.get(&place).filter(|other| **other != argument);
                // Two that stand in each other, by mounts, are not both the other's.
                if let Some(other) = other.filter(|_| !is_top && !inside.contains(&argument)) {
                    inside.insert(*other);
                    plan.inside_another.insert(place.2);
                }
            })?;
        }
        plan.sent = tops.into_keys().map(|(_, _, name)| name).collect();
        Ok(plan)
    }
}

/// The records of `manifest`, from the first.
pub(super) fn records(mut manifest: &File) -> io::Result<Reader<BufReader<&File>>> {
    manifest.seek(SeekFrom::Start(0))?;
    Reader::new(BufReader::new(manifest))
}

/// Where in the path of a folder a `/` follows its name: for a base that is its last byte.
pub(super) fn prefix_len(kind: Kind, path: &[u8]) -> usize {
    match kind {
        Kind::Base => path.len().saturating_sub(1),
        Kind::Entry => path.len(),
    }
}

/// Visits each entry with the number of its argument, its place, and whether it is the argument
/// itself.
fn scan(manifest: &File, mut visit: impl FnMut(usize, Place, bool)) -> io::Result<()> {
    let mut records = records(manifest)?;
    let mut argument = 0;
    // Length of the path, device, inode.
    let mut folders: Vec<(usize, u64, u64)> = Vec::new();
    while let Some(record) = records.next()? {
        let state = record.state;
        if record.kind == Kind::Base {
            argument += 1;
            folders.clear();
        } else {
            while folders
                .last()
                .is_some_and(|(len, ..)| !record.is_below(*len))
            {
                folders.pop();
            }
            let &(len, device, inode) = folders.last().ok_or(io::ErrorKind::InvalidData)?;
            let name = &record.path[len + 1..];
            if name.is_empty() || name.contains(&b'/') {
                return Err(io::ErrorKind::InvalidData.into());
            }
            visit(argument, (device, inode, name.to_vec()), folders.len() == 1);
        }
        let len = prefix_len(record.kind, record.path);
        folders.push((len, state.device, state.inode));
    }
    Ok(())
}

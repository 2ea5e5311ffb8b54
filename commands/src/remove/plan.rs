//! What is known of a manifest before anything is deleted: that it is whole, which arguments are in
//! it, which of them stand in another, and which files changed while they were sent.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Seek as _, SeekFrom};

use files::FileId;
use transfer::manifest::{Kind, Reader};

/// The manifest as a whole.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The names of the arguments that the manifest knows of; each has its own.
    pub(super) known: HashSet<Vec<u8>>,
    /// Those among them that were sent a second time, as a part of another argument, and are
    /// deleted with that.
    pub(super) inside_another: HashSet<Vec<u8>>,
    /// The files that changed while they were sent.
    pub(super) changed: HashSet<FileId>,
}

/// An entry: the folder that it stands in, and its name there.
type Place = (FileId, Vec<u8>);

impl Plan {
    /// Reads all of `manifest`.
    pub(super) fn of(manifest: &File) -> io::Result<Self> {
        let mut plan = Self::default();
        let mut tops: HashMap<Place, usize> = HashMap::new();
        scan(manifest, &mut plan.changed, |argument, place, is_top| {
            if is_top {
                tops.insert(place, argument);
            }
        })?;
        if tops.len() > 1 {
            let mut inside = HashSet::new();
            scan(manifest, &mut HashSet::new(), |argument, place, is_top| {
                let other = tops.get(&place).filter(|other| **other != argument);
                // Two that stand in each other, by mounts, are not both the other's.
                if let Some(other) = other.filter(|_| !is_top && !inside.contains(&argument)) {
                    inside.insert(*other);
                    plan.inside_another.insert(place.1);
                }
            })?;
        }
        plan.known = tops.into_keys().map(|(_, name)| name).collect();
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
        _ => path.len(),
    }
}

/// Visits each entry with the number of its argument, its place, and whether it is the argument
/// itself, and collects the files that changed while they were sent.
fn scan(
    manifest: &File,
    changed: &mut HashSet<FileId>,
    mut visit: impl FnMut(usize, Place, bool),
) -> io::Result<()> {
    let mut records = records(manifest)?;
    let mut argument = 0;
    // Length of the path, and which folder it is.
    let mut folders: Vec<(usize, FileId)> = Vec::new();
    while let Some(record) = records.next()? {
        let state = record.state;
        if record.kind == Kind::Base {
            argument += 1;
            folders.clear();
        } else {
            while folders
                .last()
                .is_some_and(|(len, _)| !record.is_below(*len))
            {
                folders.pop();
            }
            let place = folders.last().and_then(|&(len, folder)| {
                let name = &record.path[len + 1..];
                let is_name = !name.is_empty() && !name.contains(&b'/');
                is_name.then(|| (folder, name.to_vec()))
            });
            match place {
                Some(place) => visit(argument, place, folders.len() == 1),
                None if record.kind == Kind::Entry => return Err(io::ErrorKind::InvalidData.into()),
                // Found through a link, or gone before its folder was noted.
                None => {}
            }
        }
        match record.kind {
            Kind::Base | Kind::Entry => {
                let len = prefix_len(record.kind, record.path);
                folders.push((len, state.id));
            }
            Kind::Changed | Kind::Older => {
                changed.insert(state.id);
            }
            Kind::Special | Kind::Vanished | Kind::Refused => {}
        }
    }
    Ok(())
}

//! What the kernel knows of block devices (sysfs), below a root folder.

use std::fs;
use std::path::{Path, PathBuf};

/// The number of a device: major and minor.
pub(crate) type Number = (u32, u32);

/// A system, or a made-up one in a test.
#[derive(Clone, Debug)]
pub(crate) struct System {
    root: PathBuf,
}

impl System {
    /// The system below this folder.
    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The root folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.join("sys/class/block").join(name)
    }

    /// All block devices.
    pub(crate) fn all(&self) -> Vec<String> {
        names_in(&self.root.join("sys/class/block"))
    }

    /// Is there such a device?
    pub(crate) fn has(&self, name: &str) -> bool {
        self.folder(name).exists()
    }

    /// What a file of the device holds, without white space around it; `None`: there is none.
    pub(crate) fn attribute(&self, name: &str, file: &str) -> Option<Vec<u8>> {
        let content = fs::read(self.folder(name).join(file)).ok()?;
        Some(content.trim_ascii().to_vec())
    }

    /// The number of the device.
    pub(crate) fn number(&self, name: &str) -> Option<Number> {
        number(&self.attribute(name, "dev")?, 10)
    }

    /// The folder of the device below `/sys`, with no link in it: `/devices/…`.
    pub(crate) fn device_path(&self, name: &str) -> Option<PathBuf> {
        let sys = fs::canonicalize(self.root.join("sys")).ok()?;
        let path = fs::canonicalize(self.folder(name)).ok()?;
        path.strip_prefix(&sys)
            .ok()
            .map(|path| Path::new("/").join(path))
    }

    /// The disk of a partition; `None`: it is none.
    pub(crate) fn disk(&self, name: &str) -> Option<String> {
        self.attribute(name, "partition")?;
        let path = fs::canonicalize(self.folder(name)).ok()?;
        Some(path.parent()?.file_name()?.to_str()?.to_owned())
    }

    /// The partitions of a disk.
    pub(crate) fn partitions(&self, name: &str) -> Vec<String> {
        let folder = self.folder(name);
        let mut all = names_in(&folder);
        all.retain(|inner| folder.join(inner).join("partition").is_file());
        all
    }

    /// What a device of the device mapper, or a similar one, consists of.
    pub(crate) fn slaves(&self, name: &str) -> Vec<String> {
        names_in(&self.folder(name).join("slaves"))
    }

    /// The devices that consist of this one.
    pub(crate) fn holders(&self, name: &str) -> Vec<String> {
        names_in(&self.folder(name).join("holders"))
    }
}

/// The names of what is in a folder, sorted; none where there is no folder.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Reads `MAJOR:MINOR` in the given base.
pub(crate) fn number(text: &[u8], base: u32) -> Option<Number> {
    let text = std::str::from_utf8(text).ok()?;
    let (major, minor) = text.split_once(':')?;
    let read = |digits: &str| {
        let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(base));
        is_number
            .then(|| u32::from_str_radix(digits, base).ok())
            .flatten()
    };
    Some((read(major)?, read(minor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_whole_or_not_at_all() {
        assert_eq!(number(b"8:17", 10), Some((8, 17)));
        assert_eq!(number(b"fd:1A", 16), Some((253, 26)));
        for bad in [
            "",
            ":",
            "8",
            "8:",
            ":1",
            "8:-1",
            "+8:1",
            "8:1:2",
            "a:1",
            "4294967296:0",
        ] {
            assert_eq!(number(bad.as_bytes(), 10), None, "{bad}");
        }
    }
}

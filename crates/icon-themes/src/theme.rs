//! The description of a theme: the file `index.theme`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};
use std::str;

use files::read_small;

/// The name of the file.
const INDEX: &str = "index.theme";

/// The group that describes the theme itself.
const GROUP: &[u8] = b"Icon Theme";

/// How much larger or smaller than its size an icon may be shown, if its folder does not say.
const THRESHOLD: u32 = 2;

/// A theme.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    /// The themes that it inherits from.
    pub parents: Vec<OsString>,
    folders: Vec<Folder>,
}

/// A folder of a theme, with icons of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Folder {
    path: PathBuf,
    /// The icons are for screens with so many times the pixels.
    scale: u32,
    /// The sizes, in pixels before scaling, for which its icons are meant.
    min: u32,
    max: u32,
    /// The same for the distance from a size. It differs: the icons of a folder with a threshold
    /// are compared by their own sizes.
    size: (u32, u32),
}

/// A line `key=value`, and the group that it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) group: &'a [u8],
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// The lines of a file with groups. What is no such line is passed over.
pub(crate) fn lines(content: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut group: &[u8] = b"";
    content
        .split(|byte| *byte == b'\n')
        .filter_map(move |line| {
            let line = line.trim_ascii();
            if let Some(name) = line.strip_prefix(b"[") {
                group = name.strip_suffix(b"]").unwrap_or_default();
                return None;
            }
            let at = line.iter().position(|byte| *byte == b'=')?;
            (line[0] != b'#').then(|| Line {
                group,
                key: line[..at].trim_ascii_end(),
                value: line[at + 1..].trim_ascii_start(),
            })
        })
}

impl Theme {
    /// Reads the description in the folder of a theme; `None` if there is none.
    #[must_use]
    pub fn read(folder: &Path) -> Option<Self> {
        let content = read_small(&folder.join(INDEX)).ok()?;
        Self::parse(&content)
    }

    /// Understands a description; `None` if it has no group `[Icon Theme]`.
    #[must_use]
    pub fn parse(content: &[u8]) -> Option<Self> {
        let mut groups: HashMap<&[u8], HashMap<&[u8], &[u8]>> = HashMap::new();
        for line in lines(content) {
            groups
                .entry(line.group)
                .or_default()
                .insert(line.key, line.value);
        }
        let theme = groups.get(GROUP)?;
        let list = |key: &str| {
            let value = theme.get(key.as_bytes()).copied().unwrap_or_default();
            let names = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            names.filter(|name| !name.is_empty())
        };
        let names = list("Directories").chain(list("ScaledDirectories"));
        Some(Self {
            parents: list("Inherits")
                .map(|name| OsString::from_vec(name.to_vec()))
                .collect(),
            folders: names
                .filter_map(|name| Folder::of(name, groups.get(name)?))
                .collect(),
        })
    }

    /// The folders, paths below that of the theme. First those that are meant for icons of `size`
    /// pixels, then the others, the nearest size first; among equal ones in the order of the file.
    pub fn by_distance(&self, size: u32) -> impl Iterator<Item = &Path> {
        let mut folders: Vec<&Folder> = self.folders.iter().collect();
        folders.sort_by_key(|folder| match folder.is_meant_for(size) {
            true => (false, 0),
            false => (true, folder.distance(size)),
        });
        folders.into_iter().map(|folder| folder.path.as_path())
    }
}

impl Folder {
    /// `None` if its path leaves the folder of the theme, or it has no size.
    fn of(path: &[u8], keys: &HashMap<&[u8], &[u8]>) -> Option<Self> {
        let path = PathBuf::from(OsString::from_vec(path.to_vec()));
        let is_below = path
            .components()
            .all(|component| matches!(component, Component::Normal(_) | Component::CurDir));
        let number = |key: &str| {
            let value = keys.get(key.as_bytes())?;
            str::from_utf8(value).ok()?.parse::<u32>().ok()
        };
        let size = number("Size").filter(|_| is_below)?;
        let own = (
            number("MinSize").unwrap_or(size),
            number("MaxSize").unwrap_or(size),
        );
        let threshold = number("Threshold").unwrap_or(THRESHOLD);
        let around = (
            size.saturating_sub(threshold),
            size.saturating_add(threshold),
        );
        let kind = keys.get(&b"Type"[..]).copied().unwrap_or(b"Threshold");
        let ((min, max), size) = match kind {
            b"Fixed" => ((size, size), (size, size)),
            b"Scalable" => (own, own),
            _ => (around, own),
        };
        Some(Self {
            path,
            scale: number("Scale").unwrap_or(1),
            min,
            max,
            size,
        })
    }

    /// `DirectoryMatchesSize` of the specification, for a screen that is not scaled.
    fn is_meant_for(&self, size: u32) -> bool {
        self.scale == 1 && (self.min..=self.max).contains(&size)
    }

    /// `DirectorySizeDistance` of the specification.
    fn distance(&self, size: u32) -> u32 {
        let least = self.size.0.saturating_mul(self.scale);
        let most = self.size.1.saturating_mul(self.scale);
        least.saturating_sub(size).max(size.saturating_sub(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(index: &str, size: u32) -> Vec<String> {
        let theme = Theme::parse(index.as_bytes()).unwrap();
        let folders = theme.by_distance(size);
        folders
            .map(|path| path.to_str().unwrap().to_owned())
            .collect()
    }

    const INDEX: &str = "\
[Icon Theme]
Directories=16, 256,scalable ,512,broken,missing,
ScaledDirectories=256@2
[16]
Size=16
[256]
Size=256
Type=Threshold
[256@2]
Size=256
Scale=2
[scalable]
Size=128
MinSize=8
MaxSize=256
Type=Scalable
[512]
Size=512
Type=Fixed
[broken]
Size=many
";

    #[test]
    fn the_folder_that_is_meant_for_a_size_is_first_then_the_nearest() {
        let of_512 = ["512", "256@2", "256", "scalable", "16"];
        assert_eq!(order(INDEX, 512), of_512);
        assert_eq!(order(INDEX, 64)[0], "scalable");
        assert_eq!(order(INDEX, 258)[..2], ["256", "scalable"]);
        assert_eq!(order(INDEX, 17)[..2], ["16", "scalable"]);
        assert_eq!(order(INDEX, 1000)[0], "512");
    }

    #[test]
    fn a_description_without_its_group_is_none() {
        assert_eq!(Theme::parse(b"Directories=16\n[16]\nSize=16\n"), None);
        assert_eq!(
            Theme::parse(b"[Icon Theme]\nName=x\n"),
            Some(Theme::default())
        );
        let theme = Theme::parse(b"[Icon Theme]\r\nInherits = a, b,\r\n# Inherits=c\r\n").unwrap();
        assert_eq!(theme.parents, ["a", "b"]);
    }

    #[test]
    fn sizes_that_are_too_large_to_count_are_far_away() {
        let index = "[Icon Theme]\nDirectories=a,b\n[a]\nSize=4294967295\nScale=9\n[b]\nSize=1\n";
        assert_eq!(order(index, 512), ["b", "a"]);
    }
}

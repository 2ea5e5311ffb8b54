//! The time zone of this qube: the link `/etc/localtime`, and the file with its name.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::keys::Zone;

/// The link that programs follow (`localtime(5)`).
pub(crate) const LOCALTIME: &str = "/etc/localtime";
/// The file whose protection keeps the time zone. Debian has the name in it.
pub(crate) const TIMEZONE: &str = "/etc/timezone";
/// Where other systems have the name.
const CLOCK: &str = "/etc/sysconfig/clock";
/// The zones that are known.
const ZONEINFO: &str = "/usr/share/zoneinfo";
/// The first bytes of a zone (`tzfile(5)`).
const MAGIC: [u8; 4] = *b"TZif";

/// What to write, below a root folder.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    root: &'a Path,
    is_debian: bool,
}

impl<'a> Place<'a> {
    pub(crate) fn new(root: &'a Path, is_debian: bool) -> Self {
        Self { root, is_debian }
    }

    fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// Is this zone known here?
    pub(crate) fn knows(&self, zone: &Zone) -> bool {
        let path = self.path(ZONEINFO).join(zone.as_str());
        let mut begin = [0; MAGIC.len()];
        let is_file = fs::metadata(&path).is_ok_and(|metadata| metadata.is_file());
        let read = || File::open(&path)?.read_exact(&mut begin);
        let mut read = read;
        is_file && read().is_ok() && begin == MAGIC
    }

    /// Sets the zone; whether it was another. The link is only exchanged if `link_too`.
    pub(crate) fn set(&self, zone: &Zone, link_too: bool) -> io::Result<bool> {
        let link = self.path(LOCALTIME);
        let target = format!("..{ZONEINFO}/{}", zone.as_str());
        let absolute = format!("{ZONEINFO}/{}", zone.as_str());
        let is_so = fs::read_link(&link)
            .is_ok_and(|now| now == Path::new(&target) || now == Path::new(&absolute));
        let mut has_changed = false;
        if !is_so && link_too {
            files::replace_with_link(&link, Path::new(&target))?;
            has_changed = true;
        }
        let (name, text) = match self.is_debian {
            true => (TIMEZONE, format!("{}\n", zone.as_str())),
            false => (CLOCK, format!("ZONE=\"{}\"\n", zone.as_str())),
        };
        let path = self.path(name);
        let has_folder = path.parent().is_some_and(Path::is_dir);
        if has_folder && !files::holds(&path, text.as_bytes()) {
            files::replace(&path, text.as_bytes(), 0o644)?;
            has_changed = true;
        }
        Ok(has_changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let zones = root.path().join("usr/share/zoneinfo/Europe");
        fs::create_dir_all(&zones).unwrap();
        fs::write(zones.join("Warsaw"), "TZif2 and so on").unwrap();
        fs::write(zones.join("Text"), "no zone").unwrap();
        fs::write(zones.join("Short"), "TZ").unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        root
    }

    fn zone(text: &str) -> Zone {
        Zone::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_zone_is_a_file_that_begins_like_one() {
        let root = root();
        let place = Place::new(root.path(), true);
        assert!(place.knows(&zone("Europe/Warsaw")));
        for unknown in ["Europe/Text", "Europe/Short", "Europe", "Europe/None"] {
            assert!(!place.knows(&zone(unknown)), "{unknown}");
        }
    }

    #[test]
    fn the_link_and_the_file_name_the_zone_and_are_touched_once() {
        let root = root();
        let warsaw = zone("Europe/Warsaw");
        let link = root.path().join("etc/localtime");
        let debian = Place::new(root.path(), true);
        assert!(debian.set(&warsaw, true).unwrap());
        let target = fs::read_link(&link).unwrap();
        assert_eq!(target, Path::new("../usr/share/zoneinfo/Europe/Warsaw"));
        let named = fs::read_to_string(root.path().join("etc/timezone")).unwrap();
        assert_eq!(named, "Europe/Warsaw\n");
        assert!(!debian.set(&warsaw, true).unwrap());
        // A file in place of the link, as some systems have it.
        fs::remove_file(&link).unwrap();
        fs::write(&link, "TZif").unwrap();
        assert!(!debian.set(&warsaw, false).unwrap());
        assert!(debian.set(&warsaw, true).unwrap());
        assert!(fs::read_link(&link).is_ok());
        // No /etc/sysconfig: nothing to write to.
        let other = Place::new(root.path(), false);
        assert!(!other.set(&warsaw, true).unwrap());
        fs::create_dir(root.path().join("etc/sysconfig")).unwrap();
        assert!(other.set(&warsaw, true).unwrap());
        let named = fs::read_to_string(root.path().join("etc/sysconfig/clock")).unwrap();
        assert_eq!(named, "ZONE=\"Europe/Warsaw\"\n");
    }
}

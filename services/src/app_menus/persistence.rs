//! Which applications are this qube's own: those in a folder that survives its end.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::qube;

/// The mount point of the private volume.
const OWN: &str = "/rw";

/// What of this qube survives its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// All of it; also where nothing is known.
    Full,
    /// What is on the device with this number, if it is there.
    OnDevice(Option<u64>),
    /// Nothing.
    None,
}

impl Persistence {
    /// `home` is on the part that is its own, too: a local qube without [`OWN`] has only that.
    pub(crate) fn of_this_qube(home: Option<&Path>) -> Self {
        Self::of(qube::read("/qubes-vm-persistence").as_deref(), home)
    }

    fn of(value: Option<&str>, home: Option<&Path>) -> Self {
        match value {
            None | Some("" | "full") => Self::Full,
            Some("rw-only") => Self::OnDevice(device(Path::new(OWN)).or_else(|| device(home?))),
            Some(_) => Self::None,
        }
    }

    /// Does this folder survive?
    pub(crate) fn keeps(&self, folder: &Path) -> bool {
        match self {
            Self::Full => true,
            Self::OnDevice(own) => own.is_some() && *own == device(folder),
            Self::None => false,
        }
    }
}

fn device(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|found| found.dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_kept_by_its_device() {
        let [here, elsewhere] = ["/", "/proc"].map(Path::new);
        let only = Persistence::OnDevice(device(here));
        assert!(only.keeps(here));
        assert!(!only.keeps(elsewhere));
        assert!(!only.keeps(Path::new("/no/such")));
        assert!(!Persistence::OnDevice(None).keeps(Path::new("/no/such")));
        assert!(Persistence::Full.keeps(elsewhere));
        assert!(!Persistence::None.keeps(here));
    }

    #[test]
    fn where_nothing_is_known_everything_is_kept() {
        for value in [None, Some(""), Some("full")] {
            assert_eq!(Persistence::of(value, None), Persistence::Full);
        }
        assert_eq!(Persistence::of(Some("none"), None), Persistence::None);
        assert_eq!(Persistence::of(Some("else"), None), Persistence::None);
        assert!(matches!(
            Persistence::of(Some("rw-only"), None),
            Persistence::OnDevice(_)
        ));
    }
}

//! Whether a program that a desktop file names is there.

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::Entry;

/// The absolute path of a program: `name` itself if it is absolute, else in the folders of `PATH`.
/// Nothing is looked for in the working folder.
#[must_use]
pub fn find(name: &[u8]) -> Option<PathBuf> {
    find_in(&env::var_os("PATH").unwrap_or_default(), name)
}

fn find_in(path_variable: &OsStr, name: &[u8]) -> Option<PathBuf> {
    let name = Path::new(OsStr::from_bytes(name));
    if name.is_absolute() {
        return is_program(name).then(|| name.to_owned());
    }
    if name.as_os_str().is_empty() || name.as_os_str().as_bytes().contains(&b'/') {
        return None;
    }
    env::split_paths(path_variable)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|candidate| is_program(candidate))
}

/// The program that the key `TryExec` demands and that is not there.
#[must_use]
pub fn missing(entry: &Entry) -> Option<Vec<u8>> {
    let demanded = entry.string("TryExec")?;
    find(&demanded).is_none().then_some(demanded)
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_their_path_or_in_path() {
        let sh = PathBuf::from("/bin/sh");
        assert_eq!(find(b"/bin/sh"), Some(sh.clone()));
        assert_eq!(find_in("bin::/nowhere:/bin".as_ref(), b"sh"), Some(sh));
        for none in [
            &b""[..],
            b"/bin",
            b"/etc/passwd",
            b"./sh",
            b"bin/sh",
            b"no such",
            b"sh\0",
        ] {
            assert_eq!(find_in("/bin".as_ref(), none), None, "{none:?}");
        }
    }

    #[test]
    fn what_is_demanded_has_to_be_there() {
        let entry = |line: &str| Entry::parse(format!("[Desktop Entry]\n{line}").into()).unwrap();
        assert_eq!(missing(&entry("")), None);
        assert_eq!(missing(&entry("TryExec=")), None);
        assert_eq!(missing(&entry("TryExec=sh")), None);
        assert_eq!(
            missing(&entry("TryExec=/no/such")),
            Some(b"/no/such".to_vec())
        );
    }
}

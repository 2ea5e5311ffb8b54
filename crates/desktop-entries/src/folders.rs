//! Where desktop files are: the folder `applications` in each folder of data, the user's first.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Where `XDG_DATA_HOME` is below the home folder if it is not set.
const DEFAULT_DATA_HOME: &str = ".local/share";

/// What `XDG_DATA_DIRS` is if it is not set.
const DEFAULT_DATA_DIRS: &str = "/usr/local/share:/usr/share";

/// The folders of desktop files for the user with this home folder, in the order of precedence.
/// `data_home` and `data_dirs` are the variables `XDG_DATA_HOME` and `XDG_DATA_DIRS`.
///
/// Folders that are not absolute are left out, and each folder stands once.
#[must_use]
pub fn of(
    data_home: Option<&OsStr>,
    home: Option<&Path>,
    data_dirs: Option<&OsStr>,
) -> Vec<PathBuf> {
    data(data_home, home, data_dirs)
        .into_iter()
        .map(|folder| folder.join("applications"))
        .collect()
}

/// The folders of data themselves, which hold more than desktop files.
fn data(data_home: Option<&OsStr>, home: Option<&Path>, data_dirs: Option<&OsStr>) -> Vec<PathBuf> {
    let is_set = |value: &&OsStr| !value.is_empty();
    let data_home = data_home.filter(is_set).map(PathBuf::from);
    let data_home = data_home.or_else(|| Some(home?.join(DEFAULT_DATA_HOME)));
    let data_dirs = data_dirs
        .filter(is_set)
        .unwrap_or(DEFAULT_DATA_DIRS.as_ref());
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in data_home.into_iter().chain(env::split_paths(data_dirs)) {
        if folder.is_absolute() && !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

/// Those for the user of this process, as its environment names them.
#[must_use]
pub fn of_environment() -> Vec<PathBuf> {
    let home = variable("HOME").map(PathBuf::from);
    for_home(home.as_deref())
}

/// Those for the user with this home folder, if the environment names no others.
#[must_use]
pub fn for_home(home: Option<&Path>) -> Vec<PathBuf> {
    let [data_home, data_dirs] = ["XDG_DATA_HOME", "XDG_DATA_DIRS"].map(variable);
    of(data_home.as_deref(), home, data_dirs.as_deref())
}

/// The folders of data for the user of this process, as its environment names them.
#[must_use]
pub fn of_data() -> Vec<PathBuf> {
    let home = variable("HOME").map(PathBuf::from);
    let [data_home, data_dirs] = ["XDG_DATA_HOME", "XDG_DATA_DIRS"].map(variable);
    data(data_home.as_deref(), home.as_deref(), data_dirs.as_deref())
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(data_home: Option<&str>, home: Option<&str>, data_dirs: Option<&str>) -> Vec<String> {
        let folders = of(
            data_home.map(OsStr::new),
            home.map(Path::new),
            data_dirs.map(OsStr::new),
        );
        folders
            .iter()
            .map(|folder| folder.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_user_comes_first_and_what_is_not_set_has_a_default() {
        assert_eq!(
            shown(None, Some("/home/user"), None),
            [
                "/home/user/.local/share/applications",
                "/usr/local/share/applications",
                "/usr/share/applications",
            ]
        );
        assert_eq!(
            shown(Some("/d"), Some("/h"), Some("/a:/b/")),
            ["/d/applications", "/a/applications", "/b/applications",]
        );
        assert_eq!(
            shown(Some(""), None, Some("")),
            ["/usr/local/share/applications", "/usr/share/applications",]
        );
    }

    #[test]
    fn relative_folders_and_repetitions_are_left_out() {
        assert_eq!(
            shown(Some("d"), Some("/h"), Some("/a:b::./c:/a/:/a")),
            ["/a/applications"]
        );
    }
}

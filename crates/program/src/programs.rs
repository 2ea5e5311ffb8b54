//! Where the programs are that a command starts.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Where the package puts the programs that are not in `PATH`.
pub const INSTALLED_LIBDIR: &str = "/usr/lib/qubes";

/// The absolute path of another program of the suite: beside the running command (a build tree,
/// and commands that are themselves in `/usr/lib/qubes`); else in `../lib/qubes` beside the folder
/// of the command (another prefix); else in [`INSTALLED_LIBDIR`], whether it is there or not.
#[must_use]
pub fn find(name: &str) -> PathBuf {
    env::current_exe()
        .ok()
        .and_then(|command| find_from(command.parent()?, name))
        .unwrap_or_else(|| Path::new(INSTALLED_LIBDIR).join(name))
}

/// The absolute path of the first executable file `name` in the folders of `PATH`. Folders that
/// are not absolute are passed over: what is started must not depend on the working directory.
#[must_use]
pub fn find_in_path(name: &str) -> Option<PathBuf> {
    find_in(&env::var_os("PATH")?, name)
}

fn find_from(command_folder: &Path, name: &str) -> Option<PathBuf> {
    let beside = command_folder.join(name);
    let prefix_lib = || Some(command_folder.parent()?.join("lib/qubes").join(name));
    is_program(&beside)
        .then_some(beside)
        .or_else(|| prefix_lib().filter(|path| is_program(path)))
}

fn find_in(path_variable: &OsStr, name: &str) -> Option<PathBuf> {
    env::split_paths(path_variable)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|candidate| is_program(candidate))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(folder: &Path, name: &str, mode: u32) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(name), "").unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn beside_the_command_comes_before_the_prefix() {
        let prefix = tempfile::tempdir().unwrap();
        let (bin, lib) = (prefix.path().join("bin"), prefix.path().join("lib/qubes"));
        fs::create_dir(&bin).unwrap();
        assert_eq!(find_from(&bin, "agent"), None);
        program(&lib, "agent", 0o755);
        assert_eq!(find_from(&bin, "agent"), Some(lib.join("agent")));
        program(&bin, "agent", 0o644);
        assert_eq!(find_from(&bin, "agent"), Some(lib.join("agent")));
        program(&bin, "agent", 0o755);
        assert_eq!(find_from(&bin, "agent"), Some(bin.join("agent")));
    }

    #[test]
    fn what_is_found_nowhere_is_looked_for_where_the_package_puts_it() {
        assert_eq!(
            find("no-such-program"),
            Path::new("/usr/lib/qubes/no-such-program")
        );
    }

    #[test]
    fn only_executable_files_in_absolute_folders_of_path_count() {
        let home = tempfile::tempdir().unwrap();
        let [text, folder, good] = ["text", "folder", "good"].map(|name| home.path().join(name));
        program(&text, "zenity", 0o644);
        fs::create_dir_all(folder.join("zenity")).unwrap();
        program(&good, "zenity", 0o755);
        let path = env::join_paths([Path::new("."), Path::new(""), &text, &folder, &good]).unwrap();
        assert_eq!(find_in(&path, "zenity"), Some(good.join("zenity")));
        assert_eq!(find_in(OsStr::new(".::bin"), "zenity"), None);
    }
}

//! The theme that the user has chosen, as far as a file tells it: settings of GTK, then those of
//! KDE.
//!
//! GNOME has its settings in a database, which is not read here. Its own theme is the usual one.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use files::read_small;

use crate::Folders;
use crate::theme::lines;

/// A file below a folder of settings, the group in it, and the key.
const KEYS: [(&str, &[u8], &[u8]); 3] = [
    ("gtk-4.0/settings.ini", b"Settings", b"gtk-icon-theme-name"),
    ("gtk-3.0/settings.ini", b"Settings", b"gtk-icon-theme-name"),
    ("kdeglobals", b"Icons", b"Theme"),
];

/// The theme of the user, else the system's; `None` if no file says which. It may not be installed.
#[must_use]
pub fn theme(folders: &Folders) -> Option<OsString> {
    let files = folders
        .settings()
        .iter()
        .flat_map(|folder| KEYS.map(|(file, group, key)| (folder.join(file), group, key)));
    for (file, group, key) in files {
        let content = read_small(&file).unwrap_or_default();
        let set = lines(&content).filter(|line| line.group == group && line.key == key);
        if let Some(line) = set.last().filter(|line| !line.value.is_empty()) {
            // GTK takes the value with or without quotation marks.
            let value = line.value.strip_prefix(b"\"").unwrap_or(line.value);
            let value = value.strip_suffix(b"\"").unwrap_or(value);
            return Some(OsString::from_vec(value.to_vec()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_first_file_that_names_a_theme_counts() {
        let place = tempfile::tempdir().unwrap();
        let [config, system] = ["config", "system"].map(|name| place.path().join(name));
        let folders = Folders::new(&[], None, &config, std::slice::from_ref(&system));
        let write = |folder: &std::path::Path, file: &str, content: &str| {
            let file = folder.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        };
        assert_eq!(theme(&folders), None);
        write(
            &system,
            "gtk-3.0/settings.ini",
            "[Settings]\ngtk-icon-theme-name = \"a\"\n",
        );
        assert_eq!(theme(&folders).unwrap(), "a");
        write(
            &config,
            "kdeglobals",
            "[General]\nTheme=no\n[Icons]\nTheme=breeze\n",
        );
        assert_eq!(theme(&folders).unwrap(), "breeze");
        let other = "gtk-icon-theme-name=no\n[Settings]\ngtk-theme-name=no\n";
        write(&config, "gtk-3.0/settings.ini", other);
        assert_eq!(theme(&folders).unwrap(), "breeze");
        write(
            &config,
            "gtk-4.0/settings.ini",
            "[Settings]\r\ngtk-icon-theme-name=b\r\n",
        );
        assert_eq!(theme(&folders).unwrap(), "b");
    }
}

//! The icons of a qube: which file is meant by the name of an icon.
//!
//! The rules are those of the freedesktop.org *Icon Theme Specification*. [`Folders`] says where
//! icons are, [`settings`] which theme the user has, [`theme`] reads the description of one.
//! [`find`] looks in that theme and in those that it inherits from, in `hicolor`, then in the
//! folders themselves, which have icons without a theme, and at last in all other themes: an icon
//! that looks different is better than none.
//!
//! Of the crate `freedesktop-icons` (0.4) this uses nothing: it does not know the theme of the
//! user, and asks the file system for every combination of folder, theme, size and suffix.

mod folders;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod settings;
pub mod theme;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

pub use folders::Folders;
use theme::Theme;

/// The suffixes of icons, the best one first.
const SUFFIXES: [&str; 3] = ["png", "svg", "xpm"];

/// The theme that each theme inherits from.
const HICOLOR: &str = "hicolor";

/// The themes that are tried first where the user has chosen none.
const USUAL: [&str; 4] = ["Humanity", "Adwaita", "gnome", "oxygen"];

/// Most themes that are looked into.
const MAX_THEMES: usize = 256;

/// The file of the icon `name` that is best for `size` pixels; `None` if this qube has no such
/// icon.
///
/// `name` is no path. A suffix of icons behind it is dropped.
#[must_use]
pub fn find(name: &OsStr, size: u32, folders: &Folders) -> Option<PathBuf> {
    let name = base_name(name)?;
    let mut search = Search {
        folders,
        files: SUFFIXES.map(|suffix| {
            let file = [name, b".", suffix.as_bytes()].concat();
            OsString::from_vec(file)
        }),
        size,
        tried: BTreeSet::new(),
    };
    let chosen = settings::theme(folders);
    let mut first: Vec<&OsStr> = chosen.as_deref().into_iter().collect();
    if chosen.is_none() {
        let usual = USUAL.iter().map(OsStr::new);
        first.extend(usual.filter(|theme| folders.has_theme(theme)).take(1));
    }
    first.push(HICOLOR.as_ref());
    let found = first.into_iter().find_map(|theme| search.theme(theme));
    found
        .or_else(|| search.unthemed())
        .or_else(|| search.others())
}

/// The name without a suffix; `None` if it is none that an icon can have.
fn base_name(name: &OsStr) -> Option<&[u8]> {
    let bytes = name.as_bytes();
    let mut suffixes = SUFFIXES.iter();
    let bare = suffixes.find_map(|suffix| {
        let bare = bytes.strip_suffix(suffix.as_bytes())?;
        bare.strip_suffix(b".")
    });
    let bare = bare.unwrap_or(bytes);
    (!bare.is_empty() && !bare.iter().any(|byte| b"/\0".contains(byte))).then_some(bare)
}

struct Search<'a> {
    folders: &'a Folders,
    /// The names of the file, the best one first.
    files: [OsString; 3],
    size: u32,
    /// Themes that do not have the icon.
    tried: BTreeSet<OsString>,
}

impl Search<'_> {
    /// Looks into a theme, then into those that it inherits from, each with its own parents.
    fn theme(&mut self, name: &OsStr) -> Option<PathBuf> {
        if self.tried.len() == MAX_THEMES || !self.tried.insert(name.to_owned()) {
            return None;
        }
        let roots: Vec<PathBuf> = self.folders.of_theme(name).collect();
        let theme = roots.iter().find_map(|root| Theme::read(root))?;
        let found = theme.by_distance(self.size).find_map(|folder| {
            let mut places = roots.iter().map(|root| root.join(folder));
            places.find_map(|place| self.file(&place))
        });
        found.or_else(|| theme.parents.iter().find_map(|parent| self.theme(parent)))
    }

    /// Looks into the folders that hold themes, and those of icons without one.
    fn unthemed(&self) -> Option<PathBuf> {
        let mut places = self.folders.themes().iter().chain(self.folders.pixmaps());
        places.find_map(|place| self.file(place))
    }

    /// Looks into all other themes: the usual ones, then in the order of their names.
    fn others(&mut self) -> Option<PathBuf> {
        let folders = self.folders.themes().iter();
        let entries = folders.filter_map(|folder| fs::read_dir(folder).ok());
        let names: BTreeSet<OsString> = entries
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.file_name()))
            .collect();
        let usual = USUAL.iter().map(OsString::from);
        let all: Vec<OsString> = usual.chain(names).collect();
        all.iter().find_map(|theme| self.theme(theme))
    }

    fn file(&self, folder: &Path) -> Option<PathBuf> {
        let mut paths = self.files.iter().map(|file| folder.join(file));
        paths.find(|path| path.is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with themes.
    struct Icons(tempfile::TempDir);

    impl Icons {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        /// Below the folder `icons` of data.
        fn add(&self, path: &str, content: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        fn theme(&self, name: &str, inherits: &str, directories: &[(&str, &str)]) {
            let names: Vec<&str> = directories.iter().map(|(name, _)| *name).collect();
            let mut index = format!(
                "[Icon Theme]\nName=x\nInherits={inherits}\nDirectories={}\n",
                names.join(",")
            );
            for (name, keys) in directories {
                index.push_str(&format!("[{name}]\n{}\n", keys.replace(' ', "\n")));
            }
            self.add(&format!("data/icons/{name}/index.theme"), &index);
        }

        fn folders(&self) -> Folders {
            let path = |name: &str| self.0.path().join(name);
            Folders::new(&[path("data")], Some(&path("home")), &path("config"), &[])
        }

        fn found(&self, name: &str) -> Option<String> {
            let path = find(name.as_ref(), 512, &self.folders())?;
            let below = path.strip_prefix(self.0.path().join("data")).unwrap();
            Some(below.to_str().unwrap().to_owned())
        }
    }

    const FIXED: &str = "Size=48 Type=Fixed";

    #[test]
    fn the_folder_of_the_nearest_size_counts_and_in_it_the_best_suffix() {
        let icons = Icons::new();
        icons.theme(
            "hicolor",
            "",
            &[
                ("16", "Size=16"),
                ("48", FIXED),
                ("any", "Size=128 MinSize=8 MaxSize=512 Type=Scalable"),
            ],
        );
        icons.add("data/icons/hicolor/16/a.png", "");
        icons.add("data/icons/hicolor/48/a.svg", "");
        assert_eq!(icons.found("a").unwrap(), "icons/hicolor/48/a.svg");
        icons.add("data/icons/hicolor/48/a.png", "");
        assert_eq!(icons.found("a").unwrap(), "icons/hicolor/48/a.png");
        icons.add("data/icons/hicolor/any/a.xpm", "");
        assert_eq!(icons.found("a").unwrap(), "icons/hicolor/any/a.xpm");
        assert_eq!(icons.found("a.svg").unwrap(), "icons/hicolor/any/a.xpm");
        assert_eq!(icons.found("b"), None);
    }

    #[test]
    fn the_theme_of_the_user_and_its_parents_come_before_hicolor() {
        let icons = Icons::new();
        for (name, inherits) in [
            ("hicolor", ""),
            ("Adwaita", ""),
            ("mine", "parent,Adwaita"),
            ("parent", "mine,grandparent"),
            ("grandparent", ""),
            ("other", ""),
        ] {
            icons.theme(name, inherits, &[("48", FIXED)]);
            icons.add(&format!("data/icons/{name}/48/in-{name}.png"), "");
        }
        for name in ["hicolor", "Adwaita", "grandparent"] {
            icons.add(&format!("data/icons/{name}/48/a.png"), "");
        }
        // Without a choice the usual theme is the user's.
        assert_eq!(icons.found("a").unwrap(), "icons/Adwaita/48/a.png");
        icons.add(
            "config/gtk-3.0/settings.ini",
            "[Settings]\ngtk-icon-theme-name=mine\n",
        );
        assert_eq!(icons.found("a").unwrap(), "icons/grandparent/48/a.png");
        for name in ["hicolor", "mine", "parent", "other"] {
            let expected = format!("icons/{name}/48/in-{name}.png");
            assert_eq!(icons.found(&format!("in-{name}")).unwrap(), expected);
        }
    }

    #[test]
    fn icons_without_a_theme_come_behind_hicolor_and_before_other_themes() {
        let icons = Icons::new();
        icons.theme("other", "", &[("48", FIXED)]);
        icons.add("data/icons/other/48/a.png", "");
        assert_eq!(icons.found("a").unwrap(), "icons/other/48/a.png");
        icons.add("data/pixmaps/a.xpm", "");
        assert_eq!(icons.found("a").unwrap(), "pixmaps/a.xpm");
        icons.add("data/icons/a.svg", "");
        assert_eq!(icons.found("a").unwrap(), "icons/a.svg");
        icons.theme("hicolor", "", &[("48", FIXED)]);
        icons.add("data/icons/hicolor/48/a.svg", "");
        assert_eq!(icons.found("a").unwrap(), "icons/hicolor/48/a.svg");
    }

    #[test]
    fn a_name_is_no_path() {
        let icons = Icons::new();
        icons.add("data/pixmaps/a.png", "");
        icons.add("data/a.png", "");
        for name in ["../a", "/etc/passwd", "", ".png", "a/b", "a\0"] {
            assert_eq!(icons.found(name), None, "{name:?}");
        }
        assert!(icons.found("a").is_some());
        assert_eq!(
            base_name("org.example.App".as_ref()).unwrap(),
            b"org.example.App"
        );
    }

    #[test]
    fn a_folder_outside_of_the_theme_is_not_one_of_its_own() {
        let icons = Icons::new();
        icons.theme(
            "hicolor",
            "",
            &[("../../../secret", FIXED), ("/tmp", FIXED)],
        );
        icons.add("secret/a.png", "");
        assert_eq!(icons.found("a"), None);
    }
}

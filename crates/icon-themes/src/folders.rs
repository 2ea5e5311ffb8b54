//! Where themes, icons without a theme, and settings are.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use desktop_entries::folders;

/// Icons without a theme, on every system.
const PIXMAPS: &str = "/usr/share/pixmaps";

/// Where the system has the settings of desktops.
const SYSTEM_SETTINGS: [&str; 3] = ["/etc/xdg", "/etc", "/usr/share"];

/// The folders in which icons are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    themes: Vec<PathBuf>,
    pixmaps: Vec<PathBuf>,
    settings: Vec<PathBuf>,
}

impl Folders {
    /// Those that the environment names, and those of the system.
    #[must_use]
    pub fn of_environment() -> Self {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let home = set("HOME").map(PathBuf::from);
        let config = set("XDG_CONFIG_HOME").map(PathBuf::from);
        let config = config.or_else(|| Some(home.as_ref()?.join(".config")));
        let settings = SYSTEM_SETTINGS.map(PathBuf::from);
        let mut folders = Self::new(
            &folders::of_data(),
            home.as_deref(),
            &config.unwrap_or_default(),
            &settings,
        );
        if !folders
            .pixmaps
            .iter()
            .any(|folder| folder == Path::new(PIXMAPS))
        {
            folders.pixmaps.push(PIXMAPS.into());
        }
        folders
    }

    /// Icons are in these folders of data and in the home folder, the settings of the user in
    /// `config`, those of the system in `settings`.
    #[must_use]
    pub fn new(data: &[PathBuf], home: Option<&Path>, config: &Path, settings: &[PathBuf]) -> Self {
        let below = |name: &str| data.iter().map(|folder| folder.join(name)).collect();
        let mut themes: Vec<PathBuf> = home.map(|home| home.join(".icons")).into_iter().collect();
        themes.append(&mut below("icons"));
        let settings = std::iter::once(config.to_owned()).chain(settings.iter().cloned());
        let is_absolute = |folder: &PathBuf| folder.is_absolute();
        Self {
            themes: themes.into_iter().filter(is_absolute).collect(),
            pixmaps: below("pixmaps"),
            settings: settings.filter(is_absolute).collect(),
        }
    }

    /// The folders that have a folder for each theme, the user's first.
    #[must_use]
    pub fn themes(&self) -> &[PathBuf] {
        &self.themes
    }

    /// The folders of icons without a theme.
    #[must_use]
    pub fn pixmaps(&self) -> &[PathBuf] {
        &self.pixmaps
    }

    /// The folders of the settings of desktops, the user's first.
    #[must_use]
    pub fn settings(&self) -> &[PathBuf] {
        &self.settings
    }

    /// The folders of a theme that are there. A theme can be in several places.
    pub(crate) fn of_theme(&self, name: &OsStr) -> impl Iterator<Item = PathBuf> {
        let is_name = Path::new(name).file_name() == Some(name);
        let folders = self.themes.iter().filter(move |_| is_name);
        folders
            .map(move |folder| folder.join(name))
            .filter(|folder| folder.is_dir())
    }

    /// Is a theme of this name there?
    pub(crate) fn has_theme(&self, name: &OsStr) -> bool {
        self.of_theme(name).next().is_some()
    }
}

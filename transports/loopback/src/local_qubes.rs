//! Local qubes: folders under `$QREXEC_LOOPBACK_ROOT`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use program::failure::Failure;
use qfile_proto::QubeName;

use qrexec::status::NO_AGENT;

/// The qube that `@dispvm` copies, if it exists.
pub(crate) const DEFAULT_TEMPLATE: &str = "default-dvm";

/// The folder of all local qubes, an absolute path.
#[derive(Clone, Debug)]
pub(crate) struct LocalQubes(PathBuf);

impl LocalQubes {
    /// The folder that `QREXEC_LOOPBACK_ROOT` names.
    ///
    /// # Errors
    /// The variable is not set, or there is no such folder.
    pub(crate) fn from_env() -> Result<Self, Failure> {
        let root = env::var_os("QREXEC_LOOPBACK_ROOT").ok_or_else(|| {
            Failure::new("QREXEC_LOOPBACK_ROOT does not name a folder of local qubes")
                .advise(
                    "set it to a folder that has a folder QUBE/home for each; \
                     see qrexec-loopback --help",
                )
                .with_status(NO_AGENT)
        })?;
        let root = fs::canonicalize(&root).map_err(|error| {
            let root = text::own(root.as_encoded_bytes());
            Failure::new(format_args!("QREXEC_LOOPBACK_ROOT is \"{root}\""))
                .because(error)
                .with_status(NO_AGENT)
        })?;
        Ok(Self(root))
    }

    /// The folder itself.
    #[must_use]
    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    /// The folder of a qube, whether there is one or not.
    #[must_use]
    pub(crate) fn folder(&self, qube: &QubeName) -> PathBuf {
        self.0.join(qube.as_str())
    }

    /// The home folder of a qube, likewise.
    #[must_use]
    pub(crate) fn home(&self, qube: &QubeName) -> PathBuf {
        self.folder(qube).join("home")
    }

    /// The folder of policy files, likewise.
    #[must_use]
    pub(crate) fn policy(&self) -> PathBuf {
        self.0.join("policy.d")
    }

    /// Is there such a qube? A folder without a home is none.
    #[must_use]
    pub(crate) fn has(&self, qube: &QubeName) -> bool {
        self.home(qube).is_dir()
    }

    /// The qubes that `@default` may mean, sorted: all but `source`, the template of disposables
    /// and disposables.
    #[must_use]
    pub(crate) fn choices(&self, source: &QubeName) -> Vec<QubeName> {
        let names = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut qubes: Vec<QubeName> = names
            .filter_map(|entry| QubeName::parse(entry.file_name().as_encoded_bytes()))
            .filter(|qube| qube != source && qube.as_str() != DEFAULT_TEMPLATE)
            .filter(|qube| !is_disposable(qube) && self.has(qube))
            .collect();
        qubes.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        qubes
    }
}

/// `dispNNNN`, the names that disposables get.
fn is_disposable(qube: &QubeName) -> bool {
    let number = qube.as_str().strip_prefix("disp");
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qube(name: &str) -> QubeName {
        QubeName::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn only_folders_with_a_home_and_a_name_of_a_qube_are_chosen() {
        let root = tempfile::tempdir().unwrap();
        for folder in [
            "work/home",
            "vault/home",
            "b/home",
            "default-dvm/home",
            "disp12/home",
            "displays/home",
            "policy.d",
            "empty",
            "9/home",
            "x-dm/home",
        ] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("file"), "").unwrap();
        let qubes = LocalQubes(root.path().to_owned());
        let choices = qubes.choices(&qube("work"));
        let names: Vec<_> = choices.iter().map(QubeName::as_str).collect();
        assert_eq!(names, ["b", "displays", "vault"]);
        assert!(qubes.has(&qube("disp12")));
        assert!(!qubes.has(&qube("empty")));
    }
}

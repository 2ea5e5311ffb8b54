//! What a call asks for: SERVICE+ARG, and the file that it is.

use std::fmt;
use std::path::PathBuf;

/// The folders in which qrexec looks for services, in this order.
pub const FOLDERS: [&str; 3] = [
    "/run/qubes-rpc",
    "/usr/local/etc/qubes-rpc",
    "/etc/qubes-rpc",
];

/// A SERVICE+ARG, in characters that cannot leave the folder it is looked up in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    name: String,
    argument: String,
}

impl Service {
    /// Judges `SERVICE` or `SERVICE+ARG`: ASCII letters, digits and `-._`, in the argument `+` too.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, argument) = text.split_once('+').unwrap_or((text, ""));
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._+".contains(c);
        let ok = !name.is_empty() && !name.starts_with('.') && text.chars().all(is_allowed);
        ok.then(|| Self {
            name: name.to_owned(),
            argument: argument.to_owned(),
        })
    }

    /// The part before the `+`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The part after the `+`, empty if there is none.
    #[must_use]
    pub fn argument(&self) -> &str {
        &self.argument
    }

    /// The file of the service in `folders`: `SERVICE+ARG` in any of them comes before `SERVICE` in
    /// any.
    #[must_use]
    pub fn find_in(&self, folders: &[PathBuf]) -> Option<PathBuf> {
        [self.to_string(), self.name.clone()]
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
            .find(|file| file.is_file())
    }
}

/// The full name, always with a `+`.
impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.name, self.argument)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_service_never_leaves_its_folder() {
        for bad in [
            "", "+x", "../x", "a/b", "a+../b", "a b", "a\n", ".", "..", ".x+y", "é",
        ] {
            assert_eq!(Service::parse(bad), None, "{bad:?}");
        }
        let service = Service::parse("a.B-c_1+x+y").unwrap();
        assert_eq!((service.name(), service.argument()), ("a.B-c_1", "x+y"));
        for none in ["a", "a+"] {
            assert_eq!(Service::parse(none).unwrap().to_string(), "a+");
        }
    }

    #[test]
    fn a_file_for_the_argument_comes_before_any_general_one() {
        let home = tempfile::tempdir().unwrap();
        let folders = ["first", "second"].map(|name| home.path().join(name));
        let write = |name: &str| {
            let file = home.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            file
        };
        let find = |service: &str| Service::parse(service).unwrap().find_in(&folders);
        assert_eq!(find("svc+arg"), None);
        for name in ["second/svc", "first/svc", "second/svc+arg", "first/svc+arg"] {
            let latest = write(name);
            assert_eq!(find("svc+arg"), Some(latest));
        }
        assert_eq!(find("svc"), Some(folders[0].join("svc")));
        assert_eq!(find("svc+other"), Some(folders[0].join("svc")));
        // No file can have such a name.
        let long = format!("svc+{}", "x".repeat(300));
        assert_eq!(find(&long), Some(folders[0].join("svc")));
    }

    #[test]
    fn a_service_without_argument_may_have_a_file_of_its_own_for_that() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("svc"), "").unwrap();
        fs::write(home.path().join("svc+"), "").unwrap();
        let folders = [home.path().to_owned()];
        let found = |text| Service::parse(text).unwrap().find_in(&folders);
        assert_eq!(found("svc"), Some(home.path().join("svc+")));
        assert_eq!(found("svc+x"), Some(home.path().join("svc")));
    }
}

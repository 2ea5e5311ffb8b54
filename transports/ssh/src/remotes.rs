//! The files `remotes.conf`: which machine, and which qube there, a TARGET is.
//!
//! Lines are `NAME = DESTINATION [QUBE]`. Blank lines, and lines with `#` first, are passed over.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use policy::place::Place;
use policy::trusted;
use program::failure::Failure;
use qrexec::Destination;
use qrexec::status::REFUSED;
use rustix::process::getuid;

use crate::wire::Qube;

/// The file in a folder of settings.
const FILE: &str = "qfile/remotes.conf";

/// Another machine, and the qube there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) destination: Destination,
    pub(crate) qube: Qube,
}

/// The lines of all files: of each name, the one that counts.
#[derive(Debug, Default)]
pub(crate) struct Remotes(BTreeMap<String, Remote>);

/// Where the files are, in the order in which they count: the user's comes first. Judging begins at the
/// home folder, or at the folder of settings if that is elsewhere.
#[must_use]
pub(crate) fn files() -> Vec<Place> {
    let absolute = |name: &str| {
        let path = PathBuf::from(env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let home = absolute("HOME");
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
    let own = config.map(|config| {
        let below = home
            .as_ref()
            .and_then(|home| config.strip_prefix(home).ok());
        match (&home, below) {
            (Some(home), Some(below)) => Place::new(home, below.join(FILE)),
            _ => Place::new(config, FILE),
        }
    });
    own.into_iter().chain([Place::new("/etc", FILE)]).collect()
}

impl Remotes {
    /// Reads `files`. One that is missing has no lines.
    ///
    /// # Errors
    /// A file or a line cannot be read, or somebody else may have written the file, or could make it: it
    /// says to which machine files go.
    pub(crate) fn load(files: &[Place]) -> Result<Self, Failure> {
        let mut all = Self::default();
        for file in files {
            for (name, remote) in Self::read(file)?.0 {
                all.0.entry(name).or_insert(remote);
            }
        }
        Ok(all)
    }

    fn read(file: &Place) -> Result<Self, Failure> {
        let text = trusted::read(file, getuid()).map_err(|why| {
            Failure::new(format!("cannot use {why}"))
                .advise(
                    "remotes.conf, and each folder from your home folder to it, must be yours or root's, \
                     and only its owner may write to it",
                )
                .with_status(REFUSED)
        })?;
        let text = text.unwrap_or_default();
        Self::parse(&text).map_err(|(number, why)| {
            Failure::new(format!("{}, line {number}", text::file(&file.path())))
                .because(why)
                .advise("a line is NAME = DESTINATION [QUBE]")
                .with_status(REFUSED)
        })
    }

    /// Takes the text of a file apart.
    ///
    /// # Errors
    /// The number of the first line that cannot be read, and why.
    pub(crate) fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut all = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, remote) = parse_line(line).map_err(|why| (index + 1, why))?;
            if all.0.insert(name.clone(), remote).is_some() {
                return Err((index + 1, format!("{name} stands here for the second time")));
            }
        }
        Ok(all)
    }

    /// What `name` is.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<&Remote> {
        self.0.get(name)
    }

    /// Every name that there is, sorted.
    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }
}

fn parse_line(line: &str) -> Result<(String, Remote), String> {
    let (name, rest) = line.split_once('=').ok_or("it has no =")?;
    let name = name.trim();
    if !["@default", "@dispvm"].contains(&name) && Destination::parse(name).is_none() {
        let shown = text::own(name.as_bytes());
        return Err(format!("\"{shown}\" cannot be a name"));
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (destination, qube) = match words.as_slice() {
        [destination] => (destination, "-"),
        [destination, qube] if *qube != "-" => (destination, *qube),
        _ => return Err("after the = stands DESTINATION or DESTINATION QUBE".to_owned()),
    };
    let destination = Destination::parse(destination).ok_or_else(|| {
        let shown = text::own(destination.as_bytes());
        format!("\"{shown}\" is not [USER@]HOST")
    })?;
    let qube = Qube::parse(qube).ok_or_else(|| {
        let shown = text::own(qube.as_bytes());
        format!("\"{shown}\" is not the name of a qube")
    })?;
    if name == "@dispvm" && qube != Qube::Disposable {
        return Err("the QUBE of @dispvm is @dispvm".to_owned());
    }
    Ok((name.to_owned(), Remote { destination, qube }))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;

    use qfile_proto::QubeName;

    use super::*;

    #[test]
    fn a_line_has_a_name_a_destination_and_perhaps_a_qube() {
        let text = "\n  # comment\n\tserver = me@host.example \nwork=relay work\n\
                    @default = server\n@dispvm = relay @dispvm\n9.x = 192.0.2.1\n";
        let remotes = Remotes::parse(text).unwrap();
        let get = |name| {
            let remote: &Remote = remotes.get(name).unwrap();
            (remote.destination.to_string(), remote.qube.clone())
        };
        let work = Qube::Named(QubeName::parse(b"work").unwrap());
        assert_eq!(get("server"), ("me@host.example".into(), Qube::Unnamed));
        assert_eq!(get("work"), ("relay".into(), work));
        assert_eq!(get("@default"), ("server".into(), Qube::Unnamed));
        assert_eq!(get("@dispvm"), ("relay".into(), Qube::Disposable));
        assert!(remotes.get("host.example").is_none());
        let names = ["9.x", "@default", "@dispvm", "server", "work"];
        assert!(remotes.names().eq(names));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_told_with_its_number() {
        for line in [
            "server",
            "server host",
            "= host",
            "server =",
            "server = ",
            "server = host work more",
            "server = host # comment",
            "server = -oProxyCommand=id",
            "server = ssh://host",
            "server = host -",
            "server = host @default",
            "server = host @dispvm:web",
            "server = host 9",
            "-x = host",
            "a b = host",
            "@adminvm = host",
            "@dispvm = host",
            "@dispvm = host work",
            "first = host",
            "é = host",
        ] {
            let text = format!("# one\nfirst = host\n{line}\n");
            assert_eq!(Remotes::parse(&text).unwrap_err().0, 3, "{line}");
        }
    }

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_first_file_comes_first_and_a_missing_one_has_no_lines() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name| Place::new(folder.path(), name);
        let [a, b, missing] = ["a", "b", "missing"].map(place);
        write(&a.path(), "x = first\n", 0o644);
        write(&b.path(), "x = second\ny = second\n", 0o644);
        let remotes = Remotes::load(&[missing, a.clone(), b.clone()]).unwrap();
        let get = |name| remotes.get(name).unwrap().destination.as_str();
        assert_eq!((get("x"), get("y")), ("first", "second"));
        write(&b.path(), "# one\nnonsense\n", 0o644);
        let failure = Remotes::load(&[a, b.clone()]).unwrap_err();
        assert_eq!(failure.status(), REFUSED);
        assert!(failure.reason().contains("line 2"), "{failure}");
        fs::write(b.path(), b"# one\n# two\nx = \xFF\n").unwrap();
        let failure = Remotes::load(&[b]).unwrap_err();
        assert_eq!(failure.status(), REFUSED);
        assert!(failure.reason().contains("b\": line 3: "), "{failure}");
        fs::create_dir(folder.path().join("folder")).unwrap();
        let failure = Remotes::load(&[place("folder")]).unwrap_err();
        assert_eq!(failure.status(), REFUSED);
    }

    #[test]
    fn a_file_that_others_may_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| Place::new(folder.path(), name));
        symlink("file", link.path()).unwrap();
        for (mode, is_usable) in [(0o600, true), (0o644, true), (0o664, false), (0o646, false)] {
            write(&file.path(), "x = first\n", mode);
            for path in [&file, &link] {
                match Remotes::load(std::slice::from_ref(path)) {
                    Ok(remotes) => assert!(is_usable && remotes.get("x").is_some()),
                    Err(failure) => {
                        assert!(!is_usable, "{failure}");
                        assert_eq!(failure.status(), REFUSED);
                        assert!(failure.to_string().contains("may write"), "{failure}");
                    }
                }
            }
        }
    }
}

//! The files `remotes.conf`: which machine, and which qube there, a TARGET is.
//!
//! Lines are `NAME = DESTINATION [QUBE]`. Blank lines, and lines with `#` first, are passed over.

use std::env;
use std::path::{Path, PathBuf};

use files::OnLink;
use policy::trusted;
use program::failure::Failure;
use qrexec::Destination;
use qrexec::status::REFUSED;
use rustix::fs::CWD;
use rustix::process::getuid;

use crate::wire::Qube;

/// Another machine, and the qube there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) destination: Destination,
    pub(crate) qube: Qube,
}

/// The lines of all files, in the order in which they count.
#[derive(Debug, Default)]
pub(crate) struct Remotes(Vec<(String, Remote)>);

/// Where the files are, in the order in which they count: the user's comes first.
#[must_use]
pub(crate) fn files() -> Vec<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    let folders = config.into_iter().chain([PathBuf::from("/etc")]);
    folders
        .map(|folder| folder.join("qfile/remotes.conf"))
        .collect()
}

impl Remotes {
    /// Reads `files`. One that is missing has no lines.
    ///
    /// # Errors
    /// A file or a line cannot be read, or somebody else may have written the file: it says to which
    /// machine files go.
    pub(crate) fn load(files: &[PathBuf]) -> Result<Self, Failure> {
        let mut all = Self::default();
        for file in files {
            all.0.append(&mut Self::read(file)?.0);
        }
        Ok(all)
    }

    fn read(file: &Path) -> Result<Self, Failure> {
        let shown = text::file(file);
        // As ssh does with its own configuration: a link is followed, and what it points to counts.
        let text = trusted::read(CWD, file, OnLink::Follow, getuid()).map_err(|why| {
            Failure::new(format!("cannot use {shown}"))
                .because(why)
                .advise("the file must be yours or root's, and only its owner may write to it")
                .with_status(REFUSED)
        })?;
        let text = text.unwrap_or_default();
        Self::parse(&text).map_err(|(number, why)| {
            Failure::new(format!("{shown}, line {number}"))
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
            if all.get(&name).is_some() {
                return Err((index + 1, format!("{name} stands here for the second time")));
            }
            all.0.push((name, remote));
        }
        Ok(all)
    }

    /// What `name` is; the first line counts.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<&Remote> {
        let line = self.0.iter().find(|(of, _)| of == name);
        line.map(|(_, remote)| remote)
    }

    /// Every name that there is.
    #[must_use]
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names.dedup();
        names
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
        assert_eq!(remotes.names(), names);
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
        let [a, b, missing] = ["a", "b", "missing"].map(|name| folder.path().join(name));
        write(&a, "x = first\n", 0o644);
        write(&b, "x = second\ny = second\n", 0o644);
        let remotes = Remotes::load(&[missing, a.clone(), b.clone()]).unwrap();
        let get = |name| remotes.get(name).unwrap().destination.as_str();
        assert_eq!((get("x"), get("y")), ("first", "second"));
        write(&b, "# one\nnonsense\n", 0o644);
        let failure = Remotes::load(&[a, b]).unwrap_err();
        assert_eq!(failure.status(), REFUSED);
        assert!(failure.reason().contains("line 2"), "{failure}");
        let folder = [folder.path().to_owned()];
        assert_eq!(Remotes::load(&folder).unwrap_err().status(), REFUSED);
    }

    #[test]
    fn a_file_that_others_may_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        symlink(&file, &link).unwrap();
        for (mode, is_usable) in [(0o600, true), (0o644, true), (0o664, false), (0o646, false)] {
            write(&file, "x = first\n", mode);
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

//! Which file an application ID stands for.
//!
//! The ID of a desktop file is its path below a folder `applications`, with `-` for each `/`, here
//! without the suffix `.desktop`. The first folder that has a file with the ID decides; within a
//! folder, where `a-b.desktop` and `a/b.desktop` share an ID, the path that comes first in the order
//! of bytes: `a-b.desktop`. A file that is no desktop file decides nothing: it costs itself only.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::entry::{Entry, Unusable};

/// What the name of a desktop file ends with.
pub const SUFFIX: &[u8] = b".desktop";

/// Most files that are looked for in all folders together, and most folders in one.
pub const MAX_FILES: usize = 100_000;

/// Which files are looked for.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// Those of every ID.
    All,
    /// Those of this ID, without the suffix.
    Id(&'a [u8]),
}

/// The desktop files in some folders, by ID.
#[derive(Debug)]
pub struct Applications<'a> {
    folders: &'a [PathBuf],
    /// In the order of precedence: the number of a folder, and the path below it.
    files: BTreeMap<Vec<u8>, Vec<(usize, PathBuf)>>,
    problems: Vec<Problem>,
}

/// Something that is passed over, and why.
#[derive(Debug)]
pub struct Problem {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub why: Unusable,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

/// The file that an ID stands for.
#[derive(Debug)]
pub struct Resolved {
    /// Its path.
    pub file: PathBuf,
    /// What is in it.
    pub entry: Entry,
    /// The number of its folder among those that were searched.
    pub folder: usize,
}

impl<'a> Applications<'a> {
    /// Looks for desktop files in `folders`, which are named in the order of precedence, and in the
    /// folders below them. A link to a file counts as a file, a link to a folder is not entered. A
    /// folder of `folders` that is not there is no problem.
    #[must_use]
    pub fn find(folders: &'a [PathBuf], wanted: Wanted<'_>) -> Self {
        let mut found = Self {
            folders,
            files: BTreeMap::new(),
            problems: Vec::new(),
        };
        let mut room = MAX_FILES;
        for (number, folder) in folders.iter().enumerate() {
            let mut files = Vec::new();
            found.search(folder, wanted, &mut room, &mut files);
            // Paths compare by component, which would put `a/b.desktop` first.
            files.sort_unstable_by(|(one, _), (other, _)| one.as_os_str().cmp(other.as_os_str()));
            for (file, id) in files {
                found.files.entry(id).or_default().push((number, file));
            }
        }
        found
    }

    fn search(
        &mut self,
        top: &Path,
        wanted: Wanted<'_>,
        room: &mut usize,
        files: &mut Vec<(PathBuf, Vec<u8>)>,
    ) {
        let mut waiting = vec![PathBuf::new()];
        while let Some(folder) = waiting.pop() {
            let path = top.join(&folder);
            let entries = match fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(error) => {
                    let is_none = error.kind() == io::ErrorKind::NotFound;
                    if !(is_none && folder.as_os_str().is_empty()) {
                        self.passed_over(path, Unusable::Read(error));
                    }
                    continue;
                }
            };
            for entry in entries.map_while(Result::ok) {
                let name = folder.join(entry.file_name());
                let id = id_of(&name);
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => {
                        if may_hold(&id, wanted) && waiting.len() < MAX_FILES {
                            waiting.push(name);
                        }
                    }
                    Ok(_) => {
                        let Some(id) = id.strip_suffix(SUFFIX) else {
                            continue;
                        };
                        if id.is_empty() {
                            continue;
                        }
                        if matches!(wanted, Wanted::Id(wanted) if wanted != id) {
                            continue;
                        }
                        let Some(left) = room.checked_sub(1) else {
                            let why = io::Error::other("there are too many desktop files");
                            return self.passed_over(path, Unusable::Read(why));
                        };
                        *room = left;
                        files.push((name, id.to_vec()));
                    }
                    Err(error) => self.passed_over(top.join(name), Unusable::Read(error)),
                }
            }
        }
    }

    fn passed_over(&mut self, path: PathBuf, why: Unusable) {
        self.problems.push(Problem { path, why });
    }

    /// Every ID for which there is a file, sorted by bytes.
    pub fn ids(&self) -> impl Iterator<Item = &[u8]> {
        self.files.keys().map(Vec::as_slice)
    }

    /// The first file with this ID that is a desktop file.
    #[must_use]
    pub fn resolve(&mut self, id: &[u8]) -> Option<Resolved> {
        let files = self.files.get(id)?;
        for (folder, name) in files {
            let file = self.folders[*folder].join(name);
            match Entry::read(&file) {
                Ok(entry) => {
                    return Some(Resolved {
                        file,
                        entry,
                        folder: *folder,
                    });
                }
                Err(why) => self.problems.push(Problem { path: file, why }),
            }
        }
        None
    }

    /// What was passed over since the last call.
    pub fn take_problems(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.problems)
    }
}

/// The ID of a path below a folder `applications`, with the suffix.
fn id_of(path: &Path) -> Vec<u8> {
    let dashed = |byte: &u8| if *byte == b'/' { b'-' } else { *byte };
    path.as_os_str().as_bytes().iter().map(dashed).collect()
}

/// Can a folder whose path makes this beginning of an ID hold what is wanted?
fn may_hold(beginning: &[u8], wanted: Wanted<'_>) -> bool {
    match wanted {
        Wanted::All => true,
        Wanted::Id(id) => {
            let rest = id.strip_prefix(beginning);
            rest.is_some_and(|rest| rest.starts_with(b"-"))
        }
    }
}

/// An ID that was given with or without the suffix.
#[must_use]
pub fn without_suffix(name: &OsStr) -> &[u8] {
    let name = name.as_bytes();
    name.strip_suffix(SUFFIX).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Trees(tempfile::TempDir, Vec<PathBuf>);

    impl Trees {
        /// The user's folder and the system's.
        fn new(files: &[(&str, &str)]) -> Self {
            let top = tempfile::tempdir().unwrap();
            let folders = ["user", "none", "system"]
                .map(|name| top.path().join(name))
                .into();
            let trees = Self(top, folders);
            for (path, content) in files {
                let path = trees.0.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            trees
        }

        fn ids(&self, wanted: Wanted<'_>) -> Vec<String> {
            let found = Applications::find(&self.1, wanted);
            let ids = found
                .ids()
                .map(|id| String::from_utf8(id.to_vec()).unwrap());
            ids.collect()
        }

        /// The file, below the folder of the test, and the names of those that were passed over.
        fn resolve(&self, id: &str) -> (Option<String>, Vec<String>) {
            let mut found = Applications::find(&self.1, Wanted::Id(id.as_bytes()));
            let below = |path: &Path| {
                path.strip_prefix(self.0.path())
                    .unwrap()
                    .display()
                    .to_string()
            };
            let file = found
                .resolve(id.as_bytes())
                .map(|resolved| below(&resolved.file));
            let problems = found.take_problems();
            (
                file,
                problems
                    .iter()
                    .map(|problem| below(&problem.path))
                    .collect(),
            )
        }
    }

    const ENTRY: &str = "[Desktop Entry]\nType=Application\n";

    #[test]
    fn the_first_folder_decides_and_within_it_the_order_of_bytes() {
        let trees = Trees::new(&[
            ("user/both.desktop", ENTRY),
            ("system/both.desktop", ENTRY),
            ("system/a/b.desktop", ENTRY),
            ("system/a-b.desktop", ENTRY),
            ("user/x/y/z.desktop", ENTRY),
            ("system/x-y-z.desktop", ENTRY),
        ]);
        for (id, file) in [
            ("both", "user/both.desktop"),
            ("a-b", "system/a-b.desktop"),
            ("x-y-z", "user/x/y/z.desktop"),
        ] {
            assert_eq!(trees.resolve(id), (Some(file.to_owned()), vec![]));
        }
        assert_eq!(trees.ids(Wanted::All), ["a-b", "both", "x-y-z"]);
        assert_eq!(trees.ids(Wanted::Id(b"x-y-z")), ["x-y-z"]);
        assert_eq!(trees.resolve("y-z"), (None, vec![]));
    }

    #[test]
    fn a_file_that_is_none_costs_itself_only() {
        let trees = Trees::new(&[
            ("user/a.desktop", "rubbish"),
            ("system/a.desktop", ENTRY),
            ("system/b.desktop/c.desktop", ENTRY),
            ("system/d.txt", ENTRY),
            ("system/.desktop", ENTRY),
        ]);
        symlink("nowhere", trees.0.path().join("user/e.desktop")).unwrap();
        let problem = |name: &str| vec![name.to_owned()];
        let system = Some("system/a.desktop".to_owned());
        assert_eq!(trees.resolve("a"), (system, problem("user/a.desktop")));
        assert_eq!(trees.resolve("e"), (None, problem("user/e.desktop")));
        assert_eq!(trees.resolve("b"), (None, vec![]));
        assert_eq!(trees.ids(Wanted::All), ["a", "b.desktop-c", "e"]);
    }

    #[test]
    fn links_to_files_are_followed_and_links_to_folders_are_not() {
        let trees = Trees::new(&[("elsewhere/a.desktop", ENTRY), ("user/b.desktop", ENTRY)]);
        let elsewhere = trees.0.path().join("elsewhere");
        symlink(
            elsewhere.join("a.desktop"),
            trees.0.path().join("user/c.desktop"),
        )
        .unwrap();
        symlink(&elsewhere, trees.0.path().join("user/folder")).unwrap();
        symlink(".", trees.0.path().join("user/loop")).unwrap();
        symlink(&elsewhere, trees.0.path().join("user/d.desktop")).unwrap();
        assert_eq!(trees.ids(Wanted::All), ["b", "c", "d"]);
        assert_eq!(
            trees.resolve("d"),
            (None, vec!["user/d.desktop".to_owned()])
        );
        assert_eq!(trees.resolve("c").0.unwrap(), "user/c.desktop");
    }

    #[test]
    fn an_id_may_be_given_with_its_suffix() {
        assert_eq!(without_suffix("a.b".as_ref()), b"a.b");
        assert_eq!(without_suffix("a.b.desktop".as_ref()), b"a.b");
    }
}

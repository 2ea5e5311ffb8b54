//! What was asked for on the command line: each argument → the folder it stands in and the name it
//! will have in the stream.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;

use files::last_component;
use qfile_proto::SafeName;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, openat, stat, statat};
use rustix::io::Errno;
use text::Charset;
use text::name;

use crate::exclude::Exclude;
use crate::refusal::refusal_of_name;
use crate::walk::Links;

/// The longest piece of a path that is given to the kernel at once; its limit is 4096 with the NUL.
const MAX_PIECE: usize = 4095;

/// The files and folders to walk, judged: each has a name of its own.
#[derive(Debug)]
pub struct Arguments {
    /// The working directory at the start, where relative paths begin: a mount that is placed over
    /// it later changes nothing.
    start: OwnedFd,
    list: Vec<Argument>,
    exclude: Option<Exclude>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Argument {
    /// As it was typed, without trailing slashes.
    pub(crate) path: Vec<u8>,
    /// Where in `path` the last component begins: its name in the stream.
    pub(crate) name_at: usize,
    /// The name that it has in the stream in place of that.
    pub(crate) renamed: Option<Vec<u8>>,
    /// An open file, which is sent in place of what has this path.
    content: Option<Content>,
}

/// An open file, and its name in the folder that has all that are open.
#[derive(Debug)]
struct Content {
    _opened: OwnedFd,
    name: Vec<u8>,
}

/// An argument that cannot be walked.
#[derive(Debug)]
pub enum ArgumentError {
    /// It is empty.
    Empty,
    /// Its last component is `.`; the argument as it was typed.
    Here(Vec<u8>),
    /// Its last component is `..`; the argument as it was typed.
    Above(Vec<u8>),
    /// It is the root folder.
    Root,
    /// Both would arrive under the same name.
    SameName(Vec<u8>, Vec<u8>),
    /// One name was given to more than one argument, or to none.
    OneNameForMany,
    /// Both name the same file or folder.
    NamedTwice(Vec<u8>, Vec<u8>),
    /// Nothing can arrive under this name.
    NoName(Vec<u8>),
    /// The working directory cannot be opened.
    Start(io::Error),
}

impl Arguments {
    /// Judges `paths` and remembers the working directory. Nothing else is opened or looked up yet.
    ///
    /// # Errors
    /// The first argument that cannot be walked.
    pub fn new(paths: impl IntoIterator<Item = OsString>) -> Result<Self, ArgumentError> {
        let list = paths
            .into_iter()
            .map(|path| Argument::parse(path.into_vec()))
            .collect::<Result<Vec<_>, _>>()?;
        let mut seen = HashMap::with_capacity(list.len());
        for argument in &list {
            if let Some(earlier) = seen.insert(argument.name(), argument) {
                let is_one = earlier.is_the_entry(argument);
                let (earlier, later) = (earlier.path.clone(), argument.path.clone());
                return Err(match is_one {
                    true => ArgumentError::NamedTwice(earlier, later),
                    false => ArgumentError::SameName(earlier, later),
                });
            }
        }
        // A working directory that cannot be entered is in nobody's way if nobody uses it.
        let relative = list.iter().any(|argument| argument.path[0] != b'/');
        let start = openat(
            CWD,
            if relative { "." } else { "/" },
            O_FOLDER,
            Mode::empty(),
        )
        .map_err(|errno| ArgumentError::Start(errno.into()))?;
        Ok(Self {
            start,
            list,
            exclude: None,
        })
    }

    /// One file, called `name`, with the content of the regular file `opened`, whatever name that has,
    /// or none.
    ///
    /// # Errors
    /// It is no name for a file.
    pub fn of_content(name: OsString, opened: OwnedFd) -> Result<Self, ArgumentError> {
        let mut arguments = Self::new([OsString::from("/content")])?;
        arguments.rename(name)?;
        for argument in &mut arguments.list {
            argument.path = argument.renamed.take().unwrap_or_default();
            argument.name_at = 0;
        }
        let content = Content {
            name: opened.as_raw_fd().to_string().into_bytes(),
            _opened: opened,
        };
        arguments.list[0].content = Some(content);
        Ok(arguments)
    }

    /// Leaves out what `exclude` matches.
    #[must_use]
    pub fn without(mut self, exclude: Option<Exclude>) -> Self {
        self.exclude = exclude;
        self
    }

    /// What leaves entries out, if anything does.
    #[must_use]
    pub fn exclude(&self) -> Option<&Exclude> {
        self.exclude.as_ref()
    }

    pub(crate) fn excludes(&self, name: &[u8], is_folder: bool) -> bool {
        let exclude = self.exclude.as_ref();
        exclude.is_some_and(|exclude| exclude.matches(name, is_folder))
    }

    /// Has the only argument arrive under `name`.
    ///
    /// # Errors
    /// There is not one argument, or it is no name for a file or folder.
    pub fn rename(&mut self, name: OsString) -> Result<(), ArgumentError> {
        let name = name.into_vec();
        let [argument] = &mut *self.list else {
            return Err(ArgumentError::OneNameForMany);
        };
        let is_name = SafeName::parse(&name, Charset::All).is_ok();
        if !is_name || name.contains(&b'/') || refusal_of_name(&name).is_some() {
            return Err(ArgumentError::NoName(name));
        }
        argument.renamed = Some(name);
        Ok(())
    }

    /// The path of what has this name in the stream, as a walk gives it.
    #[must_use]
    pub fn path_of(&self, name: &[u8]) -> Option<Vec<u8>> {
        let slash = name.iter().position(|byte| *byte == b'/');
        let (top, rest) = name.split_at(slash.unwrap_or(name.len()));
        let argument = self.list.iter().find(|argument| argument.name() == top)?;
        Some([&argument.path, rest].concat())
    }

    /// The name, if it is that of an entry here that a walk of these arguments meets. What the other end
    /// of a copy calls so is one of our files, and may be shown as such.
    ///
    /// The other end chooses what is looked up, so nothing is that a walk would not reach: what is left
    /// out is not entered, and a link is only followed if `links` says so.
    #[must_use]
    pub fn own_name<'n>(&self, untrusted_name: &'n [u8], links: Links) -> Option<SafeName<'n>> {
        let name = SafeName::parse(untrusted_name, Charset::All).ok()?;
        let top = name.components().next()?;
        let argument = self.list.iter().find(|argument| argument.name() == top)?;
        if argument.content.is_some() {
            return (name.depth() == 1).then_some(name);
        }
        let mut folder = self.open_parent(argument).ok()?;
        let mut path = argument.path.clone();
        let mut leaf = &argument.path[argument.name_at..];
        let mut below = name.components().skip(1);
        loop {
            // Before it is looked at: it may be left out because its file system does not answer. So a
            // file whose name is left out for folders counts as left out too.
            if self.excludes(&path[argument.name_at..], true) {
                return None;
            }
            let listed = kind_of(&folder, leaf, AtFlags::SYMLINK_NOFOLLOW)?;
            let is_followed = listed == FileType::Symlink && links == Links::Follow;
            let (kind, flags) = match is_followed {
                true => (kind_of(&folder, leaf, AtFlags::empty())?, O_FOLDER),
                false => (listed, O_FOLDER | OFlags::NOFOLLOW),
            };
            let Some(next) = below.next() else {
                let is_sent = match kind {
                    FileType::RegularFile | FileType::Directory => true,
                    FileType::Symlink => links == Links::Send,
                    _ => false,
                };
                return is_sent.then_some(name);
            };
            if kind != FileType::Directory {
                return None;
            }
            folder = openat(&folder, leaf, flags, Mode::empty()).ok()?;
            path.push(b'/');
            path.extend_from_slice(next);
            leaf = next;
        }
    }

    /// The paths as they were typed, without trailing slashes.
    pub fn paths(&self) -> impl Iterator<Item = &[u8]> {
        self.list.iter().map(|argument| &*argument.path)
    }

    /// The working directory at the start.
    pub(crate) fn start(&self) -> BorrowedFd<'_> {
        self.start.as_fd()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Argument> {
        self.list.get(index)
    }

    /// Opens the folder that `argument` stands in. Links on the way are followed: the person who
    /// typed the path named them.
    pub(crate) fn open_parent(&self, argument: &Argument) -> io::Result<OwnedFd> {
        match argument.content {
            // proc_pid_fd(5): an entry leads to the file itself, even if that has no name.
            Some(_) => open_folder(self.start(), b"/proc/self/fd"),
            None => open_folder(self.start(), &argument.path[..argument.name_at]),
        }
    }
}

fn kind_of(folder: &OwnedFd, leaf: &[u8], flags: AtFlags) -> Option<FileType> {
    let found = statat(folder, leaf, flags).ok()?;
    Some(FileType::from_raw_mode(found.st_mode))
}

/// Opens the folder `path` as a starting point for other calls (`O_PATH`). It may be longer than the
/// kernel takes at once; if it is relative, it begins at `start`. Links on the way are followed.
///
/// # Errors
/// Those of openat(2); `ENAMETOOLONG` for a single component of that length.
pub fn open_folder(start: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    let mut rest = path;
    let mut folder = match rest.first() {
        Some(b'/') => openat(CWD, "/", O_FOLDER, Mode::empty())?,
        _ => openat(start, ".", O_FOLDER, Mode::empty())?,
    };
    while let Some(first) = rest.iter().position(|byte| *byte != b'/') {
        rest = &rest[first..];
        let end = match rest.len() {
            len if len <= MAX_PIECE => len,
            _ => rest[..MAX_PIECE]
                .iter()
                .rposition(|byte| *byte == b'/')
                .ok_or(Errno::NAMETOOLONG)?,
        };
        folder = openat(&folder, &rest[..end], O_FOLDER, Mode::empty())?;
        rest = &rest[end..];
    }
    Ok(folder)
}

/// A folder as a starting point only: it need not be readable.
const O_FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Argument {
    fn parse(mut path: Vec<u8>) -> Result<Self, ArgumentError> {
        if path.is_empty() {
            return Err(ArgumentError::Empty);
        }
        let end = path.iter().rposition(|byte| *byte != b'/');
        let typed = path.clone();
        path.truncate(end.ok_or(ArgumentError::Root)? + 1);
        let name_at = path.len() - last_component(&path).len();
        match &path[name_at..] {
            b"." => Err(ArgumentError::Here(typed)),
            b".." => Err(ArgumentError::Above(typed)),
            _ => Ok(Self {
                path,
                name_at,
                renamed: None,
                content: None,
            }),
        }
    }

    /// True if `other` leads to the same name in the same folder.
    fn is_the_entry(&self, other: &Self) -> bool {
        let folder = |argument: &Self| match &argument.path[..argument.name_at] {
            b"" => stat(".").ok(),
            folder => stat(folder).ok(),
        };
        let id = |folder: Stat| (folder.st_dev, folder.st_ino);
        let is_same_name = self.path[self.name_at..] == other.path[other.name_at..];
        let is_same_folder = folder(self)
            .map(id)
            .is_some_and(|first| folder(other).map(id) == Some(first));
        self.path == other.path || (is_same_name && is_same_folder)
    }

    /// The name of the open file that is sent in its place.
    pub(crate) fn content(&self) -> Option<&[u8]> {
        self.content.as_ref().map(|content| &*content.name)
    }

    fn name(&self) -> &[u8] {
        self.renamed
            .as_deref()
            .unwrap_or(&self.path[self.name_at..])
    }
}

impl ArgumentError {
    /// What to do about it, for the person who typed it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Empty => {
                "name a file or folder; an empty name often comes from a variable that is not set"
            }
            Self::Here(_) => {
                "name the folder as seen from the folder that contains it, or name what is in it, \
                 as in ./*"
            }
            Self::Above(_) => "name the folder by its own name, such as /home/user/Documents",
            Self::Root => "name the files and folders in it one by one, such as /home /etc",
            Self::SameName(..) => {
                "copy them one after the other, one of them under another name with --as"
            }
            Self::NamedTwice(..) => "name it once",
            Self::OneNameForMany => "copy them one after the other, each with its own --as NAME",
            Self::NoName(_) => {
                "give a name of 1 to 255 bytes without a slash, which is neither . nor .."
            }
            Self::Start(_) => "change to a folder that you can enter",
        }
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a file name is empty"),
            Self::Here(path) | Self::Above(path) => {
                write!(f, "{} has no name under which it can be copied", name(path))
            }
            Self::Root => {
                f.write_str("the root folder \"/\" has no name under which it can be copied")
            }
            Self::SameName(first, second) => write!(
                f,
                "{} and {} would arrive under the same name",
                name(first),
                name(second)
            ),
            Self::NamedTwice(first, second) if first == second => {
                write!(f, "{} is named twice", name(first))
            }
            Self::NamedTwice(first, second) => write!(
                f,
                "{} and {} are the same file or folder",
                name(first),
                name(second)
            ),
            Self::OneNameForMany => f.write_str("--as gives a name to one file or folder"),
            Self::NoName(typed) => write!(
                f,
                "{} is not a name under which a file or folder can arrive",
                name(typed)
            ),
            Self::Start(error) => write!(f, "cannot open the working directory: {error}"),
        }
    }
}

impl std::error::Error for ArgumentError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(paths: &[&str]) -> Result<Arguments, ArgumentError> {
        Arguments::new(paths.iter().map(OsString::from))
    }

    #[test]
    fn the_name_in_the_stream_is_the_last_component() {
        let table = [
            ("a", "a"),
            ("/a", "a"),
            ("/home/user/docs/a", "a"),
            ("docs/a///", "a"),
            ("../a", "a"),
            ("./a/", "a"),
            ("...", "..."),
            (" ", " "),
        ];
        for (path, name) in table {
            let arguments = arguments(&[path]).unwrap();
            assert_eq!(arguments.list[0].name(), name.as_bytes(), "{path}");
        }
    }

    #[test]
    fn what_has_no_name_of_its_own_is_refused_with_advice() {
        use ArgumentError::{Above, Empty, Here, Root};
        for path in [
            "", ".", "./", "a/.", "/.//", "..", "../", "a/..", "/", "///",
        ] {
            let error = arguments(&["fine", path]).unwrap_err();
            let bytes = path.as_bytes();
            let right = match &error {
                Empty => path.is_empty(),
                Here(typed) => typed == bytes && !path.contains(".."),
                Above(typed) => typed == bytes && path.contains(".."),
                Root => path.bytes().all(|byte| byte == b'/'),
                _ => false,
            };
            assert!(right, "{path:?}: {error:?}");
            assert!(!error.advice().is_empty());
        }
    }

    #[test]
    fn two_arguments_never_land_under_one_name() {
        assert!(matches!(
            arguments(&["x/a", "b", "a/"]),
            Err(ArgumentError::SameName(first, second)) if first == b"x/a" && second == b"a"
        ));
        for (first, second) in [("src/a", "./src//a"), ("a/", "a"), ("a", "src/../a")] {
            let error = arguments(&[first, second]).unwrap_err();
            assert!(matches!(error, ArgumentError::NamedTwice(..)), "{error:?}");
        }
        assert!(arguments(&["x/a", "x/b", "ab"]).is_ok());
    }

    #[test]
    fn one_argument_may_have_another_name_and_what_has_it_is_found_again() {
        let renamed = |paths: &[&str], name: &str| {
            let mut arguments = arguments(paths).unwrap();
            arguments.rename(name.into()).map(|()| arguments)
        };
        let one = renamed(&["x/a/"], "new name").unwrap();
        assert_eq!(one.path_of(b"new name").unwrap(), b"x/a");
        assert_eq!(one.path_of(b"new name/b/c").unwrap(), b"x/a/b/c");
        assert_eq!(one.path_of(b"a"), None);
        for many in [&[][..], &["a", "b"]] {
            assert!(matches!(
                renamed(many, "c"),
                Err(ArgumentError::OneNameForMany)
            ));
        }
        let too_long = "x".repeat(256);
        for name in ["", ".", "..", "a/b", "/", "a/", &too_long] {
            assert!(
                matches!(renamed(&["a"], name), Err(ArgumentError::NoName(_))),
                "{name}"
            );
        }
        assert!(renamed(&["a"], &too_long[1..]).is_ok());
    }

    #[test]
    fn a_name_is_ours_only_if_it_is_that_of_an_entry_below_an_argument() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        std::fs::create_dir(&top).unwrap();
        std::fs::write(top.join("\u{5e2}\t.o"), "").unwrap();
        std::fs::write(top.join("b"), "").unwrap();
        std::fs::write(folder.path().join("beside"), "").unwrap();
        let exclude = Exclude::new([OsString::from("b")]).unwrap();
        let arguments = Arguments::new([top.into_os_string()]).unwrap();
        let arguments = arguments.without(Some(exclude));
        let is_own = |name: &str| arguments.own_name(name.as_bytes(), Links::Send).is_some();
        for ours in ["top", "top/\u{5e2}\t.o"] {
            assert!(is_own(ours), "{ours}");
        }
        for other in [
            "",
            "beside",
            "top/b",
            "top/c",
            "top/../beside",
            "/",
            "top/",
            "top//b",
        ] {
            assert!(!is_own(other), "{other}");
        }
        let file = std::fs::File::open("/dev/null").unwrap();
        let stdin = Arguments::of_content("letter".into(), file.into()).unwrap();
        let is_own = |name: &[u8]| stdin.own_name(name, Links::Send).is_some();
        assert!(is_own(b"letter") && !is_own(b"letter/a") && !is_own(b"x"));
    }

    #[test]
    fn nothing_outside_of_what_is_sent_is_looked_up_for_the_other_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["top", "top/cache", "top/cache/deep", "beside"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        for name in ["top/cache/deep/a", "beside/a", "file"] {
            std::fs::write(path(name), "").unwrap();
        }
        std::os::unix::fs::symlink("../beside", path("top/link")).unwrap();
        std::os::unix::fs::symlink("top", path("way")).unwrap();
        let own = |argument: &str, exclude: &str, links: Links, name: &str| {
            let arguments = Arguments::new([path(argument).into_os_string()]).unwrap();
            let exclude = Exclude::new([OsString::from(exclude)]).unwrap();
            let arguments = arguments.without(Some(exclude));
            arguments.own_name(name.as_bytes(), links).is_some()
        };
        let of_top = |exclude, links, name| own("top", exclude, links, name);
        assert!(of_top("none", Links::Send, "top/cache/deep/a"));
        for exclude in ["cache", "cache/", "cache/deep", "deep/", "top"] {
            assert!(
                !of_top(exclude, Links::Send, "top/cache/deep/a"),
                "{exclude}"
            );
        }
        // A link is sent as it is, followed, or left out.
        for (links, link, behind) in [
            (Links::Send, true, false),
            (Links::Ignore, false, false),
            (Links::Follow, true, true),
        ] {
            assert_eq!(of_top("none", links, "top/link"), link, "{links:?}");
            assert_eq!(of_top("none", links, "top/link/a"), behind, "{links:?}");
            // The argument is such a link too, if it is its last component.
            assert_eq!(own("way", "none", links, "way/cache"), behind, "{links:?}");
        }
        assert!(!own("file", "none", Links::Send, "file/a"));
        // On the way to an argument the person named them.
        assert!(own("way/cache", "none", Links::Send, "cache/deep/a"));
    }

    #[test]
    fn what_is_left_out_is_judged_by_the_name_that_it_has_here() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/b"), "").unwrap();
        let of = |exclude: &str| {
            let path = folder.path().join("a").into_os_string();
            let mut arguments = Arguments::new([path]).unwrap();
            arguments.rename("new".into()).unwrap();
            let exclude = Exclude::new([OsString::from(exclude)]).unwrap();
            let arguments = arguments.without(Some(exclude));
            arguments.own_name(b"new/b", Links::Send).is_some()
        };
        assert!(of("new"));
        assert!(!of("a") && !of("b"));
    }

    #[test]
    fn an_argument_may_be_longer_than_the_kernel_takes_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut path = folder.path().to_str().unwrap().to_owned();
        path.push_str(&"/.".repeat(5000));
        path.push_str("/name");
        let arguments = arguments(&[&path]).unwrap();
        let parent = arguments.open_parent(&arguments.list[0]).unwrap();
        assert_eq!(
            rustix::fs::fstat(&parent).unwrap().st_ino,
            rustix::fs::stat(folder.path()).unwrap().st_ino
        );
    }
}

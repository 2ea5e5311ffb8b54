//! The walk: arguments → entries, depth first.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use files::{Stat, last_component};
use qfile_proto::header::MAX_NAME_LEN;
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use crate::arguments::Arguments;
use crate::error::{MAX_NESTED_LINKS, Reason, WalkError};
use crate::found::{Found, FoundFile, FoundSymlink, Place, Special, What};
use crate::level::{Levels, O_WALK};

/// What becomes of symbolic links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// They are handed out as links.
    #[default]
    Send,
    /// They are left out.
    Ignore,
    /// What they point to is handed out in their place; a link that leads to a folder it stands in,
    /// or nowhere, is an error.
    Follow,
}

/// A walk under way. A lending iterator: each entry borrows the walk until the next is asked for.
#[derive(Debug)]
pub struct Walk<'a> {
    arguments: &'a Arguments,
    links: Links,
    next_argument: usize,
    /// The folder that the argument at hand stands in.
    parent: Option<OwnedFd>,
    levels: Levels,
    /// The path of the entry at hand; its name in the stream is the part from `name_at` on.
    path: Vec<u8>,
    name_at: usize,
    /// The name of the open file that is sent in place of the argument at hand.
    content: Option<&'a [u8]>,
    /// How many entries were left out, because the user does not want them.
    excluded: u64,
    /// The last of them, where they are to be told.
    last_excluded: Option<Vec<Excluded>>,
    /// That name, where the argument has another than its own: a name, and what of `path` it replaces.
    renamed: Option<(Vec<u8>, usize)>,
    name: Vec<u8>,
    /// The folder at the top was handed out for the second time and is to be left.
    leaving: bool,
}

/// An entry that was left out, because the user does not want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// The path by which the person who asked for the walk knows it.
    pub path: Vec<u8>,
    /// `file`, `folder`, `link` or `special`.
    pub kind: &'static str,
}

/// What [`Walk::next`] came to, before it borrows the walk to say so.
enum Step {
    Enter(Stat),
    Leave(Stat),
    File { by_link: bool },
    Symlink,
    Special(Special),
}

/// What [`Walk::find`] came to.
enum Next {
    /// A name, now in `path`, and its kind as far as it is known.
    Name(FileType),
    /// The end of this folder.
    End(Stat),
}

/// A kind of file, in a word.
fn kind_of(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "file",
        FileType::Directory => "folder",
        FileType::Symlink => "link",
        _ => "special",
    }
}

impl Arguments {
    /// Walks them all, in their order.
    #[must_use]
    pub fn walk(&self, links: Links) -> Walk<'_> {
        Walk {
            arguments: self,
            links,
            next_argument: 0,
            parent: None,
            levels: Levels::new(),
            path: Vec::new(),
            name_at: 0,
            content: None,
            excluded: 0,
            last_excluded: None,
            renamed: None,
            name: Vec::new(),
            leaving: false,
        }
    }
}

impl Walk<'_> {
    /// The next entry; `None` at the end.
    ///
    /// After an error the walk can go on: it leaves out what the error names. After
    /// [`Reason::Moved`] and [`Reason::Return`] it is at its end.
    #[expect(clippy::should_implement_trait, reason = "an Iterator cannot lend")]
    pub fn next(&mut self) -> Option<Result<Found<'_>, WalkError>> {
        Some(match self.advance()? {
            Ok(step) => {
                if let Some((name, end)) = &self.renamed {
                    self.name.clone_from(name);
                    self.name.extend_from_slice(&self.path[*end..]);
                }
                Ok(self.found(step))
            }
            Err(error) => Err(error),
        })
    }

    /// How many entries were left out so far by [`Arguments::without`]: a folder counts as one, and
    /// what is in it is not looked at.
    #[must_use]
    pub fn excluded(&self) -> u64 {
        self.excluded
    }

    /// The entries that were left out since this was called before. What was left out before the first
    /// call is only counted.
    pub fn take_excluded(&mut self) -> Vec<Excluded> {
        self.last_excluded.replace(Vec::new()).unwrap_or_default()
    }

    fn advance(&mut self) -> Option<Result<Step, WalkError>> {
        loop {
            if let Some(error) = self.leave() {
                return Some(Err(error));
            }
            let kind = match self.find()? {
                Ok(Next::Name(kind)) => kind,
                Ok(Next::End(stat)) => {
                    self.leaving = true;
                    return Some(Ok(Step::Leave(stat)));
                }
                Err(error) => return Some(Err(error)),
            };
            match self.judge(kind) {
                Ok(None) => {}
                Ok(Some(step)) => return Some(Ok(step)),
                Err(reason) => return Some(Err(self.error(reason))),
            }
        }
    }

    /// Goes up from a folder that was handed out for the second time.
    fn leave(&mut self) -> Option<WalkError> {
        if !std::mem::take(&mut self.leaving) {
            return None;
        }
        let reason = self.levels.pop().err()?;
        let parent = self.levels.top().map_or(0, |level| level.path_len);
        self.path.truncate(parent);
        self.levels.clear();
        self.next_argument = usize::MAX;
        Some(self.error(reason))
    }

    /// Puts the next name into `path`: the next of the folder at hand, or else the next argument.
    fn find(&mut self) -> Option<Result<Next, WalkError>> {
        let Some(level) = self.levels.top() else {
            return self.next_argument();
        };
        let stat = level.stat;
        self.path.truncate(level.path_len);
        Some(match self.levels.read() {
            None => Ok(Next::End(stat)),
            Some(Err(errno)) => Err(self.error(Reason::Read(errno.into()))),
            Some(Ok(listed)) => {
                self.path.push(b'/');
                self.path.extend_from_slice(listed.leaf.to_bytes());
                Ok(Next::Name(listed.kind))
            }
        })
    }

    fn next_argument(&mut self) -> Option<Result<Next, WalkError>> {
        let argument = self.arguments.get(self.next_argument)?;
        self.next_argument += 1;
        self.path.clear();
        self.path.extend_from_slice(&argument.path);
        self.name_at = argument.name_at;
        self.content = argument.content();
        let renamed = argument.renamed.as_ref();
        self.renamed = renamed.map(|name| (name.clone(), argument.path.len()));
        Some(match self.arguments.open_parent(argument) {
            Ok(parent) => {
                self.parent = Some(parent);
                Ok(Next::Name(FileType::Unknown))
            }
            Err(error) => Err(self.error(Reason::Open(error))),
        })
    }

    /// What to do with the name in `path`: `None` if it is to be left out.
    fn judge(&mut self, listed: FileType) -> Result<Option<Step>, Reason> {
        let name_len = match &self.renamed {
            Some((name, end)) => name.len() + self.path.len() - end,
            None => self.path.len() - self.name_at,
        };
        if name_len > MAX_NAME_LEN {
            return Err(Reason::NameTooLong);
        }
        if self.place_of_content().is_some() {
            let kind = self.look(true)?.state.file_type();
            return self.step(kind, true).map(Some);
        }
        let kind = match listed {
            FileType::Unknown => self.look(false)?.state.file_type(),
            known => known,
        };
        let name = &self.path[self.name_at..];
        let is_folder = kind == FileType::Directory;
        if self.arguments.excludes(name, is_folder) {
            self.excluded += 1;
            if let Some(last) = &mut self.last_excluded {
                last.push(Excluded {
                    path: self.path.clone(),
                    kind: kind_of(kind),
                });
            }
            return Ok(None);
        }
        match (kind, self.links) {
            (FileType::Symlink, Links::Ignore) => Ok(None),
            (FileType::Symlink, Links::Send) => Ok(Some(Step::Symlink)),
            (FileType::Symlink, Links::Follow) => {
                let kind = self.look(true)?.state.file_type();
                self.step(kind, true).map(Some)
            }
            (kind, _) => self.step(kind, false).map(Some),
        }
    }

    fn step(&mut self, kind: FileType, by_link: bool) -> Result<Step, Reason> {
        match kind {
            FileType::Directory => self.enter(by_link).map(Step::Enter),
            FileType::RegularFile => Ok(Step::File { by_link }),
            other => Ok(Step::Special(Special::from_type(other))),
        }
    }

    /// Goes down into the folder that `path` names.
    fn enter(&mut self, by_link: bool) -> Result<Stat, Reason> {
        let flags = if by_link {
            O_WALK
        } else {
            O_WALK | OFlags::NOFOLLOW
        };
        let Place { folder, leaf, .. } = self.place();
        let opened = openat(folder, leaf, flags, Mode::empty());
        let folder = opened.map_err(|errno| match errno {
            Errno::NOENT => self.gone(),
            Errno::LOOP | Errno::NOTDIR if !by_link => Reason::Changed,
            other => Reason::Open(other.into()),
        })?;
        let stat = Stat::from(fstat(&folder).map_err(|errno| Reason::Open(errno.into()))?);
        if by_link && self.levels.contain(&stat) {
            return Err(Reason::Loop);
        }
        if by_link && self.levels.links() >= MAX_NESTED_LINKS {
            return Err(Reason::NestedLinks);
        }
        self.levels
            .push(folder, stat, self.path.len(), by_link)
            .map_err(|errno| Reason::Open(errno.into()))?;
        Ok(stat)
    }

    fn look(&self, follow: bool) -> Result<Stat, Reason> {
        self.place()
            .stat(follow)
            .map_err(|error| match error.reason {
                Reason::Vanished => self.gone(),
                other => other,
            })
    }

    /// What it means that something is not there: below an argument it has just been listed.
    fn gone(&self) -> Reason {
        match self.levels.top() {
            Some(_) => Reason::Vanished,
            None => Reason::Open(Errno::NOENT.into()),
        }
    }

    fn place(&self) -> Place<'_> {
        Place {
            folder: self.levels.top_fd().unwrap_or(self.base()),
            leaf: self
                .place_of_content()
                .unwrap_or(last_component(&self.path)),
            path: &self.path,
        }
    }

    /// The name of the open file in place of the entry at hand.
    fn place_of_content(&self) -> Option<&[u8]> {
        self.content.filter(|_| self.levels.top().is_none())
    }

    /// The folder that the argument at hand stands in.
    fn base(&self) -> BorrowedFd<'_> {
        let parent = self.parent.as_ref();
        parent.map_or(self.arguments.start(), OwnedFd::as_fd)
    }

    fn found(&self, step: Step) -> Found<'_> {
        let file_by_link = matches!(step, Step::File { by_link: true });
        Found {
            path: &self.path,
            name: match self.renamed {
                Some(_) => &self.name,
                None => &self.path[self.name_at..],
            },
            base_len: self.name_at,
            base: self.base(),
            // Only where links are followed, because the folders have to be counted.
            through_link: self.place_of_content().is_some()
                || (self.links == Links::Follow && (file_by_link || self.levels.links() > 0)),
            what: match step {
                Step::Enter(stat) => What::EnterFolder(stat),
                Step::Leave(stat) => What::LeaveFolder(stat),
                Step::File { by_link } => What::File(FoundFile {
                    place: self.place(),
                    by_link,
                }),
                Step::Symlink => What::Symlink(FoundSymlink {
                    place: self.place(),
                }),
                Step::Special(kind) => What::Special(kind),
            },
        }
    }

    fn error(&self, reason: Reason) -> WalkError {
        WalkError::new(&self.path, reason)
    }
}

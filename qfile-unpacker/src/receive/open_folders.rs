//! Which folders of the current path are open, and which of them this transfer created.
//!
//! A folder is sent twice: before its content and after it. Only the second header carries what is
//! applied, and only to a folder that is this transfer's own. All the memory that takes is the path
//! itself and one flag for each of its components. A folder that is left without its second header
//! (`tar2qfile` sends none) is forgotten, and counts as there before if it comes again.

use qfile_proto::name::SafeNameBuf;
use qfile_proto::SafeName;

/// The path of the folder that is being filled.
#[derive(Debug, Default)]
pub(crate) struct OpenFolders {
    /// As it is called in the stream; empty at the top.
    path: Vec<u8>,
    /// For each component: did this transfer create it?
    is_ours: Vec<bool>,
    /// What the first component is called in the incoming folder, if that is another name.
    top_lands_as: Option<SafeNameBuf>,
}

impl OpenFolders {
    /// True if the folder `name` has been opened and not been closed or left since.
    pub(crate) fn is_open(&self, name: SafeName<'_>) -> bool {
        is_or_is_in(&self.path, name.as_bytes())
    }

    /// Closes the open folder `name` and everything in it. True if it is ours.
    pub(crate) fn close(&mut self, name: SafeName<'_>) -> bool {
        let depth = name.depth();
        let is_ours = self.is_open(name) && self.is_ours[depth - 1];
        self.truncate(depth - 1);
        is_ours
    }

    /// Forgets the folders that an entry in `parent` (`None`: at the top) is not in.
    pub(crate) fn leave_for(&mut self, parent: Option<SafeName<'_>>) {
        self.truncate(parent.map_or(0, |parent| self.shared_depth(parent)));
    }

    /// Opens the folder `name`, whose parent was the last to be [left for](Self::leave_for).
    pub(crate) fn open(&mut self, name: SafeName<'_>, is_ours: bool) {
        let depth = name.depth();
        self.path.clear();
        self.path.extend_from_slice(name.as_bytes());
        // Folders on the way that had no header count as there before.
        self.is_ours.resize(depth - 1, false);
        self.is_ours.push(is_ours);
    }

    /// Lets the open top-level folder, and everything in it, land under `new_name`.
    pub(crate) fn top_lands_as(&mut self, new_name: SafeNameBuf) {
        self.top_lands_as = Some(new_name);
    }

    /// Where `name` lands, if not under its own name.
    pub(crate) fn landing(&self, name: SafeName<'_>) -> Option<SafeNameBuf> {
        let new_top = self.top_lands_as.as_ref()?;
        let top = name.components().next()?;
        if self.path.split(|byte| *byte == b'/').next()? != top {
            return None;
        }
        Some(name.beneath(new_top.as_name()))
    }

    /// How many components of `name`, from the left, are those of the current path.
    fn shared_depth(&self, name: SafeName<'_>) -> usize {
        // Of most entries that is all of the current path. To take it apart for each of them would be
        // most of this program's own work where folders are deep.
        if is_or_is_in(name.as_bytes(), &self.path) {
            return self.is_ours.len();
        }
        let current = self.path.split(|byte| *byte == b'/');
        current
            .zip(name.components())
            .take_while(|(ours, theirs)| ours == theirs)
            .count()
    }

    fn truncate(&mut self, depth: usize) {
        let len = match depth {
            0 => 0,
            _ => self
                .path
                .iter()
                .enumerate()
                .filter(|(_, byte)| **byte == b'/')
                .nth(depth - 1)
                .map_or(self.path.len(), |(at, _)| at),
        };
        self.path.truncate(len);
        self.is_ours.truncate(depth);
        if depth == 0 {
            self.top_lands_as = None;
        }
    }
}

/// True if `path` is that of `folder`, or of something in it.
fn is_or_is_in(path: &[u8], folder: &[u8]) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use qfile_proto::Charset;

    fn name(name: &str) -> SafeName<'_> {
        SafeName::parse(name.as_bytes(), Charset::Safe).unwrap()
    }

    fn open(folders: &mut OpenFolders, folder: &str, is_ours: bool) {
        folders.leave_for(name(folder).split_last().0);
        folders.open(name(folder), is_ours);
    }

    #[test]
    fn the_second_header_closes_what_the_first_opened() {
        let mut folders = OpenFolders::default();
        open(&mut folders, "a", true);
        open(&mut folders, "a/b", false);
        assert!(!folders.close(name("a/b")));
        assert!(!folders.is_open(name("a/b")));
        assert!(folders.close(name("a")));
        assert!(!folders.is_open(name("a")));
    }

    #[test]
    fn closing_a_folder_closes_those_in_it() {
        let mut folders = OpenFolders::default();
        open(&mut folders, "a", true);
        open(&mut folders, "a/b", true);
        assert!(folders.close(name("a")));
        assert!(!folders.is_open(name("a/b")));
    }

    #[test]
    fn a_folder_that_was_left_is_forgotten() {
        let mut folders = OpenFolders::default();
        open(&mut folders, "a", true);
        open(&mut folders, "a/b", true);
        folders.leave_for(Some(name("a")));
        assert!(!folders.is_open(name("a/b")));
        assert!(folders.is_open(name("a")));
        folders.leave_for(None);
        assert!(!folders.is_open(name("a")));
    }

    #[test]
    fn a_folder_without_a_header_counts_as_there_before() {
        let mut folders = OpenFolders::default();
        open(&mut folders, "a/b", true);
        assert!(folders.close(name("a/b")));
        assert!(folders.is_open(name("a")));
        assert!(!folders.close(name("a")));
    }

    #[test]
    fn names_that_begin_alike_are_not_the_same_folder() {
        let mut folders = OpenFolders::default();
        open(&mut folders, "a", true);
        assert!(!folders.is_open(name("ab")));
        assert!(!folders.is_open(name("a/b")));
        folders.leave_for(Some(name("ab")));
        assert!(!folders.is_open(name("a")));
        open(&mut folders, "a", true);
        open(&mut folders, "a/b", true);
        assert!(!folders.is_open(name("a/bc")));
        folders.leave_for(Some(name("a/bc")));
        assert!(!folders.is_open(name("a/b")));
        assert!(folders.close(name("a")));
    }

    #[test]
    fn what_is_in_a_renamed_top_folder_follows_it() {
        let mut folders = OpenFolders::default();
        open(&mut folders, "a", true);
        folders.top_lands_as(name("a (2)").to_buf());
        assert_eq!(
            folders.landing(name("a/b/c")),
            Some(name("a (2)/b/c").to_buf())
        );
        assert_eq!(folders.landing(name("a")), Some(name("a (2)").to_buf()));
        assert_eq!(folders.landing(name("ab")), None);
        folders.close(name("a"));
        assert_eq!(folders.landing(name("a/b")), None);
    }
}

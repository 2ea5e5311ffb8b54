//! What is not sent back stays in this qube, and its user is told where: in a folder of its own in
//! `~/QubesIncoming/CALLER`, where files of that qube are looked for and which outlives a restart.
//! `/tmp` does not.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use files::{OnLink, open_regular};
use qfile_proto::QubeName;
use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;

/// How many names are said.
const NAMES: usize = 3;

/// Longest part of a document's name in the name of a folder, in bytes.
const MAX_NAME: usize = 200;

/// What stays here, and where.
#[derive(Debug, Default)]
pub(crate) struct Stays {
    /// Their paths in the folder that they were saved in.
    pub(crate) files: Vec<PathBuf>,
    /// The folder that they were copied to, or why that failed; `None` if there was nothing to copy.
    pub(crate) copied: Option<Result<PathBuf, String>>,
    /// Why it is not known which other files there are.
    pub(crate) unseen: Option<String>,
    /// The folder that they were saved in, if it stays too.
    pub(crate) left: Option<PathBuf>,
}

impl Stays {
    /// Where that is, in one line.
    pub(crate) fn text(&self, document: &str) -> String {
        let document = text::name(document.as_bytes());
        let names: Vec<String> = self
            .files
            .iter()
            .take(NAMES)
            .map(|path| text::file(path))
            .collect();
        let names = match self.files.len().saturating_sub(NAMES) {
            0 => names.join(", "),
            more => format!("{} and {more} more", names.join(", ")),
        };
        let left = self.left.as_deref().map(text::file);
        let text = match (&self.copied, &self.unseen, left) {
            (Some(Ok(folder)), _, left) => {
                let place = match self.files.as_slice() {
                    [only] => text::file(&folder.join(only)),
                    _ => format!("{} ({names})", text::file(folder)),
                };
                let left = left.map_or(String::new(), |left| {
                    format!(
                        "; {left} is kept too while this qube runs, because a program may still \
                         use it"
                    )
                });
                format!("not sent back, but kept in this qube: {place}{left}")
            }
            (Some(Err(why)), _, Some(left)) => format!(
                "not sent back, but kept in this qube while it runs: {left} ({names}); it cannot \
                 be copied to a permanent folder: {why}"
            ),
            (None, Some(why), Some(left)) => {
                return format!(
                    "other files may have been saved beside {document}: they are kept in {left} \
                     while this qube runs; the folder cannot be searched: {why}"
                );
            }
            (_, _, left) => format!(
                "{document} may still be open: it is kept in {} while this qube runs, and what is \
                 saved there is not sent back",
                left.unwrap_or_default()
            ),
        };
        match &self.unseen {
            Some(why) => format!("{text}; there may be more files, which cannot be listed: {why}"),
            None => text,
        }
    }
}

/// Copies `files`, paths in `from`, to a new folder in `~/QubesIncoming/CALLER`; its path. Everything is
/// on disk then.
pub(crate) fn copy(
    files: &[PathBuf],
    from: &Path,
    home: Option<&Path>,
    caller: &QubeName,
    document: &str,
) -> io::Result<PathBuf> {
    let home = home.ok_or_else(|| io::Error::other("HOME is not set"))?;
    let incoming = home.join("QubesIncoming").join(caller.as_str());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&incoming)?;
    // Removed again if something fails: what is there is complete.
    let folder = tempfile::Builder::new()
        .prefix(&format!("{}-", cut(document)))
        .rand_bytes(6)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(&incoming)?;
    for path in files {
        copy_one(&from.join(path), &folder.path().join(path))?;
    }
    sync(folder.path())?;
    sync(&incoming)?;
    Ok(folder.keep())
}

fn copy_one(from: &Path, to: &Path) -> io::Result<()> {
    let (mut source, _) = open_regular(CWD, from, OFlags::RDONLY, OnLink::Refuse)?;
    if let Some(parent) = to.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    let mut copy = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    io::copy(&mut source, &mut copy)?;
    if let Ok(time) = source.metadata()?.modified() {
        let _worth_no_failure = copy.set_modified(time);
    }
    copy.sync_all()
}

/// What cannot sync folders is passed over.
fn sync(folder: &Path) -> io::Result<()> {
    match rustix::fs::fsync(File::open(folder)?) {
        Err(Errno::BADF | Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        result => Ok(result?),
    }
}

fn cut(name: &str) -> &str {
    let end = (0..=name.len().min(MAX_NAME))
        .rev()
        .find(|end| name.is_char_boundary(*end));
    &name[..end.unwrap_or(0)]
}

/// Removes what was copied.
pub(crate) fn remove(files: &[PathBuf], from: &Path) {
    for path in files {
        let _goes_with_its_folder = fs::remove_file(from.join(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> QubeName {
        QubeName::parse(b"work").unwrap()
    }

    #[test]
    fn files_are_copied_to_a_folder_of_their_own_each_time() {
        let (home, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(from.path().join("pages")).unwrap();
        let files = ["b.pdf", "pages/1"].map(PathBuf::from);
        for path in &files {
            fs::write(from.path().join(path), path.to_str().unwrap()).unwrap();
        }
        let copy = || copy(&files, from.path(), Some(home.path()), &caller(), "a.txt").unwrap();
        let (one, other) = (copy(), copy());
        assert_ne!(one, other);
        for folder in [&one, &other] {
            let incoming = home.path().join("QubesIncoming/work");
            assert_eq!(folder.parent(), Some(incoming.as_path()));
            for path in &files {
                let content = fs::read(folder.join(path)).unwrap();
                assert_eq!(content, path.to_str().unwrap().as_bytes());
            }
        }
    }

    #[test]
    fn where_something_cannot_be_copied_nothing_is_left() {
        let (home, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(from.path().join("a"), "").unwrap();
        let files = ["a", "missing"].map(PathBuf::from);
        assert!(copy(&files, from.path(), Some(home.path()), &caller(), "a").is_err());
        let incoming = home.path().join("QubesIncoming/work");
        assert_eq!(fs::read_dir(incoming).unwrap().count(), 0);
        assert!(copy(&files[..1], from.path(), None, &caller(), "a").is_err());
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        assert_eq!(cut("a.txt"), "a.txt");
        assert_eq!(cut(&"é".repeat(127)).len(), 200);
        assert_eq!(cut(&"报".repeat(85)).len(), 198);
    }

    #[test]
    fn one_line_says_where_things_are() {
        let stays = Stays {
            files: ["b.pdf"].map(PathBuf::from).into(),
            copied: Some(Ok("/home/user/QubesIncoming/work/a.txt-123456".into())),
            unseen: None,
            left: None,
        };
        assert_eq!(
            stays.text("a.txt"),
            "not sent back, but kept in this qube: \
             \"/home/user/QubesIncoming/work/a.txt-123456/b.pdf\""
        );
        let stays = Stays {
            files: ["b", "c", "d\u{1b}", "e", "f"].map(PathBuf::from).into(),
            copied: Some(Err("No space left on device".to_owned())),
            unseen: None,
            left: Some("/tmp/work-123456".into()),
        };
        assert_eq!(
            stays.text("a.txt"),
            "not sent back, but kept in this qube while it runs: \"/tmp/work-123456\" (\"b\", \"c\", \
             $'d\\x1b' and 2 more); it cannot be copied to a permanent folder: No space left on device"
        );
        let stays = Stays {
            unseen: Some("File name too long".to_owned()),
            left: Some("/tmp/work-123456".into()),
            ..Stays::default()
        };
        assert_eq!(
            stays.text("a.txt"),
            "other files may have been saved beside \"a.txt\": they are kept in \"/tmp/work-123456\" \
             while this qube runs; the folder cannot be searched: File name too long"
        );
    }
}

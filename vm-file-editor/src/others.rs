//! Other files that the user saved beside the one that was opened: under another name, as an export, as
//! a folder of pages. What editors keep for themselves, a lock or a swap file, is none.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The regular files in `folder` and its folders that somebody may want, without `document`; their
/// paths there, sorted.
pub(crate) fn find(folder: &Path, document: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    look_into(folder, Path::new(""), &mut found)?;
    found.retain(|path| path != Path::new(document));
    found.sort();
    Ok(found)
}

fn look_into(folder: &Path, within: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in open_folder(&folder.join(within))? {
        let entry = entry?;
        let name = entry.file_name();
        if is_an_editors_own(name.as_bytes()) {
            continue;
        }
        let path = within.join(&name);
        let kind = entry.file_type()?;
        if kind.is_dir() {
            look_into(folder, &path, found)?;
        } else if kind.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

/// Lists a folder, also one that its owner closed.
fn open_folder(folder: &Path) -> io::Result<fs::ReadDir> {
    fs::read_dir(folder).or_else(|_| {
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        fs::read_dir(folder)
    })
}

/// What is hidden (`.letter.txt.swp`, `.~lock.letter.odt#`), a backup (`letter.txt~`), what Emacs saves
/// by itself (`#letter.txt#`) and the lock of Word (`~$letter.docx`).
fn is_an_editors_own(name: &[u8]) -> bool {
    name.starts_with(b".")
        || name.ends_with(b"~")
        || name.starts_with(b"~$")
        || (name.len() > 1 && name.starts_with(b"#") && name.ends_with(b"#"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_the_user_saved_is_told_from_what_editors_keep() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path();
        for name in [
            "letter.txt",
            "letter.pdf",
            "#1 report",
            "a~b",
            "pages/index.html",
            "pages/img/1.png",
            "letter.txt~",
            ".letter.txt.swp",
            ".~lock.letter.txt#",
            "#letter.txt#",
            "~$letter.docx",
            "pages/.hidden",
            ".cache/thumbnail.png",
        ] {
            fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
            fs::write(folder.join(name), "").unwrap();
        }
        fs::create_dir(folder.join("empty")).unwrap();
        symlink("/etc/passwd", folder.join("link")).unwrap();
        symlink("/etc", folder.join("link to a folder")).unwrap();
        fs::set_permissions(folder.join("pages/img"), Permissions::from_mode(0o100)).unwrap();
        let expected = [
            "#1 report",
            "a~b",
            "letter.pdf",
            "pages/img/1.png",
            "pages/index.html",
        ];
        assert_eq!(
            find(folder, "letter.txt").unwrap(),
            expected.map(PathBuf::from)
        );
    }

    #[test]
    fn a_folder_in_place_of_the_document_is_looked_into() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("letter.txt")).unwrap();
        fs::write(home.path().join("letter.txt/letter.txt"), "").unwrap();
        let found = find(home.path(), "letter.txt").unwrap();
        assert_eq!(found, [Path::new("letter.txt/letter.txt")]);
    }
}

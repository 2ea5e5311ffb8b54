//! The text by which a key, or all keys below a folder, are named.

use std::fmt;
use std::str;

use crate::error::Invalid;

/// Longest path in bytes. The field of the header has 64; the last one is always 0.
pub const MAX_PATH_LEN: usize = 63;

/// A path that the protocol can carry: at most [`MAX_PATH_LEN`] bytes of `A-Z a-z 0-9 - _ / . : @`,
/// with no `-` in the first place. It may be empty, which means every key in a list.
///
/// `//`, `.` and `..` have no meaning: such a path is a key of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    // Zero behind the text. No byte of a text is 0, so comparing the arrays compares the texts.
    bytes: [u8; MAX_PATH_LEN],
    len: u8,
}

impl Path {
    /// The empty path, the beginning of every other.
    pub const EMPTY: Self = Self {
        bytes: [0; MAX_PATH_LEN],
        len: 0,
    };

    /// Judges a path.
    ///
    /// # Errors
    /// It is too long, or has a byte that no path has.
    pub fn parse(untrusted_text: &[u8]) -> Result<Self, Invalid> {
        if untrusted_text.first() == Some(&b'-') {
            return Err(Invalid::PathDash);
        }
        if let Some(bad) = untrusted_text.iter().find(|byte| !is_allowed(**byte)) {
            return Err(Invalid::PathByte(*bad));
        }
        let mut path = Self::EMPTY;
        path.bytes
            .get_mut(..untrusted_text.len())
            .ok_or(Invalid::PathTooLong)?
            .copy_from_slice(untrusted_text);
        path.len = u8::try_from(untrusted_text.len()).map_err(|_| Invalid::PathTooLong)?;
        Ok(path)
    }

    /// Judges the path of a key or a folder: it must begin with `/`, as the client library of
    /// Qubes OS demands.
    ///
    /// # Errors
    /// As [`Path::parse`], or it does not begin with `/`.
    pub fn absolute(untrusted_text: &[u8]) -> Result<Self, Invalid> {
        if untrusted_text.first() != Some(&b'/') {
            return Err(Invalid::PathNotAbsolute);
        }
        Self::parse(untrusted_text)
    }

    /// Judges the path of a key that can be written: it must begin with `/` and not end with one.
    ///
    /// # Errors
    /// As [`Path::absolute`], or it names a folder.
    pub fn key(untrusted_text: &[u8]) -> Result<Self, Invalid> {
        let path = Self::absolute(untrusted_text)?;
        match path.is_key() {
            true => Ok(path),
            false => Err(Invalid::PathIsFolder),
        }
    }

    /// Can a value be written to it?
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.as_bytes().first() == Some(&b'/') && !self.is_folder()
    }

    /// Does it end with `/`, and so mean everything below?
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.as_bytes().last() == Some(&b'/')
    }

    /// Does it begin with the text of `prefix`? `/ab` begins with `/a`.
    #[must_use]
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.as_bytes().starts_with(prefix.as_bytes())
    }

    /// The folders that it is in, `/` first. A folder is not in itself.
    pub fn folders(&self) -> impl Iterator<Item = Self> + '_ {
        let text = self.as_bytes();
        let ends = (1..text.len()).filter(|end| text[end - 1] == b'/');
        ends.map(|end| {
            let mut folder = Self::EMPTY;
            folder.bytes[..end].copy_from_slice(&text[..end]);
            folder.len = end.try_into().unwrap_or(0);
            folder
        })
    }

    /// The text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The text, which is ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({:?})", self.as_str())
    }
}

impl str::FromStr for Path {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text.as_bytes())
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_/.:@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_has_63_bytes_of_its_alphabet() {
        for byte in 0..=u8::MAX {
            let allowed = byte.is_ascii_alphanumeric() || "-_/.:@".as_bytes().contains(&byte);
            assert_eq!(Path::parse(&[b'/', byte]).is_ok(), allowed, "{byte:#x}");
        }
        let long = format!("/{}", "x".repeat(62));
        assert_eq!(path(&long).as_str(), long);
        assert_eq!((long + "x").parse::<Path>(), Err(Invalid::PathTooLong));
        assert_eq!("-a".parse::<Path>(), Err(Invalid::PathDash));
        assert_eq!(path("").as_bytes(), b"");
        for kept in ["/a//b", "/a/../b", "/.", "nolead"] {
            assert_eq!(path(kept).as_str(), kept);
        }
    }

    #[test]
    fn a_key_begins_with_a_slash_and_does_not_end_with_one() {
        assert!(Path::key(b"/a").is_ok());
        assert_eq!(Path::key(b"/a/"), Err(Invalid::PathIsFolder));
        assert_eq!(Path::key(b"/"), Err(Invalid::PathIsFolder));
        assert_eq!(Path::key(b"a"), Err(Invalid::PathNotAbsolute));
        assert_eq!(Path::key(b""), Err(Invalid::PathNotAbsolute));
        assert_eq!(
            Path::absolute(b"/a/").map(|path| path.is_folder()),
            Ok(true)
        );
    }

    #[test]
    fn paths_are_ordered_by_their_bytes() {
        let mut sorted = ["/b", "/a/b", "/a", "/ab", "", "/a-", "/B"].map(path);
        sorted.sort();
        let texts = sorted.each_ref().map(Path::as_str);
        assert_eq!(texts, ["", "/B", "/a", "/a-", "/a/b", "/ab", "/b"]);
    }

    #[test]
    fn a_path_knows_its_folders() {
        let folders = |text| -> Vec<String> {
            path(text)
                .folders()
                .map(|folder| folder.to_string())
                .collect()
        };
        assert_eq!(folders("/a/b/c"), ["/", "/a/", "/a/b/"]);
        assert_eq!(folders("/d/"), ["/"]);
        assert_eq!(folders("/"), [""; 0]);
        assert_eq!(folders(""), [""; 0]);
    }
}

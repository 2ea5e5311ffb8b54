//! One desktop file: the keys and values of its group `[Desktop Entry]`.
//!
//! A line that is neither a comment, a group nor a key is passed over, as is everything before the
//! first group. Values are bytes: whether they are UTF-8 is for whoever shows them.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;

use memchr::memchr;
use rustix::fs::{FileType, Mode, OFlags, fstat, open};

/// Longest desktop file in bytes that is read.
pub const MAX_FILE_LEN: usize = 1 << 20;

/// The group that describes an application.
const GROUP: &[u8] = b"[Desktop Entry]";

/// Some editors put it before the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The group `[Desktop Entry]` of a desktop file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    content: Vec<u8>,
    /// Key and value of each line, in the order of the lines.
    lines: Vec<(Range<usize>, Range<usize>)>,
}

/// Why a file is no desktop file.
#[derive(Debug)]
pub enum Unusable {
    /// It cannot be read.
    Read(io::Error),
    /// It is a folder, a FIFO or a device.
    NotAFile,
    /// It has more than [`MAX_FILE_LEN`] bytes.
    TooLong,
    /// It has no group `[Desktop Entry]`.
    NoGroup,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::NotAFile => f.write_str("it is not a regular file"),
            Self::TooLong => write!(f, "it has more than {MAX_FILE_LEN} bytes"),
            Self::NoGroup => f.write_str("it has no line \"[Desktop Entry]\""),
        }
    }
}

impl Entry {
    /// Reads a file. A FIFO or a device is not waited for.
    ///
    /// # Errors
    /// It is no desktop file.
    pub fn read(path: &Path) -> Result<Self, Unusable> {
        let read = |error: rustix::io::Errno| Unusable::Read(error.into());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = open(path, flags, Mode::empty()).map_err(read)?;
        let found = fstat(&file).map_err(read)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(Unusable::NotAFile);
        }
        let expected = usize::try_from(found.st_size)
            .unwrap_or(0)
            .min(MAX_FILE_LEN);
        let mut content = Vec::with_capacity(expected + 1);
        // One byte more tells a file that is too long, also one that is growing.
        let limit = MAX_FILE_LEN as u64 + 1;
        File::from(file)
            .take(limit)
            .read_to_end(&mut content)
            .map_err(Unusable::Read)?;
        match content.len() > MAX_FILE_LEN {
            true => Err(Unusable::TooLong),
            false => Self::parse(content),
        }
    }

    /// Understands the content of a file.
    ///
    /// # Errors
    /// It has no group `[Desktop Entry]`.
    pub fn parse(content: Vec<u8>) -> Result<Self, Unusable> {
        let mut lines = Vec::new();
        let (mut has_group, mut is_within) = (false, false);
        let mut at = match content.starts_with(BYTE_ORDER_MARK) {
            true => BYTE_ORDER_MARK.len(),
            false => 0,
        };
        while at < content.len() {
            let rest = &content[at..];
            let len = memchr(b'\n', rest);
            let end = at + len.unwrap_or(rest.len());
            let line = trimmed(&content, at..end);
            at = end + 1;
            match content[line.clone()].first() {
                None | Some(b'#') => {}
                Some(b'[') => {
                    is_within = &content[line] == GROUP;
                    has_group |= is_within;
                }
                Some(_) if is_within => lines.extend(key_and_value(&content, line)),
                Some(_) => {}
            }
        }
        match has_group {
            true => Ok(Self { content, lines }),
            false => Err(Unusable::NoGroup),
        }
    }

    /// Puts the keys of a drop-in over those of this entry. A translation of this entry stays,
    /// unless the drop-in has the same one.
    pub fn replace_by(&mut self, drop_in: &Self) {
        let offset = self.content.len();
        self.content.extend(&drop_in.content);
        let moved = |range: &Range<usize>| range.start + offset..range.end + offset;
        let lines = drop_in.lines.iter();
        self.lines
            .extend(lines.map(|(key, value)| (moved(key), moved(value))));
    }

    /// All keys with their values as they stand in the file, a key with its `[locale]`. A key that
    /// occurs again replaces the earlier one.
    pub fn pairs(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        let lines = self.lines.iter();
        lines.map(|(key, value)| (&self.content[key.clone()], &self.content[value.clone()]))
    }

    /// The value of a key as it stands in the file.
    #[must_use]
    pub fn raw(&self, key: &[u8]) -> Option<&[u8]> {
        self.pairs()
            .rfind(|(found, _)| *found == key)
            .map(|(_, value)| value)
    }

    /// The value of a key, its escapes undone; `None` also where it is empty.
    #[must_use]
    pub fn string(&self, key: &str) -> Option<Vec<u8>> {
        let value = self.raw(key.as_bytes())?;
        (!value.is_empty()).then(|| unescaped(value).into_owned())
    }

    /// The value of a key in the first of `locales` that has one, else without a locale.
    #[must_use]
    pub fn localized(&self, key: &str, locales: &[String]) -> Option<Vec<u8>> {
        let mut translations = locales.iter().map(|locale| format!("{key}[{locale}]"));
        let translated = translations.find_map(|key| self.string(&key));
        translated.or_else(|| self.string(key))
    }

    /// Is the value of a key `true`, in any case, or `1`?
    #[must_use]
    pub fn is_true(&self, key: &str) -> bool {
        let value = self.raw(key.as_bytes()).unwrap_or_default();
        value.eq_ignore_ascii_case(b"true") || value == b"1"
    }

    /// Is it an application, not a link or a folder of a menu?
    #[must_use]
    pub fn is_application(&self) -> bool {
        self.raw(b"Type") == Some(b"Application")
    }
}

fn key_and_value(content: &[u8], line: Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    let equals = memchr(b'=', &content[line.clone()])?;
    let key = trimmed(content, line.start..line.start + equals);
    let value = trimmed(content, line.start + equals + 1..line.end);
    (!key.is_empty()).then_some((key, value))
}

/// The range without the blanks, tabs and carriage returns around it.
fn trimmed(content: &[u8], range: Range<usize>) -> Range<usize> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
    let text = &content[range.clone()];
    let first = text.iter().position(|byte| !is_blank(byte));
    let last = text.iter().rposition(|byte| !is_blank(byte));
    match (first, last) {
        (Some(first), Some(last)) => range.start + first..range.start + last + 1,
        _ => range.start..range.start,
    }
}

/// Undoes the escapes that every value may have. What is none of them stays as it is: a quotation
/// mark with one backslash instead of two is a common mistake in `Exec`, and means what it says.
#[must_use]
pub fn unescaped(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\\', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut text = Vec::with_capacity(value.len());
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b's') => text.push(b' '),
            Some(b'n') => text.push(b'\n'),
            Some(b't') => text.push(b'\t'),
            Some(b'r') => text.push(b'\r'),
            Some(b'\\') => text.push(b'\\'),
            Some(other) => text.extend([b'\\', other]),
            None => text.push(b'\\'),
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(content: &str) -> Entry {
        Entry::parse(content.into()).unwrap()
    }

    fn string(entry: &Entry, key: &str) -> Option<String> {
        entry
            .string(key)
            .map(|value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn only_the_group_of_the_application_counts() {
        let entry = parsed(
            "\u{feff}Name=before\n# Name=comment\n[Desktop Entry]\n Name = in it \nrubbish\n=x\n\
             [Desktop Action New]\nName=action\n[Desktop Entry]\nIcon=again",
        );
        assert_eq!(string(&entry, "Name").unwrap(), "in it");
        assert_eq!(string(&entry, "Icon").unwrap(), "again");
        assert_eq!(entry.pairs().count(), 2);
        for none in ["", "Name=x", "[desktop entry]\nName=x", "[Desktop Entry\n"] {
            assert!(
                matches!(Entry::parse(none.into()), Err(Unusable::NoGroup)),
                "{none:?}"
            );
        }
    }

    #[test]
    fn lines_may_end_as_on_windows() {
        let entry = parsed("[Desktop Entry]\r\nType=Application\r\nTerminal=True\r\n");
        assert!(entry.is_application());
        assert!(entry.is_true("Terminal"));
    }

    #[test]
    fn the_last_of_equal_keys_and_a_drop_in_win() {
        let mut entry = parsed("[Desktop Entry]\nExec=a\nExec=b\nName=n\nName[de]=d\n");
        assert_eq!(string(&entry, "Exec").unwrap(), "b");
        entry.replace_by(&parsed("[Desktop Entry]\nExec=c\nIcon=i\n"));
        let values = ["Exec", "Icon", "Name", "Name[de]"].map(|key| string(&entry, key).unwrap());
        assert_eq!(values, ["c", "i", "n", "d"]);
    }

    #[test]
    fn escapes_are_undone_and_what_is_none_stays() {
        let entry = parsed("[Desktop Entry]\nA=\\s\\t\\n\\r\\\\s\\\"\\\nB=\nC=\u{e9}\n");
        assert_eq!(string(&entry, "A").unwrap(), " \t\n\r\\s\\\"\\");
        assert_eq!(string(&entry, "B"), None);
        assert_eq!(string(&entry, "C").unwrap(), "\u{e9}");
    }

    #[test]
    fn a_translation_is_chosen_by_the_order_of_the_locales() {
        let entry = parsed("[Desktop Entry]\nName=n\nName[de]=d\nName[de_AT]=a\nName[fr]=\n");
        let name = |locales: &[&str]| {
            let locales: Vec<_> = locales.iter().map(|locale| (*locale).to_owned()).collect();
            String::from_utf8(entry.localized("Name", &locales).unwrap()).unwrap()
        };
        assert_eq!(name(&["de_AT", "de"]), "a");
        assert_eq!(name(&["de_CH", "de"]), "d");
        assert_eq!(name(&["fr"]), "n");
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo.desktop");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(matches!(Entry::read(&fifo), Err(Unusable::NotAFile)));
        assert!(matches!(
            Entry::read(folder.path()),
            Err(Unusable::NotAFile)
        ));
        assert!(matches!(
            Entry::read(&folder.path().join("none")),
            Err(Unusable::Read(_))
        ));
        let long = folder.path().join("long.desktop");
        let content = [GROUP, b"\n", &vec![b'#'; MAX_FILE_LEN]].concat();
        std::fs::write(&long, &content).unwrap();
        assert!(matches!(Entry::read(&long), Err(Unusable::TooLong)));
        std::fs::write(&long, &content[..MAX_FILE_LEN]).unwrap();
        Entry::read(&long).unwrap();
    }
}

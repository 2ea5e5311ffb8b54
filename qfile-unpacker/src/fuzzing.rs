//! What the fuzz target of whole streams does with the bytes that the fuzzer makes up.
//!
//! They are received for real, into a folder that stands beside a sentinel and has something in it
//! already. What landed is then compared with what the stream says, by independent means: the
//! standard library looks at the files, not the code that placed them. A unit test runs the body over the
//! committed corpus with the stable toolchain.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use qfile_proto::header::MAX_NAME_LEN;
use qfile_proto::verdict::{VerdictParser, LEGAL_EOF};
use qfile_proto::{Decoder, Entry, Kind, Refusal};

use crate::jail::Jailed;
use crate::options::{OnConflict, Options};
use crate::outcome::Outcome;
use crate::receive::receive;
use crate::say::Say;

/// One accepted entry: its name, its header, its content.
type Decoded = (Vec<u8>, Entry, Vec<u8>);

/// Longest stream in bytes: too short for a path that the standard library cannot open at once.
const MAX_LEN: usize = 16 * 1024;

/// Receives a stream in the empty folder `scratch`. The first byte of `untrusted` chooses the
/// options, the second in pieces of what size the rest arrives.
///
/// # Panics
/// When something that must hold does not.
pub fn stream(scratch: &Path, untrusted: &[u8]) {
    let Some(([flags, piece], untrusted)) = untrusted.split_first_chunk() else {
        return;
    };
    let untrusted = &untrusted[..untrusted.len().min(MAX_LEN)];
    let options = options(*flags);
    let (outside, incoming) = plant(scratch).expect("the folder is ours");
    let outside_before = look_at(&outside);
    let before = look_at(&incoming);

    let root = File::open(&incoming).expect("it has been made");
    let jailed = Jailed::without_a_jail(root.into());
    let pieces = Pieces {
        rest: untrusted,
        max: usize::from(*piece) * 8 + 1,
    };
    let outcome = receive(pieces, jailed, &options, &Say::default());

    assert_eq!(look_at(&outside), outside_before, "the sentinel changed");
    let beside = fs::read_dir(scratch).expect("the folder is ours").count();
    assert_eq!(beside, 2, "something is outside the incoming folder");
    let landed = look_at(&incoming);
    let (entries, refusal, checksum) = decode_all(untrusted);
    assert_well_formed(&outcome);
    assert_nothing_is_replaced(&before, &landed);
    assert_all_is_complete(&before, &landed, &entries, &options);
    if outcome.refusal.is_none() {
        assert_eq!((refusal, outcome.checksum), (None, checksum));
        assert_nothing_is_missing(&landed, &entries, &options);
    }
}

/// The entries of a stream that are complete, why it is refused after them, and the checksum.
fn decode_all(untrusted: &[u8]) -> (Vec<Decoded>, Option<Refusal>, u32) {
    let mut decoder = Decoder::with_capacity(61, untrusted);
    let mut entries = Vec::new();
    let mut name = Vec::new();
    let mut next = || -> Result<bool, Refusal> {
        let Some(entry) = decoder.next_entry(&mut name)? else {
            return Ok(false);
        };
        let mut content = Vec::new();
        decoder.content(&entry, |chunk| {
            content.extend_from_slice(chunk);
            Ok(())
        })?;
        entries.push((name.clone(), entry, content));
        Ok(true)
    };
    let refusal = loop {
        match next() {
            Ok(true) => {}
            Ok(false) => break None,
            Err(refusal) => break Some(refusal),
        }
    };
    (entries, refusal, decoder.checksum())
}

fn options(flags: u8) -> Options {
    let has = |bit: u8| flags >> bit & 1 == 1;
    Options {
        allow_all_names: has(0),
        allow_unsafe_symlinks: has(1),
        canonical_symlinks: has(2),
        only_regular_files: has(3),
        on_conflict: match (has(4), has(5)) {
            (true, false) => OnConflict::Rename,
            (false, true) => OnConflict::SkipIdentical,
            _ => OnConflict::Fail,
        },
        max_bytes: has(6).then_some(1000),
        max_files: has(6).then_some(3),
        no_sparse: has(7),
        ..Options::default()
    }
}

/// A stream that arrives in pieces of at most `max` bytes.
struct Pieces<'a> {
    rest: &'a [u8],
    max: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.max);
        self.rest.read(&mut buffer[..len])
    }
}

/// Makes the folder outside, with the sentinel, and the incoming folder, with something in the way.
fn plant(scratch: &Path) -> io::Result<(PathBuf, PathBuf)> {
    let (outside, incoming) = (scratch.join("outside"), scratch.join("incoming"));
    fs::create_dir(&outside)?;
    fs::write(outside.join("sentinel"), "must stay as it is")?;
    fs::create_dir_all(incoming.join("d"))?;
    fs::write(incoming.join("f"), "old")?;
    fs::write(incoming.join("d/f"), "old")?;
    symlink("../outside", incoming.join("l"))?;
    Ok((outside, incoming))
}

/// A file, folder or link as it is: what it is and of which mode, when it was modified, what it
/// holds.
#[derive(Debug, PartialEq, Eq)]
struct Node {
    mode: u32,
    mtime: (i64, i64),
    content: Vec<u8>,
}

impl Node {
    fn is(&self, kind: Kind) -> bool {
        Kind::from_mode(self.mode) == Some(kind)
    }
}

/// Everything beneath `folder` and the folder itself, by its path from there.
fn look_at(folder: &Path) -> BTreeMap<Vec<u8>, Node> {
    let mut nodes = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = fs::symlink_metadata(&path).expect("nobody else changes it");
        let name = path.strip_prefix(folder).expect("it is beneath");
        let node = Node {
            mode: metadata.mode(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            content: content(&path, &metadata, &mut left).expect("it is ours"),
        };
        nodes.insert(name.as_os_str().as_bytes().to_vec(), node);
    }
    nodes
}

/// The bytes of a file or the target of a link; what is in a folder goes to `left`. What is closed
/// to its owner is opened for it, and stays so.
fn content(path: &Path, metadata: &Metadata, left: &mut Vec<PathBuf>) -> io::Result<Vec<u8>> {
    if metadata.is_symlink() {
        return Ok(fs::read_link(path)?.into_os_string().into_encoded_bytes());
    }
    let needed = if metadata.is_dir() { 0o700 } else { 0o400 };
    if metadata.mode() & needed != needed {
        fs::set_permissions(path, Permissions::from_mode(metadata.mode() | needed))?;
    }
    if metadata.is_file() {
        return fs::read(path);
    }
    for entry in fs::read_dir(path)? {
        left.push(entry?.path());
    }
    Ok(Vec::new())
}

fn assert_well_formed(outcome: &Outcome) {
    let verdict = outcome.verdict();
    match outcome.refusal {
        None => assert_eq!(verdict.error_code, 0),
        Some(refusal) => {
            let code = verdict.error_code;
            assert!((1..4096).contains(&code) || code == LEGAL_EOF, "{code}");
            assert_ne!(refusal.exit_status(), 0);
        }
    }
    let name = &outcome.untrusted_last_name;
    assert!(name.len() <= MAX_NAME_LEN && !name.contains(&0));
    let mut parser = VerdictParser::default();
    parser.push(&verdict.to_bytes());
    assert_eq!(parser.finish(), Some(verdict));
}

/// What was there is there, as it was; a folder may have got more in it.
fn assert_nothing_is_replaced(before: &BTreeMap<Vec<u8>, Node>, after: &BTreeMap<Vec<u8>, Node>) {
    for (path, was) in before {
        let is = after.get(path).expect("nothing is removed");
        if was.is(Kind::Directory) {
            assert_eq!(was.mode, is.mode);
        } else {
            assert_eq!(was, is);
        }
    }
}

/// What is new is a whole entry of the stream, has no bits that give privileges, and is no more than
/// may come.
fn assert_all_is_complete(
    before: &BTreeMap<Vec<u8>, Node>,
    after: &BTreeMap<Vec<u8>, Node>,
    entries: &[Decoded],
    options: &Options,
) {
    let may_be_renamed = options.on_conflict == OnConflict::Rename;
    let (mut count, mut bytes) = (0, 0);
    for (path, node) in after.iter().filter(|(path, _)| !before.contains_key(*path)) {
        count += 1;
        bytes += node.content.len() as u64;
        assert_eq!(node.mode & 0o7000, 0, "{}", path.escape_ascii());
        assert!(node.is(Kind::Directory) || !options.only_regular_files || node.is(Kind::File));
        let was_sent = entries.iter().any(|(name, entry, content)| {
            node.is(entry.kind) && node.content == *content && (may_be_renamed || name == path)
        });
        assert!(was_sent, "{} was not sent", path.escape_ascii());
    }
    assert!(options.max_files.is_none_or(|limit| count <= limit));
    assert!(options.max_bytes.is_none_or(|limit| bytes <= limit));
}

/// After a success every entry is there under its own name, or, where that was taken, another.
fn assert_nothing_is_missing(
    landed: &BTreeMap<Vec<u8>, Node>,
    entries: &[Decoded],
    options: &Options,
) {
    let may_be_renamed = options.on_conflict == OnConflict::Rename;
    for (name, entry, content) in entries {
        let is_it = |node: &Node| node.is(entry.kind) && node.content == *content;
        let is_there = landed.get(name).is_some_and(is_it);
        assert!(
            is_there || may_be_renamed && landed.values().any(is_it),
            "{} is missing",
            name.escape_ascii()
        );
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn stream_corpus() {
        test_support::corpus("stream", 1, |input| {
            let scratch = tempfile::tempdir().unwrap();
            super::stream(scratch.path(), input);
        });
    }
}

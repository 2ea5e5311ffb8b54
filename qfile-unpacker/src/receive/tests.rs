//! Whole streams, received in a temporary folder without a jail.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use qfile_proto::{Encoder, Entry, Kind, Refusal, Timestamp};

use super::{receive, READ_AHEAD};
use crate::jail::Jailed;
use crate::options::{OnConflict, Options};
use crate::say::Say;

const MTIME: Timestamp = Timestamp {
    seconds: 1_000_000_000,
    nanoseconds: 7,
};

/// A stream, built entry by entry.
struct Stream(Encoder<Vec<u8>>);

impl Stream {
    fn new() -> Self {
        Self(Encoder::new(Vec::new()))
    }

    fn entry(mut self, kind: Kind, name: &str, permissions: u32, content: &[u8]) -> Self {
        let attributes = Entry {
            kind,
            permissions,
            len: content.len() as u64,
            atime: Timestamp::default(),
            mtime: MTIME,
        };
        self.0.header(name.as_bytes(), &attributes).unwrap();
        self.0.content(content).unwrap();
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(Kind::File, name, 0o640, content)
    }

    fn folder(self, name: &str, permissions: u32) -> Self {
        self.entry(Kind::Directory, name, permissions, b"")
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.entry(Kind::Symlink, name, 0o777, target.as_bytes())
    }

    fn end(mut self) -> Vec<u8> {
        self.0.end().unwrap();
        self.0.get_ref().clone()
    }
}

fn receive_with(dir: &Path, stream: &[u8], options: &Options) -> Result<(), Refusal> {
    let jailed = Jailed::without_a_jail(fs::File::open(dir).unwrap().into());
    let outcome = receive(stream, jailed, options, &Say::default());
    outcome.refusal.map_or(Ok(()), Err)
}

fn receive_into(dir: &Path, stream: &[u8]) -> Result<(), Refusal> {
    receive_with(dir, stream, &Options::default())
}

fn on_conflict(on_conflict: OnConflict) -> Options {
    Options {
        on_conflict,
        ..Options::default()
    }
}

fn names(dir: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn content_mode_and_times_land() {
    let dir = tempfile::tempdir().unwrap();
    let stream = Stream::new()
        .folder("a", 0o750)
        .file("a/f", b"content")
        .link("a/l", "f")
        .folder("a", 0o750)
        .end();
    assert_eq!(receive_into(dir.path(), &stream), Ok(()));
    assert_eq!(fs::read(dir.path().join("a/l")).unwrap(), b"content");
    for (name, mode) in [("a", 0o750), ("a/f", 0o640)] {
        let metadata = fs::symlink_metadata(dir.path().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{name}");
        assert_eq!(
            (metadata.mtime(), metadata.mtime_nsec()),
            (1_000_000_000, 7),
            "{name}"
        );
    }
}

#[test]
fn a_folder_sent_once_or_there_before_keeps_its_mode() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("there")).unwrap();
    fs::set_permissions(dir.path().join("there"), fs::Permissions::from_mode(0o711)).unwrap();
    let stream = Stream::new()
        .folder("once", 0o755)
        .file("once/f", b"")
        .folder("there", 0o755)
        .folder("there", 0o755)
        .end();
    assert_eq!(receive_into(dir.path(), &stream), Ok(()));
    for (name, mode) in [("once", 0o700), ("there", 0o711)] {
        let metadata = fs::metadata(dir.path().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{name}");
    }
}

#[test]
fn nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "old").unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("l")).unwrap();
    for name in ["f", "l"] {
        for stream in [
            Stream::new().file(name, b"new").end(),
            Stream::new().file(name, &vec![1; 2 * READ_AHEAD]).end(),
            Stream::new().folder(name, 0o755).end(),
        ] {
            assert_eq!(
                receive_into(dir.path(), &stream),
                Err(Refusal::AlreadyExists)
            );
        }
    }
    assert_eq!(fs::read(dir.path().join("f")).unwrap(), b"old");
    assert_eq!(names(dir.path()), ["f", "l"]);
}

#[test]
fn no_path_goes_through_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("way-out")).unwrap();
    for stream in [
        Stream::new().file("way-out/f", b"x").end(),
        Stream::new().folder("way-out/d", 0o755).end(),
        Stream::new().link("way-out/l", "f").end(),
    ] {
        assert!(receive_into(dir.path(), &stream).is_err());
    }
    assert!(names(outside.path()).is_empty());
}

#[test]
fn nothing_incomplete_appears() {
    let dir = tempfile::tempdir().unwrap();
    let stream = Stream::new().file("f", &[7; 1000]).end();
    for end in 0..stream.len() {
        let cut = receive_into(dir.path(), &stream[..end]);
        let complete = end >= stream.len() - 32;
        assert!(cut.is_err());
        assert_eq!(
            names(dir.path()).len(),
            usize::from(complete),
            "{end} bytes"
        );
        if complete {
            assert_eq!(fs::read(dir.path().join("f")).unwrap(), [7; 1000]);
            fs::remove_file(dir.path().join("f")).unwrap();
        }
    }
}

#[test]
fn renaming_puts_files_and_top_folders_beside_the_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let big = vec![3; 2 * READ_AHEAD];
    let stream = Stream::new()
        .file("small.txt", b"x")
        .file("big.tar", &big)
        .folder("d.d", 0o755)
        .file("d.d/f", b"x")
        .folder("d.d", 0o755)
        .end();
    let options = on_conflict(OnConflict::Rename);
    for _ in 0..3 {
        assert_eq!(receive_with(dir.path(), &stream, &options), Ok(()));
    }
    assert_eq!(
        names(dir.path()),
        [
            "big (2).tar",
            "big (3).tar",
            "big.tar",
            "d.d",
            "d.d (2)",
            "d.d (3)",
            "small (2).txt",
            "small (3).txt",
            "small.txt",
        ]
    );
    assert_eq!(names(&dir.path().join("d.d (3)")), ["f"]);
    let mode = fs::metadata(dir.path().join("d.d (3)"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o755);
}

/// An answer in the middle would tell the sender how far it has guessed right.
#[test]
fn what_differs_is_not_told_before_all_of_it_has_come() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), vec![b'a'; 3 * READ_AHEAD]).unwrap();
    let stream = Stream::new().file("f", &vec![b'b'; 3 * READ_AHEAD]).end();
    let options = on_conflict(OnConflict::SkipIdentical);
    let cut = receive_with(dir.path(), &stream[..stream.len() - 40], &options);
    assert_eq!(cut, Err(Refusal::EndedEarly));
    let whole = receive_with(dir.path(), &stream, &options);
    assert_eq!(whole, Err(Refusal::AlreadyExists));
}

#[test]
fn what_is_identical_is_skipped_and_what_differs_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let options = on_conflict(OnConflict::SkipIdentical);
    let stream = |content: &[u8], target| {
        Stream::new()
            .folder("d", 0o755)
            .file("d/f", content)
            .link("d/l", target)
            .end()
    };
    for _ in 0..2 {
        assert_eq!(
            receive_with(dir.path(), &stream(b"same", "f"), &options),
            Ok(())
        );
    }
    for different in [
        stream(b"diff", "f"),
        stream(b"longer", "f"),
        stream(b"same", "g"),
    ] {
        let result = receive_with(dir.path(), &different, &options);
        assert_eq!(result, Err(Refusal::AlreadyExists));
    }
    assert_eq!(fs::read(dir.path().join("d/f")).unwrap(), b"same");
}

#[test]
fn limits_hold_at_the_header() {
    let dir = tempfile::tempdir().unwrap();
    let stream = Stream::new()
        .file("a", b"123")
        .folder("d", 0o755)
        .folder("d", 0o755)
        .file("b", b"4");
    let stream = stream.end();
    let limits = |max_files, max_bytes| Options {
        max_files,
        max_bytes,
        on_conflict: OnConflict::SkipIdentical,
        ..Options::default()
    };
    let reached = Err(Refusal::LimitReached);
    for (options, expected) in [
        (limits(Some(2), None), reached),
        (limits(None, Some(3)), reached),
        // The second header of a folder is not another entry.
        (limits(Some(3), Some(4)), Ok(())),
    ] {
        assert_eq!(receive_with(dir.path(), &stream, &options), expected);
    }
}

#[test]
fn only_regular_files_means_only_regular_files() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        only_regular_files: true,
        ..Options::default()
    };
    let folder = Stream::new().folder("d", 0o755).end();
    assert_eq!(
        receive_with(dir.path(), &folder, &options),
        Err(Refusal::BadField)
    );
    let file = Stream::new().file("f", b"").end();
    assert_eq!(receive_with(dir.path(), &file, &options), Ok(()));
    assert_eq!(names(dir.path()), ["f"]);
}

#[test]
fn a_file_larger_than_the_disk_is_refused_before_its_content() {
    let dir = tempfile::tempdir().unwrap();
    let mut stream = Stream::new();
    let attributes = Entry {
        kind: Kind::File,
        permissions: 0o644,
        len: 1 << 60,
        atime: MTIME,
        mtime: MTIME,
    };
    stream.0.header(b"f", &attributes).unwrap();
    let stream = stream.0.get_ref().clone();
    let result = receive_into(dir.path(), &stream);
    assert_eq!(result, Err(Refusal::System(libc::ENOSPC)));
    let options = Options {
        no_space_check: true,
        ..Options::default()
    };
    let result = receive_with(dir.path(), &stream, &options);
    assert_eq!(result, Err(Refusal::EndedEarly));
}

#[test]
fn a_path_may_be_longer_than_the_system_takes_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let component = "x".repeat(250);
    let mut stream = Stream::new();
    let mut name = component.clone();
    for _ in 0..60 {
        stream = stream.folder(&name, 0o755);
        name = format!("{name}/{component}");
    }
    let stream = stream.file(&name, b"deep").end();
    assert_eq!(receive_into(dir.path(), &stream), Ok(()));
    // `remove_dir_all` goes down by descriptors, so it reaches the bottom too.
    dir.close().unwrap();
}

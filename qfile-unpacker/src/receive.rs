//! Step 11: the stream, entry by entry: decoded, judged, placed.

use std::hint::black_box;
use std::io::Read;

use qfile_proto::{
    display, Charset, Decoder, Entry, Kind, LinkRules, Refusal, SafeName, SafeTarget,
};

use crate::folders::Folders;
use crate::jail::Jailed;
use crate::options::OnConflict;
use crate::place::{ExistingFile, NewFile, Root, Spot};
use crate::space::Space;
use crate::{Options, Say};

/// How far to read ahead, in bytes.
const READ_AHEAD: usize = 256 * 1024;

/// More memory than receiving takes, in bytes: what is read ahead, a piece of a file to compare with,
/// some copies of the longest name.
const MEMORY: usize = 1024 * 1024;

/// How receiving ended.
#[derive(Debug)]
pub struct Outcome {
    /// Why it stopped; `None`: everything landed and is on disk.
    pub refusal: Option<Refusal>,
    /// The checksum of what was used of the stream.
    pub checksum: u32,
    /// The last name that came, for the verdict. It may be anything.
    pub untrusted_last_name: Vec<u8>,
}

/// Receives the stream `input` into the folder that `jailed` holds.
pub fn receive(input: impl Read, jailed: Jailed, options: &Options, say: &Say) -> Outcome {
    // Later there would be no verdict: what has no memory aborts, and in the jail it is killed for that.
    if !can_allocate(MEMORY) {
        return Outcome {
            refusal: Some(Refusal::System(libc::ENOMEM)),
            checksum: 0,
            untrusted_last_name: Vec::new(),
        };
    }
    let mut receiver = Receiver {
        decoder: Decoder::with_capacity(READ_AHEAD, input),
        root: Root::explore(jailed),
        folders: Folders::default(),
        charset: if options.allow_all_names {
            Charset::All
        } else {
            Charset::Safe
        },
        space: Space::new(options),
        max_bytes: options.max_bytes,
        entries: 0,
        bytes: 0,
        options,
        say,
    };
    for note in receiver.root.notes() {
        say.detail(note);
    }
    let mut untrusted_last_name = Vec::new();
    let result = receiver.everything(&mut untrusted_last_name);
    Outcome {
        refusal: result.err(),
        checksum: receiver.decoder.checksum(),
        untrusted_last_name,
    }
}

fn can_allocate(bytes: usize) -> bool {
    let mut memory = Vec::<u8>::new();
    let reserved = memory.try_reserve_exact(bytes);
    // Unseen, it would be optimised away, and every limit with it.
    black_box(&memory);
    reserved.is_ok()
}

struct Receiver<'a, R> {
    decoder: Decoder<R>,
    root: Root,
    folders: Folders,
    charset: Charset,
    space: Space,
    max_bytes: Option<u64>,
    entries: u64,
    bytes: u64,
    options: &'a Options,
    say: &'a Say,
}

impl<R: Read> Receiver<'_, R> {
    fn everything(&mut self, untrusted_name: &mut Vec<u8>) -> Result<(), Refusal> {
        self.max_bytes = self.space.limit(self.root.dir())?;
        while let Some(entry) = self.decoder.next_entry(untrusted_name)? {
            self.entry(&entry, untrusted_name)
                .map_err(|refusal| self.root.explain(refusal))?;
        }
        self.root.sync()
    }

    fn entry(&mut self, entry: &Entry, untrusted_name: &[u8]) -> Result<(), Refusal> {
        let name = SafeName::parse(untrusted_name, self.charset)?;
        if self.options.only_regular_files && entry.kind != Kind::File {
            return Err(Refusal::BadField);
        }
        let is_second_header = entry.kind == Kind::Directory && self.folders.is_open(name);
        if !is_second_header {
            self.count(entry)?;
            self.folders.leave_for(name.split_last().0);
        }
        let landing = self.folders.landing(name);
        let place = match &landing {
            Some(landing) => SafeName::parse(landing, self.charset)?,
            None => name,
        };
        match entry.kind {
            Kind::File => self.file(entry, place),
            Kind::Symlink => self.link(entry, name, place),
            Kind::Directory if is_second_header => {
                if self.folders.close(name) {
                    self.root.finish_folder(place, entry)?;
                }
                Ok(())
            }
            Kind::Directory => self.folder(name, place),
        }
    }

    fn count(&mut self, entry: &Entry) -> Result<(), Refusal> {
        self.entries += 1;
        let sum = self
            .bytes
            .checked_add(entry.len)
            .filter(|sum| i64::try_from(*sum).is_ok());
        self.bytes = sum.ok_or(Refusal::LimitReached)?;
        let over = |count: u64, limit: Option<u64>| limit.is_some_and(|limit| count > limit);
        if over(self.entries, self.options.max_files) || over(self.bytes, self.max_bytes) {
            return Err(Refusal::LimitReached);
        }
        Ok(())
    }

    fn file(&mut self, entry: &Entry, place: SafeName<'_>) -> Result<(), Refusal> {
        let mut spot = self.root.spot(place)?;
        let is_at_hand = self.decoder.buffered() as u64 >= entry.len;
        let skips = self.options.on_conflict == OnConflict::SkipIdentical;
        // The link at the end refuses a name that is there by itself, so a look beforehand is only
        // worth it where there is content to wait for, or no such link.
        if !is_at_hand || skips || !self.root.links_at_the_end() {
            while spot.look()?.is_some() {
                match self.options.on_conflict {
                    OnConflict::Fail => return Err(Refusal::AlreadyExists),
                    OnConflict::Rename => spot.next_name(false)?,
                    OnConflict::SkipIdentical => {
                        let mut there = ExistingFile::open(&spot, entry.len)?;
                        self.decoder.content(entry, |chunk| there.compare(chunk))?;
                        return there.judge();
                    }
                }
            }
        }
        if !is_at_hand || self.space.waits() {
            self.space.make_sure(self.root.dir(), entry.len, self.say)?;
        }
        let mut file = NewFile::create(spot, entry.permissions, !self.options.no_sparse)?;
        self.decoder.content(entry, |chunk| file.write(chunk))?;
        let rename = self.options.on_conflict == OnConflict::Rename;
        file.finish(entry, rename)?;
        self.landed(file.spot());
        Ok(())
    }

    fn link(
        &mut self,
        entry: &Entry,
        name: SafeName<'_>,
        place: SafeName<'_>,
    ) -> Result<(), Refusal> {
        let mut untrusted_target = Vec::new();
        self.decoder.content(entry, |chunk| {
            untrusted_target.extend_from_slice(chunk);
            Ok(())
        })?;
        let rules = LinkRules {
            charset: self.charset,
            canonical: self.options.canonical_symlinks,
            allow_unsafe: self.options.allow_unsafe_symlinks,
        };
        let target = SafeTarget::parse(&untrusted_target, name, rules)?;
        let mut spot = self.root.spot(place)?;
        loop {
            match (spot.make_link(target, entry), self.options.on_conflict) {
                (Err(Refusal::AlreadyExists), OnConflict::Rename) => spot.next_name(false)?,
                (Err(Refusal::AlreadyExists), OnConflict::SkipIdentical) => {
                    return spot.check_link(target);
                }
                (result, _) => {
                    result?;
                    self.landed(&spot);
                    return Ok(());
                }
            }
        }
    }

    fn folder(&mut self, name: SafeName<'_>, place: SafeName<'_>) -> Result<(), Refusal> {
        let mut spot = self.root.spot(place)?;
        let may_rename = self.options.on_conflict == OnConflict::Rename && name.depth() == 1;
        let created = loop {
            match spot.make_folder() {
                Ok(false) | Err(Refusal::AlreadyExists) if may_rename => spot.next_name(true)?,
                result => break result?,
            }
        };
        self.folders.open(name, created);
        if spot.was_renamed() {
            self.folders.top_lands_as(spot.path().to_vec());
        }
        if created {
            self.landed(&spot);
        }
        Ok(())
    }

    fn landed(&self, spot: &Spot<'_>) {
        if self.say.is_verbose() {
            self.say.detail(&display::own(&spot.whole_path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;

    use qfile_proto::{Encoder, Timestamp};

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
        let jailed = Jailed::not_at_all_for_tests(fs::File::open(dir).unwrap().into());
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
}

//! What the owner of this qube has set, in files that only root can write.
//!
//! `docs/settings.md` describes them. A setting can limit what is received and choose between safe
//! ways to treat a name that is taken; there is none that lifts a rule or lowers the isolation: the
//! table of options (`usage`) names those that may be set here. What is wrong with a file is said by number of line and
//! never by content: a file may be closed to the user who starts the set-uid program.

use std::io::{self, Read};
use std::path::Path;

use files::{open_regular, OnLink};
use rustix::fs::{OFlags, CWD};

use crate::environment::UpdateLimits;
use crate::options::Options;
use crate::usage::{Effect, Flag, FLAGS};

/// The files, each of which may be missing. Where both set something, the last one counts.
const FILES: [&str; 2] = ["/etc/qubes/filecopy.conf", "/rw/config/filecopy.conf"];

/// Longest file in bytes.
const MAX_LEN: u64 = 16 * 1024;

const ROOT: u32 = 0;

/// The options as the files set them, and what is wrong with the files, for the owner to read. A
/// caller that finds anything wrong must receive nothing: what the owner meant to limit is not known.
pub(crate) fn read() -> (Options, Vec<String>) {
    let mut options = Options::default();
    let mut faults = Vec::new();
    for file in FILES {
        match read_file_of(ROOT, Path::new(file)) {
            Ok(text) => {
                let wrong = take(&text, &mut options).into_iter();
                faults.extend(wrong.map(|(line, what)| format!("\"{file}\", line {line}: {what}")));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => faults.push(format!("\"{file}\": {error}")),
        }
    }
    (options, faults)
}

/// Reads a file that nobody but `owner` can have written. All is checked by the descriptor, so
/// that what is read is what was checked.
fn read_file_of(owner: u32, path: &Path) -> io::Result<Vec<u8>> {
    let (file, stat) = open_regular(CWD, path, OFlags::RDONLY, OnLink::Refuse)?;
    let fault = match () {
        () if stat.owner.0 != owner => "it does not belong to root",
        () if stat.state.mode & 0o022 != 0 => "others than its owner may write to it",
        () => {
            let mut text = Vec::new();
            file.take(MAX_LEN + 1).read_to_end(&mut text)?;
            match text.len() as u64 > MAX_LEN {
                true => "it is too long",
                false => return Ok(text),
            }
        }
    };
    Err(io::Error::other(fault))
}

/// Takes over what the lines of `text` set. Returns the numbers of those that set nothing, and why.
fn take(text: &[u8], options: &mut Options) -> Vec<(usize, &'static str)> {
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    (1..)
        .zip(lines)
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
        .filter_map(|(number, line)| Some((number, take_line(line, options).err()?)))
        .collect()
}

fn take_line(line: &[u8], options: &mut Options) -> Result<(), &'static str> {
    let mut parts = line.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
    let (Some(key), Some(value)) = (parts.next(), parts.next()) else {
        return Err("it is not of the form KEY=value");
    };
    let bad_value = "the setting cannot have this value";
    let is_it = |flag: &&Flag| flag.setting.is_some_and(|own| own.as_bytes() == key);
    match FLAGS.iter().find(is_it).map(|flag| flag.effect) {
        Some(Effect::Value(set)) => {
            set(options, value, &UpdateLimits::default()).map_err(|_| bad_value)
        }
        _ => Err("there is no such setting"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Notify, OnConflict};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};

    fn taken(text: &str) -> (Options, Vec<(usize, &'static str)>) {
        let mut options = Options::default();
        let faults = take(text.as_bytes(), &mut options);
        (options, faults)
    }

    #[test]
    fn every_setting_is_understood() {
        let text = "# what may come\n\nON_CONFLICT=rename\n MAX_BYTES = 5\nMAX_FILES=6\r\n\
            WAIT_FOR_SPACE=7\nNOTIFY=no";
        let expected = Options {
            on_conflict: OnConflict::Rename,
            max_bytes: Some(5),
            max_files: Some(6),
            wait_for_space: 7,
            notify: Notify::No,
            ..Options::default()
        };
        assert_eq!(taken(text), (expected, Vec::new()));
    }

    #[test]
    fn the_last_line_that_sets_something_counts() {
        let (options, faults) = taken("MAX_BYTES=1\nMAX_BYTES=2\nMAX_BYTES=two\n");
        assert_eq!(options.max_bytes, Some(2));
        assert_eq!(faults, [(3, "the setting cannot have this value")]);
    }

    #[test]
    fn a_line_that_is_not_understood_sets_nothing_and_is_named() {
        for line in [
            "nonsense",
            "=",
            "=5",
            "MAX_BYTES",
            "MAX_BYTES=",
            "MAX_BYTES=-1",
            "MAX_BYTES=1 # one",
            "MAX_BYTES=\"1\"",
            "MAX_BYTES=18446744073709551616",
            "max_bytes=1",
            "MAX_FILES=many",
            "WAIT_FOR_SPACE=2147483648",
            "ON_CONFLICT=overwrite",
            "ON_CONFLICT=Rename",
            "NOTIFY=",
            "NOTIFY=off",
            "export MAX_BYTES=1",
        ] {
            let (options, faults) = taken(&format!("\n{line}\n"));
            assert_eq!(options, Options::default(), "{line}");
            assert_eq!(faults.len(), 1, "{line}");
            assert_eq!(faults[0].0, 2, "{line}");
        }
        let mut options = Options::default();
        assert_eq!(take(b"\xFF\0=1", &mut options).len(), 1);
    }

    #[test]
    fn no_setting_lifts_a_rule() {
        for key in [
            "ALLOW_ALL_NAMES",
            "ALLOW_UNSAFE_SYMLINKS",
            "REQUIRE_ISOLATION",
            "NO_SPACE_CHECK",
            "NO_SPARSE",
            "VERBOSE",
            "REPORT_FD",
            "UID",
            "DIR",
        ] {
            for value in ["", "1", "yes", "true", "landlock", "/"] {
                let (options, faults) = taken(&format!("{key}={value}"));
                assert_eq!(options, Options::default(), "{key}={value}");
                assert_eq!(faults, [(1, "there is no such setting")], "{key}={value}");
            }
        }
    }

    /// Why the file at `path` is not read.
    fn fault(owner: u32, path: &Path) -> String {
        read_file_of(owner, path).unwrap_err().to_string()
    }

    #[test]
    fn only_a_file_that_only_its_owner_can_write_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("conf");
        fs::write(&path, "MAX_BYTES=1").unwrap();
        let owner = fs::metadata(&path).unwrap().uid();
        for mode in [0o644, 0o600, 0o444, 0o755] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_file_of(owner, &path).unwrap(), b"MAX_BYTES=1");
        }
        for mode in [0o664, 0o646, 0o620, 0o602] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(fault(owner, &path), "others than its owner may write to it");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(fault(owner + 1, &path), "it does not belong to root");
        assert_eq!(fault(owner, dir.path()), "it is not a regular file");
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(fault(owner, &link), "it is not a regular file");
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        assert_eq!(fault(owner, &fifo), "it is not a regular file");
    }

    #[test]
    fn a_file_has_a_longest_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("conf");
        let longest = vec![b'#'; usize::try_from(MAX_LEN).unwrap()];
        fs::write(&path, &longest).unwrap();
        let owner = fs::metadata(&path).unwrap().uid();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(read_file_of(owner, &path).unwrap(), longest);
        fs::write(&path, [&longest[..], b"#"].concat()).unwrap();
        assert_eq!(fault(owner, &path), "it is too long");
    }
}

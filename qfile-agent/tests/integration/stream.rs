//! What the agent writes: the stream to the last byte, and what it does with files that are not as
//! they should be.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use crate::receiver::{Receiver, agent};
use filetime::{FileTime, set_file_times, set_symlink_file_times};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

/// More than every buffer on the way to a receiver that does not read.
const LARGE: usize = 8 * 1024 * 1024;

fn set_times(path: &Path) {
    set_file_times(
        path,
        FileTime::from_unix_time(1, 2),
        FileTime::from_unix_time(3, 4),
    )
    .unwrap();
}

/// One entry as it stands on the wire, at times (1, 2) and (3, 4).
fn entry(mode: u32, name: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(u32::try_from(name.len() + 1).unwrap().to_le_bytes());
    bytes.extend(mode.to_le_bytes());
    bytes.extend((content.len() as u64).to_le_bytes());
    for number in [1_u32, 2, 3, 4] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(name.as_bytes());
    bytes.push(0);
    bytes.extend(content);
    bytes
}

/// A folder `a` with two large files in it, whatever their order.
fn two_large_files() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("a")).unwrap();
    for name in ["a/1", "a/2"] {
        fs::write(home.path().join(name), vec![b'x'; LARGE]).unwrap();
    }
    home
}

/// Starts to send `a` and returns the path of the file whose header has come.
fn start(home: &TempDir) -> (Receiver, std::path::PathBuf) {
    let mut receiver = Receiver::over_sockets(agent([home.path().join("a")]));
    receiver.read(32 + 2 + 32);
    let name = receiver.read(4);
    let path = home.path().join(std::str::from_utf8(&name[..3]).unwrap());
    (receiver, path)
}

#[test]
fn a_small_tree_is_this_stream() {
    let home = tempfile::tempdir().unwrap();
    let a = home.path().join("a");
    fs::create_dir(&a).unwrap();
    fs::write(home.path().join("f"), "content").unwrap();
    fs::set_permissions(home.path().join("f"), fs::Permissions::from_mode(0o4640)).unwrap();
    symlink("target", a.join("l")).unwrap();
    let (atime, mtime) = (
        FileTime::from_unix_time(1, 2),
        FileTime::from_unix_time(3, 4),
    );
    set_symlink_file_times(a.join("l"), atime, mtime).unwrap();
    fs::set_permissions(&a, fs::Permissions::from_mode(0o750)).unwrap();
    set_times(&home.path().join("f"));
    set_times(&a);
    let golden = [
        entry(0o100_640, "f", b"content"),
        entry(0o040_750, "a", b""),
        entry(0o120_777, "a/l", b"target"),
        entry(0o040_750, "a", b""),
        vec![0; 32],
    ]
    .concat();

    let mut receiver = Receiver::over_pipes(agent([home.path().join("f"), a]));
    let stream = receiver.read(golden.len());

    assert_eq!(stream, golden);
    receiver.confirm_what_was_read();
    let ended = receiver.ended();
    assert_eq!((ended.status, &*ended.stderr), (Some(0), ""));
}

#[test]
fn without_a_path_only_the_end_is_sent() {
    for line in [&[][..], &["--"], &["--ignore-symlinks"]] {
        let mut receiver = Receiver::over_pipes(agent(line));
        assert_eq!(receiver.read(32), [0; 32]);
        receiver.confirm_what_was_read();
        assert_eq!(receiver.ended().status, Some(0));
    }
}

#[test]
fn relative_paths_begin_where_the_agent_was_started() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("a/b")).unwrap();
    let mut command = agent(["a/b/", "./a"]);
    command.current_dir(home.path());
    let mut receiver = Receiver::over_pipes(command);
    let names: Vec<_> = receiver
        .confirm()
        .into_iter()
        .map(|entry| entry.0)
        .collect();
    assert_eq!(names, ["b", "b", "a", "a/b", "a/b", "a"]);
    assert_eq!(receiver.ended().status, Some(0));
}

#[test]
fn links_are_sent_or_left_out_or_followed() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("a")).unwrap();
    fs::write(home.path().join("f"), "content").unwrap();
    symlink("../f", home.path().join("a/l")).unwrap();
    let table = [
        (&[][..], Some(4)),
        (&["--ignore-symlinks"], None),
        (&["--dereference"], Some(7)),
    ];
    for (options, expected) in table {
        let mut command = agent(options);
        command.arg(home.path().join("a"));
        let mut receiver = Receiver::over_pipes(command);
        let entries = receiver.confirm();
        let link = entries.iter().find(|entry| entry.0 == "a/l");
        assert_eq!(link.map(|entry| entry.1), expected, "{options:?}");
        let ended = receiver.ended();
        assert_eq!((ended.status, &*ended.stderr), (Some(0), ""), "{options:?}");
    }
}

#[test]
fn holes_arrive_as_the_zeros_they_are() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("f");
    let file = File::create(&path).unwrap();
    let mib = 1024 * 1024;
    file.set_len(40 * mib + 5).unwrap();
    file.write_all_at(b"data", 3 * mib + 1).unwrap();
    file.write_all_at(&vec![b'x'; 300_000], 30 * mib).unwrap();
    set_times(&path);
    let golden = [
        entry(0o100_644, "f", &fs::read(&path).unwrap()),
        vec![0; 32],
    ]
    .concat();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    set_times(&path);

    let mut receiver = Receiver::over_pipes(agent([&path]));
    let stream = receiver.read(golden.len());

    assert!(stream == golden);
    receiver.confirm_what_was_read();
    assert_eq!(receiver.ended().status, Some(0));
}

#[test]
fn a_fifo_is_left_out_named_and_status_3() {
    let home = tempfile::tempdir().unwrap();
    let fifo = home.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let mut command = agent(["--result-fd", "2", "--"]);
    command.arg(&fifo);
    let mut receiver = Receiver::over_pipes(command);
    assert_eq!(receiver.confirm(), []);
    let ended = receiver.ended();
    assert_eq!(ended.status, Some(3));
    let result = ended.stderr.lines().last().unwrap();
    assert!(result.starts_with("3 \""), "{result}");
    assert!(result.contains("/fifo\" is a named pipe"), "{result}");
}

#[test]
fn for_other_programs_a_copy_without_what_no_stream_carries_is_complete() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("d");
    fs::create_dir(&folder).unwrap();
    mknodat(CWD, folder.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    let mut receiver = Receiver::over_pipes(agent([&folder]));
    receiver.confirm();
    let ended = receiver.ended();
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    for name in ["/d/fifo\" is a named pipe", "/d/socket\" is a socket"] {
        assert!(ended.stderr.contains(name), "{}", ended.stderr);
    }
    // Whoever hands over a descriptor for the manifest knows the statuses of ours.
    let manifest = tempfile::tempfile().unwrap();
    rustix::io::fcntl_setfd(&manifest, rustix::io::FdFlags::empty()).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&manifest).to_string();
    let mut command = agent(["--manifest", &number]);
    command.arg(&folder);
    let mut receiver = Receiver::over_pipes(command);
    receiver.confirm();
    assert_eq!(receiver.ended().status, Some(3));
}

#[test]
fn a_file_that_grows_is_sent_as_promised_and_named() {
    let home = two_large_files();
    let (mut receiver, path) = start(&home);
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"more").unwrap();
    let bytes = receiver.read(LARGE + 32 + 4 + LARGE + 32 + 2);
    assert_eq!(bytes[..LARGE], vec![b'x'; LARGE]);
    assert_eq!(receiver.read(32), [0; 32]);
    receiver.confirm_what_was_read();
    let ended = receiver.ended();
    assert_eq!(ended.status, Some(3));
    assert!(
        ended.stderr.contains("changed while it was copied"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains(path.to_str().unwrap()),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_file_that_shrinks_ends_the_copy_and_is_named() {
    let home = two_large_files();
    let (mut receiver, path) = start(&home);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(100)
        .unwrap();
    assert!(receiver.read_to_end().len() < LARGE);
    let ended = receiver.ended();
    assert_eq!(ended.status, Some(1));
    let expected = format!(
        "qfile-agent: Fatal error: \"{}\" became shorter while it was copied",
        path.display()
    );
    assert_eq!(ended.stderr.lines().next(), Some(&*expected));
}

#[test]
fn a_file_that_vanishes_before_its_turn_is_left_out_and_named() {
    let home = two_large_files();
    let (mut receiver, first) = start(&home);
    let other = match first.ends_with("1") {
        true => first.with_file_name("2"),
        false => first.with_file_name("1"),
    };
    fs::remove_file(&other).unwrap();
    receiver.read(LARGE + 32 + 2);
    assert_eq!(receiver.read(32), [0; 32]);
    receiver.confirm_what_was_read();
    let ended = receiver.ended();
    assert_eq!(ended.status, Some(3));
    let expected = format!("\"{}\" vanished", other.display());
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
}

#[test]
fn what_cannot_be_opened_is_named_with_the_reason_and_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let missing = home.path().join("missing\x1b[31m");
    let mut receiver = Receiver::over_pipes(agent([missing]));
    receiver.read_to_end();
    let ended = receiver.ended();
    assert_eq!(ended.status, Some(1));
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert!(
        lines[0].starts_with("qfile-agent: Fatal error: cannot open $'")
            && lines[0].contains(r"missing\x1b[31m': No such file or directory"),
        "{lines:?}"
    );
    assert_eq!(lines[1], "qfile-agent: check the spelling");
}

#[test]
fn a_wrong_command_line_sends_nothing_and_is_status_2() {
    let table: [&[&str]; 5] = [
        &["--no-such-option"],
        &["-file\x1b[31m"],
        &["."],
        &["--", ""],
        &["x/a", "a"],
    ];
    for line in table {
        let mut receiver = Receiver::over_pipes(agent(line));
        assert_eq!(receiver.read_to_end(), b"", "{line:?}");
        let ended = receiver.ended();
        assert_eq!(ended.status, Some(2), "{line:?}");
        assert!(
            !ended.stderr.is_empty() && !ended.stderr.contains('\x1b'),
            "{line:?}"
        );
    }
}

#[test]
fn times_that_cannot_be_sent_are_clamped_with_one_warning() {
    let home = tempfile::tempdir().unwrap();
    for name in ["1", "2"] {
        let path = home.path().join(name);
        fs::write(&path, "").unwrap();
        let before = FileTime::from_unix_time(-1_000, 5);
        set_file_times(&path, before, before).unwrap();
    }
    let mut receiver = Receiver::over_pipes(agent(["1", "2"].map(|name| home.path().join(name))));
    receiver.confirm();
    let ended = receiver.ended();
    assert_eq!(ended.status, Some(0));
    assert_eq!(ended.stderr.matches("1970").count(), 1, "{}", ended.stderr);
}

//! Files that cannot be read at an offset, or whose length the system does not know, arrive whole all
//! the same: those of the kernel, those of FUSE, and those of a system where one call fails.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use qfile_tests::cannot_run::needs_program;
use qfile_tests::inbox::Inbox;
use qfile_tests::peer::{Joint, join};
use qfile_tests::process::{run, wrapped_in};
use qfile_tests::programs::program;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::receiver::needs_strace;
use qfile_tests::suite;
use qfile_tests::tree::{Snapshot, TempFolder};
use qfile_tests::user::{in_private_mounts, needs_private_mounts};

suite! {
    files_of_proc_and_sys_arrive_with_what_is_in_them,
    what_has_no_length_is_told_before_the_copy,
    whatever_a_system_answers_to_a_seek_the_content_arrives [needs_strace],
    what_bindfs_shows_without_a_cache_arrives [needs_private_mounts, needs_fuse, needs_bindfs],
    what_gocryptfs_shows_arrives [needs_private_mounts, needs_fuse, needs_gocryptfs],
    what_sshfs_shows_arrives [needs_private_mounts, needs_fuse, needs_sshfs],
    what_ntfs_shows_arrives [needs_private_mounts, needs_fuse, needs_ntfs],
}

/// Content that stays the same for as long as a system runs.
const STEADY: [&str; 5] = [
    "/proc/version",
    "/proc/filesystems",
    "/proc/self/limits",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    // Longer than what is read at once, where there is one.
    "/sys/kernel/btf/vmlinux",
];

fn files_of_proc_and_sys_arrive_with_what_is_in_them() {
    for path in STEADY {
        let Ok(content) = fs::read(path) else {
            continue;
        };
        let qubes = Qubes::new();
        let copied = qubes.copy(&[path]);
        copied.assert_code(0);
        let name = Path::new(path).file_name().unwrap();
        let arrived = fs::read(qubes.incoming(SOURCE, TARGET).join(name)).unwrap();
        assert!(arrived == content, "{path}: {} bytes", arrived.len());
    }
    // The whole of it is longer than what is read at once; it changes all the time.
    let qubes = Qubes::new();
    qubes.copy(&["/proc/kallsyms"]).assert_code(0);
    let arrived = qubes.incoming(SOURCE, TARGET).join("kallsyms");
    assert!(fs::metadata(arrived).unwrap().len() > 1 << 18);
}

fn what_has_no_length_is_told_before_the_copy() {
    let qubes = Qubes::new();
    fs::write(qubes.home(SOURCE).join("file"), "content").unwrap();
    let dry_run = qubes.copy(&["--dry-run", "file", "/proc/version"]);
    dry_run.assert_code(0);
    let told = String::from_utf8(dry_run.stdout).unwrap();
    assert!(
        told.contains(", 7 bytes, plus the content of 1 file of unknown length\n"),
        "{told}"
    );
}

/// Dense, with holes, short and empty files, in a folder `d` of `folder`.
fn plant(folder: &Path) {
    let d = folder.join("d");
    fs::create_dir(&d).unwrap();
    fs::write(d.join("empty"), "").unwrap();
    fs::write(d.join("short"), "content").unwrap();
    let dense: Vec<u8> = (0..=250).cycle().take(700_001).collect();
    fs::write(d.join("dense"), dense).unwrap();
    let holes = File::create(d.join("holes")).unwrap();
    holes.set_len(3 << 20).unwrap();
    holes.write_all_at(b"data", 1 << 20).unwrap();
    holes.write_all_at(&[7; 5000], 2_500_001).unwrap();
}

fn whatever_a_system_answers_to_a_seek_the_content_arrives() {
    let source = TempFolder::new();
    plant(source.path());
    let sent = Snapshot::of(source.path());
    let failures = ["ESPIPE", "EINVAL", "EOPNOTSUPP", "ENOSYS", "EIO"];
    let calls = failures.map(|errno| format!("lseek:error={errno}"));
    // Only the first look for data works, or all but that.
    let some = ["lseek:error=ESPIPE:when=2+", "lseek:error=ESPIPE:when=1"];
    let injections = calls.iter().map(String::as_str).chain(some);
    for injection in injections {
        let inbox = Inbox::default();
        let log = source.folder("log").join("trace");
        let inject = format!("inject={injection}");
        let strace = ["strace", "-f", "-o", log.to_str().unwrap(), "-e", &inject];
        let mut agent = Command::new(program("qfile-agent"));
        agent.current_dir(source.path()).args(["--", "d"]);
        let agent = wrapped_in(&strace, &agent);
        let (sender, _) = join(agent, inbox.command(&[]), Joint::Sockets);
        fs::remove_dir_all(source.path().join("log")).unwrap();
        assert_eq!(sender.code(), 0, "{injection}: {}", sender.stderr());
        let landed = inbox.landed();
        sent.with_times_of_access(&landed).assert_arrived(&landed);
    }
}

/// Copies what `mount` shows in a folder of FUSE, where the programs that it needs are.
fn assert_shown_arrives(mount: impl Fn(&Path, &Path) + Send + Sync) {
    in_private_mounts(|| {
        let qubes = Qubes::new();
        let scratch = TempFolder::new();
        let (below, shown) = (scratch.folder("below"), scratch.folder("shown"));
        mount(&below, &shown);
        plant(&shown);
        let mut command = qubes.command(SOURCE, "qvm-copy-to-vm");
        command.arg(TARGET).arg(shown.join("d"));
        let copied = run(command);
        let sent = Snapshot::of(&shown);
        unmount(&shown);
        copied.assert_code(0);
        // They note when the snapshot was taken.
        let arrived = Snapshot::of(&qubes.incoming(SOURCE, TARGET));
        sent.with_times_of_access(&arrived).assert_arrived(&arrived);
    });
}

/// Runs a program of FUSE, which goes on in the background.
fn start(line: &[&str]) {
    let mut command = Command::new(line[0]);
    command.args(&line[1..]);
    run(command).assert_code(0);
}

fn unmount(folder: &Path) {
    start(&["fusermount3", "-u", "-z", text(folder)]);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn needs_fuse() -> Result<(), String> {
    needs_program("fusermount3")?;
    File::options()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .map(drop)
        .map_err(|error| format!("needs /dev/fuse: {error}"))
}

fn needs_bindfs() -> Result<(), String> {
    needs_program("bindfs")
}

fn needs_gocryptfs() -> Result<(), String> {
    needs_program("gocryptfs")
}

const SFTP_SERVER: &str = "/usr/lib/openssh/sftp-server";

fn needs_sshfs() -> Result<(), String> {
    let server = Path::new(SFTP_SERVER).exists();
    let server = server.then_some(()).ok_or(format!("needs {SFTP_SERVER}"));
    needs_program("sshfs").and(server)
}

fn needs_ntfs() -> Result<(), String> {
    needs_program("ntfs-3g").and(needs_program("mkntfs"))
}

fn what_bindfs_shows_without_a_cache_arrives() {
    assert_shown_arrives(|below, shown| {
        start(&["bindfs", "-o", "direct_io", text(below), text(shown)]);
    });
}

fn what_gocryptfs_shows_arrives() {
    assert_shown_arrives(|below, shown| {
        let password = below.parent().unwrap().join("password");
        fs::write(&password, "secret\n").unwrap();
        let password = ["-q", "-passfile", text(&password)];
        let init = ["-init", "-scryptn", "10", text(below)];
        start(&[&["gocryptfs"], &password[..], &init].concat());
        start(&[&["gocryptfs"], &password[..], &[text(below), text(shown)]].concat());
    });
}

/// The server is started in place of `ssh`: no network is needed.
fn what_sshfs_shows_arrives() {
    assert_shown_arrives(|below, shown| {
        let ssh = below.parent().unwrap().join("ssh");
        fs::write(&ssh, format!("#!/bin/sh\nexec {SFTP_SERVER}\n")).unwrap();
        fs::set_permissions(&ssh, PermissionsExt::from_mode(0o755)).unwrap();
        let command = format!("ssh_command=/bin/sh {}", text(&ssh));
        let remote = format!("nowhere:{}", text(below));
        start(&[
            "sshfs",
            "-o",
            &command,
            "-o",
            "direct_io",
            &remote,
            text(shown),
        ]);
    });
}

fn what_ntfs_shows_arrives() {
    assert_shown_arrives(|below, shown| {
        let disk = below.join("disk");
        File::create(&disk).unwrap().set_len(32 << 20).unwrap();
        start(&["mkntfs", "-Q", "-F", text(&disk)]);
        start(&["ntfs-3g", text(&disk), text(shown)]);
    });
}

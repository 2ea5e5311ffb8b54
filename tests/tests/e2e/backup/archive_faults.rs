//! Archives that are cut, damaged, endless or hostile, through `tar2qfile` into the receiver of
//! dom0: an error that says what is wrong, and a copy that nobody confirms.

use std::fs;
use std::process::Command;

use qfile_tests::backups::PROFILE;
use qfile_tests::inbox::Inbox;
use qfile_tests::peer::{Joint, join};
use qfile_tests::process::run;
use qfile_tests::programs::program;
use qfile_tests::suite;
use qfile_tests::tarball::{BLOCK, Tarball};
use qfile_tests::tree::{Kind, TempFolder};

const EREMOTEIO: i32 = 121;

suite! {
    an_archive_that_is_cut_is_never_confirmed,
    a_damaged_header_is_never_passed_over,
    names_that_no_receiver_takes_name_the_member,
    content_where_none_belongs_is_an_error,
    extensions_without_end_are_an_error,
    headers_without_end_are_an_error_in_little_memory,
    zeros_without_end_are_no_archive,
    a_member_longer_than_anything_is_an_error,
}

/// Members of all sorts.
fn archive() -> Tarball {
    Tarball::new()
        .file("first", b"1")
        .header(b'5', "folder/", 0)
        .file("folder/large", &vec![2; 300_000])
        .file("last", &[3; 700])
        .end()
}

/// Converts an archive from a file, and from a pipe with a receiver that hears all of it; fails the
/// test unless both fail, saying `why`, without confirmation and without a file that is not whole.
#[track_caller]
fn assert_fails(archive: &Tarball, why: &str) {
    let temp = TempFolder::new();
    let file = temp.path().join("archive");
    fs::write(&file, archive.as_bytes()).unwrap();
    for through_fifo in [false, true] {
        let inbox = Inbox::default();
        let mut sender = match through_fifo {
            false => Command::new(program("tar2qfile")),
            true => through_pipe(),
        };
        sender.arg(&file);
        let (sent, received) = join(sender, inbox.command(&PROFILE), Joint::Sockets);
        sent.assert_code(1);
        sent.assert_says(why);
        assert_ne!(received.code(), 0);
        let landed = inbox.landed();
        for path in landed.paths() {
            let record = landed.get(&path).unwrap();
            let len = match path.as_str() {
                "first" => 1,
                "folder/large" => 300_000,
                "last" => 700,
                _ => 0,
            };
            assert_eq!(record.len, len, "{path} is not whole");
            assert!(record.kind != Kind::Link);
        }
    }
}

/// `tar2qfile` of its last argument as it comes through a FIFO, its stdin being the receiver's.
fn through_pipe() -> Command {
    let mut shell = Command::new("sh");
    let script = r#"folder=$(mktemp -d); trap 'rm -r "$folder"' EXIT
        mkfifo "$folder/fifo"; cat "$1" >"$folder/fifo" & "$0" "$folder/fifo""#;
    shell.args(["-c", script]).arg(program("tar2qfile"));
    shell
}

fn an_archive_that_is_cut_is_never_confirmed() {
    let whole = archive();
    let end = whole.as_bytes().len() - 2 * BLOCK;
    for len in [
        0,
        1,
        511,
        512,
        513,
        1023,
        1024,
        1536,
        2047,
        2048,
        2049,
        150_000,
        302_048,
        end - 1,
        end,
    ] {
        let cut = &whole.as_bytes()[..len];
        assert_fails(&Tarball::new().raw(cut), "the archive ends early");
    }
}

fn a_damaged_header_is_never_passed_over() {
    let whole = archive();
    for at in [1024, 1024 + 130, 1024 + 156, 1536 + 200] {
        let mut bytes = whole.as_bytes().to_vec();
        bytes[at] ^= 1;
        let archive = Tarball::new().raw(&bytes);
        assert_fails(&archive, "no header at byte 1");
    }
    let archive = Tarball::new().raw(&[b'x'; 4096]);
    assert_fails(&archive, "it is not a tar archive");
}

fn names_that_no_receiver_takes_name_the_member() {
    for (name, shown) in [
        ("/etc/passwd", "\"/etc/passwd\""),
        ("../escape", "\"../escape\""),
        ("a/../../escape", "\"a/../../escape\""),
        ("a//b", "\"a//b\""),
        ("screen\x1b[2J", "\"screen"),
        ("\u{202e}txt.exe", "txt.exe\""),
    ] {
        let archive = Tarball::new().file("first", b"1").file(name, b"x").end();
        assert_fails(&archive, shown);
    }
}

fn content_where_none_belongs_is_an_error() {
    for letter in [b'1', b'2', b'5'] {
        let inner = Tarball::new().file("smuggled", b"x");
        let archive = Tarball::new()
            .header(letter, "a-link", inner.as_bytes().len() as u64)
            .content(inner.as_bytes())
            .end();
        assert_fails(&archive, "\"a-link\" is not a file but has content");
    }
}

fn extensions_without_end_are_an_error() {
    for letter in [b'L', b'x', b'g'] {
        let archive = Tarball::new().header(letter, "long", 1 << 40);
        assert_fails(
            &archive.content(&vec![1; 100_000]),
            "no extended header at byte 0",
        );
    }
    let chain = (0..1000).fold(Tarball::new(), |archive, _| {
        archive.file("x", b"").header(b'g', "g", 0)
    });
    let chain = (0..1000).fold(chain, |archive, _| archive.header(b'g', "g", 0));
    assert_fails(&chain, "no extended header");
}

/// In 64 MiB of address space, of which the program takes some by itself.
fn headers_without_end_are_an_error_in_little_memory() {
    let temp = TempFolder::new();
    let mut many = Tarball::new();
    for number in 0..200_000 {
        many = many.header(b'0', &format!("{number}/{number}/{number}/x"), 0);
    }
    let file = temp.path().join("archive");
    fs::write(&file, many.as_bytes()).unwrap();
    let mut sender = Command::new("sh");
    let script = r#"ulimit -v 65536; exec "$0" - <"$1" >/dev/null"#;
    sender
        .args(["-c", script])
        .arg(program("tar2qfile"))
        .arg(&file);
    let sent = run(sender);
    sent.assert_code(1);
    sent.assert_says("the archive ends early");
}

fn zeros_without_end_are_no_archive() {
    let inbox = Inbox::default();
    let mut sender = Command::new(program("tar2qfile"));
    sender.arg("/dev/zero");
    let (sent, received) = join(sender, inbox.command(&PROFILE), Joint::Sockets);
    sent.assert_code(1);
    sent.assert_says("only zeros before byte");
    received.assert_code(EREMOTEIO);
    assert!(inbox.landed().is_empty());
}

fn a_member_longer_than_anything_is_an_error() {
    let promise = |len| Tarball::new().header(b'0', "huge", len).content(&[1; 5000]);
    assert_fails(&promise(i64::MAX.unsigned_abs()), "ends early, in \"huge\"");
    assert_fails(&promise(u64::MAX), "no header at byte 0");
    assert_fails(&promise(5121), "ends early, in \"huge\"");
}

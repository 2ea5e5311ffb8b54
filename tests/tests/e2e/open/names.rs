//! Names of files: what arrives in the other qube, and what comes back to the file of any name.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use qfile_tests::editing::{Editing, OLD};
use qfile_tests::suite;

suite! {
    a_file_of_any_name_comes_back,
    names_with_meaning_arrive_without_it,
    a_readable_name_stays_readable,
    a_long_name_keeps_its_end,
    a_file_opened_through_a_link_has_the_name_of_the_link,
}

/// The editor writes the name that it was given, and how many arguments, into the file.
const WRITE_NAME: &str = "printf '%s %s' $# \"$(basename \"$1\")\" > \"$1\"";

/// Edits a file of this name; the name that arrived.
#[track_caller]
fn arrived(name: &[u8]) -> Vec<u8> {
    let editing = Editing::with(Path::new(OsStr::from_bytes(name)), OLD);
    editing.editor(WRITE_NAME);
    let opened = editing.open();
    opened.assert_code(0);
    assert_eq!(opened.stderr(), "");
    let content = editing.content();
    editing.assert_only(&content);
    content.strip_prefix(b"1 ").expect("one argument").to_vec()
}

fn a_file_of_any_name_comes_back() {
    for byte in 1..=255_u8 {
        // A slash separates names. Every 16th, and those that mean something, is enough.
        if byte == b'/' || (byte % 16 != 0 && byte > 0x7F) {
            continue;
        }
        let name = [b'a', byte, b'b'];
        if byte % 8 == 0 || byte.is_ascii_punctuation() || byte.is_ascii_whitespace() {
            let name_there = arrived(&name);
            let kept = byte.is_ascii_alphanumeric() || b"._-+@".contains(&byte);
            let expected = if kept { byte } else { b'_' };
            assert_eq!(name_there, [b'a', expected, b'b'], "{byte:#x}");
        }
    }
}

fn names_with_meaning_arrive_without_it() {
    let table: [(&[u8], &[u8]); 10] = [
        (
            b"with spaces 'and' \"quotes\".txt",
            b"with_spaces__and___quotes_.txt",
        ),
        (b"$(id).txt", b"__id_.txt"),
        (b"`id`", b"_id_"),
        (b"-rf", b"_rf"),
        (b"--help", b"_-help"),
        (b".hidden", b"_hidden"),
        (b"view-only-x", b"_view-only-x"),
        (b"two\nlines", b"two_lines"),
        (b"\x1b[31mred", b"__31mred"),
        (b"latin-\xE9\xFF.txt", b"latin-__.txt"),
    ];
    for (name, expected) in table {
        assert_eq!(
            arrived(name),
            expected,
            "{:?}",
            String::from_utf8_lossy(name)
        );
    }
}

fn a_readable_name_stays_readable() {
    for name in ["c++.cpp", "отчёт 2.pdf", "报告.odt", "a_b-c@d.TXT"] {
        let expected = name.replace(' ', "_");
        assert_eq!(arrived(name.as_bytes()), expected.as_bytes());
    }
}

fn a_long_name_keeps_its_end() {
    let longest = format!("{}.odt", "x".repeat(251));
    // The rest of the request asks for a frame.
    let end = &longest.as_bytes()[255 - 239..];
    assert_eq!(arrived(longest.as_bytes()), end);
    assert_eq!(arrived(end), end);
    // 229 bytes are left for a name that is only looked at, and a character is never cut.
    let long = format!("{}.odt", "ж".repeat(125));
    let editing = Editing::with(Path::new(&long), OLD);
    editing.editor("basename \"$1\" > \"$WORK/name\"");
    editing.open_with(&["--view-only"]).assert_code(0);
    let name = fs::read_to_string(editing.elsewhere("name")).unwrap();
    assert_eq!(name.trim_end(), format!("{}.odt", "ж".repeat(112)));
}

fn a_file_opened_through_a_link_has_the_name_of_the_link() {
    let editing = Editing::with(Path::new("data.bin"), OLD);
    let link: PathBuf = editing.beside("report.odt");
    std::os::unix::fs::symlink("data.bin", &link).unwrap();
    editing.editor(WRITE_NAME);
    let mut command = editing.command("qvm-open-in-dvm");
    command.arg(&link);
    qfile_tests::process::run(command).assert_code(0);
    assert_eq!(editing.content(), b"1 report.odt");
    assert!(link.is_symlink());
}

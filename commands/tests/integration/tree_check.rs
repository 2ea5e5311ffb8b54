//! `qubes-fs-tree-check`: its statuses and what scripts read from it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// Status, stdout and stderr of a check in `folder`.
fn check(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_qubes-fs-tree-check"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn statuses_and_byte_counts() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    fs::create_dir(folder.join("docs")).unwrap();
    fs::write(folder.join("docs/file"), "12345").unwrap();
    symlink("file", folder.join("docs/link")).unwrap();
    fs::write(folder.join("odd\u{202e}"), "123").unwrap();
    fs::create_dir(folder.join("odd")).unwrap();
    symlink("\u{202e}", folder.join("odd/link")).unwrap();
    fs::create_dir(folder.join("bad")).unwrap();
    symlink("/etc/passwd", folder.join("bad/link")).unwrap();

    let table: [(&[&str], i32, &str); 15] = [
        (&["--machine-readable", "--", "docs/file"], 0, "5\n"),
        (&["--machine", "docs/file"], 0, "5\n"),
        (&["docs/file"], 0, ""),
        (&["--machine", "docs"], 1, ""),
        (&["--machine", "--allow-dir", "docs"], 1, ""),
        (
            &["--machine", "--allow-dir", "--allow-sym", "docs"],
            0,
            "9\n",
        ),
        (
            &["--machine", "--allow-dir", "--ignore-sym", "docs"],
            0,
            "5\n",
        ),
        (
            &[
                "--machine",
                "--allow-dir",
                "--allow-sym",
                "--no-allow-sym",
                "docs",
            ],
            1,
            "",
        ),
        (&["--machine", "odd\u{202e}"], 2, "3\n"),
        (&["--machine", "--allow-all", "odd\u{202e}"], 0, "3\n"),
        (
            &["--machine", "--allow-all", "--no-allow-all", "odd\u{202e}"],
            2,
            "3\n",
        ),
        (
            &["--machine", "--allow-dir", "--allow-sym", "odd"],
            2,
            "3\n",
        ),
        (
            &["--machine", "--allow-dir", "--allow-sym", "bad", "odd"],
            1,
            "",
        ),
        (&["--machine", "missing"], 1, ""),
        (&["--machine", "--no-such-option", "docs/file"], 1, ""),
    ];
    for (arguments, status, answer) in table {
        let (code, stdout, stderr) = check(folder, arguments);
        assert_eq!(code, Some(status), "{arguments:?}: {stderr}");
        assert_eq!(stdout, answer, "{arguments:?}");
        assert_eq!(stderr.is_empty(), status == 0, "{arguments:?}: {stderr}");
    }
}

#[test]
fn an_unsafe_name_stays_reported_even_when_the_link_of_that_name_has_a_safe_target() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("docs")).unwrap();
    symlink("file", home.path().join("docs/\u{202e}")).unwrap();
    let (code, stdout, _) = check(
        home.path(),
        &["--machine", "--allow-dir", "--allow-sym", "--", "docs"],
    );
    assert_eq!((code, stdout.as_str()), (Some(2), "4\n"));
}

#[test]
fn help_and_version_go_to_stdout() {
    for option in ["--help", "--version"] {
        let (code, stdout, stderr) = check(Path::new("/"), &[option]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        assert!(
            stdout.contains("qubes-fs-tree-check") || stdout.contains("Tell"),
            "{stdout}"
        );
    }
}

//! What the README shows is what comes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use qfile_tests::process::{Finished, run};
use qfile_tests::programs::{folder, program, source};
use qfile_tests::ssh::needs_sshd;
use qfile_tests::suite;
use qfile_tests::tree::TempFolder;

suite! {
    its_session_is_what_comes_today,
    the_demo_copies_files_and_folders_with_odd_names,
    the_demo_says_which_file_is_missing,
}

fn its_session_is_what_comes_today() {
    let _is_built = program("qrexec-loopback");
    let mut session = Command::new(source("dev/scripts/session"));
    session.arg(folder());
    let recorded = run(session);
    recorded.assert_code(0);
    let today = String::from_utf8(recorded.stdout).unwrap();

    let readme = fs::read_to_string(source("README.md")).unwrap();
    let (_, shown) = readme.split_once("```console\n").unwrap();
    let (shown, _) = shown.split_once("```\n").unwrap();
    assert!(
        shown == today,
        "README.md has another session than dev/scripts/session, which is:\n{today}"
    );
}

/// The demo with `FILES`, in the folder where they are.
fn demo(folder_of_files: &Path, files: &str) -> Finished {
    let _is_built = program("qrexec-loopback");
    let mut demo = Command::new(source("dev/scripts/demo"));
    demo.arg(folder())
        .env("FILES", files)
        .current_dir(folder_of_files);
    run(demo)
}

fn the_demo_copies_files_and_folders_with_odd_names() {
    let temp = TempFolder::new();
    let at = |name: &str| temp.path().join(name);
    fs::create_dir(at("a")).unwrap();
    for name in ["b.txt", "*", "-n", "two words", "a/été $(id)"] {
        fs::write(at(name), name).unwrap();
    }
    symlink("été $(id)", at("a/link")).unwrap();
    // A list of words, one path with a blank, a line for each path.
    for (files, count) in [
        ("a b.txt", 2),
        ("two words", 1),
        ("*", 1),
        ("a/\n-n\ntwo words\n*", 4),
    ] {
        let shown = demo(temp.path(), files);
        shown.assert_code(0);
        let said = String::from_utf8_lossy(&shown.stdout).into_owned();
        let compared = said.matches("arrived: same content").count();
        assert_eq!(compared, count, "{files}: {said}");
        assert!(said.contains("the disposable is gone"), "{files}: {said}");
        // Its last step needs what the tests between machines need, and root or an ordinary user.
        if needs_sshd().is_ok() {
            let refused = "the policy of the server refused that: status 126";
            assert!(said.contains(refused), "{files}: {said}");
        }
    }
}

fn the_demo_says_which_file_is_missing() {
    let temp = TempFolder::new();
    fs::write(temp.path().join("there"), "").unwrap();
    let shown = demo(temp.path(), "there not-there");
    shown.assert_code(1);
    shown.assert_says("not-there does not exist: check FILES");
}

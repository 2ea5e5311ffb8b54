//! The line in `authorized_keys` that `--key-line` prints.

use std::fs;
use std::process::Command;

use qfile_tests::process::{Finished, run};
use qfile_tests::programs::program;
use qfile_tests::ssh::{needs_sshd, with_far};
use qfile_tests::suite;
use qfile_tests::tree::TempFolder;

suite! {
    the_line_has_one_restricted_key,
    what_is_more_than_a_public_key_is_refused,
    a_second_line_far_behind_the_first_is_found,
    a_key_that_the_account_has_already_is_told_of,
    a_name_that_would_refuse_every_call_is_refused_now,
    names_reach_the_program_as_they_are [needs_sshd],
}

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKHEChjAp5nCQcJ5GoyMMRe8bA7ZC4bL0bY0bTQX5XJ5 me@host";

fn print(key: &str, options: &[&str]) -> Finished {
    print_for(&TempFolder::new(), key, options)
}

/// The same for the account with this home folder.
fn print_for(folder: &TempFolder, key: &str, options: &[&str]) -> Finished {
    let file = folder.path().join("key.pub");
    fs::write(&file, key).unwrap();
    let mut command = Command::new(program("qrexec-ssh-serve"));
    command.args(options).arg("--key-line").arg(file);
    command.env("HOME", folder.path());
    run(command)
}

fn the_line_has_one_restricted_key() {
    let printed = print(&format!("{KEY}\n"), &["--as", "laptop"]);
    printed.assert_code(0);
    let expected = format!(
        "restrict,command=\"{} --as laptop\" {KEY}\n",
        program("qrexec-ssh-serve").display()
    );
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), expected);
}

fn what_is_more_than_a_public_key_is_refused() {
    for key in [
        String::new(),
        format!("command=\"id\" {KEY}"),
        format!("{KEY}\n{KEY}\n"),
        format!("{KEY}\n\nssh-rsa AAAA"),
        format!("# {KEY}"),
        "-----BEGIN OPENSSH PRIVATE KEY-----\n".to_owned(),
        KEY.replace("ssh-ed25519", "no-touch-required"),
    ] {
        let printed = print(&key, &["--as", "laptop"]);
        printed.assert_code(1);
        printed.assert_says("as a public key");
        assert_eq!(printed.stdout, b"", "{key}");
    }
}

/// A reader of so many bytes would not see it.
fn a_second_line_far_behind_the_first_is_found() {
    for len in [64 * 1024, 64 * 1024 + 1] {
        let comment = "x".repeat(len - KEY.len());
        let printed = print(&format!("{KEY}{comment}\n{KEY}\n"), &["--as", "laptop"]);
        printed.assert_code(1);
        assert_eq!(printed.stdout, b"");
    }
    let comment = "x".repeat(64 * 1024 - KEY.len() - 1);
    print(&format!("{KEY}{comment}\n"), &["--as", "laptop"]).assert_code(0);
}

/// That line may open a shell.
fn a_key_that_the_account_has_already_is_told_of() {
    for name in ["authorized_keys", "authorized_keys2"] {
        let home = TempFolder::new();
        let file = home.folder(".ssh").join(name);
        for (keys, is_told) in [
            ("# nothing\n".to_owned(), false),
            (format!("# {KEY}\n"), false),
            (format!("ssh-rsa AAAA\ncommand=\"a b\" {KEY}\n"), true),
            (format!("\n{KEY}"), true),
        ] {
            fs::write(&file, keys).unwrap();
            let printed = print_for(&home, KEY, &["--as", "laptop"]);
            printed.assert_code(0);
            assert!(printed.stdout.ends_with(format!("{KEY}\n").as_bytes()));
            let told = format!("{name}\", line 2 has this key already");
            assert_eq!(
                printed.stderr().contains(&told),
                is_told,
                "{}",
                printed.stderr()
            );
        }
    }
}

fn a_name_that_would_refuse_every_call_is_refused_now() {
    for options in [
        &["--as", "a--b"][..],
        &["--as", "$(id)"],
        &["--as", "a", "--may-speak-for", "$(id)"],
        &["--as", "a", "--may-speak-for", "a\"b"],
        &["--as", "a", "--services", "/a b"],
    ] {
        let printed = print(KEY, options);
        printed.assert_code(1);
        assert_eq!(printed.stdout, b"", "{options:?}");
    }
    // There is no line yet that could be corrected.
    let printed = print(KEY, &["--as", "mein L\u{e4}ptop"]);
    printed.assert_code(1);
    printed
        .assert_says("a name has 1 to 31 characters of A-Z a-z 0-9 _ . - and begins with a letter");
    assert!(!printed.stderr().contains("authorized_keys"));
    let unnamed = print(KEY, &[]);
    unnamed.assert_code(2);
    unnamed.assert_says("qrexec-ssh-serve: the following required arguments were not provided:\n");
    unnamed.assert_says("qrexec-ssh-serve: see --help\n");
    let printed = print(KEY, &["--as", "a", "--services", "rpc"]);
    printed.assert_code(2);
    assert_eq!(printed.stdout, b"");
}

/// sshd gives the line to a shell in the home folder, where a bare `*` would be its files.
fn names_reach_the_program_as_they_are() {
    with_far(|far| {
        fs::write(far.home().join("vault"), "").unwrap();
        far.set_service("svc", "echo $QREXEC_REMOTE_DOMAIN");
        for (names, status) in [("*", 0), ("other work", 0), ("vault", 126)] {
            far.set_key_options(&["--as", "far", "--may-speak-for", names]);
            let mut command = Command::new(far.root().join("ssh"));
            command.args(["server", "qrexec-v1 - svc+ work"]);
            command.env_remove("SSH_AUTH_SOCK");
            let called = run(command);
            called.assert_code(status);
            if status == 0 {
                assert!(called.stdout.ends_with(b"\nfar--work\n"));
            }
        }
    });
}

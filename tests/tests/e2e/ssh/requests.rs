//! What a caller says, in `SSH_ORIGINAL_COMMAND`: whatever it is, nothing but a service that policy
//! allows is run. `qrexec-ssh-serve` is started without sshd here.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use qfile_tests::fifo;
use qfile_tests::process::{Finished, run};
use qfile_tests::programs::program;
use qfile_tests::suite;
use qfile_tests::tree::TempFolder;
use qfile_tests::user::{install, make_folders};

suite! {
    the_right_line_runs_the_service,
    whatever_the_line_only_what_policy_allows_is_run,
    a_line_that_a_shell_would_obey_is_refused,
    without_a_line_there_is_no_shell,
    a_plain_host_has_no_qubes,
    a_folder_of_services_with_a_relative_path_refuses_every_call,
    a_service_that_takes_and_gives_no_more_ends_the_call,
}

/// An account with a home, a policy and services, each of which leaves a file.
pub(super) struct Account(TempFolder);

impl Account {
    pub(super) fn new(policy: &str) -> Self {
        let account = Self(TempFolder::new());
        for name in ["allowed", "denied"] {
            account.add_service(
                name,
                &format!("echo \"$#:$*\" >>'{}'", account.ran(name).display()),
            );
        }
        account.write("home/.config/qfile/policy.d/30-test.policy", policy);
        account
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.path(name);
        make_folders(self.0.path(), Path::new(name).parent().unwrap());
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        file
    }

    pub(super) fn add_service(&self, name: &str, script: &str) {
        let draft = self.write("draft", &format!("#!/bin/sh\n{script}\n"));
        fs::create_dir_all(self.path("services")).unwrap();
        install(&draft, &self.path("services").join(name), 0o755);
    }

    /// The file that a service leaves.
    pub(super) fn ran(&self, name: &str) -> PathBuf {
        self.path(&format!("ran-{name}"))
    }

    /// The program as sshd starts it.
    pub(super) fn command(&self, options: &[&str], line: &[u8]) -> Command {
        let mut command = Command::new(program("qrexec-ssh-serve"));
        command
            .args(options)
            .arg("--services")
            .arg(self.path("services"))
            .env("HOME", self.path("home"))
            .env("SSH_ORIGINAL_COMMAND", OsStr::from_bytes(line));
        command
    }

    pub(super) fn call(&self, options: &[&str], line: &str) -> Finished {
        run(self.command(options, line.as_bytes()))
    }
}

const AS: [&str; 2] = ["--as", "laptop"];
const POLICY: &str = "allowed * laptop @default allow\n";

fn the_right_line_runs_the_service() {
    let account = Account::new(POLICY);
    let called = account.call(&AS, "qrexec-v1 - allowed+a+b");
    called.assert_code(0);
    assert_eq!(called.stdout, b"\0qrexec-v1 allowed\n");
    assert_eq!(fs::read(account.ran("allowed")).unwrap(), b"1:a+b\n");
}

/// Over the one socket that sshd gives it, whose other end stays open and has sent what nobody reads.
fn a_service_that_takes_and_gives_no_more_ends_the_call() {
    let account = Account::new(POLICY);
    let go = account.path("go");
    fifo::make(&go);
    let script = format!(
        "exec </dev/null >/dev/null; read go <'{}'; exit 3",
        go.display()
    );
    account.add_service("allowed", &script);
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut command = account.command(&AS, b"qrexec-v1 - allowed+");
    command
        .stdin(OwnedFd::from(theirs.try_clone().unwrap()))
        .stdout(OwnedFd::from(theirs));
    let mut serving = command.spawn().unwrap();
    drop(command);
    let mut came = Vec::new();
    ours.read_to_end(&mut came).unwrap();
    assert_eq!(came, b"\0qrexec-v1 allowed\n");
    for _ in 0..3 {
        ours.write_all(b"nobody reads this").unwrap();
    }
    fs::write(&go, "\n").unwrap();
    assert_eq!(serving.wait().unwrap().code(), Some(3));
    drop(ours);
}

fn whatever_the_line_only_what_policy_allows_is_run() {
    let account = Account::new(POLICY);
    let denied = account.ran("denied");
    let allowed = account.ran("allowed");
    // Close to what is allowed, or close to what a shell obeys, or anything.
    let words = "qrexec-v1|qrexec-v2|-|@dispvm|allowed[+]|denied[+]|allowed[+][a-z+._-]{0,8}| |  |\t|\n\
                 |;|&&|\\||`|\\$\\(|\\)|\"|'|touch|sh|-c|[.][.]/denied[+]|laptop|work|[+]|\\PC";
    let lines = prop_oneof![
        proptest::collection::vec(words, 0..8).prop_map(|words| words.concat().into_bytes()),
        ("[a-z@+./;$` -]{0,12}", "[a-z+;$` ]{0,8}")
            .prop_map(|(qube, end)| format!("qrexec-v1 {qube} allowed+{end}").into_bytes()),
        proptest::collection::vec(1_u8..=255, 0..60),
    ];
    let config = Config {
        cases: 150,
        failure_persistence: None,
        ..Config::default()
    };
    let judged = TestRunner::new(config).run(&lines, |line| {
        let called = run(account.command(&AS, &line));
        let ran = fs::read_to_string(&allowed).unwrap_or_default();
        let _gone = fs::remove_file(&allowed);
        prop_assert!(!denied.exists());
        let text = String::from_utf8_lossy(&line);
        let argument = text.strip_prefix("qrexec-v1 - allowed+");
        let is_word = |c: char| c.is_ascii_alphanumeric() || "+._-".contains(c);
        match argument.filter(|argument| argument.chars().all(is_word)) {
            Some(argument) => {
                prop_assert_eq!(called.code(), 0);
                let count = u8::from(!argument.is_empty());
                prop_assert_eq!(ran, format!("{count}:{argument}\n"));
            }
            None => {
                prop_assert_eq!(called.code(), 126);
                prop_assert_eq!(ran, "");
                prop_assert_eq!(&called.stdout, b"");
                let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
                prop_assert!(called.stderr.iter().all(printable));
            }
        }
        Ok(())
    });
    judged.unwrap();
}

fn a_line_that_a_shell_would_obey_is_refused() {
    let account = Account::new("* * * * allow\n");
    let sentinel = account.path("sentinel");
    let touch = format!("touch {}", sentinel.display());
    for line in [
        touch.clone(),
        format!("qrexec-v1 - allowed+;{touch}"),
        format!("qrexec-v1 - allowed+ `{touch}`"),
        format!("qrexec-v1 - allowed+$({touch})"),
        format!("qrexec-v1 - allowed+\n{touch}"),
        "qrexec-v1 - ../services/denied+".to_owned(),
        "qrexec-v1 - denied".to_owned(),
        "qrexec-v1 - -denied+".to_owned(),
        format!("qrexec-v1 - {}+", "a".repeat(256)),
        format!("qrexec-v1 - allowed+{}", "a".repeat(65_000)),
    ] {
        let called = account.call(&AS, &line);
        called.assert_code(126);
        called.assert_says("qrexec-ssh-serve: this is not a call of qrexec-ssh: ");
        for ran in [&sentinel, &account.ran("allowed"), &account.ran("denied")] {
            assert!(!ran.exists(), "{line}");
        }
    }
    let longest = "a".repeat(65_000 - "qrexec-v1 - allowed+".len());
    account
        .call(&AS, &format!("qrexec-v1 - allowed+{longest}"))
        .assert_code(0);
}

fn without_a_line_there_is_no_shell() {
    let account = Account::new("* * * * allow\n");
    let mut command = account.command(&AS, b"");
    command.env_remove("SSH_ORIGINAL_COMMAND");
    let called = run(command);
    called.assert_code(126);
    called.assert_says("no service is named, and there is no shell here");
}

fn a_plain_host_has_no_qubes() {
    let account = Account::new("* * * * allow\n");
    for qube in ["work", "@dispvm", "dom0"] {
        let called = account.call(&AS, &format!("qrexec-v1 {qube} allowed+"));
        called.assert_code(126);
        called.assert_says("this machine has no qubes");
    }
    assert!(!account.ran("allowed").exists());
}

/// In whatever folder sshd starts the program.
fn a_folder_of_services_with_a_relative_path_refuses_every_call() {
    let account = Account::new(POLICY);
    let mut command = Command::new(program("qrexec-ssh-serve"));
    command
        .args(AS)
        .args(["--services", "services"])
        .current_dir(account.path(""))
        .env("HOME", account.path("home"))
        .env("SSH_ORIGINAL_COMMAND", "qrexec-v1 - allowed+");
    let called = run(command);
    called.assert_code(126);
    called.assert_says("the command of this key in authorized_keys is wrong");
    assert!(!account.ran("allowed").exists());
}

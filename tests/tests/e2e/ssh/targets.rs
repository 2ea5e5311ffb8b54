//! Which machine a TARGET is, and what ssh is asked. A recorder stands in for ssh here, because only
//! it shows every word.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use qfile_tests::process::{Finished, run};
use qfile_tests::programs::program;
use qfile_tests::suite;
use qfile_tests::tree::TempFolder;
use qfile_tests::user::{install, needs_root};

suite! {
    a_target_is_a_line_of_remotes_conf_or_a_destination,
    the_users_file_comes_first,
    what_cannot_be_said_is_refused_before_ssh_is_started,
    a_line_that_cannot_be_read_is_told_with_its_number,
    a_file_that_somebody_else_may_have_written_is_refused,
    a_file_of_somebody_else_is_refused [needs_root],
    ssh_is_told_what_a_service_needs,
    a_wrong_command_line_is_2,
    without_ssh_it_is_255,
}

struct Caller(TempFolder);

impl Caller {
    fn new(remotes: &str) -> Self {
        let caller = Self(TempFolder::new());
        fs::create_dir_all(caller.0.path().join(".config/qfile")).unwrap();
        write_remotes(&caller.file(), remotes);
        let draft = caller.0.path().join("draft");
        let record = "#!/bin/sh\nprintf '%s\\n' \"$@\" >\"${0%/*}/record\"\nexit 9\n";
        fs::write(&draft, record).unwrap();
        install(&draft, &caller.0.path().join("ssh"), 0o755);
        caller
    }

    fn file(&self) -> PathBuf {
        self.0.path().join(".config/qfile/remotes.conf")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("qrexec-ssh"));
        command
            .args(arguments)
            .env("HOME", self.0.path())
            .env("QREXEC_SSH", self.0.path().join("ssh"))
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("QREXEC_REMOTE_DOMAIN");
        command
    }

    fn call(&self, arguments: &[&str]) -> Finished {
        run(self.command(arguments))
    }

    /// The words that ssh got.
    fn words(&self) -> Option<Vec<String>> {
        let words = fs::read_to_string(self.0.path().join("record")).ok()?;
        Some(words.lines().map(str::to_owned).collect())
    }
}

/// Whatever the umask of the tests is.
fn write_remotes(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
}

fn a_target_is_a_line_of_remotes_conf_or_a_destination() {
    let caller =
        Caller::new("# mine\nwork = me@relay work\n@default = server\n@dispvm = r @dispvm\n");
    for (target, service, destination, line) in [
        ("work", "svc", "me@relay", "qrexec-v1 work svc+"),
        ("@default", "svc+a", "server", "qrexec-v1 - svc+a"),
        ("$default", "svc", "server", "qrexec-v1 - svc+"),
        ("@dispvm", "svc", "r", "qrexec-v1 @dispvm svc+"),
        ("other", "svc", "other", "qrexec-v1 - svc+"),
        ("me@192.0.2.1", "svc", "me@192.0.2.1", "qrexec-v1 - svc+"),
    ] {
        caller.call(&["--", target, service]).assert_code(9);
        let words = caller.words().unwrap();
        assert_eq!(words[words.len() - 3..], ["--", destination, line]);
    }
}

fn the_users_file_comes_first() {
    let caller = Caller::new("a = first\n");
    let other = caller.0.folder("xdg/qfile");
    write_remotes(&other.join("remotes.conf"), "a = second\n");
    let mut command = caller.command(&["a", "svc"]);
    command.env("XDG_CONFIG_HOME", caller.0.path().join("xdg"));
    run(command).assert_code(9);
    let words = caller.words().unwrap();
    assert_eq!(words[words.len() - 2], "second");
}

fn what_cannot_be_said_is_refused_before_ssh_is_started() {
    let caller = Caller::new("vault = relay vault\nwork = relay work\n");
    let long = "s".repeat(256);
    let longer = format!("svc+{}", "a".repeat(65_000));
    for (target, service, says) in [
        ("@default", "svc", "those in remotes.conf are vault, work"),
        ("@dispvm", "svc", "@dispvm"),
        ("@dispvm:web", "svc", "template"),
        ("@adminvm", "svc", "neither"),
        ("-oProxyCommand=id", "svc", "neither"),
        ("a b", "svc", "neither"),
        ("ssh://a", "svc", "neither"),
        ("", "svc", "neither"),
        ("work", "../svc", "SERVICE"),
        ("work", "svc a", "SERVICE"),
        ("work", "-svc", "SERVICE"),
        ("work", "", "SERVICE"),
        ("work", &long, "SERVICE"),
        ("work", &longer, "65000 bytes"),
    ] {
        let called = caller.call(&["--", target, service, "/bin/sh", "-c", "echo started >&2"]);
        called.assert_code(126);
        called.assert_says(says);
        assert!(!called.stderr().contains("started"));
        assert_eq!(caller.words(), None, "{target} {service}");
    }
}

fn a_line_that_cannot_be_read_is_told_with_its_number() {
    let caller = Caller::new("work = relay work\n\nnonsense\n");
    let called = caller.call(&["work", "svc"]);
    called.assert_code(126);
    called.assert_says("remotes.conf\", line 3: ");
    assert_eq!(caller.words(), None);
}

/// It says to which machine files go.
fn a_file_that_somebody_else_may_have_written_is_refused() {
    let caller = Caller::new("work = me@relay work\n");
    for mode in [0o664, 0o646, 0o666] {
        fs::set_permissions(caller.file(), Permissions::from_mode(mode)).unwrap();
        // Whatever machine is called: the file might say another one.
        for target in ["work", "other"] {
            let called = caller.call(&[target, "svc"]);
            called.assert_code(126);
            called.assert_says("remotes.conf\": its group or others may write to it");
            assert_eq!(caller.words(), None, "{mode:o}");
        }
    }
    // As people have who keep their settings elsewhere.
    let elsewhere = caller.0.path().join("settings");
    fs::rename(caller.file(), &elsewhere).unwrap();
    symlink(&elsewhere, caller.file()).unwrap();
    caller.call(&["work", "svc"]).assert_code(126);
    fs::set_permissions(&elsewhere, Permissions::from_mode(0o600)).unwrap();
    caller.call(&["work", "svc"]).assert_code(9);
}

fn a_file_of_somebody_else_is_refused() {
    let caller = Caller::new("work = me@relay work\n");
    chown(caller.file(), Some(12_345), None).unwrap();
    let called = caller.call(&["work", "svc"]);
    called.assert_code(126);
    called.assert_says("it belongs to uid 12345");
    assert_eq!(caller.words(), None);
}

/// ssh_config(5) may be set up for a person at a terminal.
fn ssh_is_told_what_a_service_needs() {
    let caller = Caller::new("");
    // In a session without a terminal, so that nobody could answer a question.
    let call = caller.command(&["far", "svc"]);
    run(qfile_tests::process::wrapped_in(
        &["setsid", "--wait"],
        &call,
    ))
    .assert_code(9);
    let words = caller.words().unwrap();
    let expected = [
        "-T",
        "ForwardAgent=no",
        "ForwardX11=no",
        "ClearAllForwardings=yes",
        "EscapeChar=none",
        "ConnectTimeout=30",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=2",
        "RemoteCommand=none",
        "PermitLocalCommand=no",
        "RequestTTY=no",
        "StdinNull=no",
        "ForkAfterAuthentication=no",
        "SessionType=default",
        "BatchMode=yes",
    ];
    for option in expected {
        assert!(
            words.iter().any(|word| word == option),
            "{option}: {words:?}"
        );
    }
}

fn a_wrong_command_line_is_2() {
    let caller = Caller::new("");
    for arguments in [
        &[][..],
        &["far"],
        &["--nonsense", "far", "svc"],
        &["--buffer-size=0", "a", "b"],
    ] {
        caller.call(arguments).assert_code(2);
    }
}

fn without_ssh_it_is_255() {
    let caller = Caller::new("");
    for (variable, value) in [
        ("QREXEC_SSH", "ssh -v"),
        ("QREXEC_SSH", "/no/ssh"),
        ("PATH", "/none"),
    ] {
        let mut command = caller.command(&["far", "svc"]);
        command.env_remove("QREXEC_SSH").env(variable, value);
        let called = run(command);
        called.assert_code(255);
        called.assert_says("ssh");
        assert_eq!(caller.words(), None);
    }
}

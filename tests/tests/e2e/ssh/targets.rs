//! Which machine a TARGET is, and what ssh is asked. A recorder stands in for ssh here, because only
//! it shows every word.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use qfile_tests::process::{Finished, run};
use qfile_tests::programs::program;
use qfile_tests::suite;
use qfile_tests::terminal::Terminal;
use qfile_tests::tree::TempFolder;
use qfile_tests::user::{install, make_folders, needs_root};

suite! {
    a_target_is_a_line_of_remotes_conf_or_a_destination,
    the_users_file_comes_first,
    what_cannot_be_said_is_refused_before_ssh_is_started,
    what_is_no_text_is_refused_too,
    some_names_are_shown_and_the_others_are_counted,
    a_line_that_cannot_be_read_is_told_with_its_number,
    a_file_that_somebody_else_may_have_written_is_refused,
    a_folder_that_somebody_else_may_write_to_is_refused,
    a_file_or_a_link_of_somebody_else_is_refused [needs_root],
    ssh_is_told_what_a_service_needs,
    at_a_terminal_ssh_may_ask,
    an_ssh_that_a_signal_ends_is_255,
    a_wrong_command_line_is_2,
    without_ssh_it_is_255,
}

struct Caller(TempFolder);

impl Caller {
    fn new(remotes: &str) -> Self {
        let caller = Self(TempFolder::new());
        make_folders(caller.0.path(), ".config/qfile");
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
    let other = make_folders(caller.0.path(), "xdg/qfile");
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

fn what_is_no_text_is_refused_too() {
    let caller = Caller::new("work = relay work\n");
    let [no_text, text] = [&b"a\xFF"[..], b"work"].map(OsStr::from_bytes);
    for words in [[no_text, text], [text, no_text], [no_text, no_text]] {
        let mut command = caller.command(&[]);
        command.args(words);
        let called = run(command);
        called.assert_code(126);
        called.assert_says("qrexec-ssh: cannot call \"a_\"");
        assert_eq!(caller.words(), None);
    }
    let mut command = caller.command(&["--transport"]);
    command.arg(no_text);
    run(command).assert_code(126);
}

fn some_names_are_shown_and_the_others_are_counted() {
    let line = |number| format!("m{number:04} = host\n");
    let caller = Caller::new(&(0..1_000).map(line).collect::<String>());
    let called = caller.call(&["@default", "svc"]);
    called.assert_code(126);
    called.assert_says("m0018, m0019 and 980 more\n");
    assert!(!called.stderr().contains("m0020"));
}

fn a_line_that_cannot_be_read_is_told_with_its_number() {
    let caller = Caller::new("work = relay work\n\nnonsense\n");
    let called = caller.call(&["work", "svc"]);
    called.assert_code(126);
    called.assert_says("remotes.conf\", line 3: ");
    fs::write(caller.file(), b"# one\n\n\nwork = \xFF\n").unwrap();
    let called = caller.call(&["work", "svc"]);
    called.assert_code(126);
    called.assert_says("remotes.conf\": line 4: ");
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

/// A file that is missing could be made there.
fn a_folder_that_somebody_else_may_write_to_is_refused() {
    for folder in ["", ".config", ".config/qfile"] {
        let caller = Caller::new("work = me@relay work\n");
        let folder = caller.0.path().join(folder);
        for mode in [0o777, 0o775, 0o1777] {
            fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
            let called = caller.call(&["work", "svc"]);
            called.assert_code(126);
            called.assert_says("its group or others may write to it");
        }
        if folder.ends_with("qfile") {
            fs::remove_file(caller.file()).unwrap();
            caller.call(&["work", "svc"]).assert_code(126);
        }
        assert_eq!(caller.words(), None);
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        caller.call(&["work", "svc"]).assert_code(9);
    }
    // A folder of settings elsewhere.
    let caller = Caller::new("");
    let other = caller.0.folder("xdg");
    let home = caller.0.folder("home");
    fs::set_permissions(&home, Permissions::from_mode(0o755)).unwrap();
    for (mode, status) in [(0o777, 126), (0o755, 9)] {
        fs::set_permissions(&other, Permissions::from_mode(mode)).unwrap();
        let mut command = caller.command(&["work", "svc"]);
        command.env("HOME", &home).env("XDG_CONFIG_HOME", &other);
        run(command).assert_code(status);
    }
}

fn a_file_or_a_link_of_somebody_else_is_refused() {
    let caller = Caller::new("work = me@relay work\n");
    let elsewhere = caller.0.path().join("settings");
    let refused = || {
        let called = caller.call(&["work", "svc"]);
        called.assert_code(126);
        called.assert_says("it belongs to uid 12345");
        assert_eq!(caller.words(), None);
    };
    chown(caller.file(), Some(12_345), None).unwrap();
    refused();
    chown(caller.file(), Some(0), None).unwrap();
    fs::rename(caller.file(), &elsewhere).unwrap();
    symlink(&elsewhere, caller.file()).unwrap();
    lchown(caller.file(), Some(12_345), None).unwrap();
    refused();
    lchown(caller.file(), Some(0), None).unwrap();
    caller.call(&["work", "svc"]).assert_code(9);
    let folder = caller.0.path().join(".config/qfile");
    fs::rename(&folder, caller.0.path().join("received")).unwrap();
    symlink("../received", &folder).unwrap();
    lchown(&folder, Some(12_345), None).unwrap();
    fs::remove_file(caller.0.path().join("record")).unwrap();
    refused();
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
    let options = [
        "ForwardAgent=no",
        "ForwardX11=no",
        "ClearAllForwardings=yes",
        "Tunnel=no",
        "EscapeChar=none",
        "RequestTTY=no",
        "RemoteCommand=none",
        "PermitLocalCommand=no",
        "LocalCommand=none",
        "StdinNull=no",
        "ForkAfterAuthentication=no",
        "SessionType=default",
        "ControlMaster=no",
        "ControlPath=none",
        "ConnectTimeout=30",
        "ConnectionAttempts=1",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=2",
        "TCPKeepAlive=yes",
        "BatchMode=yes",
    ];
    let options = options.iter().flat_map(|option| ["-o", option]);
    let all = ["-T"].into_iter().chain(options);
    let all: Vec<_> = all.chain(["--", "far", "qrexec-v1 - svc+"]).collect();
    assert_eq!(words, all);
}

/// Whoever sits at a terminal can be asked for a passphrase.
fn at_a_terminal_ssh_may_ask() {
    let caller = Caller::new("");
    let left = Terminal::start(&caller.command(&["far", "svc"]), 80).finish();
    left.assert_code(9);
    let words = caller.words().unwrap();
    assert!(
        words.iter().all(|word| !word.contains("BatchMode")),
        "{words:?}"
    );
    assert!(
        words.iter().any(|word| word == "TCPKeepAlive=yes"),
        "{words:?}"
    );
}

/// The service's status is a number: see the far end.
fn an_ssh_that_a_signal_ends_is_255() {
    for script in [
        "kill -KILL $$",
        r"printf '\000qrexec-v1 allowed\n'; kill -TERM $$",
    ] {
        let caller = Caller::new("");
        let draft = caller.0.path().join("draft");
        fs::write(&draft, format!("#!/bin/sh\n{script}\n")).unwrap();
        install(&draft, &caller.0.path().join("ssh"), 0o755);
        let called = caller.call(&["far", "svc"]);
        called.assert_code(255);
        called.assert_says("qrexec-ssh: ");
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

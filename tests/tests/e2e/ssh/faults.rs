//! Links that break: at any byte, in either direction, for copy, move and open; links that freeze, and
//! slow ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use qfile_tests::changes::until;
use qfile_tests::process::{Finished, run};
use qfile_tests::ssh::{Direction, FAR, Far, Fault, Link, Victim, needs_sshd, with_far};
use qfile_tests::suite;
use qfile_tests::user::install;

suite! {
    a_copy_over_a_link_that_is_cut_leaves_whole_files_only [needs_sshd],
    a_move_over_a_link_that_is_cut_loses_nothing [needs_sshd],
    an_edit_over_a_link_that_is_cut_keeps_the_original_or_has_all_of_the_new [needs_sshd],
    a_copy_over_a_link_that_freezes_leaves_whole_files_only [needs_sshd],
    a_move_over_a_link_that_freezes_loses_nothing [needs_sshd],
    an_edit_over_a_link_that_freezes_keeps_the_original_or_has_all_of_the_new [needs_sshd],
    a_copy_whose_ssh_or_sshd_is_killed_leaves_whole_files_only [needs_sshd],
    a_move_whose_ssh_or_sshd_is_killed_loses_nothing [needs_sshd],
    an_edit_whose_ssh_or_sshd_is_killed_keeps_the_original_or_has_all_of_the_new [needs_sshd],
    a_frozen_link_ends_the_call [needs_sshd],
    a_link_that_freezes_before_the_session_ends_the_call [needs_sshd],
    the_other_machine_notices_a_frozen_link_by_itself [needs_sshd],
    a_slow_link_is_no_fault [needs_sshd],
    a_link_that_is_cut_is_255_and_a_plain_sentence [needs_sshd],
    an_sshd_that_is_killed_is_a_link_that_is_cut [needs_sshd],
}

/// How often a link is cut in each direction.
const CUTS: u64 = 9;

/// What is sent: small files, one of them empty, and one that is larger than every buffer on the way.
fn files() -> BTreeMap<String, Vec<u8>> {
    let sizes = [0, 1, 5_000, 300_000, 7, 70_000];
    let file = |(number, size): (usize, usize)| {
        let bytes = (0..size).map(|at| u8::try_from((at * 7 + number) % 251).unwrap());
        (format!("file{number}"), bytes.collect())
    };
    sizes.into_iter().enumerate().map(file).collect()
}

/// What happens to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nothing,
    Cut,
    Freeze,
    KillSsh,
    KillSshd,
}

const KILLS: [Kind; 2] = [Kind::KillSsh, Kind::KillSshd];

impl Kind {
    fn after(self, direction: Direction, bytes: u64) -> Fault {
        match self {
            Self::Nothing => Fault::None,
            Self::Cut => Fault::Cut(direction, bytes),
            Self::Freeze => Fault::Freeze(direction, bytes),
            Self::KillSsh => Fault::Kill(Victim::Ssh, direction, bytes),
            Self::KillSshd => Fault::Kill(Victim::Sshd, direction, bytes),
        }
    }

    /// After how many of `all` bytes that is tried. What a frozen link costs is time; a process that is
    /// killed is a link that is cut, as far as the other end can see.
    fn places(self, all: u64) -> Vec<u64> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Cut => cuts(all).collect(),
            Self::Freeze | Self::KillSsh | Self::KillSshd => vec![all / 2, all.saturating_sub(100)],
        }
    }

    /// Real limits are 30 and 45 seconds; a test that waited for them would show nothing more.
    fn set_limits(self, command: &mut Command) {
        if self == Self::Freeze {
            with_short_limits(command);
        }
    }
}

fn send(far: &Far, link: &Link, kind: Kind, command: &str, folder: &str) -> Finished {
    let here = far.near().join(folder);
    fs::create_dir_all(&here).unwrap();
    for (name, content) in files() {
        fs::write(here.join(name), content).unwrap();
    }
    let mut command = far.command_over(link, command);
    command.args([FAR, folder]);
    kind.set_limits(&mut command);
    run(command)
}

/// How many bytes pass in a direction when all is well.
fn bytes_of(far: &Far, direction: Direction, call: impl Fn(&Link) -> Finished) -> u64 {
    let link = far.link(Fault::None);
    call(&link).assert_code(0);
    far.wait_for_the_end();
    link.passed(direction)
}

/// Numbers of bytes after which a link is cut: from none to all but one.
fn cuts(all: u64) -> impl Iterator<Item = u64> {
    (0..CUTS).map(move |cut| cut * (all - 1) / (CUTS - 1))
}

#[track_caller]
fn assert_whole(incoming: &Path) -> usize {
    let files = files();
    let arrived = fs::read_dir(incoming).into_iter().flatten();
    let arrived: Vec<_> = arrived.map(|entry| entry.unwrap().file_name()).collect();
    for name in &arrived {
        let content = fs::read(incoming.join(name)).unwrap();
        assert!(
            content == files[name.to_str().unwrap()],
            "{name:?} is not whole"
        );
    }
    arrived.len()
}

/// Makes a call with the fault at each place of each direction.
fn each_fault(
    far: &Far,
    kind: Kind,
    call: impl Fn(&Link, Kind, &str) -> Finished,
    check: impl Fn(&Finished, &str),
) {
    for direction in [Direction::There, Direction::Back] {
        let all = bytes_of(far, direction, |link| {
            call(link, Kind::Nothing, &format!("all-{direction:?}"))
        });
        for after in kind.places(all) {
            let name = format!("{kind:?}-{direction:?}-{after}");
            let link = far.link(kind.after(direction, after));
            let ended = call(&link, kind, &name);
            if kind == Kind::Freeze {
                // The other machine learns of it now.
                link.cut();
            }
            far.wait_for_the_end();
            check(&ended, &name);
        }
    }
}

fn a_copy_over_a_link_that_is_cut_leaves_whole_files_only() {
    copies_are_whole(Kind::Cut);
}

fn a_copy_over_a_link_that_freezes_leaves_whole_files_only() {
    copies_are_whole(Kind::Freeze);
}

fn a_copy_whose_ssh_or_sshd_is_killed_leaves_whole_files_only() {
    KILLS.into_iter().for_each(copies_are_whole);
}

fn copies_are_whole(kind: Kind) {
    with_far(|far| {
        each_fault(
            far,
            kind,
            |link, kind, name| send(far, link, kind, "qvm-copy-to-vm", name),
            |ended, name| {
                let count = assert_whole(&far.incoming().join(name));
                if ended.code() == 0 {
                    assert_eq!(count, files().len(), "{name}");
                } else {
                    ended.assert_code(1);
                    assert!(!ended.stderr().is_empty());
                }
            },
        );
    });
}

fn a_move_over_a_link_that_is_cut_loses_nothing() {
    moves_lose_nothing(Kind::Cut);
}

fn a_move_over_a_link_that_freezes_loses_nothing() {
    moves_lose_nothing(Kind::Freeze);
}

fn a_move_whose_ssh_or_sshd_is_killed_loses_nothing() {
    KILLS.into_iter().for_each(moves_lose_nothing);
}

fn moves_lose_nothing(kind: Kind) {
    with_far(|far| {
        each_fault(
            far,
            kind,
            |link, kind, name| send(far, link, kind, "qvm-move-to-vm", name),
            |ended, name| {
                let count = assert_whole(&far.incoming().join(name));
                let here = far.near().join(name);
                if ended.code() == 0 {
                    assert_eq!((count, here.exists()), (files().len(), false), "{name}");
                } else {
                    ended.assert_code(1);
                    for (file, content) in files() {
                        assert!(
                            fs::read(here.join(&file)).unwrap() == content,
                            "{name}/{file}"
                        );
                    }
                }
            },
        );
    });
}

fn an_edit_over_a_link_that_is_cut_keeps_the_original_or_has_all_of_the_new() {
    edits_are_whole(Kind::Cut);
}

fn an_edit_over_a_link_that_freezes_keeps_the_original_or_has_all_of_the_new() {
    edits_are_whole(Kind::Freeze);
}

fn an_edit_whose_ssh_or_sshd_is_killed_keeps_the_original_or_has_all_of_the_new() {
    KILLS.into_iter().for_each(edits_are_whole);
}

fn edits_are_whole(kind: Kind) {
    with_far(|far| {
        let [old, new] = with_editor(far);
        each_fault(
            far,
            kind,
            |link, kind, name| {
                fs::write(far.near().join(name), &old).unwrap();
                let mut command = far.command_over(link, "qvm-open-in-vm");
                command.args([FAR, name]);
                kind.set_limits(&mut command);
                run(command)
            },
            |ended, name| {
                let content = fs::read_to_string(far.near().join(name)).unwrap();
                match ended.code() {
                    0 => assert!(content == new, "{name}"),
                    1 => assert!(content == old || content == new, "{name}"),
                    other => panic!("{name}: {other}: {}", ended.stderr()),
                }
                // An answer that is whole may come before the link is cut.
                assert!(content == old || ended.code() == 0 || !ended.stderr().is_empty());
            },
        );
    });
}

/// Makes the far side's editor one that replaces words. Returns a file's content before and after.
fn with_editor(far: &Far) -> [String; 2] {
    let editor = far.root().join("editor");
    let draft = far.root().join("draft");
    fs::write(&draft, "#!/bin/sh\nexec sed -i s/old/new/ \"$1\"\n").unwrap();
    install(&draft, &editor, 0o755);
    far.set_environment(&format!("VM_FILE_EDITOR_OPENER={}", editor.display()));
    let old = "old\n".repeat(30_000);
    let new = old.replace("old", "new");
    [old, new]
}

fn with_short_limits(command: &mut Command) {
    command.env(
        "TEST_OPTIONS",
        "-o ServerAliveInterval=1 -o ServerAliveCountMax=1 -o ConnectTimeout=2",
    );
}

fn a_frozen_link_ends_the_call() {
    with_far(|far| {
        far.set_service("svc", "cat >/dev/null");
        // Before the first byte, in the key exchange, and with a service at work that is written to.
        for (direction, after) in [
            (Direction::There, 0),
            (Direction::Back, 0),
            (Direction::Back, 700),
            (Direction::There, 200_000),
        ] {
            let link = far.link(Fault::Freeze(direction, after));
            let mut command = far.command_over(&link, "qrexec-ssh");
            with_short_limits(&mut command);
            command.args([FAR, "svc", "/bin/cat", "/dev/zero"]);
            let called = run(command);
            called.assert_code(255);
            called.assert_says("qrexec-ssh: ");
        }
    });
}

/// Where it is authenticated already, and the session does not stand yet.
fn a_link_that_freezes_before_the_session_ends_the_call() {
    with_far(|far| {
        far.set_service("svc", "cat >/dev/null");
        // ssh goes into the background when it is authenticated, and begins no session.
        let link = far.link(Fault::None);
        let mut ssh = Command::new(far.root().join("ssh"));
        ssh.env("TEST_PORT", link.port().to_string())
            .env_remove("SSH_AUTH_SOCK")
            .args(["-f", "-N", FAR])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert!(ssh.status().unwrap().success());
        let authenticated = link.passed(Direction::Back);
        link.cut();
        far.wait_for_the_end();
        let accepted = || far.log().matches("Accepted publickey").count();
        assert_eq!(accepted(), 1);
        // A handshake can be some bytes longer than another one, and then the link freezes before.
        for _attempt in 0..5 {
            let link = far.link(Fault::Freeze(Direction::Back, authenticated));
            let mut command = far.command_over(&link, "qrexec-ssh");
            with_short_limits(&mut command);
            command.args([FAR, "svc", "/bin/sh", "-c", "echo started >&2"]);
            let called = run(command);
            called.assert_code(255);
            called.assert_says("qrexec-ssh: cannot call svc+ on server");
            assert!(!called.stderr().contains("started"));
            if accepted() == 2 {
                return;
            }
        }
        panic!("it was never authenticated");
    });
}

/// With the settings that docs/remote.md recommends, but for their numbers.
fn the_other_machine_notices_a_frozen_link_by_itself() {
    with_far(|far| {
        far.configure("ClientAliveInterval 1\nClientAliveCountMax 1");
        far.set_service("svc", "cat >/dev/null; echo felt >felt");
        let link = far.link(Fault::Freeze(Direction::There, 200_000));
        let mut command = far.command_over(&link, "qrexec-ssh");
        with_short_limits(&mut command);
        command.args([FAR, "svc", "/bin/cat", "/dev/zero"]);
        run(command).assert_code(255);
        let felt = far.home().join("felt");
        until(&far.home(), || felt.exists());
        // The link stands until here.
        drop(link);
    });
}

fn a_slow_link_is_no_fault() {
    with_far(|far| {
        for (command, folder, stays) in [
            ("qvm-copy-to-vm", "copied", true),
            ("qvm-move-to-vm", "moved", false),
        ] {
            let link = far.link(Fault::Pieces(61));
            send(far, &link, Kind::Nothing, command, folder).assert_code(0);
            let arrived = assert_whole(&far.incoming().join(folder));
            assert_eq!(arrived, files().len());
            assert_eq!(far.near().join(folder).exists(), stays);
        }
        let [old, new] = with_editor(far);
        fs::write(far.near().join("edited"), old).unwrap();
        let link = far.link(Fault::Pieces(61));
        let mut command = far.command_over(&link, "qvm-open-in-vm");
        command.args([FAR, "edited"]);
        run(command).assert_code(0);
        let edited = fs::read_to_string(far.near().join("edited")).unwrap();
        assert!(edited == new, "the edit did not come back whole");
    });
}

fn a_link_that_is_cut_is_255_and_a_plain_sentence() {
    with_far(|far| {
        far.set_service("svc", "echo up; cat >/dev/null; echo felt >felt");
        for program in [&[][..], &["/bin/sh", "-c", "read up; cat /dev/zero"]] {
            let link = far.link(Fault::Cut(Direction::There, 100_000));
            let mut command = far.command_over(&link, "qrexec-ssh");
            command.args([FAR, "svc"]).args(program);
            command.stdin(fs::File::open("/dev/zero").unwrap());
            command.stdout(std::process::Stdio::null());
            let called = qfile_tests::process::Running::start(command).finish();
            called.assert_code(255);
            called.assert_says("qrexec-ssh: the call of svc+ on server ended with status 255");
            // The service sees the end of what it reads.
            let felt = far.home().join("felt");
            until(&far.home(), || felt.exists());
            fs::remove_file(felt).unwrap();
        }
    });
}

fn an_sshd_that_is_killed_is_a_link_that_is_cut() {
    with_far(|far| {
        // sshd is the first process above the service with that name.
        far.set_service(
            "svc",
            "pid=$$; until [ \"$(cat /proc/$pid/comm)\" = sshd ]; do \
             pid=$(sed -n 's/^PPid:.//p' /proc/$pid/status); done; kill -KILL $pid; cat >/dev/null",
        );
        let called = far.call(&["svc", "/bin/cat", "/dev/zero"]);
        called.assert_code(255);
        called.assert_says("ended with status 255");
    });
}

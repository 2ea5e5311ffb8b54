//! Who the receiver works for: root, an ordinary user, or an ordinary user who starts it set-uid
//! root; and where it puts what arrives when it is not told.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use qfile_tests::inbox::Inbox;
use qfile_tests::peer::{Answer, Joint, converse, feed};
use qfile_tests::receiver::Form;
use qfile_tests::stream::{Stream, Verdict};
use qfile_tests::suite;
use qfile_tests::tree::{Snapshot, TempFolder};
use qfile_tests::user::{
    ORDINARY, am_root, give_home, give_to_ordinary, in_private_mounts, my_uid, needs_ordinary_user,
    needs_private_mounts, needs_root, needs_set_uid, owner_of,
};

suite! {
    an_ordinary_user_receives_into_a_home_of_their_choice,
    the_name_of_the_sending_qube_is_judged_before_a_file_is_touched,
    with_a_folder_given_the_sending_qubes_name_does_not_matter,
    root_receives_into_the_home_of_the_password_database [needs_private_mounts],
    set_uid_the_home_is_that_of_the_password_database [needs_private_mounts, needs_set_uid],
    set_uid_what_lands_is_the_users [needs_set_uid],
    set_uid_a_foreign_uid_is_refused [needs_set_uid],
    set_uid_a_folder_that_is_closed_to_the_user_stays_closed [needs_set_uid],
    without_privilege_a_foreign_uid_is_refused [needs_root],
    an_ordinary_user_may_name_no_other_uid [needs_ordinary_user],
    root_may_receive_for_another [needs_root],
}

fn stream() -> Stream {
    Stream::new()
        .folder("d")
        .file("d/f", "x")
        .link("d/l", "f")
        .folder("d")
        .end()
}

/// A form of the receiver that has no privilege.
fn unprivileged() -> Form {
    match am_root() {
        true => Form::Ordinary,
        false => Form::Direct,
    }
}

/// What it answers when nothing but the sending qube is told to it.
fn receive_from(inbox: &Inbox, source: &str, home: &Path) -> Answer {
    let mut command = inbox.bare_command(&[]);
    command
        .env("QREXEC_REMOTE_DOMAIN", source)
        .env("HOME", home);
    let (verdict, finished) = converse(command, Joint::Sockets, |side| {
        // It may have gone before it is sent.
        let _ = side.send(stream().as_bytes());
        side.stop_sending();
        Verdict::parse(&side.rest())
    });
    Answer { verdict, finished }
}

#[track_caller]
fn assert_landed_in_home(home: &Path, source: &str, owner: u32) {
    let incoming = home.join("QubesIncoming");
    for folder in [&incoming, &incoming.join(source)] {
        let mode = fs::metadata(folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700, "{}", folder.display());
        assert_eq!(owner_of(folder), owner);
    }
    let landed = Snapshot::of(&incoming.join(source));
    assert_eq!(landed.paths(), ["d", "d/f", "d/l"]);
    for name in ["d", "d/f", "d/l"] {
        assert_eq!(landed.get(name).unwrap().owner, (owner, owner), "{name}");
    }
}

fn an_ordinary_user_receives_into_a_home_of_their_choice() {
    let inbox = Inbox::new(unprivileged());
    let home = inbox.home();
    receive_from(&inbox, "work", &home).assert_confirmed(stream().checksum());
    let incoming = home.join("QubesIncoming");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&incoming), 0o700);
    assert_eq!(mode(&incoming.join("work")), 0o700);
    let landed = Snapshot::of(&incoming.join("work"));
    assert_eq!(landed.paths(), ["d", "d/f", "d/l"]);
    // dom0 is a legal sender, and what is there is used.
    receive_from(&inbox, "dom0", &home).assert_confirmed(stream().checksum());
    assert_eq!(Snapshot::of(&incoming.join("dom0")).len(), 3);
}

fn the_name_of_the_sending_qube_is_judged_before_a_file_is_touched() {
    let long = "a".repeat(32);
    let names = [
        "", ".", "..", "../x", "a/b", "/tmp", "1a", "-a", "_a", "none", "default", "Domain-0",
        "x-dm", "a b", "a\n", "\u{e4}", "$(id)", &long,
    ];
    for name in names {
        let inbox = Inbox::new(unprivileged());
        let answer = receive_from(&inbox, name, &inbox.home());
        assert_ne!(answer.finished.code(), 0, "{name:?}");
        answer.finished.assert_says("QREXEC_REMOTE_DOMAIN");
        assert!(answer.verdict.is_none_or(|verdict| verdict.code != 0));
        assert!(!inbox.home().join("QubesIncoming").exists(), "{name:?}");
    }
    let inbox = Inbox::new(unprivileged());
    let mut unset = inbox.bare_command(&[]);
    unset.env_remove("QREXEC_REMOTE_DOMAIN");
    let ((), finished) = converse(unset, Joint::Sockets, |side| side.stop_sending());
    assert_ne!(finished.code(), 0);
    finished.assert_says("QREXEC_REMOTE_DOMAIN");
}

fn with_a_folder_given_the_sending_qubes_name_does_not_matter() {
    for form in Form::all() {
        if *form == Form::SetUid && needs_set_uid().is_err() {
            continue;
        }
        let inbox = Inbox::new(*form);
        let mut command = inbox.command(&[]);
        command.env("QREXEC_REMOTE_DOMAIN", "../../etc");
        let answer = feed(command, Joint::Sockets, stream().as_bytes());
        answer.assert_confirmed(stream().checksum());
        assert_eq!(inbox.landed().len(), 3);
    }
}

fn root_receives_into_the_home_of_the_password_database() {
    in_private_mounts(|| {
        let inbox = Inbox::new(Form::Direct);
        let scratch = TempFolder::open_to_all();
        give_home(0, &inbox.home(), scratch.path());
        let elsewhere = scratch.folder("elsewhere");
        receive_from(&inbox, "work", &elsewhere).assert_confirmed(stream().checksum());
        assert_landed_in_home(&inbox.home(), "work", 0);
        assert!(Snapshot::of(&elsewhere).is_empty());
    });
}

fn set_uid_the_home_is_that_of_the_password_database() {
    in_private_mounts(|| {
        let inbox = Inbox::new(Form::SetUid);
        let scratch = TempFolder::open_to_all();
        give_home(ORDINARY, &inbox.home(), scratch.path());
        let elsewhere = scratch.folder("elsewhere");
        give_to_ordinary(&elsewhere);
        receive_from(&inbox, "work", &elsewhere).assert_confirmed(stream().checksum());
        assert_landed_in_home(&inbox.home(), "work", ORDINARY);
        assert!(Snapshot::of(&elsewhere).is_empty());
    });
}

fn set_uid_what_lands_is_the_users() {
    let inbox = Inbox::new(Form::SetUid);
    inbox
        .receive(&[], &stream())
        .assert_confirmed(stream().checksum());
    let landed = inbox.landed();
    for name in ["d", "d/f", "d/l"] {
        assert_eq!(landed.get(name).unwrap().owner, (ORDINARY, ORDINARY));
    }
}

/// No other uid than its own, wherever the folder is.
#[track_caller]
fn assert_foreign_uid_is_refused(inbox: &Inbox, foreign: u32) {
    let folder = inbox.incoming();
    let foreign = foreign.to_string();
    let dir = folder.to_str().unwrap();
    for arguments in [
        &[&foreign[..], dir][..],
        &[&foreign, dir, "-v"],
        &["--", &foreign, dir],
    ] {
        let command = inbox.bare_command(arguments);
        let (_, finished) = converse(command, Joint::Sockets, |side| {
            // It may have gone before it is sent.
            let _ = side.send(stream().as_bytes());
            side.stop_sending();
            side.rest()
        });
        assert_ne!(finished.code(), 0, "{arguments:?}");
        assert!(inbox.landed().is_empty(), "{arguments:?}");
    }
}

fn set_uid_a_foreign_uid_is_refused() {
    for foreign in [0, 1, ORDINARY - 1] {
        assert_foreign_uid_is_refused(&Inbox::new(Form::SetUid), foreign);
    }
}

fn without_privilege_a_foreign_uid_is_refused() {
    assert_foreign_uid_is_refused(&Inbox::new(Form::Ordinary), 0);
}

fn an_ordinary_user_may_name_no_other_uid() {
    for foreign in [0, my_uid() + 1] {
        assert_foreign_uid_is_refused(&Inbox::default(), foreign);
    }
}

fn set_uid_a_folder_that_is_closed_to_the_user_stays_closed() {
    let roots = TempFolder::open_to_all();
    for (name, mode) in [("closed", 0o700), ("readable", 0o755)] {
        let folder = roots.folder(name);
        fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
        let inbox = Inbox::new(Form::SetUid);
        let command = inbox.bare_command(&["", folder.to_str().unwrap()]);
        let (answer, finished) = converse(command, Joint::Sockets, |side| {
            // It may have gone before it is sent.
            let _ = side.send(stream().as_bytes());
            side.stop_sending();
            side.rest()
        });
        assert_ne!(finished.code(), 0, "{name}");
        assert!(Verdict::parse(&answer).is_none_or(|verdict| verdict.code != 0));
        assert!(Snapshot::of(&folder).is_empty(), "{name}");
    }
}

fn root_may_receive_for_another() {
    let inbox = Inbox::new(Form::Direct);
    give_to_ordinary(&inbox.incoming());
    give_to_ordinary(&inbox.home());
    let uid = ORDINARY.to_string();
    let command = inbox.bare_command(&[&uid, inbox.incoming().to_str().unwrap()]);
    let answer = feed(command, Joint::Sockets, stream().as_bytes());
    answer.assert_confirmed(stream().checksum());
    let landed = inbox.landed();
    for name in ["d", "d/f", "d/l"] {
        assert_eq!(landed.get(name).unwrap().owner, (ORDINARY, ORDINARY));
    }
}

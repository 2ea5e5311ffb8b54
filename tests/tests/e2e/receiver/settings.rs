//! What the owner of a qube sets in `/etc/qubes/filecopy.conf` and `/rw/config/filecopy.conf`, seen
//! by the receiver in every form.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use qfile_tests::code::{EDQUOT, EEXIST};
use qfile_tests::inbox::Inbox;
use qfile_tests::own_root::in_own_root;
use qfile_tests::receiver::Form;
use qfile_tests::stream::Stream;
use qfile_tests::suite;
use qfile_tests::user::{give_to_ordinary, needs_private_mounts, needs_set_uid};

/// What comes with the template of a qube, and what its owner adds.
const OF_THE_TEMPLATE: &str = "/etc/qubes/filecopy.conf";
const OF_THE_QUBE: &str = "/rw/config/filecopy.conf";

suite! {
    limits_of_the_owner_hold [needs_private_mounts, needs_set_uid],
    the_way_to_treat_conflicts_can_be_chosen [needs_private_mounts, needs_set_uid],
    room_to_wait_for_can_be_set [needs_private_mounts, needs_set_uid],
    the_qube_has_the_last_word_over_its_template [needs_private_mounts, needs_set_uid],
    the_command_line_wins [needs_private_mounts, needs_set_uid],
    a_file_that_others_can_write_refuses_every_copy [needs_private_mounts, needs_set_uid],
    a_file_that_cannot_be_read_as_settings_refuses_every_copy [needs_private_mounts, needs_set_uid],
    a_line_that_is_not_understood_refuses_every_copy [needs_private_mounts, needs_set_uid],
    copies_are_received_again_when_the_settings_are_corrected [needs_private_mounts, needs_set_uid],
    the_log_names_few_of_many_wrong_lines [needs_private_mounts, needs_set_uid],
    no_setting_lifts_a_rule [needs_private_mounts, needs_set_uid],
}

/// Runs `body` for the receiver in every form, on a machine whose settings are as `set` makes them.
fn with_settings(set: fn(), body: fn(&Inbox)) {
    in_own_root(|| {
        set();
        for form in Form::all() {
            body(&Inbox::new(*form));
        }
    });
}

fn write(path: &str, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
}

fn two_files() -> Stream {
    Stream::new().file("a", "123456").file("b", "7890").end()
}

fn assert_limited_to(inbox: &Inbox, options: &[&str], landed: &[&str]) {
    let answer = inbox.receive(options, &two_files());
    match landed.contains(&"b") {
        true => answer.assert_confirmed(two_files().checksum()),
        false => answer.assert_refused(EDQUOT),
    }
    assert_eq!(inbox.landed().paths(), landed);
}

fn limits_of_the_owner_hold() {
    with_settings(
        || write(OF_THE_TEMPLATE, "MAX_BYTES=9\n"),
        |inbox| assert_limited_to(inbox, &[], &["a"]),
    );
    with_settings(
        || write(OF_THE_QUBE, "# one file at a time\nMAX_FILES=1\n"),
        |inbox| assert_limited_to(inbox, &[], &["a"]),
    );
    with_settings(|| (), |inbox| assert_limited_to(inbox, &[], &["a", "b"]));
}

fn the_way_to_treat_conflicts_can_be_chosen() {
    with_settings(
        || write(OF_THE_QUBE, "ON_CONFLICT=rename"),
        |inbox| {
            for _ in 0..2 {
                inbox
                    .receive(&[], &two_files())
                    .assert_confirmed(two_files().checksum());
            }
            assert_eq!(inbox.landed().paths(), ["a", "a (2)", "b", "b (2)"]);
        },
    );
    with_settings(
        || write(OF_THE_QUBE, "ON_CONFLICT=skip-identical"),
        |inbox| {
            for _ in 0..2 {
                inbox
                    .receive(&[], &two_files())
                    .assert_confirmed(two_files().checksum());
            }
            assert_eq!(inbox.landed().paths(), ["a", "b"]);
        },
    );
}

fn room_to_wait_for_can_be_set() {
    in_own_root(|| {
        write(OF_THE_QUBE, "WAIT_FOR_SPACE=500000");
        Inbox::default().assert_waits_for_room(&[]);
    });
}

fn the_qube_has_the_last_word_over_its_template() {
    with_settings(
        || {
            write(OF_THE_TEMPLATE, "MAX_FILES=1\nON_CONFLICT=rename\n");
            write(OF_THE_QUBE, "MAX_FILES=2\n");
        },
        |inbox| {
            assert_limited_to(inbox, &[], &["a", "b"]);
            assert_limited_to(inbox, &[], &["a", "a (2)", "b", "b (2)"]);
        },
    );
}

fn the_command_line_wins() {
    with_settings(
        || write(OF_THE_QUBE, "MAX_FILES=1\nMAX_BYTES=1\nON_CONFLICT=rename"),
        |inbox| {
            let options = &["--max-files=2", "--max-bytes=10", "--on-conflict=fail"];
            assert_limited_to(inbox, options, &["a", "b"]);
            inbox.receive(options, &two_files()).assert_refused(EEXIST);
        },
    );
}

/// Every copy is refused: the caller is told nothing of the settings, `wrong` is said to the owner,
/// and no option of the command line changes that.
fn assert_refuses_every_copy(inbox: &Inbox, wrong: &[&str]) {
    for options in [&[][..], &["--max-files=2", "--max-bytes=10"]] {
        let answer = inbox.receive(options, &two_files());
        assert_eq!(answer.verdict, None);
        answer.finished.assert_code(1);
        assert_eq!(
            answer.finished.stderr(),
            "qfile-unpacker: the target qube receives nothing; its log gives the reason\n"
        );
    }
    let told = inbox.receive(&["-v"], &two_files()).finished;
    for text in wrong {
        told.assert_says(text);
    }
    told.assert_says("every copy is refused until the settings are corrected: ");
    told.assert_says("; see filecopy.conf(5)");
    assert!(!told.stderr().to_lowercase().contains("secret"));
    inbox.assert_landed(&[]);
}

fn a_file_that_others_can_write_refuses_every_copy() {
    let refuses = |inbox: &Inbox| assert_refuses_every_copy(inbox, &[OF_THE_QUBE]);
    with_settings(
        || {
            write(OF_THE_QUBE, "MAX_FILES=2");
            fs::set_permissions(OF_THE_QUBE, Permissions::from_mode(0o664)).unwrap();
        },
        refuses,
    );
    with_settings(
        || {
            write(OF_THE_QUBE, "MAX_FILES=2");
            give_to_ordinary(OF_THE_QUBE.as_ref());
        },
        refuses,
    );
}

fn a_file_that_cannot_be_read_as_settings_refuses_every_copy() {
    let refuses = |inbox: &Inbox| assert_refuses_every_copy(inbox, &[OF_THE_QUBE]);
    with_settings(
        || {
            write("/rw/config/elsewhere", "MAX_FILES=2");
            symlink("elsewhere", OF_THE_QUBE).unwrap();
        },
        refuses,
    );
    with_settings(|| symlink("nowhere", OF_THE_QUBE).unwrap(), refuses);
    with_settings(|| fs::create_dir(OF_THE_QUBE).unwrap(), refuses);
    with_settings(
        || write(OF_THE_QUBE, &format!("MAX_FILES=2\n{}", "#".repeat(20_000))),
        refuses,
    );
    // Root can read it in any form of the receiver; a receiver without privilege cannot.
    in_own_root(|| {
        write(OF_THE_QUBE, "MAX_FILES=2");
        fs::set_permissions(OF_THE_QUBE, Permissions::from_mode(0o600)).unwrap();
        assert_refuses_every_copy(&Inbox::new(Form::Ordinary), &["Permission denied"]);
        assert_limited_to(&Inbox::new(Form::SetUid), &[], &["a", "b"]);
    });
}

fn a_line_that_is_not_understood_refuses_every_copy() {
    with_settings(
        || {
            write(
                OF_THE_QUBE,
                "secret\nMAX_BYTES=lots\n\nMAX_FILES=2\nSECRET=1\n",
            )
        },
        |inbox| {
            let lines = [1, 2, 5].map(|line| format!("\"{OF_THE_QUBE}\", line {line}: "));
            assert_refuses_every_copy(inbox, &lines.each_ref().map(String::as_str));
        },
    );
    with_settings(
        || {
            write(OF_THE_TEMPLATE, "MAX_BYTES=9 # limit\n");
            write(OF_THE_QUBE, "MAX_BYTES=100\n");
        },
        |inbox| assert_refuses_every_copy(inbox, &[OF_THE_TEMPLATE]),
    );
}

fn copies_are_received_again_when_the_settings_are_corrected() {
    in_own_root(|| {
        for form in Form::all() {
            let inbox = Inbox::new(*form);
            write(OF_THE_QUBE, "MAX_FILES=lots\n");
            assert_refuses_every_copy(&inbox, &[OF_THE_QUBE]);
            write(OF_THE_QUBE, "MAX_FILES=1\n");
            assert_limited_to(&inbox, &[], &["a"]);
        }
    });
}

fn the_log_names_few_of_many_wrong_lines() {
    with_settings(
        || write(OF_THE_QUBE, &"x\n".repeat(5000)),
        |inbox| {
            let told = inbox.receive(&["-v"], &two_files()).finished;
            told.assert_says("line 8: ");
            told.assert_says("; and 4992 more; ");
            assert!(!told.stderr().contains("line 9: "), "{}", told.stderr());
        },
    );
}

fn no_setting_lifts_a_rule() {
    in_own_root(|| {
        for key in [
            "ALLOW_ALL_NAMES=1",
            "ALLOW_UNSAFE_SYMLINKS=1",
            "REQUIRE_ISOLATION=landlock",
            "NO_SPACE_CHECK=1",
            "ON_CONFLICT=overwrite",
        ] {
            write(OF_THE_QUBE, key);
            for form in Form::all() {
                assert_refuses_every_copy(&Inbox::new(*form), &[OF_THE_QUBE]);
            }
        }
    });
}

//! What the owner of a qube sets in `/etc/qubes/filecopy.conf` and `/rw/config/filecopy.conf`, seen
//! by the receiver in every form.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use qfile_tests::code::{EDQUOT, EEXIST, EILSEQ};
use qfile_tests::inbox::{Form, Inbox};
use qfile_tests::own_root::in_own_root;
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
    a_file_that_others_can_write_is_left_out [needs_private_mounts, needs_set_uid],
    what_is_wrong_is_said_to_the_owner_only_and_nothing_else_changes [needs_private_mounts, needs_set_uid],
    no_setting_lets_anything_forbidden_in [needs_private_mounts, needs_set_uid],
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

fn a_file_that_others_can_write_is_left_out() {
    let all_land = |inbox: &Inbox| {
        let answer = inbox.receive(&["-v"], &two_files());
        answer.assert_confirmed(two_files().checksum());
        answer
            .finished
            .assert_says("/rw/config/filecopy.conf is left out: ");
    };
    with_settings(
        || {
            write(OF_THE_QUBE, "MAX_FILES=1");
            fs::set_permissions(OF_THE_QUBE, Permissions::from_mode(0o664)).unwrap();
        },
        all_land,
    );
    with_settings(
        || {
            write(OF_THE_QUBE, "MAX_FILES=1");
            give_to_ordinary(OF_THE_QUBE.as_ref());
        },
        all_land,
    );
    with_settings(
        || {
            write("/rw/config/elsewhere", "MAX_FILES=1");
            symlink("elsewhere", OF_THE_QUBE).unwrap();
        },
        all_land,
    );
    with_settings(|| fs::create_dir(OF_THE_QUBE).unwrap(), all_land);
    with_settings(
        || write(OF_THE_QUBE, &format!("MAX_FILES=1\n{}", "#".repeat(20_000))),
        all_land,
    );
}

fn what_is_wrong_is_said_to_the_owner_only_and_nothing_else_changes() {
    with_settings(
        || {
            write(
                OF_THE_QUBE,
                "secret\nMAX_BYTES=lots\n\nMAX_FILES=1\nSECRET=1\n",
            )
        },
        |inbox| {
            let answer = inbox.receive(&[], &two_files());
            answer.assert_refused(EDQUOT);
            assert_eq!(inbox.landed().paths(), ["a"]);
            assert_eq!(answer.finished.stderr(), "");
            let told = inbox.receive(&["-v"], &Stream::new().end()).finished;
            for line in [1, 2, 5] {
                told.assert_says(&format!("{OF_THE_QUBE}, line {line} is left out"));
            }
            assert!(!told.stderr().to_lowercase().contains("secret"));
        },
    );
}

fn no_setting_lets_anything_forbidden_in() {
    with_settings(
        || {
            let keys = "ALLOW_ALL_NAMES ALLOW_UNSAFE_SYMLINKS REQUIRE_ISOLATION NO_SPACE_CHECK";
            let text: String = keys.split(' ').map(|key| format!("{key}=1\n")).collect();
            write(OF_THE_QUBE, &(text + "ON_CONFLICT=overwrite\n"));
        },
        |inbox| {
            let forbidden = Stream::new().file("\u{202e}", "x").end();
            inbox.receive(&[], &forbidden).assert_refused(EILSEQ);
            fs::write(inbox.path().join("a"), "old").unwrap();
            inbox.receive(&[], &two_files()).assert_refused(EEXIST);
            assert_eq!(fs::read(inbox.path().join("a")).unwrap(), b"old");
        },
    );
}

//! Attacks by a local user on a receiver that is set-uid root: whom and which folder it is called for,
//! and the environment, must give them no power that they did not have. The forms without the bit are
//! held to the same.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use libc::EACCES;
use qfile_tests::attack::{Target, three_files};
use qfile_tests::attacks;
use qfile_tests::peer::{Joint, feed};
use qfile_tests::receiver::{Form, users_uid};
use qfile_tests::stream::Stream;
use qfile_tests::tree::Snapshot;
use qfile_tests::user::{give_home, in_private_mounts, needs_private_mounts, needs_root, owner_of};
use qfile_tests::watched::Watched;

attacks! {
    a_foreign_uid_is_refused;
    what_is_no_uid_is_refused;
    a_folder_that_the_user_may_not_write_takes_nothing, [needs_root];
    a_folder_that_the_user_may_not_reach_is_not_opened, [needs_root];
    a_link_takes_the_receiver_no_further_than_the_user, [needs_root];
    a_link_of_the_users_own_is_followed;
    what_is_no_folder_is_refused;
    home_comes_from_the_password_database_not_from_the_set_uid_callers_environment, [needs_private_mounts];
    a_remote_domain_that_is_no_qube_is_refused;
    a_remote_domain_is_not_looked_at_when_the_folder_is_given;
    a_hostile_environment_changes_nothing;
    a_library_that_the_user_preloads_is_not_loaded of [Form::SetUid], [needs_root];
}

/// Fails the test unless `command` ends with status 1, without a verdict, and says something.
#[track_caller]
fn assert_will_not_run(command: Command) -> String {
    let (stream, _) = three_files();
    let answer = feed(command, Joint::Pipes, stream.as_bytes());
    assert_eq!(answer.verdict, None);
    answer.finished.assert_code(1);
    let stderr = answer.finished.stderr();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

fn a_foreign_uid_is_refused(form: Form) {
    for uid in [0, 1, users_uid() - 1, users_uid() + 1] {
        let target = Target::new(form);
        // That user could write there.
        for (folder, mode) in [(target.home(), 0o711), (target.incoming(), 0o777)] {
            fs::set_permissions(folder, Permissions::from_mode(mode)).expect("it is ours");
        }
        let mut command = form.bare_command(&[]);
        command.arg(uid.to_string()).arg(target.incoming());
        let stderr = assert_will_not_run(command);
        assert!(stderr.contains("another user"), "{stderr}");
        target.assert_landed(&[]);
    }
    let target = Target::new(form);
    let mut command = form.bare_command(&[]);
    command.arg(users_uid().to_string()).arg(target.incoming());
    let (stream, _) = three_files();
    let answer = feed(command, Joint::Pipes, stream.as_bytes());
    answer.assert_confirmed(stream.checksum());
}

fn what_is_no_uid_is_refused(form: Form) {
    for uid in [
        "-0",
        "+0",
        " 0",
        "0x0",
        "00000000000000000000",
        "4294967295",
        "4294967296",
        "root",
    ] {
        // A number is a number: leading zeros are root's uid, and foreign.
        let target = Target::new(form);
        let mut command = form.bare_command(&[]);
        command.arg(uid).arg(target.incoming());
        assert_will_not_run(command);
        target.assert_landed(&[]);
    }
}

/// A folder of root's in the user's home, and what the receiver does with it as its `DIR`.
fn roots_folder(target: &Target, mode: u32) -> std::path::PathBuf {
    let folder = target.root().join("of-root");
    fs::create_dir(&folder).expect("it is ours");
    fs::create_dir(folder.join("sub")).expect("it is ours");
    fs::set_permissions(folder.join("sub"), Permissions::from_mode(0o777)).expect("it is ours");
    fs::set_permissions(&folder, Permissions::from_mode(mode)).expect("it is ours");
    folder
}

fn a_folder_that_the_user_may_not_write_takes_nothing(form: Form) {
    let target = Target::new(form);
    let folder = roots_folder(&target, 0o755);
    let mut command = form.bare_command(&[]);
    command.arg("").arg(&folder);
    let (stream, _) = three_files();
    let answer = feed(command, Joint::Pipes, stream.as_bytes());
    match answer.verdict {
        Some(_) => answer.assert_refused(EACCES.unsigned_abs()),
        None => answer.finished.assert_code(1),
    }
    assert_eq!(Snapshot::of(&folder).paths(), ["sub"]);
    target.assert_sentinels();
}

fn a_folder_that_the_user_may_not_reach_is_not_opened(form: Form) {
    let target = Target::new(form);
    let folder = roots_folder(&target, 0o700);
    for dir in [
        folder.join("sub"),
        folder.join("sub/../sub"),
        folder.join("missing"),
    ] {
        let mut command = form.bare_command(&[]);
        command.arg("").arg(dir);
        assert_will_not_run(command);
        assert_eq!(Snapshot::of(&folder).paths(), ["sub"]);
    }
}

fn a_link_takes_the_receiver_no_further_than_the_user(form: Form) {
    let target = Target::new(form);
    let folder = roots_folder(&target, 0o700);
    let link = target.home().join("link");
    symlink(folder.join("sub"), &link).expect("it is ours");
    for dir in [link.clone(), link.join(".")] {
        let mut command = form.bare_command(&[]);
        command.arg("").arg(dir);
        assert_will_not_run(command);
        assert_eq!(Snapshot::of(&folder).paths(), ["sub"]);
    }
}

fn a_link_of_the_users_own_is_followed(form: Form) {
    let target = Target::new(form);
    let disk = target.users_folder("bigger-disk");
    let link = target.home().join("link");
    symlink("../bigger-disk", &link).expect("it is ours");
    let mut command = form.bare_command(&[]);
    command.arg("").arg(link);
    let (stream, _) = three_files();
    let answer = feed(command, Joint::Pipes, stream.as_bytes());
    answer.assert_confirmed(stream.checksum());
    assert_eq!(Snapshot::of(&disk).paths(), ["empty", "large", "small"]);
    assert_eq!(owner_of(&disk.join("small")), users_uid());
}

fn what_is_no_folder_is_refused(form: Form) {
    let target = Target::new(form);
    let file = target.home().join("file");
    fs::write(&file, "").expect("it is ours");
    let dangling = target.home().join("dangling");
    symlink("nowhere", &dangling).expect("it is ours");
    for dir in [
        file.as_path(),
        &dangling,
        Path::new(""),
        Path::new("/proc/self/fd/0"),
    ] {
        let mut command = form.bare_command(&[]);
        command.arg("").arg(dir);
        assert_will_not_run(command);
    }
    assert!(!target.home().join("nowhere").exists());
}

fn home_comes_from_the_password_database_not_from_the_set_uid_callers_environment(form: Form) {
    in_private_mounts(|| {
        let target = Target::new(form);
        give_home(users_uid(), &target.home(), target.root());
        let elsewhere = target.users_folder("elsewhere");
        let (stream, _) = three_files();
        for home in [elsewhere.as_os_str(), "".as_ref(), "elsewhere".as_ref()] {
            let mut command = form.bare_command(&[]);
            command
                .env("HOME", home)
                .env("QREXEC_REMOTE_DOMAIN", "work");
            let answer = feed(command, Joint::Pipes, stream.as_bytes());
            answer.assert_confirmed(stream.checksum());
            // Whoever has no privilege may say where their home is.
            let believed = form != Form::SetUid && home == elsewhere.as_os_str();
            let landed_in = if believed { &elsewhere } else { &target.home() };
            let landed = landed_in.join("QubesIncoming");
            assert!(landed.join("work/large").is_file());
            for folder in [&landed, &landed.join("work")] {
                let stat = fs::metadata(folder).expect("it is there");
                assert_eq!(stat.permissions().mode() & 0o7777, 0o700);
                assert_eq!(owner_of(folder), users_uid());
            }
            fs::remove_dir_all(landed).expect("it is ours");
            assert!(Snapshot::of(&elsewhere).is_empty());
        }
        target.assert_landed(&[]);
    });
}

fn a_remote_domain_that_is_no_qube_is_refused(form: Form) {
    let too_long = "q".repeat(32);
    for name in [
        "",
        ".",
        "..",
        "../outside",
        "a/b",
        "/etc",
        "a\nb",
        "-rf",
        "0",
        "1work",
        "_x",
        "work-dm",
        "none",
        "default",
        "Domain-0",
        "é",
        "\u{1b}[2J",
        "a b",
        "$(id)",
        "`id`",
        &too_long,
    ] {
        let target = Target::new(form);
        let before = Snapshot::of(&target.home());
        let mut command = form.bare_command(&[]);
        command
            .env("HOME", target.home())
            .env("QREXEC_REMOTE_DOMAIN", name);
        let stderr = assert_will_not_run(command);
        assert!(stderr.contains("QREXEC_REMOTE_DOMAIN"), "{stderr}");
        assert!(!stderr.contains('\u{1b}'));
        before.assert_unchanged(&Snapshot::of(&target.home()));
        target.assert_sentinels();
    }
    let mut command = form.bare_command(&[]);
    command
        .env("HOME", "/nonexistent")
        .env_remove("QREXEC_REMOTE_DOMAIN");
    assert!(assert_will_not_run(command).contains("QREXEC_REMOTE_DOMAIN"));
}

fn a_remote_domain_is_not_looked_at_when_the_folder_is_given(form: Form) {
    for name in ["..", "", "Domain-0"] {
        let target = Target::new(form);
        let mut command = target.command(&[]);
        command.env("QREXEC_REMOTE_DOMAIN", name);
        let (stream, sent) = three_files();
        let answer = feed(command, Joint::Pipes, stream.as_bytes());
        answer.assert_confirmed(stream.checksum());
        target.assert_complete(&sent);
    }
}

fn a_hostile_environment_changes_nothing(form: Form) {
    let target = Target::new(form);
    let mut command = target.command(&[]);
    let long = "x".repeat(100_000);
    let outside = target.outside().as_os_str().to_owned();
    for (name, value) in [
        ("RUST_BACKTRACE", "full"),
        ("RUST_LOG", "trace"),
        ("RUST_MIN_STACK", "1"),
        ("HOME", "/nonexistent"),
        ("PATH", ""),
        ("IFS", "/"),
        ("LC_ALL", "/../../x"),
        ("LONG", &long),
        ("UPDATES_MAX_BYTES", "0"),
        ("UPDATES_MAX_FILES", "-1"),
    ] {
        command.env(name, value);
    }
    for name in [
        "TMPDIR",
        "TMP",
        "XDG_RUNTIME_DIR",
        "LOCPATH",
        "GCONV_PATH",
        "HOSTALIASES",
    ] {
        command.env(name, &outside);
    }
    if form == Form::Landlock {
        // The programs on the way to the receiver still have to be found.
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    }
    let (stream, sent) = three_files();
    let answer = feed(command, Joint::Pipes, stream.as_bytes());
    answer.assert_confirmed(stream.checksum());
    assert_eq!(answer.finished.stderr(), "");
    assert_eq!(target.landed().len(), 3);
    target.assert_complete(&sent);
}

fn a_library_that_the_user_preloads_is_not_loaded(form: Form) {
    // Of the dynamic linker's doing: what it ignores is what is dangerous with the bit.
    let target = Target::new(form);
    let logs = target.users_folder("logs");
    let maps = fs::read_to_string("/proc/self/maps").expect("it can be read");
    let library = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5).map(Path::new))
        .find(|path| path.file_name().is_some_and(|name| name == "libc.so.6"))
        .expect("this test is linked to the C library");
    let copy = target.users_folder("lib").join("libc.so.6");
    fs::copy(library, &copy).expect("it can be copied");
    let mut command = target.command(&[]);
    command.env("LD_PRELOAD", &copy).env("LD_AUDIT", &copy);
    command.env("LD_LIBRARY_PATH", target.root().join("lib"));
    command
        .env("LD_DEBUG", "all")
        .env("LD_DEBUG_OUTPUT", logs.join("log"));
    command
        .env("LD_PROFILE", "libc.so.6")
        .env("LD_PROFILE_OUTPUT", &logs);
    let mut receiver = Watched::start(command);
    receiver.send_and_settle(&Stream::new().file("first", ""));
    let maps = receiver.proc("maps");
    assert!(
        !maps.contains(copy.to_str().expect("a plain path")),
        "{maps}"
    );
    receiver
        .finish(&Stream::new().end())
        .finished
        .assert_code(0);
    assert!(Snapshot::of(&logs).is_empty());
    target.assert_landed(&["first"]);
}

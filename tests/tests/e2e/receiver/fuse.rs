//! The receiver on real file systems that take less than mode and times, or show modes and owners of
//! their own: bindfs, sshfs, gocryptfs, ntfs-3g.

use std::fs;
use std::path::Path;

use libc::{EACCES, EPERM};
use qfile_tests::attack::Target;
use qfile_tests::attacks;
use qfile_tests::injected::everything;
use qfile_tests::mounted::{self, Mounted};
use qfile_tests::receiver::Form;
use qfile_tests::stream::Stream;
use qfile_tests::user::in_private_mounts;

attacks! {
    on_bindfs_everything_lands, [needs_bindfs];
    on_bindfs_a_file_that_stays_closed_is_refused, [needs_bindfs];
    on_bindfs_a_file_that_is_readable_anyway_lands, [needs_bindfs];
    on_bindfs_a_file_of_somebody_elses_is_refused, [needs_bindfs];
    on_bindfs_a_folder_that_cannot_be_entered_is_refused, [needs_bindfs];
    on_sshfs_everything_lands_dangling_links_too, [needs_sshfs];
    on_sshfs_a_file_of_the_servers_is_refused, [needs_sshfs];
    on_gocryptfs_everything_lands, [needs_gocryptfs];
    on_ntfs_everything_lands, [needs_ntfs];
    on_ntfs_a_file_that_nobody_may_read_is_refused, [needs_ntfs];
}

fn needs_bindfs() -> Result<(), String> {
    mounted::needs("bindfs", |point| Mounted::bindfs(point, &[]))
}

fn needs_sshfs() -> Result<(), String> {
    mounted::needs("sshfs", |point| Mounted::sshfs(point, "allow_other"))
}

fn needs_gocryptfs() -> Result<(), String> {
    mounted::needs("gocryptfs", Mounted::gocryptfs)
}

fn needs_ntfs() -> Result<(), String> {
    mounted::needs("ntfs-3g", |point| Mounted::ntfs(point, "umask=0"))
}

/// Runs `body` with an incoming folder that `mount` has put there.
fn on(
    form: Form,
    mount: impl FnOnce(&Path) -> Result<Mounted, String> + Send,
    body: impl FnOnce(&Target) + Send,
) {
    in_private_mounts(|| {
        let target = Target::new(form);
        let mounted = mount(&target.incoming()).expect("it has been tried");
        body(&target);
        drop(mounted);
    });
}

/// Fails the test unless the stream is confirmed, and all of it is there, modes or no modes.
#[track_caller]
fn assert_everything_lands(target: &Target) {
    let (stream, landed) = everything();
    let answer = target.receive(&["-v"], &stream);
    answer.assert_confirmed(stream.checksum());
    target.assert_landed(&landed);
    let large = fs::read(target.incoming().join("large")).expect("it has landed");
    assert!(large == vec![b'x'; 500_000]);
}

/// Fails the test unless a file is refused with `code`, and nothing of it is there.
#[track_caller]
fn assert_file_refused(target: &Target, code: i32) {
    for content in ["", "x", &"x".repeat(500_000)] {
        let stream = Stream::new().file("f", content).end();
        target.assert_refuses(&[], &stream, code, Some(b"f"), &[]);
    }
}

fn on_bindfs_everything_lands(form: Form) {
    on(
        form,
        |point| Mounted::bindfs(point, &[]),
        |target| {
            assert_everything_lands(target);
            let found = target.landed();
            for (name, mode) in [("d", 0o755), ("d/e/f", 0o644), ("large", 0o644)] {
                let record = found.get(name).expect("it has landed");
                assert_eq!(record.mode, mode, "{name}");
                assert_eq!(record.mtime, (1_600_000_002, 222_222_222), "{name}");
            }
        },
    );
}

fn on_bindfs_a_file_that_stays_closed_is_refused(form: Form) {
    for (options, code) in [
        (&["--chmod-deny"][..], EPERM),
        // It says that it has done it.
        (&["--chmod-ignore"], EACCES),
        // Whatever mode a file has, another one is shown.
        (&["--perms=fu-r"], EACCES),
    ] {
        on(
            form,
            |point| Mounted::bindfs(point, options),
            |target| assert_file_refused(target, code),
        );
    }
}

fn on_bindfs_a_file_that_is_readable_anyway_lands(form: Form) {
    for options in [
        // As on vfat: a mode for all files, and none can be set.
        &["--chmod-deny", "--perms=fu+r"][..],
        &["--chmod-deny", "--create-with-perms=u+r"],
    ] {
        on(
            form,
            |point| Mounted::bindfs(point, options),
            |target| {
                assert_everything_lands(target);
                let stream = Stream::new().file("f", "x").end();
                let answer = target.receive(&["-v"], &stream);
                answer.assert_confirmed(stream.checksum());
                answer
                    .finished
                    .assert_says("the mode of \"f\" could not be set: Operation not permitted");
                // The calling qube is told nothing of the file systems of this one.
                let stream = Stream::new().file("g", "x").end();
                let answer = target.receive(&[], &stream);
                answer.assert_confirmed(stream.checksum());
                assert_eq!(answer.finished.stderr(), "");
            },
        );
    }
}

fn on_bindfs_a_file_of_somebody_elses_is_refused(form: Form) {
    for (options, code) in [
        (&["--force-user=root", "--perms=da+rwx"][..], EPERM),
        // Its owner could read it, but that is not the user.
        (&["--force-user=root", "--perms=da+rwx:f=,fu+r"], EACCES),
    ] {
        on(
            form,
            |point| Mounted::bindfs(point, options),
            |target| assert_file_refused(target, code),
        );
    }
}

fn on_bindfs_a_folder_that_cannot_be_entered_is_refused(form: Form) {
    for options in ["--create-with-perms=du-x", "--create-with-perms=du-r"] {
        on(
            form,
            |point| Mounted::bindfs(point, &[options, "--chmod-deny"]),
            |target| {
                for stream in [
                    Stream::new().folder("d").end(),
                    Stream::new().folder("d").folder("d").end(),
                ] {
                    let answer = target.receive(&[], &stream);
                    answer.assert_refused(EACCES.unsigned_abs());
                    assert_eq!(answer.last_name(), Some(&b"d"[..]));
                    fs::remove_dir(target.incoming().join("d")).expect("it is empty");
                }
            },
        );
    }
}

fn on_sshfs_everything_lands_dangling_links_too(form: Form) {
    on(
        form,
        |point| Mounted::sshfs(point, "allow_other"),
        |target| {
            assert_everything_lands(target);
            let stream = Stream::new()
                .folder("l")
                .link("l/dangling", "nowhere")
                .folder("l")
                .end();
            let answer = target.receive(&["-v"], &stream);
            answer.assert_confirmed(stream.checksum());
            let link = fs::read_link(target.incoming().join("l/dangling"));
            assert!(link.is_ok_and(|to| to == Path::new("nowhere")));
        },
    );
}

/// What the server makes belongs to whom the server runs as; the kernel heeds that.
fn on_sshfs_a_file_of_the_servers_is_refused(form: Form) {
    on(
        form,
        |point| Mounted::sshfs(point, "allow_other,default_permissions"),
        |target| assert_file_refused(target, EPERM),
    );
}

fn on_gocryptfs_everything_lands(form: Form) {
    on(form, Mounted::gocryptfs, assert_everything_lands);
}

fn on_ntfs_everything_lands(form: Form) {
    for options in [
        "umask=0",
        "uid=65534,gid=65534,umask=077",
        "permissions,umask=0",
    ] {
        on(
            form,
            |point| Mounted::ntfs(point, options),
            assert_everything_lands,
        );
    }
}

fn on_ntfs_a_file_that_nobody_may_read_is_refused(form: Form) {
    on(
        form,
        |point| Mounted::ntfs(point, "uid=65534,gid=65534,dmask=0,fmask=0777"),
        |target| assert_file_refused(target, EACCES),
    );
}

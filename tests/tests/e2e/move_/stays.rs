//! What was not sent, and what cannot be deleted, stays and is listed; the status is 3.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use nix::mount::{MsFlags, mount};

use qfile_tests::fifo;
use qfile_tests::moving::{Moved, Moving};
use qfile_tests::process::Running;
use qfile_tests::qubes::{SOURCE, TARGET};
use qfile_tests::suite;
use qfile_tests::tree::set;
use qfile_tests::user::{
    Installed, as_ordinary, bind, give_to_ordinary, in_private_mounts, mount_tmpfs,
    needs_private_mounts, needs_root,
};

suite! {
    links_that_are_left_out_stay,
    links_that_are_followed_stay_and_so_does_what_they_lead_to,
    an_argument_that_is_left_out_stays,
    special_files_stay,
    many_that_stay_are_counted,
    without_the_permission_to_delete_everything_stays [needs_root],
    a_file_of_someone_else_in_a_sticky_folder_stays [needs_root],
    what_is_on_a_read_only_mount_stays [needs_private_mounts],
    a_mount_point_stays [needs_private_mounts],
    on_tmpfs_it_is_moved_as_elsewhere [needs_private_mounts],
    on_overlayfs_it_is_moved_as_elsewhere [needs_private_mounts],
    a_mount_over_the_folder_hides_nothing_from_the_check [needs_private_mounts],
}

const IGNORED: &str = "a link, left out by --ignore-symlinks (";
const FOLLOWED: &str = "a link; what it points to was copied (";

fn links_that_are_left_out_stay() {
    let moving = Moving::new();
    moving.file("d/f", "x");
    moving.file("d/empty/f", "x");
    symlink("f", moving.path("d/link")).unwrap();
    fs::create_dir(moving.path("d/sub")).unwrap();
    symlink("/etc/passwd", moving.path("d/sub/absolute")).unwrap();
    let moved = moving.run(&["--ignore-symlinks", "d"]);
    moved.assert_stays(
        &moving.home(),
        &["d", "d/link", "d/sub", "d/sub/absolute"],
        &[(IGNORED, "d/link"), (IGNORED, "d/sub/absolute")],
    );
    // Nothing else was wrong.
    let told = moved.finished.stderr();
    assert!(!told.contains("qfile-agent: everything else"), "{told}");
}

fn links_that_are_followed_stay_and_so_does_what_they_lead_to() {
    let moving = Moving::new();
    moving.file("d/f", "x");
    moving.file("outside/g", "y");
    symlink("../outside", moving.path("d/folder")).unwrap();
    symlink("../outside/g", moving.path("d/file")).unwrap();
    moving.run(&["--dereference", "d"]).assert_stays(
        &moving.home(),
        &["d", "d/file", "d/folder", "outside", "outside/g"],
        &[(FOLLOWED, "d/file"), (FOLLOWED, "d/folder")],
    );
    let arrived = ["d", "d/f", "d/file", "d/folder", "d/folder/g"];
    assert_eq!(moving.arrived().paths(), arrived);
}

fn an_argument_that_is_left_out_stays() {
    for (option, reason) in [("--ignore-symlinks", IGNORED), ("--dereference", FOLLOWED)] {
        let moving = Moving::new();
        moving.file("real", "x");
        moving.file("other", "y");
        symlink("real", moving.path("link")).unwrap();
        let moved = moving.run(&[option, "link", "other"]);
        moved.finished.assert_code(3);
        assert_eq!(moved.left.paths(), ["link", "real"]);
        moved.finished.assert_says(reason);
        moved.finished.assert_says("    \"link\"\n");
    }
}

fn special_files_stay() {
    let moving = Moving::new();
    moving.file("d/f", "x");
    moving.file("d/sub/g", "x");
    fifo::make(&moving.path("d/sub/pipe"));
    let socket = std::os::unix::net::UnixListener::bind(moving.path("d/socket")).unwrap();
    let special = "not a file, folder or link, so there is no copy of it (";
    moving.run(&["d"]).assert_stays(
        &moving.home(),
        &["d", "d/socket", "d/sub", "d/sub/pipe"],
        &[(special, "d/socket"), (special, "d/sub/pipe")],
    );
    drop(socket);
}

fn many_that_stay_are_counted() {
    let moving = Moving::new();
    moving.file("d/f", "x");
    for number in 0..50 {
        symlink("f", moving.path(&format!("d/{number}"))).unwrap();
    }
    let moved = moving.run(&["--ignore-symlinks", "d"]);
    moved.finished.assert_code(3);
    moved
        .finished
        .assert_says("50 entries are not deleted here:");
    moved.finished.assert_says("... and 30 more");
    assert_eq!(moved.left.len(), 51);
}

/// Moves `arguments` as an ordinary user whose home this is.
fn move_as_ordinary(moving: &Moving, arguments: &[&str]) -> Moved {
    let names = [
        "qvm-move-to-vm",
        "qfile-agent",
        "qrexec-loopback",
        "qfile-unpacker",
    ];
    let installed = Installed::new(&names);
    let root = moving.qubes.root();
    for folder in ["vault/home", "vault/qubes-rpc", "vault", "work", ""] {
        give_to_ordinary(&root.join(folder));
    }
    moving.set_service(&format!(
        "exec '{}'",
        installed.program("qfile-unpacker").display()
    ));
    let mover = installed.program("qvm-move-to-vm");
    let mut command = moving.qubes.command_at(SOURCE, &mover);
    command
        .arg(TARGET)
        .args(arguments)
        .env("QREXEC_CLIENT_VM", installed.program("qrexec-loopback"))
        .env("QFILE_LIBDIR", installed.folder());
    as_ordinary(&mut command);
    moving.run_command(command)
}

fn without_the_permission_to_delete_everything_stays() {
    let moving = Moving::new();
    moving.file("d/open/f", "x");
    moving.file("d/closed/f", "x");
    for name in ["", "d", "d/open", "d/open/f"] {
        give_to_ordinary(&moving.path(name));
    }
    set(&moving.path("d/closed"), Some(0o755), (1, 1));
    let refused = "cannot be deleted: Permission denied";
    move_as_ordinary(&moving, &["d"]).assert_stays(
        &moving.home(),
        &["d", "d/closed", "d/closed/f"],
        &[(refused, "d/closed/f")],
    );
}

fn a_file_of_someone_else_in_a_sticky_folder_stays() {
    let moving = Moving::new();
    moving.file("shared/f", "x");
    give_to_ordinary(&moving.home());
    set(&moving.path("shared"), Some(0o1777), (1, 1));
    move_as_ordinary(&moving, &["shared/f"]).assert_stays(
        &moving.home(),
        &["shared", "shared/f"],
        &[("cannot be deleted: Operation not permitted", "shared/f")],
    );
}

fn what_is_on_a_read_only_mount_stays() {
    in_private_mounts(|| {
        let moving = Moving::new();
        moving.file("d/f", "x");
        moving.file("d/mounted/g", "y");
        let mounted = moving.path("d/mounted");
        bind(&mounted, &mounted);
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(None::<&str>, &mounted, None::<&str>, flags, None::<&str>).unwrap();
        moving.run(&["d"]).assert_stays(
            &moving.home(),
            &["d", "d/mounted", "d/mounted/g"],
            &[("cannot be deleted: Read-only file system", "d/mounted/g")],
        );
    });
}

fn a_mount_point_stays() {
    in_private_mounts(|| {
        let moving = Moving::new();
        moving.file("d/mounted/g", "y");
        let mounted = moving.path("d/mounted");
        bind(&mounted, &mounted);
        moving.run(&["d"]).assert_stays(
            &moving.home(),
            &["d", "d/mounted"],
            &[("cannot be deleted: Device or resource busy", "d/mounted")],
        );
    });
}

/// A tree of every kind, with files of several names.
fn plant_tree(moving: &Moving, top: &str) {
    moving.file(&format!("{top}/a"), "a");
    moving.file(&format!("{top}/sub/deeper/b"), "b");
    symlink("a", moving.path(&format!("{top}/link"))).unwrap();
    for name in ["second", "sub/third"] {
        let name = moving.path(&format!("{top}/{name}"));
        fs::hard_link(moving.path(&format!("{top}/a")), name).unwrap();
    }
}

fn on_tmpfs_it_is_moved_as_elsewhere() {
    in_private_mounts(|| {
        let moving = Moving::new();
        mount_tmpfs(&moving.home(), 1 << 20, "");
        plant_tree(&moving, "d");
        moving.run(&["d"]).assert_all_gone();
        assert_eq!(moving.arrived().len(), 8);
    });
}

/// Its lower layer is copied up by the renaming, and its folders cannot be renamed at all.
fn on_overlayfs_it_is_moved_as_elsewhere() {
    in_private_mounts(|| {
        let moving = Moving::new();
        moving.file("d/a", "a");
        moving.file("d/sub/deeper/b", "b");
        symlink("a", moving.path("d/link")).unwrap();
        let layers = moving.qubes.root().join("layers");
        fs::create_dir(&layers).unwrap();
        mount_tmpfs(&layers, 1 << 20, "");
        for layer in ["upper", "work"] {
            fs::create_dir(layers.join(layer)).unwrap();
        }
        let home = moving.home();
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            home.display(),
            layers.join("upper").display(),
            layers.join("work").display()
        );
        let flags = MsFlags::empty();
        mount(
            Some("overlay"),
            &home,
            Some("overlay"),
            flags,
            Some(&*options),
        )
        .unwrap();
        moving.run(&["d"]).assert_all_gone();
        assert_eq!(moving.arrived().len(), 6);
    });
}

/// What the path of the argument leads to is not what was sent.
fn a_mount_over_the_folder_hides_nothing_from_the_check() {
    in_private_mounts(|| {
        let moving = Moving::new();
        moving.file("base/d/a", "a");
        moving.file("other/d/a", "another");
        let gate = moving.hold_the_verdict();
        let mut command = moving.command(&["base/d"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let running = Running::start(command);
        let waiting = fifo::once_it_is_read(&gate);
        bind(&moving.path("other"), &moving.path("base"));
        drop(waiting);
        let finished = running.finish();
        let left = moving.snapshot();
        Moved { finished, left }.assert_stays(
            &moving.home(),
            &[
                "base",
                "base/d",
                "base/d/a",
                "other",
                "other/d",
                "other/d/a",
            ],
            &[("replaced by something else", "base/d")],
        );
        assert_eq!(fs::read(moving.path("other/d/a")).unwrap(), b"another");
    });
}

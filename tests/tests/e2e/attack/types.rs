//! Attacks by types, modes and times.

use std::fs;
use std::os::unix::fs::MetadataExt;

use libc::EINVAL;
use qfile_tests::attack::Target;
use qfile_tests::attacks;
use qfile_tests::receiver::{Form, users_uid};
use qfile_tests::stream::{FILE, FOLDER, LINK, RawEntry, Stream};

attacks! {
    devices_fifos_and_sockets_are_refused;
    unknown_types_are_refused;
    set_id_and_sticky_bits_are_dropped;
    what_lands_belongs_to_the_user;
    a_folder_of_mode_0_takes_its_content_first;
    a_folder_of_mode_0555_takes_its_content_first;
    a_file_of_mode_0_lands;
    nanoseconds_of_a_second_and_more_are_refused;
    the_longest_times_land;
    only_regular_files_means_no_folder_and_no_link;
}

fn assert_type_refused(form: Form, mode: u32) {
    let stream = Stream::new()
        .file("kept", "")
        .entry(&RawEntry::new(mode, "x", ""))
        .file("after", "")
        .end();
    Target::new(form).assert_refuses(&[], &stream, EINVAL, Some(b"x"), &["kept"]);
}

fn devices_fifos_and_sockets_are_refused(form: Form) {
    // Character and block device, FIFO, socket.
    for kind in [0o020_000, 0o060_000, 0o010_000, 0o140_000] {
        assert_type_refused(form, kind | 0o666);
    }
}

fn unknown_types_are_refused(form: Form) {
    let known = [
        FILE, FOLDER, LINK, 0o020_000, 0o060_000, 0o010_000, 0o140_000,
    ];
    for kind in (0..16)
        .map(|bits| bits << 12)
        .filter(|kind| !known.contains(kind))
    {
        assert_type_refused(form, kind | 0o644);
    }
    // The field is wider than any `st_mode`.
    for above in [1 << 16, 1 << 31] {
        assert_type_refused(form, FILE | 0o644 | above);
    }
}

fn set_id_and_sticky_bits_are_dropped(form: Form) {
    let target = Target::new(form);
    let all = |kind, name| RawEntry::new(kind | 0o7777, name, "");
    let stream = Stream::new()
        .entry(&all(FOLDER, "d"))
        .entry(&all(FILE, "d/f"))
        .entry(&all(FOLDER, "d"))
        .entry(&RawEntry::new(FILE | 0o4755, "f", "program"))
        .end();
    target.assert_accepts(&[], &stream, &["d", "d/f", "f"]);
    let landed = target.landed();
    let mode = |name| landed.get(name).map(|entry| entry.mode);
    assert_eq!(mode("d"), Some(0o777));
    assert_eq!(mode("d/f"), Some(0o777));
    assert_eq!(mode("f"), Some(0o755));
}

fn what_lands_belongs_to_the_user(form: Form) {
    let target = Target::new(form);
    let stream = Stream::new()
        .folder("d")
        .file("d/f", "")
        .link("d/l", "f")
        .folder("d")
        .end();
    target.assert_accepts(&[], &stream, &["d", "d/f", "d/l"]);
    for name in ["d", "d/f", "d/l"] {
        let stat = fs::symlink_metadata(target.incoming().join(name)).expect("it has landed");
        let home = fs::metadata(target.home()).expect("it is there");
        assert_eq!(
            (stat.uid(), stat.gid()),
            (users_uid(), home.gid()),
            "{name}"
        );
    }
}

fn assert_filled(form: Form, mode: u32) {
    let target = Target::new(form);
    let folder = RawEntry::new(FOLDER | mode, "d", "");
    let sub = RawEntry::new(FOLDER | mode, "d/s", "");
    let stream = Stream::new()
        .entry(&folder)
        .entry(&sub)
        .file("d/s/f", "x")
        .entry(&sub)
        .file("d/f", "x")
        .entry(&folder)
        .end();
    target
        .receive(&[], &stream)
        .assert_confirmed(stream.checksum());
    let stat = fs::metadata(target.incoming().join("d")).expect("it has landed");
    assert_eq!(stat.mode() & 0o7777, mode);
    assert_eq!(stat.mtime(), i64::from(folder.mtime.0));
    // Only root can look into the folder of mode 0.
    if qfile_tests::user::am_root() || mode != 0 {
        target.assert_landed(&["d", "d/f", "d/s", "d/s/f"]);
    }
}

fn a_folder_of_mode_0_takes_its_content_first(form: Form) {
    assert_filled(form, 0);
}

fn a_folder_of_mode_0555_takes_its_content_first(form: Form) {
    assert_filled(form, 0o555);
}

fn a_file_of_mode_0_lands(form: Form) {
    for size in [0, 3, 300_000] {
        let target = Target::new(form);
        let file = RawEntry::new(FILE, "f", vec![b'x'; size]);
        let stream = Stream::new().entry(&file).end();
        target
            .receive(&[], &stream)
            .assert_confirmed(stream.checksum());
        let stat = fs::metadata(target.incoming().join("f")).expect("it has landed");
        assert_eq!((stat.mode() & 0o7777, stat.len()), (0, size as u64));
    }
}

fn nanoseconds_of_a_second_and_more_are_refused(form: Form) {
    for nanoseconds in [
        1_000_000_000,
        1_073_741_823,
        1_073_741_822,
        1 << 31,
        u32::MAX,
    ] {
        for kind in [FILE, FOLDER, LINK] {
            let entry = RawEntry::new(kind | 0o755, "d/x", "");
            let late = entry.clone().with(|entry| entry.atime.1 = nanoseconds);
            let later = entry.with(|entry| entry.mtime.1 = nanoseconds);
            for wrong in [late, later] {
                let stream = Stream::new().folder("d").entry(&wrong).end();
                Target::new(form).assert_refuses(&[], &stream, EINVAL, Some(b"d/x"), &["d"]);
            }
        }
    }
}

fn the_longest_times_land(form: Form) {
    let target = Target::new(form);
    let file = RawEntry::new(FILE | 0o644, "f", "").with(|entry| {
        entry.atime = (u32::MAX, 999_999_999);
        entry.mtime = (u32::MAX, 999_999_999);
    });
    target.assert_accepts(&[], &Stream::new().entry(&file).end(), &["f"]);
    let stat = fs::metadata(target.incoming().join("f")).expect("it has landed");
    assert_eq!(
        (stat.mtime(), stat.mtime_nsec()),
        (i64::from(u32::MAX), 999_999_999)
    );
}

fn only_regular_files_means_no_folder_and_no_link(form: Form) {
    let options = ["--only-regular-files"];
    for entry in [
        RawEntry::new(FOLDER | 0o755, "x", ""),
        RawEntry::new(LINK | 0o777, "d/l", "f"),
    ] {
        let stream = Stream::new().file("kept", "").entry(&entry).end();
        let name = entry.name.strip_suffix(b"\0");
        Target::new(form).assert_refuses(&options, &stream, EINVAL, name, &["kept"]);
    }
}

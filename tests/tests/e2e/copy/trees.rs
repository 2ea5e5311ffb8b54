//! What is sent arrives: every name, byte, mode, time and link, whatever the tree looks like.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use qfile_tests::inbox::Inbox;
use qfile_tests::peer::{Joint, join};
use qfile_tests::programs::program;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;
use qfile_tests::tree::{Snapshot, TempFolder, make_deep, set};
use qfile_tests::user::am_root;

suite! {
    one_empty_file_arrives,
    a_tree_arrives_as_it_was,
    ten_thousand_files_arrive,
    a_file_of_more_than_2_gib_arrives_and_stays_sparse,
    a_tree_of_8000_levels_arrives,
    any_tree_arrives_as_it_was,
    every_way_to_join_the_two_ends_works,
    with_nothing_to_send_nothing_arrives,
}

fn one_empty_file_arrives() {
    let qubes = Qubes::new();
    let file = qubes.home(SOURCE).join("empty");
    fs::write(&file, b"").unwrap();
    set(&file, Some(0o640), (1_000_000_000, 123_456_789));
    assert_copied(&qubes, &["empty"]);
}

fn a_tree_arrives_as_it_was() {
    let qubes = Qubes::new();
    let home = qubes.home(SOURCE);
    let photos = home.join("photos");
    fs::create_dir_all(photos.join("2024/summer")).unwrap();
    fs::write(photos.join("2024/summer/beach.jpg"), vec![0xA5; 300_000]).unwrap();
    fs::write(photos.join("2024/read only"), b"text").unwrap();
    symlink("summer/beach.jpg", photos.join("2024/best")).unwrap();
    symlink("../2024", photos.join("2024/itself")).unwrap();
    fs::write(home.join("Grüße.txt"), b"Hallo").unwrap();
    set(&photos.join("2024/best"), None, (7, 999_999_999));
    set(&photos.join("2024/read only"), Some(0o444), (0, 0));
    set(&photos.join("2024/summer"), Some(0o555), (1, 1));
    set(&photos, Some(0o711), (i64::from(u32::MAX), 1));
    assert_copied(&qubes, &["photos", "Grüße.txt"]);
}

fn ten_thousand_files_arrive() {
    let qubes = Qubes::new();
    for folder in 0..100 {
        let folder = qubes.home(SOURCE).join(format!("many/{folder}"));
        fs::create_dir_all(&folder).unwrap();
        for file in 0..100 {
            fs::write(folder.join(file.to_string()), file.to_string()).unwrap();
        }
    }
    assert_copied(&qubes, &["many"]);
}

fn a_file_of_more_than_2_gib_arrives_and_stays_sparse() {
    const GIB: u64 = 1 << 30;
    let qubes = Qubes::new();
    let path = qubes.home(SOURCE).join("disk.img");
    let file = File::create(&path).unwrap();
    file.set_len(2 * GIB + 12_345).unwrap();
    for (place, bytes) in [
        (0, &b"first"[..]),
        (GIB + 1, b"middle"),
        (2 * GIB - 2, b"edge"),
    ] {
        file.write_all_at(bytes, place).unwrap();
    }
    file.write_all_at(b"last", 2 * GIB + 12_341).unwrap();
    drop(file);
    set(&path, None, (1_000_000_000, 1));
    assert_copied(&qubes, &["disk.img"]);
    let arrived = fs::metadata(qubes.incoming(SOURCE, TARGET).join("disk.img")).unwrap();
    let disk = arrived.blocks() * 512;
    assert!(disk < GIB / 64, "{disk} bytes on disk");
}

fn a_tree_of_8000_levels_arrives() {
    let qubes = Qubes::new();
    let innermost = make_deep(&qubes.home(SOURCE), "d", 8000);
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    let file = rustix::fs::openat(&innermost, "f", flags, mode).unwrap();
    rustix::io::write(&file, b"at the bottom").unwrap();
    assert_copied(&qubes, &["d"]);
}

/// Copies what there is in the source qube's home from qube to qube, and compares.
#[track_caller]
fn assert_copied(qubes: &Qubes, names: &[&str]) {
    let sent = Snapshot::of(&qubes.home(SOURCE));
    let copied = qubes.copy(names);
    copied.assert_code(0);
    assert_eq!(copied.stdout, b"", "nothing is said on stdout");
    sent.assert_arrived(&Snapshot::of(&qubes.incoming(SOURCE, TARGET)));
}

fn every_way_to_join_the_two_ends_works() {
    let source = TempFolder::new();
    fs::write(source.path().join("big"), vec![7; 3_000_000]).unwrap();
    fs::create_dir(source.path().join("folder")).unwrap();
    fs::write(source.path().join("folder/small"), b"x").unwrap();
    for joint in Joint::ALL {
        assert_joined_copy(source.path(), joint);
    }
}

fn with_nothing_to_send_nothing_arrives() {
    assert_joined_copy(TempFolder::new().path(), Joint::Sockets);
}

/// Copies what there is in `source` from sender to receiver without anything between them, and
/// compares.
#[track_caller]
fn assert_joined_copy(source: &Path, joint: Joint) {
    let inbox = Inbox::default();
    let sent = Snapshot::of(source);
    let mut names: Vec<OsString> = fs::read_dir(source)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    let mut agent = Command::new(program("qfile-agent"));
    agent.current_dir(source).arg("--").args(names);
    let (sender, receiver) = join(agent, inbox.command(&["--allow-all-names"]), joint);
    sender.assert_code(0);
    receiver.assert_code(0);
    sent.assert_arrived(&inbox.landed());
}

/// A file, folder or link that is to be made.
#[derive(Clone, Debug)]
struct Plant {
    mode: u32,
    mtime: (u32, u32),
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    File(Content),
    Folder(Vec<(Vec<u8>, Plant)>),
    /// The target is one component, which never leads out.
    Link(Vec<u8>),
}

/// Content that needs no megabytes in a failure's report.
#[derive(Clone, Debug)]
struct Content {
    len: usize,
    seed: u8,
    zeros_every: usize,
}

impl Content {
    fn bytes(&self) -> Vec<u8> {
        let mut state = u32::from(self.seed) + 1;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..self.len)
            .map(|at| match (at / 5000) % self.zeros_every {
                0 => 0,
                _ => next(),
            })
            .collect()
    }
}

fn any_tree_arrives_as_it_was() {
    let config = Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&plants(), |plants| {
            let source = TempFolder::new();
            make(source.path(), 1, &plants);
            // A panic is caught and shrunk too.
            assert_joined_copy(source.path(), Joint::Sockets);
            Ok::<(), TestCaseError>(())
        })
        .unwrap();
}

fn plants() -> impl Strategy<Value = Vec<(Vec<u8>, Plant)>> {
    let file = (any::<u8>(), select(sizes()), 1..9_usize).prop_map(|(seed, len, zeros_every)| {
        What::File(Content {
            len,
            seed,
            zeros_every,
        })
    });
    let link = name().prop_map(What::Link);
    let leaf = plant(prop_oneof![4 => file, 1 => link].boxed());
    let tree = leaf.prop_recursive(6, 40, 6, |inner| {
        plant(children(inner).prop_map(What::Folder).boxed())
    });
    children(tree)
}

fn children(inner: impl Strategy<Value = Plant>) -> impl Strategy<Value = Vec<(Vec<u8>, Plant)>> {
    btree_map(name(), inner, 0..6).prop_map(|children| children.into_iter().collect())
}

fn plant(what: BoxedStrategy<What>) -> BoxedStrategy<Plant> {
    let mtime = (
        prop_oneof![Just(0), Just(u32::MAX), any::<u32>()],
        0..1_000_000_000_u32,
    );
    (0..=0o777_u32, mtime, what)
        .prop_map(|(mode, mtime, what)| Plant { mode, mtime, what })
        .boxed()
}

/// Around the sizes of pages, blocks, pipes and buffers.
fn sizes() -> Vec<usize> {
    let mut sizes = vec![0, 1, 100];
    for power in [12, 15, 16, 17, 18, 20] {
        sizes.extend([(1 << power) - 1, 1 << power, (1 << power) + 1]);
    }
    sizes
}

/// Any bytes that a file's name can have.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let ordinary = "[a-zA-Z0-9 ._ä报-]{1,12}".prop_map(String::into_bytes);
    let odd = prop_oneof![9 => vec(any::<u8>(), 1..20), 1 => vec(any::<u8>(), 255)];
    prop_oneof![3 => ordinary, 1 => odd].prop_map(|mut name| {
        for byte in &mut name {
            if matches!(byte, 0 | b'/') {
                *byte = b'-';
            }
        }
        match &name[..] {
            b"." | b".." => b"dots".to_vec(),
            _ => name,
        }
    })
}

/// Makes what was planned in `folder`; `depth` is that of the names in it.
fn make(folder: &Path, depth: usize, plants: &[(Vec<u8>, Plant)]) {
    for (name, plant) in plants {
        let path = folder.join(OsString::from_vec(name.clone()));
        // An ordinary user can only send what they can read.
        let readable = if am_root() { 0 } else { 0o500 };
        let mode = match &plant.what {
            What::File(content) => {
                fs::write(&path, content.bytes()).unwrap();
                Some(plant.mode | readable)
            }
            What::Folder(children) => {
                fs::create_dir(&path).unwrap();
                make(&path, depth + 1, children);
                Some(plant.mode | readable)
            }
            // Directly in the incoming folder no link may stand.
            What::Link(_) if depth < 2 => continue,
            What::Link(target) => {
                symlink(OsString::from_vec(target.clone()), &path).unwrap();
                None
            }
        };
        set(&path, mode, (plant.mtime.0.into(), plant.mtime.1));
    }
}

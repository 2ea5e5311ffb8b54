//! Files to an image and from it, as an ordinary user.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use qfile_tests::changes;
use qfile_tests::code::{EEXIST, EILSEQ};
use qfile_tests::fifo;
use qfile_tests::process::{Running, run, wrapped_in};
use qfile_tests::raw_device::{
    Carriers, FROM_DEVICE, STATUS, STREAM_AT, TO_DEVICE, answer_on, blkid, bytes_of, needs_carriers,
};
use qfile_tests::stream::crc32;
use qfile_tests::suite;
use qfile_tests::terminal::Terminal;
use qfile_tests::user::{am_root, as_ordinary};
use rustix::process::{Pid, Signal, kill_process_group};
use sha2::{Digest, Sha256};

const MIB: u64 = 1 << 20;

suite! {
    files_arrive_as_they_were_sent [needs_carriers],
    the_bytes_on_a_device_are_those_of_the_format [needs_carriers],
    nothing_behind_the_stream_changes [needs_carriers],
    of_two_transfers_the_second_counts_though_it_is_shorter [needs_carriers],
    what_does_not_fit_is_refused_before_the_first_byte [needs_carriers],
    all_that_a_reader_would_refuse_is_said_before_the_first_byte [needs_carriers],
    names_of_all_kinds_are_allowed_by_both_sides [needs_carriers],
    what_was_left_out_makes_the_status_3 [needs_carriers],
    links_are_left_out_or_followed_as_asked [needs_carriers],
    a_file_that_cannot_be_read_leaves_the_device_as_it_was [needs_carriers],
    a_device_that_cannot_be_written_is_received_without_an_answer [needs_carriers],
    names_of_this_qube_are_shown_and_refused_ones_have_advice [needs_carriers],
    a_refusal_is_written_to_the_device [needs_carriers],
    an_answer_belongs_to_one_transfer [needs_carriers],
    a_cancelled_transfer_is_not_complete [needs_carriers],
    a_signal_to_all_of_the_group_cancels_with_the_words_of_the_sender [needs_carriers],
    a_parent_that_ignores_its_children_changes_nothing [needs_carriers],
    a_wrong_command_line_is_2 [needs_carriers],
}

fn files_arrive_as_they_were_sent() {
    let carriers = Carriers::new();
    let image = carriers.image("image", MIB);
    assert_eq!(carriers.status(&image), "state: none\n");
    let sent = carriers.send(&["--source", "laptop"], &image);
    sent.assert_code(0);
    assert_eq!(carriers.status_of("source", &image).unwrap(), "laptop");
    assert_eq!(carriers.status_of("answer", &image).unwrap(), "none");
    carriers.receive(&[], &image).assert_code(0);
    carriers.assert_arrived("device");
    assert_eq!(carriers.status_of("answer", &image).unwrap(), "received");
    carriers.receive(&["--from", "work"], &image).assert_code(0);
    carriers.assert_arrived("work");
    assert_eq!(blkid(&image), "");
}

fn the_bytes_on_a_device_are_those_of_the_format() {
    let carriers = Carriers::new();
    let image = carriers.image("image", MIB);
    carriers
        .send(&["--source", "laptop"], &image)
        .assert_code(0);
    let header = bytes_of(&image, 0, 4096);
    assert_eq!(&header[..16], b"qfile-pendrive\0\x01");
    let len = u64::from_le_bytes(header[16..24].try_into().unwrap());
    let stream = bytes_of(&image, STREAM_AT as u64, usize::try_from(len).unwrap());
    assert_eq!(header[24..28], crc32(&stream).to_le_bytes());
    assert_eq!(header[28..32], [0; 4]);
    assert_eq!(header[32..64], Sha256::digest(&stream)[..]);
    let number = &header[64..80];
    assert_ne!(number, [0; 16]);
    assert_eq!(&header[80..86], b"laptop");
    assert!(header[86..4092].iter().all(|byte| *byte == 0));
    assert_eq!(header[4092..], crc32(&header[..4092]).to_le_bytes());
    assert_eq!(answer_on(&image, number), None);
    assert_eq!(stream[stream.len() - 32..], [0; 32]);
    carriers.receive(&[], &image).assert_code(0);
    let answer = answer_on(&image, number).unwrap();
    assert_eq!((answer.code, answer.crc32), (0, crc32(&stream).into()));
    assert_eq!(bytes_of(&image, 0, 4096), header);
    // The next transfer has another number, and no answer yet.
    carriers.send(&[], &image).assert_code(0);
    assert_ne!(bytes_of(&image, 64, 16), number);
    assert_eq!(bytes_of(&image, 4096, 4096), [0; 4096]);
}

fn nothing_behind_the_stream_changes() {
    let carriers = Carriers::new();
    let image = carriers.image_of("image", &[0x55; 65_536]);
    carriers.send(&["--overwrite"], &image).assert_code(0);
    let len: u64 = carriers
        .status_of("bytes", &image)
        .unwrap()
        .parse()
        .unwrap();
    let end = STREAM_AT as u64 + len;
    let rest = bytes_of(&image, end, usize::try_from(65_536 - end).unwrap());
    assert!(rest.iter().all(|byte| *byte == 0x55));
    assert_eq!(fs::metadata(&image).unwrap().len(), 65_536);
}

fn of_two_transfers_the_second_counts_though_it_is_shorter() {
    let carriers = Carriers::new();
    let image = carriers.image("image", MIB);
    carriers.write("src/long", &[9; 200_000]);
    carriers.send(&[], &image).assert_code(0);
    fs::remove_file(carriers.path("src/long")).unwrap();
    carriers.send(&[], &image).assert_code(0);
    carriers.receive(&[], &image).assert_code(0);
    carriers.assert_arrived("device");
}

fn what_does_not_fit_is_refused_before_the_first_byte() {
    let carriers = Carriers::new();
    let probe = carriers.image("probe", MIB);
    carriers.send(&[], &probe).assert_code(0);
    let len: u64 = carriers
        .status_of("bytes", &probe)
        .unwrap()
        .parse()
        .unwrap();
    let exact = STREAM_AT as u64 + len;
    for len in [0, 1, 4096, 8191, 8192, exact - 1] {
        let image = carriers.image("image", len);
        let refused = carriers.send(&[], &image);
        refused.assert_code(1);
        refused.assert_says("do not fit");
        assert!(fs::read(&image).unwrap().iter().all(|byte| *byte == 0));
        assert_eq!(fs::metadata(&image).unwrap().len(), len);
        assert_eq!(carriers.status(&image), "state: none\n");
    }
    let image = carriers.image("image", exact);
    carriers.send(&[], &image).assert_code(0);
    carriers.receive(&[], &image).assert_code(0);
    carriers.assert_arrived("device");
}

fn all_that_a_reader_would_refuse_is_said_before_the_first_byte() {
    let carriers = Carriers::new();
    let image = carriers.image("image", MIB);
    carriers.write("src/odd\x1b[31m", b"");
    symlink("/etc/passwd", carriers.path("src/absolute")).unwrap();
    symlink("../..", carriers.path("src/up")).unwrap();
    let refused = carriers.send(&[], &image);
    refused.assert_code(1);
    for text in [
        r"src/odd\x1b[31m",
        r#""src/absolute" -> "/etc/passwd""#,
        r#""src/up" -> "../..""#,
    ] {
        refused.assert_says(text);
    }
    assert!(!refused.stderr().contains('\x1b'));
    assert!(fs::read(&image).unwrap().iter().all(|byte| *byte == 0));
}

fn names_of_all_kinds_are_allowed_by_both_sides() {
    let carriers = Carriers::new();
    let image = carriers.image("image", MIB);
    carriers.write("src/odd\x1b[31m", b"x");
    carriers.send(&["--allow-all-names"], &image).assert_code(0);
    let refused = carriers.receive(&["--from", "a"], &image);
    refused.assert_code(1);
    refused.assert_says("Forbidden character");
    let number = bytes_of(&image, 64, 16);
    assert_eq!(answer_on(&image, &number).unwrap().code, EILSEQ);
    let received = carriers.receive(&["--from", "b", "--allow-all-names"], &image);
    received.assert_code(0);
    carriers.assert_arrived("b");
}

fn what_was_left_out_makes_the_status_3() {
    let carriers = Carriers::new();
    let image = carriers.image("image", MIB);
    fifo::make(&carriers.path("src/pipe"));
    let sent = carriers.send(&[], &image);
    sent.assert_code(3);
    sent.assert_says("pipe");
    assert_eq!(carriers.status_of("state", &image).unwrap(), "complete");
    carriers.receive(&[], &image).assert_code(0);
    fs::remove_file(carriers.path("src/pipe")).unwrap();
    carriers.assert_arrived("device");
}

fn links_are_left_out_or_followed_as_asked() {
    for (option, becomes_a_file, code) in [
        ("--ignore-symlinks", None, 0),
        ("--dereference", Some(true), 0),
        ("--skip-refused", None, 3),
    ] {
        let carriers = Carriers::new();
        let image = carriers.image("image", MIB);
        carriers.write("outside", b"outside");
        symlink("../outside", carriers.path("src/link")).unwrap();
        carriers.send(&[option], &image).assert_code(code);
        carriers.receive(&[], &image).assert_code(0);
        let arrived = carriers.incoming("device").join("src/link");
        let found = fs::symlink_metadata(arrived).ok();
        assert_eq!(
            found.map(|found| found.is_file()),
            becomes_a_file,
            "{option}"
        );
    }
}

fn a_file_that_cannot_be_read_leaves_the_device_as_it_was() {
    let carriers = Carriers::new();
    let image = carriers.image("image", MIB);
    carriers.send(&[], &image).assert_code(0);
    let before = fs::read(&image).unwrap();
    let locked = carriers.path("src/letter");
    fs::set_permissions(&locked, Permissions::from_mode(0o000)).unwrap();
    carriers.send(&[], &image).assert_code(1);
    assert!(fs::read(&image).unwrap() == before);
}

fn a_device_that_cannot_be_written_is_received_without_an_answer() {
    let carriers = Carriers::new();
    let image = carriers.image("image", MIB);
    carriers.send(&[], &image).assert_code(0);
    fs::set_permissions(&image, Permissions::from_mode(0o444)).unwrap();
    carriers.send(&["--overwrite"], &image).assert_code(1);
    let received = carriers.receive(&[], &image);
    received.assert_code(0);
    assert!(!received.stderr().contains("warning"));
    carriers.assert_arrived("device");
    assert_eq!(carriers.status_of("answer", &image).unwrap(), "none");
}

fn names_of_this_qube_are_shown_and_refused_ones_have_advice() {
    let carriers = Carriers::new();
    let image = carriers.image("image", MIB);
    carriers.write("src/\u{643}\u{62a}\u{628}", b"books");
    carriers.send(&["--allow-all-names"], &image).assert_code(0);
    let refused = carriers.receive(&[], &image);
    refused.assert_code(1);
    refused.assert_says("--allow-all-names accepts names with such characters");
    let all = ["--from", "other", "--allow-all-names"];
    carriers.receive(&all, &image).assert_code(0);
    for name in ["src/letter", "src/empty", "src/sub/numbers"] {
        fs::remove_file(carriers.incoming("other").join(name)).unwrap();
    }
    let refused = carriers.receive(&all, &image);
    refused.assert_code(1);
    refused.assert_says("A file named \"src/\u{643}\u{62a}\u{628}\" already exists");
}

fn a_refusal_is_written_to_the_device() {
    let carriers = Carriers::new();
    let image = carriers.image("image", MIB);
    carriers.send(&[], &image).assert_code(0);
    carriers.receive(&[], &image).assert_code(0);
    let refused = carriers.receive(&[], &image);
    refused.assert_code(1);
    refused.assert_says("already exists in QubesIncoming dir\n");
    refused.assert_says("move or rename \"src\" in ~/QubesIncoming/device");
    let number = bytes_of(&image, 64, 16);
    assert_eq!(answer_on(&image, &number).unwrap().code, EEXIST);
    let answer = carriers.status_of("answer", &image).unwrap();
    assert!(
        answer.starts_with("refused: A file named \"src/"),
        "{answer}"
    );
    carriers.assert_arrived("device");
}

fn an_answer_belongs_to_one_transfer() {
    let carriers = Carriers::new();
    let image = carriers.image("image", MIB);
    carriers.send(&[], &image).assert_code(0);
    carriers.receive(&[], &image).assert_code(0);
    let answer = bytes_of(&image, 4096, 4096);
    carriers.send(&[], &image).assert_code(0);
    let mut bytes = fs::read(&image).unwrap();
    bytes[4096..8192].copy_from_slice(&answer);
    let image = carriers.image_of("other", &bytes);
    assert_eq!(carriers.status_of("answer", &image).unwrap(), "none");
}

fn a_cancelled_transfer_is_not_complete() {
    let carriers = Carriers::new();
    let image = carriers.image("image", 64 << 30);
    let _holes = carriers.image("src/large", 60 << 30);
    let mut command = carriers.command(TO_DEVICE);
    command.args(["image", "src"]);
    let mut terminal = Terminal::start(&command, 100);
    terminal.until_shown("MiB of ");
    terminal.type_keys("\x03");
    let left = terminal.finish();
    left.assert_code(32);
    left.assert_shows("cancelled");
    assert!(!left.screen.contains("target qube"), "{}", left.screen);
    assert_eq!(carriers.status_of("state", &image).unwrap(), "not complete");
    carriers.receive(&[], &image).assert_code(1);
    carriers.assert_nothing_arrived();
}

/// As `timeout` sends it: to the programs that this one has started too.
fn a_signal_to_all_of_the_group_cancels_with_the_words_of_the_sender() {
    let carriers = Carriers::new();
    let _holes = carriers.image("src/large", 60 << 30);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let image = carriers.image("image", 64 << 30);
        let mut command = carriers.command(TO_DEVICE);
        command.args(["image", "src"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let running = Running::start(command);
        changes::until(image.parent().unwrap(), || {
            carriers.status_of("state", &image).unwrap() == "not complete"
        });
        kill_process_group(Pid::from_child(&running.child), signal).unwrap();
        let cancelled = running.finish();
        cancelled.assert_code(32);
        let said = cancelled.stderr();
        assert!(
            said.starts_with("qvm-copy-to-device: cancelled\n"),
            "{said}"
        );
        assert!(!said.contains("target qube"), "{said}");
        assert_eq!(carriers.status_of("state", &image).unwrap(), "not complete");
    }
}

fn a_parent_that_ignores_its_children_changes_nothing() {
    let carriers = Carriers::new();
    let image = carriers.image("image", MIB);
    for (name, arguments) in [
        (TO_DEVICE, &["image", "src"][..]),
        (FROM_DEVICE, &["image"]),
    ] {
        let ignoring = ["env", "--ignore-signal=CHLD"];
        let mut command = carriers.command(name);
        command.args(arguments);
        let mut wrapped = wrapped_in(&ignoring, &command);
        if am_root() {
            as_ordinary(&mut wrapped);
        }
        run(wrapped).assert_code(0);
    }
    carriers.assert_arrived("device");
    assert_eq!(carriers.status_of("answer", &image).unwrap(), "received");
}

fn a_wrong_command_line_is_2() {
    let carriers = Carriers::new();
    let _image = carriers.image("image", MIB);
    for (name, arguments) in [
        (TO_DEVICE, &["image"][..]),
        (TO_DEVICE, &[]),
        (TO_DEVICE, &["--source", "a/b", "image", "src"]),
        (TO_DEVICE, &["--source", "", "image", "src"]),
        (TO_DEVICE, &["image", "src", "src/"]),
        (TO_DEVICE, &["image", ".."]),
        (FROM_DEVICE, &[]),
        (FROM_DEVICE, &["--from", "../up", "image"]),
        (FROM_DEVICE, &["--from", "none", "image"]),
        (FROM_DEVICE, &["image", "more"]),
        (STATUS, &["--overwrite", "image"]),
        (STATUS, &[]),
    ] {
        carriers.run(name, arguments).assert_code(2);
    }
    for name in [TO_DEVICE, FROM_DEVICE, STATUS] {
        let mut command = carriers.command(name);
        command.arg("--help");
        let help = run(command);
        help.assert_code(0);
        assert!(String::from_utf8_lossy(&help.stdout).contains("Exit status:"));
    }
}

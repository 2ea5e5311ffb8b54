//! Which names are received, with and without `+allow-all-names`, and what a refusal says.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;

use qfile_tests::code::{EILSEQ, ENAMETOOLONG};
use qfile_tests::inbox::Inbox;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::stream::{FILE, FOLDER, LINK, RawEntry, Stream};
use qfile_tests::suite;
use qfile_tests::tree::{Kind, Snapshot};

suite! {
    names_of_safe_code_points_land,
    other_names_land_only_when_all_names_are_allowed,
    the_last_of_two_options_wins,
    names_that_could_lead_elsewhere_never_land,
    what_follows_the_nul_is_never_a_name,
    a_name_needs_no_nul,
    a_component_of_255_bytes_lands_and_one_of_256_does_not,
    a_name_of_16382_bytes_lands,
    a_longer_name_is_refused_and_not_named,
    an_unsafe_name_is_copied_by_the_service_for_all_names,
    a_safe_name_is_copied_by_the_service_without_argument,
    all_names_denied_by_policy_is_not_tried_again_without,
}

/// Names that both qubes show without harm.
const SAFE: [&str; 9] = [
    "plain",
    "with space",
    "-rf",
    "quotes\"'`$(id);&|<>\\*?",
    "...",
    "Grüße",
    "отчёт",
    "报告",
    "보고서",
];

/// Names that are harmless only to who asked for them.
const UNSAFE: [&[u8]; 12] = [
    b"new\nline",
    b"tab\t",
    b"\x1b[31mred",
    b"del\x7f",
    b"\x01",
    b"latin1-\xE9",
    b"overlong-\xC0\xAF",
    b"surrogate-\xED\xA0\x80",
    b"\xFF",
    "\u{202E}gpj.exe".as_bytes(),
    "emoji 😀".as_bytes(),
    "no-break\u{A0}space".as_bytes(),
];

fn names_of_safe_code_points_land() {
    for name in SAFE {
        let inbox = Inbox::default();
        let stream = Stream::new().file(name, "x").end();
        inbox
            .receive(&[], &stream)
            .assert_confirmed(stream.checksum());
        assert_eq!(inbox.landed().paths(), [name]);
    }
}

fn other_names_land_only_when_all_names_are_allowed() {
    for name in UNSAFE {
        for stream in [
            Stream::new().file(name, "x").end(),
            Stream::new().folder(name).folder(name).end(),
            Stream::new()
                .folder("a")
                .link([b"a/", name].concat(), "x")
                .folder("a")
                .end(),
            Stream::new()
                .folder("a")
                .link("a/link", name)
                .folder("a")
                .end(),
        ] {
            let inbox = Inbox::default();
            inbox.receive(&[], &stream).assert_refused(EILSEQ);
            let landed = inbox.landed().paths();
            assert!(landed.is_empty() || landed == ["a"], "{landed:?}");

            let inbox = Inbox::default();
            let answer = inbox.receive(&["--allow-all-names"], &stream);
            answer.assert_confirmed(stream.checksum());
            assert!(!inbox.landed().is_empty());
        }
    }
}

fn the_last_of_two_options_wins() {
    let stream = Stream::new().file("\n", "x").end();
    let (allow, forbid) = ("--allow-all-names", "--no-allow-all-names");
    let inbox = Inbox::default();
    inbox
        .receive(&[allow, forbid], &stream)
        .assert_refused(EILSEQ);
    inbox
        .receive(&[forbid, allow], &stream)
        .assert_confirmed(stream.checksum());
}

fn names_that_could_lead_elsewhere_never_land() {
    let names: [&str; 16] = [
        "/",
        "/a",
        "/outside/file",
        "a/",
        "a//b",
        ".",
        "..",
        "./a",
        "../a",
        "../../outside/file",
        "a/.",
        "a/..",
        "a/./b",
        "a/../b",
        "a/../../../outside/file",
        "//",
    ];
    for name in names {
        for mode in [FILE | 0o644, FOLDER | 0o755, LINK | 0o777] {
            for options in [&[][..], &["--allow-all-names", "--allow-unsafe-symlinks"]] {
                let inbox = Inbox::default();
                let content = if mode == FOLDER | 0o755 { "" } else { "x" };
                let stream = Stream::new()
                    .folder("a")
                    .entry(&RawEntry::new(mode, name, content))
                    .end();
                let answer = inbox.receive(options, &stream);
                answer.assert_refused(EILSEQ);
                assert_eq!(answer.last_name(), Some(name.as_bytes()));
                assert_eq!(inbox.landed().paths(), ["a"], "{name}");
            }
        }
    }
    let inbox = Inbox::default();
    inbox
        .receive(&[], &Stream::new().file("", "x").end())
        .assert_refused(EILSEQ);
    assert!(inbox.landed().is_empty());
}

fn what_follows_the_nul_is_never_a_name() {
    for options in [&[][..], &["--allow-all-names"]] {
        for name in ["a\0b", "a\0\0b", "\0a", "a\0/../b"] {
            let inbox = Inbox::default();
            let answer = inbox.receive(options, &Stream::new().file(name, "x").end());
            answer.assert_refused(EILSEQ);
            assert!(inbox.landed().is_empty(), "{name:?}");
        }
    }
    let inbox = Inbox::default();
    let stream = Stream::new().file("a\0\0\0", "x").end();
    inbox
        .receive(&[], &stream)
        .assert_confirmed(stream.checksum());
    assert_eq!(inbox.landed().paths(), ["a"]);
}

/// As the Windows agent sends it.
fn a_name_needs_no_nul() {
    let inbox = Inbox::default();
    let entry = RawEntry::new(FILE | 0o644, "no nul", "x").with(|entry| {
        entry.name.pop();
        entry.name_len -= 1;
    });
    let stream = Stream::new().entry(&entry).end();
    inbox
        .receive(&[], &stream)
        .assert_confirmed(stream.checksum());
    assert_eq!(inbox.landed().paths(), ["no nul"]);
}

fn a_component_of_255_bytes_lands_and_one_of_256_does_not() {
    let inbox = Inbox::default();
    let stream = Stream::new().file("x".repeat(255), "").end();
    inbox
        .receive(&[], &stream)
        .assert_confirmed(stream.checksum());
    let answer = inbox.receive(&[], &Stream::new().file("y".repeat(256), "").end());
    answer.assert_refused(ENAMETOOLONG);
    assert_eq!(inbox.landed().paths(), ["x".repeat(255)]);
}

fn a_name_of_16382_bytes_lands() {
    let inbox = Inbox::default();
    // 63 folders of 255 bytes, each with its slash, and 254 bytes of file name.
    let component = "f".repeat(255);
    let mut stream = Stream::new();
    let mut name = component.clone();
    for _ in 0..63 {
        stream = stream.folder(&name);
        name = format!("{name}/{component}");
    }
    name.truncate(16_382);
    let stream = stream.file(&name, "at the limit").end();
    inbox
        .receive(&[], &stream)
        .assert_confirmed(stream.checksum());
    let landed = inbox.landed();
    assert_eq!(landed.get(&name).unwrap().len, 12);
}

fn a_longer_name_is_refused_and_not_named() {
    let too_long = |len: usize| {
        RawEntry::new(FILE | 0o644, "x".repeat(len), "").with(|entry| {
            entry.name.pop();
            entry.name_len -= 1;
        })
    };
    let lying = RawEntry::new(FILE | 0o644, "x", "").with(|entry| entry.name_len = u32::MAX);
    for entry in [too_long(16_383), too_long(16_384), lying] {
        let inbox = Inbox::default();
        let answer = inbox.receive(&["--allow-all-names"], &Stream::new().entry(&entry).end());
        answer.assert_refused(ENAMETOOLONG);
        assert_eq!(answer.last_name(), None);
        assert!(inbox.landed().is_empty());
    }
}

/// A service that notes by which name it was called before it does the project's work.
const NOTE_AND_RECEIVE: &str = r#"echo "$QREXEC_SERVICE_FULL_NAME" >>"$HOME/calls"
exec "$RECEIVER" ${1:+"--$1"}"#;

fn noting_qubes() -> Qubes {
    let qubes = Qubes::new();
    let receiver = qfile_tests::programs::program("qfile-unpacker");
    let script = format!("RECEIVER='{}'\n{NOTE_AND_RECEIVE}", receiver.display());
    qubes.set_service(TARGET, "qubes.Filecopy", &script);
    qubes
}

fn calls(qubes: &Qubes) -> String {
    fs::read_to_string(qubes.home(TARGET).join("calls")).unwrap_or_default()
}

fn an_unsafe_name_is_copied_by_the_service_for_all_names() {
    let qubes = noting_qubes();
    let folder = qubes.home(SOURCE).join("folder");
    fs::create_dir(&folder).unwrap();
    for name in UNSAFE {
        fs::write(folder.join(OsString::from_vec(name.to_vec())), name).unwrap();
    }
    let sent = Snapshot::of(&qubes.home(SOURCE));
    qubes.copy(&["folder"]).assert_code(0);
    assert_eq!(calls(&qubes), "qubes.Filecopy+allow-all-names\n");
    sent.assert_arrived(&Snapshot::of(&qubes.incoming(SOURCE, TARGET)));
}

fn a_safe_name_is_copied_by_the_service_without_argument() {
    let qubes = noting_qubes();
    for name in SAFE {
        fs::write(qubes.home(SOURCE).join(name), name).unwrap();
    }
    let sent = Snapshot::of(&qubes.home(SOURCE));
    let arguments: Vec<&str> = ["--"].into_iter().chain(SAFE).collect();
    qubes.copy(&arguments).assert_code(0);
    assert_eq!(calls(&qubes), "qubes.Filecopy+\n");
    sent.assert_arrived(&Snapshot::of(&qubes.incoming(SOURCE, TARGET)));
}

fn all_names_denied_by_policy_is_not_tried_again_without() {
    let qubes = noting_qubes();
    qubes.set_policy(
        "qubes.Filecopy +allow-all-names @anyvm @anyvm deny\nqubes.Filecopy * @anyvm @anyvm allow\n",
    );
    fs::write(qubes.home(SOURCE).join("😀"), "x").unwrap();
    fs::write(qubes.home(SOURCE).join("safe"), "x").unwrap();
    qubes.copy(&["😀", "safe"]).assert_code(126);
    assert_eq!(calls(&qubes), "");
    assert!(!qubes.home(TARGET).join("QubesIncoming").exists());
    qubes.copy(&["safe"]).assert_code(0);
    let landed = Snapshot::of(&qubes.incoming(SOURCE, TARGET));
    assert_eq!(landed.get("safe").unwrap().kind, Kind::File);
}

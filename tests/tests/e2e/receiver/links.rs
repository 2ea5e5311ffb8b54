//! Which symbolic links are received: every row of the table of the rules, through the receiver.

use std::fs;
use std::os::unix::fs::symlink;

use qfile_tests::code::{EILSEQ, EINVAL, ENAMETOOLONG, ENOENT, ENOLINK};
use qfile_tests::inbox::Inbox;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::stream::{LINK, RawEntry, Stream};
use qfile_tests::suite;
use qfile_tests::tree::{Kind, Snapshot};

suite! {
    a_link_never_leaves_its_top_folder,
    canonical_mode_refuses_detours,
    unsafe_links_land_only_when_allowed,
    an_empty_target_is_refused_in_every_mode,
    a_nul_in_a_target_is_refused_in_every_mode,
    a_target_that_is_too_long_is_refused,
    the_links_own_name_is_judged_first,
    nothing_is_received_through_a_link,
    links_that_would_be_refused_are_all_listed_before_anything_is_asked,
    ignored_links_are_left_out_and_all_else_arrives,
}

/// A stream with one link, after the folders that it stands in.
fn link(name: &str, target: &[u8]) -> Stream {
    let folders: Vec<&str> = name
        .match_indices('/')
        .map(|(slash, _)| &name[..slash])
        .collect();
    let opened = folders
        .iter()
        .fold(Stream::new(), |stream, name| stream.folder(name));
    let filled = opened.link(name, target);
    let closed = folders
        .iter()
        .rev()
        .fold(filled, |stream, name| stream.folder(name));
    closed.end()
}

#[track_caller]
fn assert_lands(options: &[&str], name: &str, target: &str) {
    let inbox = Inbox::default();
    let stream = link(name, target.as_bytes());
    inbox
        .receive(options, &stream)
        .assert_confirmed(stream.checksum());
    let record = inbox.landed().get(name).unwrap();
    assert_eq!(record.kind, Kind::Link, "{name} -> {target}");
    assert_eq!(record.target, target.as_bytes());
    assert_eq!(record.mtime, (1_600_000_002, 222_222_222));
}

#[track_caller]
fn assert_refused(options: &[&str], name: &str, target: &[u8], code: u32) {
    let inbox = Inbox::default();
    let answer = inbox.receive(options, &link(name, target));
    answer.assert_refused(code);
    assert_eq!(
        answer.last_name(),
        Some(name.as_bytes()),
        "the link's own name, never its target"
    );
    assert_eq!(inbox.landed().get(name), None, "{name}");
}

fn a_link_never_leaves_its_top_folder() {
    for (name, target) in [
        ("a/b", "c"),
        ("a/b", "./c"),
        ("a/b", "b//c"),
        ("a/b/c", ".."),
        ("a/b/c", "../d"),
        ("a/b/c", "d/"),
        ("a/b/c", "./../x"),
        ("a/b/c/d", "../../e"),
        ("a/b", "..."),
    ] {
        assert_lands(&[], name, target);
    }
    for (name, target) in [
        ("a", "b"),
        ("a/b", "../c"),
        ("a/b", ".."),
        ("a/b/c", "../../d"),
        ("a/b", "c/../d"),
        ("a/b/c", "d/.."),
        ("a/b/c/d", "../../.."),
        ("a/b", "/etc/passwd"),
        ("a/b", "/"),
    ] {
        assert_refused(&[], name, target.as_bytes(), ENOLINK);
    }
}

fn canonical_mode_refuses_detours() {
    let canonical = &["--canonical-symlinks"][..];
    for (name, target) in [
        ("a/b", "c"),
        ("a/b/c", ".."),
        ("a/b/c", "../d"),
        ("a/b/c", "d/"),
    ] {
        assert_lands(canonical, name, target);
    }
    for target in ["./c", "b//c", "b/./c", "."] {
        assert_refused(canonical, "a/b", target.as_bytes(), EILSEQ);
    }
    for target in ["../c", "c/../d", "/etc/passwd"] {
        assert_refused(canonical, "a/b", target.as_bytes(), ENOLINK);
    }
}

fn unsafe_links_land_only_when_allowed() {
    for (name, target) in [
        ("a", "b"),
        ("a/b", "../c"),
        ("a/b", "c/../../.."),
        ("a/b", "/etc/passwd"),
    ] {
        assert_lands(&["--allow-unsafe-symlinks"], name, target);
        let forbidden_again = &["--allow-unsafe-symlinks", "--no-allow-unsafe-symlinks"];
        assert_refused(forbidden_again, name, target.as_bytes(), ENOLINK);
    }
}

fn an_empty_target_is_refused_in_every_mode() {
    for options in [
        &[][..],
        &["--canonical-symlinks"],
        &["--allow-unsafe-symlinks"],
    ] {
        let inbox = Inbox::default();
        let answer = inbox.receive(options, &link("a/b", b""));
        let code = answer.verdict.as_ref().unwrap().code;
        assert!([ENOENT, ENOLINK].contains(&code), "{code}");
        answer.assert_refused(code);
        assert_eq!(inbox.landed().paths(), ["a"]);
    }
}

fn a_nul_in_a_target_is_refused_in_every_mode() {
    let allow_everything = &["--allow-all-names", "--allow-unsafe-symlinks"][..];
    for options in [&[][..], allow_everything] {
        assert_refused(options, "a/b", b"c\0d", EILSEQ);
        assert_refused(options, "a/b", b"c\0", EILSEQ);
    }
}

fn a_target_that_is_too_long_is_refused() {
    assert_lands(&[], "a/b", &"t".repeat(4095));
    // Linux refuses the first two, the format the last.
    for len in [4096, 16_383, 16_384] {
        assert_refused(&[], "a/b", "t".repeat(len).as_bytes(), ENAMETOOLONG);
    }
    // Refused at the header: the content never comes.
    let inbox = Inbox::default();
    let promise = RawEntry::new(LINK | 0o777, "l", "").with(|entry| entry.file_len = u64::MAX);
    inbox
        .receive(&[], &Stream::new().entry(&promise))
        .assert_refused(ENAMETOOLONG);
}

fn the_links_own_name_is_judged_first() {
    let inbox = Inbox::default();
    let stream = Stream::new().link("../b", "/etc/passwd").end();
    inbox.receive(&[], &stream).assert_refused(EILSEQ);
    // And then the target from left to right.
    assert_refused(&[], "a/b", b"\x01/..", EILSEQ);
    assert_refused(&[], "a/b", b"../\x01", ENOLINK);
}

fn nothing_is_received_through_a_link() {
    let outside = Stream::new()
        .link("way", "../../outside/folder")
        .file("way/file", "x")
        .end();
    let inside = Stream::new()
        .folder("a")
        .folder("a/real")
        .folder("a/real")
        .link("a/way", "real")
        .file("a/way/file", "x")
        .end();
    for (stream, link) in [(outside, "way"), (inside, "a/way")] {
        let inbox = Inbox::default();
        let answer = inbox.receive(&["--allow-unsafe-symlinks"], &stream);
        let code = answer.verdict.as_ref().unwrap().code;
        assert!(code != 0 && code != EINVAL, "{code}");
        answer.assert_refused(code);
        let landed = inbox.landed();
        assert_eq!(landed.get(link).unwrap().kind, Kind::Link);
        assert!(!landed.paths().iter().any(|path| path.ends_with("file")));
    }
}

fn links_that_would_be_refused_are_all_listed_before_anything_is_asked() {
    let qubes = Qubes::new();
    // Had anything been asked, the answer would have been 126.
    qubes.set_policy("* * @anyvm @anyvm deny\n");
    let folder = qubes.home(SOURCE).join("folder");
    fs::create_dir(&folder).unwrap();
    symlink("/etc/passwd", folder.join("absolute")).unwrap();
    symlink("../outside", folder.join("climbing")).unwrap();
    symlink("fine", folder.join("harmless")).unwrap();
    symlink("fine", qubes.home(SOURCE).join("top")).unwrap();
    let copied = qubes.copy(&["folder", "top"]);
    copied.assert_code(1);
    for said in [
        "absolute",
        "climbing",
        "top",
        "--ignore-symlinks",
        "--dereference",
    ] {
        copied.assert_says(said);
    }
    assert!(!copied.stderr().contains("harmless"));
}

fn ignored_links_are_left_out_and_all_else_arrives() {
    let qubes = Qubes::new();
    let folder = qubes.home(SOURCE).join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "x").unwrap();
    symlink("/etc/passwd", folder.join("link")).unwrap();
    qubes.copy(&["--ignore-symlinks", "folder"]).assert_code(0);
    let landed = Snapshot::of(&qubes.incoming(SOURCE, TARGET));
    assert_eq!(landed.paths(), ["folder", "folder/file"]);
}

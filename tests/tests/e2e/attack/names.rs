//! Attacks by names: of files, folders and links, and the targets of links.
//!
//! Each refusal comes after a file that was complete, which stays, and before one that must not
//! arrive any more.

use libc::{EILSEQ, ENAMETOOLONG, ENOENT, ENOLINK};
use qfile_tests::attack::Target;
use qfile_tests::attacks;
use qfile_tests::peer::{Joint, converse};
use qfile_tests::receiver::Form;
use qfile_tests::stream::{FILE, FOLDER, LINK, RawEntry, Stream, Verdict};
use qfile_tests::tree::make_deep;
use rustix::fs::{AtFlags, Mode, fchmod, statat};

attacks! {
    dot_dot_is_refused_in_every_position;
    an_absolute_name_is_refused;
    an_empty_name_is_refused;
    empty_and_dot_components_are_refused;
    a_trailing_slash_is_refused;
    anything_behind_a_nul_in_a_name_is_refused;
    a_name_without_its_nul_is_its_own_end;
    a_name_of_16382_bytes_lands;
    a_name_of_16383_bytes_without_a_nul_is_refused;
    a_longer_name_is_refused_before_a_byte_of_it_is_read;
    a_component_of_256_bytes_is_refused_by_the_file_system;
    a_path_of_8000_components_lands_where_its_folders_are;
    a_path_of_8000_components_without_its_folders_is_refused;
    invalid_utf8_is_refused;
    escape_sequences_are_refused_and_never_printed;
    bidirectional_controls_are_refused;
    allowing_all_names_allows_no_path_that_leads_elsewhere;
    allowing_unsafe_links_allows_no_unsafe_name;
    a_link_that_leads_out_of_its_top_folder_is_refused;
    an_empty_link_target_is_refused;
    forbidden_characters_in_a_link_target_are_refused;
    a_link_target_of_8000_components_is_refused;
    refusals_tell_the_calling_qube_nothing_of_this_one;
}

const KINDS: [u32; 3] = [FILE, FOLDER, LINK];

/// A complete file, the attack, and a file after it.
fn around(attack: &RawEntry) -> Stream {
    Stream::new()
        .file("kept", "complete")
        .entry(attack)
        .file("after", "never")
        .end()
}

/// An entry of each kind under `name`; a link gets the harmless target `x`.
fn of_each_kind(name: &[u8]) -> [RawEntry; 3] {
    KINDS.map(|kind| RawEntry::new(kind | 0o755, name, if kind == LINK { "x" } else { "" }))
}

#[track_caller]
fn assert_names_refused(form: Form, options: &[&str], names: &[&[u8]], code: i32) {
    for name in names {
        for entry in of_each_kind(name) {
            let target = Target::new(form);
            let last_name = Some(*name).filter(|name| !name.is_empty());
            target.assert_refuses(options, &around(&entry), code, last_name, &["kept"]);
        }
    }
}

fn dot_dot_is_refused_in_every_position(form: Form) {
    let names: [&[u8]; 8] = [
        b"..",
        b"../outside/new",
        b"../../outside/new",
        b"kept/..",
        b"a/..",
        b"a/../b",
        b"a/b/../../../x",
        b"a/b/..",
    ];
    assert_names_refused(form, &[], &names, EILSEQ);
}

fn an_absolute_name_is_refused(form: Form) {
    assert_names_refused(form, &[], &[b"/", b"/new", b"//new", b"/tmp/new"], EILSEQ);
    let target = Target::new(form);
    let outside = target.outside().join("new");
    let name = outside.as_os_str().as_encoded_bytes();
    let stream = Stream::new().file(name, "out").end();
    target.assert_refuses(&[], &stream, EILSEQ, Some(name), &[]);
}

fn an_empty_name_is_refused(form: Form) {
    assert_names_refused(form, &[], &[b""], EILSEQ);
}

fn empty_and_dot_components_are_refused(form: Form) {
    let names: [&[u8]; 6] = [b".", b"./a", b"a/.", b"a/./b", b"a//b", b"a///b"];
    assert_names_refused(form, &[], &names, EILSEQ);
}

fn a_trailing_slash_is_refused(form: Form) {
    assert_names_refused(form, &[], &[b"a/", b"a/b/", b"a//"], EILSEQ);
}

fn anything_behind_a_nul_in_a_name_is_refused(form: Form) {
    for (name, cut) in [
        (&b"a\0b"[..], &b"a"[..]),
        (b"a\0/../x", b"a"),
        (b"a\0\0\x01", b"a"),
    ] {
        for entry in of_each_kind(name) {
            let target = Target::new(form);
            target.assert_refuses(&[], &around(&entry), EILSEQ, Some(cut), &["kept"]);
        }
    }
    // More NULs are no other bytes.
    let padded = RawEntry::new(FILE | 0o644, "a\0\0\0", "x");
    let stream = Stream::new().entry(&padded).end();
    Target::new(form).assert_accepts(&[], &stream, &["a"]);
}

fn a_name_without_its_nul_is_its_own_end(form: Form) {
    let entry = RawEntry::new(FILE | 0o644, "windows", "content").with(|entry| {
        entry.name.pop();
        entry.name_len -= 1;
    });
    let stream = Stream::new().entry(&entry).file("next", "").end();
    Target::new(form).assert_accepts(&[], &stream, &["next", "windows"]);
}

/// A name of `len` bytes in components of at most 255, and all its folders, outermost first.
fn long_name(len: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
    let name: Vec<u8> = (1..=len)
        .map(|at| if at % 256 == 0 { b'/' } else { b'n' })
        .collect();
    let slashes = name.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let folders = slashes.map(|(at, _)| name[..at].to_vec()).collect();
    (folders, name)
}

fn a_name_of_16382_bytes_lands(form: Form) {
    let (folders, name) = long_name(16_382);
    let down = folders
        .iter()
        .fold(Stream::new(), |stream, name| stream.folder(name));
    let there = down.file(&name, "deep down");
    let stream = folders
        .iter()
        .rev()
        .fold(there, |stream, name| stream.folder(name));
    let stream = stream.end();
    let target = Target::new(form);
    target
        .receive(&[], &stream)
        .assert_confirmed(stream.checksum());
    let file = target.landed().get(&name).expect("it has landed");
    assert_eq!((file.len, file.mode), (9, 0o644));
    assert_eq!(target.landed().len(), folders.len() + 1);
    target.assert_sentinels();
}

fn a_name_of_16383_bytes_without_a_nul_is_refused(form: Form) {
    let (_, name) = long_name(16_383);
    let entry = RawEntry::new(FILE | 0o644, &name, "").with(|entry| {
        entry.name.pop();
        entry.name_len -= 1;
    });
    let target = Target::new(form);
    target.assert_refuses(&[], &around(&entry), ENAMETOOLONG, None, &["kept"]);
}

fn a_longer_name_is_refused_before_a_byte_of_it_is_read(form: Form) {
    for name_len in [16_384, 16_385, 1 << 31, u32::MAX - 1, u32::MAX] {
        let target = Target::new(form);
        let header = RawEntry::new(FILE | 0o644, "", "").with(|entry| {
            entry.name_len = name_len;
            entry.name.clear();
        });
        let stream = Stream::new().file("kept", "").entry(&header);
        // Not a byte of the name is sent: a receiver that begins to read it finds the end.
        let (answer, finished) = converse(target.command(&[]), Joint::Pipes, |side| {
            side.send(stream.as_bytes()).expect("it is read");
            side.stop_sending();
            side.rest()
        });
        let verdict = Verdict::parse(&answer).expect("there is a verdict");
        assert_eq!(verdict.code, ENAMETOOLONG.unsigned_abs());
        assert_eq!(verdict.last_name, None);
        finished.assert_code(ENAMETOOLONG);
        target.assert_landed(&["kept"]);
    }
}

fn a_component_of_256_bytes_is_refused_by_the_file_system(form: Form) {
    let longest = [b'n'; 255];
    let stream = Stream::new().file(longest, "").end();
    let shown = String::from_utf8(longest.to_vec()).expect("ASCII");
    Target::new(form).assert_accepts(&[], &stream, &[&shown]);
    let too_long = [b'n'; 256];
    let in_folder = [&b"d/"[..], &too_long].concat();
    for (mode, name, content) in [
        (FILE | 0o644, &too_long[..], ""),
        (FOLDER | 0o755, &too_long, ""),
        (FILE | 0o644, &in_folder, ""),
        (LINK | 0o777, &in_folder, "x"),
    ] {
        let entry = RawEntry::new(mode, name, content);
        let stream = Stream::new().folder("d").entry(&entry).end();
        Target::new(form).assert_refuses(&[], &stream, ENAMETOOLONG, Some(name), &["d"]);
    }
}

fn deep_name() -> Vec<u8> {
    vec!["d"; 8000].join("/").into_bytes()
}

fn a_path_of_8000_components_lands_where_its_folders_are(form: Form) {
    Target::in_memory(form, |target| {
        let innermost = make_deep(&target.incoming(), "d", 7999);
        fchmod(&innermost, Mode::from_raw_mode(0o777)).expect("it is ours");
        let stream = Stream::new().file(deep_name(), "deep").end();
        let answer = target.receive(&[], &stream);
        answer.assert_confirmed(stream.checksum());
        let landed = statat(&innermost, "d", AtFlags::SYMLINK_NOFOLLOW).expect("it has landed");
        assert_eq!(landed.st_size, 4);
        target.assert_sentinels();
    });
}

fn a_path_of_8000_components_without_its_folders_is_refused(form: Form) {
    assert_names_refused(form, &[], &[&deep_name()], ENOENT);
}

fn invalid_utf8_is_refused(form: Form) {
    let names: [&[u8]; 8] = [
        b"\xFF",
        b"a\x80",
        b"\xC0\xAE\xC0\xAE/x", // an overlong `..`
        b"\xC0\xAF",           // an overlong `/`
        b"\xE0\x80\xAF",       // a longer one
        b"\xED\xA0\x80",       // a surrogate
        b"\xF4\x90\x80\x80",   // above U+10FFFF
        b"a\xE2\x82",          // cut short
    ];
    assert_names_refused(form, &[], &names, EILSEQ);
}

fn escape_sequences_are_refused_and_never_printed(form: Form) {
    let names: [&[u8]; 5] = [
        b"\x1b[2J",
        b"a\nb",
        b"\x1b]0;title\x07",
        "\u{9b}31m".as_bytes(),
        b"a\r\x08\x7f",
    ];
    for name in names {
        for options in [&[][..], &["-v"], &["-v", "--allow-all-names"]] {
            for entry in of_each_kind(name) {
                let target = Target::new(form);
                let stream = around(&entry);
                let answer = target.receive(options, &stream);
                // A link never stands directly in the incoming folder.
                let code = match (options.len(), entry.mode & 0o170_000) {
                    (2, LINK) => ENOLINK,
                    (2, _) => 0,
                    _ => EILSEQ,
                };
                assert_eq!(
                    answer.verdict.map(|verdict| verdict.code),
                    Some(code.unsigned_abs())
                );
                let printed = answer.finished.stderr;
                let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
                assert!(printed.iter().all(is_plain), "{}", printed.escape_ascii());
                target.assert_sentinels();
            }
        }
    }
}

fn bidirectional_controls_are_refused(form: Form) {
    let names: [&[u8]; 5] = [
        "\u{202e}fdp.exe".as_bytes(),
        "a\u{2066}b".as_bytes(),
        "a\u{200f}".as_bytes(),
        "a\u{61c}".as_bytes(),
        "שלום".as_bytes(),
    ];
    assert_names_refused(form, &[], &names, EILSEQ);
}

fn allowing_all_names_allows_no_path_that_leads_elsewhere(form: Form) {
    let options = ["--allow-all-names"];
    let names: [&[u8]; 7] = [b"..", b"../x", b"a/..", b"/x", b"a//b", b"", b"a/"];
    assert_names_refused(form, &options, &names, EILSEQ);
    let stream = Stream::new().file(b"\xFF\n\x1b", "").end();
    let target = Target::new(form);
    target
        .receive(&options, &stream)
        .assert_confirmed(stream.checksum());
    assert!(target.landed().get(b"\xFF\n\x1b").is_some());
}

fn allowing_unsafe_links_allows_no_unsafe_name(form: Form) {
    let names: [&[u8]; 4] = [b"..", b"../x", b"/x", b"\x1b"];
    assert_names_refused(form, &["--allow-unsafe-symlinks"], &names, EILSEQ);
}

/// `d/sub/` and in it the link `name` to `link_target`.
fn with_link(name: &str, link_target: &[u8]) -> Stream {
    let folders = Stream::new().folder("d").folder("d/sub");
    folders.link(name, link_target).file("after", "never").end()
}

fn a_link_that_leads_out_of_its_top_folder_is_refused(form: Form) {
    for (name, link_target) in [
        ("l", "d"),
        ("d/l", "/etc/passwd"),
        ("d/l", "/"),
        ("d/l", ".."),
        ("d/l", "../x"),
        ("d/l", "sub/.."),
        ("d/l", "sub/../../x"),
        ("d/l", "./.."),
        ("d/l", ".//../x"),
        ("d/sub/l", "../.."),
        ("d/sub/l", "../../x"),
        ("d/sub/l", "x/../.."),
        ("d/sub/l", ".././../x"),
    ] {
        let stream = with_link(name, link_target.as_bytes());
        let last_name = Some(name.as_bytes());
        Target::new(form).assert_refuses(&[], &stream, ENOLINK, last_name, &["d", "d/sub"]);
    }
    let inside = with_link("d/sub/l", b"../x");
    let landed = ["after", "d", "d/sub", "d/sub/l"];
    Target::new(form).assert_accepts(&[], &inside, &landed);
}

fn an_empty_link_target_is_refused(form: Form) {
    for options in [
        &[][..],
        &["--canonical-symlinks"],
        &["--allow-unsafe-symlinks"],
    ] {
        let answer = Target::new(form).receive(options, &with_link("d/l", b""));
        let code = answer.verdict.as_ref().map(|verdict| verdict.code);
        assert!(
            [ENOENT, ENOLINK]
                .map(|code| Some(code.unsigned_abs()))
                .contains(&code)
        );
        assert_eq!(answer.last_name(), Some(&b"d/l"[..]));
    }
}

fn forbidden_characters_in_a_link_target_are_refused(form: Form) {
    let link_targets: [&[u8]; 6] = [
        b"a\0b",
        b"\x1b[2J",
        b"\xFF",
        b"\xC0\xAE\xC0\xAE",
        "\u{202e}x".as_bytes(),
        b"x\0",
    ];
    for link_target in link_targets {
        let stream = with_link("d/l", link_target);
        Target::new(form).assert_refuses(&[], &stream, EILSEQ, Some(b"d/l"), &["d", "d/sub"]);
    }
    for options in [["--allow-all-names"], ["--allow-unsafe-symlinks"]] {
        let stream = with_link("d/l", b"a\0b");
        Target::new(form).assert_refuses(&options, &stream, EILSEQ, Some(b"d/l"), &["d", "d/sub"]);
    }
}

fn a_link_target_of_8000_components_is_refused(form: Form) {
    let stream = with_link("d/l", &deep_name());
    Target::new(form).assert_refuses(&[], &stream, ENAMETOOLONG, Some(b"d/l"), &["d", "d/sub"]);
}

fn refusals_tell_the_calling_qube_nothing_of_this_one(form: Form) {
    let target = Target::new(form);
    let stream = Stream::new().file("kept", "").file("kept", "again").end();
    let answer = target.receive(&[], &stream);
    let stderr = answer.finished.stderr();
    for secret in ["kept", "incoming", "home", "/"] {
        assert!(!stderr.contains(secret), "{stderr}");
    }
}

//! Names of files in what programs say: those of this end can be pasted into a shell, whatever is in
//! them, and two of them never look alike. Those that the other end has made up are harmless text.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use qfile_tests::code::{EEXIST, ENOSPC};
use qfile_tests::editing::{Editing, OLD};
use qfile_tests::hostile::{Hostile, Sender};
use qfile_tests::moving::Moving;
use qfile_tests::process::{Finished, run};
use qfile_tests::programs::program;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::stream::Verdict;
use qfile_tests::suite;
use qfile_tests::terminal::Terminal;

suite! {
    a_name_in_a_list_can_be_pasted_whatever_is_in_it,
    two_names_never_look_alike,
    the_advice_to_rename_a_file_can_be_pasted,
    a_name_that_arrived_before_is_shown_as_the_sender_has_it,
    a_name_that_the_other_end_makes_up_is_harmless_text,
    a_file_that_stays_after_a_move_is_named_so_that_it_can_be_found,
    an_edit_that_is_kept_aside_and_a_backup_are_named_so_that_they_can_be_found,
    progress_keeps_the_beginning_and_the_extension_of_a_long_name,
    an_error_names_all_of_a_long_name,
}

/// Names in many scripts, and how they are shown.
const NAMES: [(&[u8], &str); 14] = [
    ("Grüße – Ämter.txt".as_bytes(), "\"Grüße – Ämter.txt\""),
    ("报告（最终）.odt".as_bytes(), "\"报告（最终）.odt\""),
    ("تقرير.pdf".as_bytes(), "\"تقرير.pdf\""),
    ("עברית.txt".as_bytes(), "\"עברית.txt\""),
    (b"it's one", "\"it's one\""),
    (b"a\tb", r"$'a\tb'"),
    (b"two\nlines", r"$'two\nlines'"),
    ("e\u{301}.txt".as_bytes(), r"$'e\u0301.txt'"),
    ("a\u{202e}txt.exe".as_bytes(), r"$'a\u202etxt.exe'"),
    ("2 \u{5e2}".as_bytes(), r"$'2 \u05e2'"),
    (b"latin-\xE9.txt", r"$'latin-\xe9.txt'"),
    (b"$(touch made)`touch made`", "$'$(touch made)`touch made`'"),
    (b"say \"hi\"", "$'say \"hi\"'"),
    (b"\x1b[31mred", r"$'\x1b[31mred'"),
];

/// The words that bash makes of `text`.
fn pasted(text: &str) -> Vec<u8> {
    let script = format!("printf '%s\\0' {text}");
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-c", &script])
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null());
    let output = bash.output().unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    output.stdout
}

/// The only line of what was said that begins with four blanks.
#[track_caller]
fn row(said: &Finished) -> String {
    let stderr = said.stderr();
    let rows = stderr.lines().filter_map(|line| line.strip_prefix("    "));
    let rows: Vec<&str> = rows.filter(|row| !row.starts_with("=> ")).collect();
    assert_eq!(rows.len(), 1, "{stderr}");
    rows[0].to_owned()
}

fn copied(qubes: &Qubes, arguments: &[&OsStr]) -> Finished {
    let mut command = qubes.command(SOURCE, "qvm-copy");
    command.arg("--").args(arguments);
    run(command)
}

fn a_name_in_a_list_can_be_pasted_whatever_is_in_it() {
    for (name, shown) in NAMES {
        let qubes = Qubes::new();
        let name = OsStr::from_bytes(name);
        symlink(name, qubes.home(SOURCE).join(name)).unwrap();
        let refused = copied(&qubes, &[name]);
        refused.assert_code(1);
        let row = row(&refused);
        assert_eq!(row, format!("{shown} -> {shown}"));
        let words = pasted(&row.replace(" -> ", " "));
        let expected = [name.as_bytes(), b"\0", name.as_bytes(), b"\0"].concat();
        assert_eq!(words, expected, "{row}");
        assert!(!qubes.home(SOURCE).join("made").exists());
    }
}

fn two_names_never_look_alike() {
    let qubes = Qubes::new();
    let alike = [
        "é",
        "e\u{301}",
        "\u{212b}",
        "Å",
        "a b",
        "a\u{a0}b",
        "a",
        "\u{430}a",
        "a\u{200b}",
    ];
    for name in alike {
        symlink("/", qubes.home(SOURCE).join(name)).unwrap();
    }
    let refused = copied(&qubes, &alike.map(OsStr::new));
    refused.assert_code(1);
    let stderr = refused.stderr();
    let mut rows: Vec<&str> = stderr
        .lines()
        .filter(|line| line.contains(" -> "))
        .collect();
    assert_eq!(rows.len(), alike.len(), "{stderr}");
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), alike.len(), "{stderr}");
    // What could be taken for another is an escape sequence, the others are themselves.
    for shown in [
        r"$'e\u0301'",
        r"$'\u212b'",
        r"$'a\u00a0b'",
        r"$'\u0430a'",
        r"$'a\u200b'",
    ] {
        refused.assert_says(shown);
    }
    for shown in ["\"é\"", "\"Å\"", "\"a b\""] {
        refused.assert_says(shown);
    }
}

/// Two arguments would arrive under one name: the user pastes what is said to give one of them another.
fn the_advice_to_rename_a_file_can_be_pasted() {
    for (name, shown) in NAMES {
        let qubes = Qubes::new();
        let name = OsStr::from_bytes(name);
        let home = qubes.home(SOURCE);
        for folder in ["old", "new"] {
            fs::create_dir(home.join(folder)).unwrap();
            fs::write(home.join(folder).join(name), folder).unwrap();
        }
        let in_folder = |folder: &str| Path::new(folder).join(name).into_os_string();
        let refused = copied(&qubes, &[&in_folder("old"), &in_folder("new")]);
        refused.assert_code(2);
        let first = refused.stderr();
        let first = first.lines().next().unwrap();
        let first = first.strip_prefix("qvm-copy: ").unwrap();
        let first = first
            .strip_suffix(" would arrive under the same name")
            .unwrap();
        let (old, new) = first.split_once(" and ").unwrap();
        assert!(old.ends_with(&shown[shown.len() - 2..]), "{old} {shown}");
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("mv -- {new} 'other name'")])
            .env("LC_ALL", "C.UTF-8")
            .current_dir(&home);
        assert!(bash.status().unwrap().success(), "{new}");
        copied(&qubes, &[&in_folder("old"), OsStr::new("other name")]).assert_code(0);
    }
}

fn a_name_that_arrived_before_is_shown_as_the_sender_has_it() {
    for (name, shown) in NAMES {
        let qubes = Qubes::new();
        let name = OsStr::from_bytes(name);
        fs::write(qubes.home(SOURCE).join(name), "content").unwrap();
        let copy = || {
            let mut command = qubes.command(SOURCE, "qvm-copy-to-vm");
            command.args(["--", "vault"]).arg(name);
            run(command)
        };
        copy().assert_code(0);
        let again = copy();
        again.assert_code(1);
        again.assert_says(&format!(
            "A file named {shown} already exists in QubesIncoming dir"
        ));
    }
}

fn a_name_that_the_other_end_makes_up_is_harmless_text() {
    for (made_up, shown) in [
        ("\u{5e2}\u{202e}\x1b[31m", "\"______[31m\""),
        ("../file", "\"../file\""),
        ("/etc/passwd", "\"/etc/passwd\""),
        ("file/x", "\"file/x\""),
        ("\u{fc}", "\"__\""),
    ] {
        let verdict = Verdict::new(ENOSPC, 0).naming(made_up).to_bytes();
        let hostile = Hostile::of_file("\u{fc}.txt", 10)
            .takes_all()
            .says(&verdict);
        let refused = run(hostile.command(Sender::Command));
        refused.assert_code(1);
        refused.assert_says(&format!("\"No space left on device\"; Last file: {shown}"));
    }
    // What it names is what was sent.
    let verdict = Verdict::new(EEXIST, 0).naming("\u{fc}.txt").to_bytes();
    let hostile = Hostile::of_file("\u{fc}.txt", 10)
        .takes_all()
        .says(&verdict);
    let refused = run(hostile.command(Sender::Command));
    refused.assert_says("A file named \"\u{fc}.txt\" already exists");
}

fn a_file_that_stays_after_a_move_is_named_so_that_it_can_be_found() {
    for (name, _) in NAMES {
        let moving = Moving::new();
        let name = OsStr::from_bytes(name);
        let path = moving.home().join(name);
        fs::write(&path, "content").unwrap();
        let verdict = moving.qubes.root().join("verdict");
        let script = format!(
            "'{}' --allow-all-names >'{verdict}'
             (cd '{}' && for file in *; do echo more >> \"$file\"; done) </dev/null >/dev/null
             cat '{verdict}'",
            program("qfile-unpacker").display(),
            moving.home().display(),
            verdict = verdict.display(),
        );
        for service in ["qubes.Filecopy", "qubes.Filecopy+allow-all-names"] {
            moving.qubes.set_service(TARGET, service, &script);
        }
        let moved = moving.run(&[OsStr::new("--"), name]);
        moved.finished.assert_code(3);
        let words = pasted(&row(&moved.finished));
        assert_eq!(words, [path.as_os_str().as_bytes(), b"\0"].concat());
    }
}

fn an_edit_that_is_kept_aside_and_a_backup_are_named_so_that_they_can_be_found() {
    for (name, _) in NAMES {
        let editing = Editing::with(Path::new(OsStr::from_bytes(name)), OLD);
        editing.editor("echo 'new content' > \"$1\"");
        let opened = editing.open_with(&["--backup"]);
        opened.assert_code(0);
        let said = opened.stderr();
        let said = said.trim_end().strip_prefix("qvm-open-in-dvm: ").unwrap();
        let (file, rest) = said
            .split_once(" contains the edit; its previous content is saved as ")
            .unwrap();
        let (backup, _) = rest
            .split_once(", because you asked for it with --backup")
            .unwrap();
        let file = pasted(file);
        let backup = pasted(backup);
        let path = |shown: &[u8]| {
            Path::new(OsStr::from_bytes(shown.strip_suffix(b"\0").unwrap())).to_path_buf()
        };
        assert_eq!(path(&file), editing.file());
        assert_eq!(fs::read(path(&backup)).unwrap(), OLD);
    }
}

/// What is sent half, and then waits, of a file of this name.
fn progress_of(name: &str, columns: u16) -> String {
    const LARGE: usize = 4 << 20;
    let hostile = Hostile::of_file(name, LARGE).takes(LARGE / 2).waits();
    let mut terminal = Terminal::start(&hostile.command(Sender::Command), columns);
    let screen = terminal.until(|screen| screen.contains("%") && screen.contains("..."));
    terminal.type_keys("\x03");
    terminal.finish().assert_code(32);
    screen
}

fn progress_keeps_the_beginning_and_the_extension_of_a_long_name() {
    let german = format!("Übersicht-{}-Entwurf.odt", "lang-".repeat(30));
    let arabic = format!("تقرير{}نهائي.pdf", "طويل".repeat(20));
    let chinese = format!("报告{}最终版.odt", "很长".repeat(30));
    // A name that is read from the right is escaped when it is cut.
    for (name, columns, begin, end) in [
        (&german, 60, "\"Üb", "urf.odt\""),
        (&arabic, 80, r"$'\u062a", r"\u064a.pdf'"),
        (&chinese, 60, "\"报", "终版.odt\""),
    ] {
        let screen = progress_of(name, columns);
        assert!(screen.contains(begin), "{screen}");
        assert!(screen.trim_end().ends_with(end), "{screen}");
    }
}

fn an_error_names_all_of_a_long_name() {
    let qubes = Qubes::new();
    let name = format!("{}.odt", "很长".repeat(40));
    let path = ["deep"; 30].join("/");
    let path = format!("{path}/{name}");
    let file = qubes.home(SOURCE).join(&path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    symlink("/", &file).unwrap();
    let refused = copied(&qubes, &[OsStr::new("deep")]);
    refused.assert_code(1);
    assert_eq!(row(&refused), format!("\"{path}\" -> \"/\""));
}

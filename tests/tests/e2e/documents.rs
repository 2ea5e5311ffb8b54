//! What the documents claim: each test quotes a sentence, which has to stand in its document, and does
//! what it says.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use qfile_tests::code::ENOSPC;
use qfile_tests::editing::{Editing, NEW, OLD};
use qfile_tests::fifo;
use qfile_tests::hostile::{Hostile, Sender};
use qfile_tests::moving::Moving;
use qfile_tests::process::{Finished, run};
use qfile_tests::programs::{folder, program, source};
use qfile_tests::qubes::{SOURCE, TARGET};
use qfile_tests::stream::Verdict;
use qfile_tests::suite;
use qfile_tests::tree::{TempFolder, set};

suite! {
    no_cell_of_a_table_is_empty,
    the_table_of_options_is_complete,
    nothing_is_unsafe,
    one_program_is_set_uid,
    the_decoder_is_short,
    what_is_refused_is_listed_before_anybody_is_asked,
    special_files_are_listed,
    a_time_that_cannot_be_sent_is_told,
    a_name_that_the_other_qube_reports,
    no_file_is_overwritten,
    a_move_deletes_what_is_confirmed_and_unchanged,
    a_move_to_a_disposable_is_refused,
    a_copy_to_a_disposable_warns,
    folders_that_exist_keep_their_mode,
    runs_of_zeros_become_holes,
    set_id_bits_are_removed,
    an_emptied_file_comes_back,
    a_shortened_file_has_a_backup,
    an_address_of_a_file_is_a_path,
    an_original_that_changed_is_not_replaced,
    an_answer_has_a_limit,
    where_nobody_can_be_asked,
    the_words_of_a_command_arrive_unchanged,
    arguments_that_a_service_does_not_know,
    without_a_policy_every_call_is_allowed,
    the_commands_for_local_qubes_work,
    settings_cannot_be_half_understood,
    a_pattern_that_leaves_nothing_out_is_named,
    a_name_in_a_locale_that_is_not_utf_8,
    a_name_that_the_other_qube_cannot_show,
    an_edit_that_is_kept_is_named_after_its_qube,
}

/// A document as one line, so that a sentence may be broken anywhere.
fn flat(document: &str) -> String {
    let text = fs::read_to_string(source(document)).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Fails the test unless the sentence stands in the document.
#[track_caller]
fn says(document: &str, sentence: &str) {
    assert!(
        flat(document).contains(sentence),
        "{document} does not say: {sentence}"
    );
}

/// Fails the test unless the sentence stands in a manual page.
#[track_caller]
fn manual_says(sentence: &str) {
    let text = fs::read_to_string(source("dev/src/manual/words.rs")).unwrap();
    let text = text.replace("\\\n", " ").replace(r"\\", r"\");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains(sentence),
        "the manual does not say: {sentence}"
    );
}

const DIFFERENCES: &str = "docs/differences.md";
const README: &str = "README.md";

/// Runs a program of the source qube.
fn typed(moving: &Moving, line: &[&str]) -> Finished {
    let mut command = moving.qubes.command(SOURCE, line[0]);
    command.args(&line[1..]);
    run(command)
}

fn cells(row: &str) -> Vec<&str> {
    let row = row.trim().trim_start_matches('|').trim_end_matches('|');
    row.split(" | ").map(str::trim).collect()
}

fn no_cell_of_a_table_is_empty() {
    says(
        DIFFERENCES,
        "\"No equivalent\" means that the C tools have no function or special treatment for the case.",
    );
    let text = fs::read_to_string(source(DIFFERENCES)).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(rows.len() > 90, "{}", rows.len());
    let columns = |row: &&str| {
        if row.starts_with("| `q") || row.starts_with("| program") {
            2
        } else {
            3
        }
    };
    for row in &rows {
        let cells = cells(row);
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
        let is_short = cells.len() == 2;
        assert!(cells.len() == 3 || (is_short && columns(row) == 2), "{row}");
    }
}

/// The long options that `--help` lists.
fn options(name: &str) -> BTreeSet<String> {
    let finished = run({
        let mut command = Command::new(program(name));
        command.arg("--help").env_remove("QREXEC_REMOTE_DOMAIN");
        command
    });
    let help = [finished.stdout, finished.stderr].concat();
    let help = String::from_utf8(help).unwrap();
    let lines = help
        .lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with('-'));
    let words = lines.flat_map(|line| line.split([' ', ',', '=', '[']).take(4).collect::<Vec<_>>());
    let options = words.filter(|word| word.starts_with("--") && word.len() > 2);
    options.map(str::to_owned).collect()
}

fn the_table_of_options_is_complete() {
    says(DIFFERENCES, "The manual pages describe them.");
    /// Those of the C tools, and those that every program has.
    const KNOWN: [&str; 7] = [
        "--help",
        "--version",
        "--ignore-symlinks",
        "--no-ignore-symlinks",
        "--with-progress",
        "--without-progress",
        "--view-only",
    ];
    let text = fs::read_to_string(source(DIFFERENCES)).unwrap();
    for (name, row) in [
        (
            "qvm-copy",
            "| `qvm-copy`, `qvm-move` and their `-to-vm` forms |",
        ),
        ("qvm-open-in-vm", "| `qvm-open-in-vm`, `qvm-open-in-dvm` |"),
        ("qfile-agent", "| `qfile-agent` |"),
    ] {
        let row = text
            .lines()
            .find_map(|line| line.strip_prefix(row))
            .unwrap();
        let listed: BTreeSet<String> = row
            .split('`')
            .filter(|word| word.starts_with("--"))
            .map(str::to_owned)
            .collect();
        let mut there = options(name);
        there.retain(|option| !KNOWN.contains(&&**option));
        assert_eq!(listed, there, "{name}");
    }
}

fn nothing_is_unsafe() {
    says(README, "The workspace contains no `unsafe`.");
    let manifest = fs::read_to_string(source("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    let (_, members) = manifest.split_once("members = [").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    let mut count = 0;
    for member in members
        .split('"')
        .filter(|word| !word.trim_matches([',', ' ', '\n']).is_empty())
    {
        let folders = match member.strip_suffix("/*") {
            Some(folder) => fs::read_dir(source(folder))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect(),
            None => vec![source(member)],
        };
        for folder in folders
            .iter()
            .filter(|folder| folder.join("Cargo.toml").exists())
        {
            let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            assert!(
                text.contains("[lints]\nworkspace = true"),
                "{}",
                folder.display()
            );
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

fn one_program_is_set_uid() {
    says(README, "The receiver is the only set-uid program.");
    let mut set_uid = Vec::new();
    for entry in fs::read_dir(source("packaging")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension() == Some(OsStr::new("list")) {
            let list = fs::read_to_string(path).unwrap();
            let rows = list
                .lines()
                .filter(|row| row.len() > 4 && row.starts_with(['4', '6']));
            set_uid.extend(rows.filter_map(|row| row.split_whitespace().last().map(str::to_owned)));
        }
    }
    set_uid.dedup();
    assert_eq!(set_uid, ["qfile-unpacker"]);
}

fn the_decoder_is_short() {
    says(README, "The decoder of untrusted bytes has 100 lines.");
    let text = fs::read_to_string(source("qfile-proto/src/decode.rs")).unwrap();
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
    let count = text.lines().filter(is_code).count();
    assert!((90..=100).contains(&count), "{count}");
}

fn what_is_refused_is_listed_before_anybody_is_asked() {
    says(
        DIFFERENCES,
        "They are listed before dom0 asks, up to 20 for each reason, with the number of the others.",
    );
    says(
        README,
        "Links that the other qube would refuse, and names that are too long for it, are listed \
         before dom0 asks anything.",
    );
    let moving = Moving::new();
    for number in 0..25 {
        moving.file("d/file", "");
        symlink("/", moving.path(&format!("d/{number}"))).unwrap();
    }
    moving.set_service(": > ../called");
    let copied = typed(&moving, &["qvm-copy", "d"]);
    copied.assert_code(1);
    copied.assert_says("a link to an absolute path (25):");
    copied.assert_says("    ... and 5 more\n");
    let rows = copied.stderr().matches(" -> \"/\"\n").count();
    assert_eq!(rows, 20);
    assert!(!moving.qubes.root().join(TARGET).join("called").exists());
}

fn special_files_are_listed() {
    says(
        DIFFERENCES,
        "They are left out and listed. The exit status of the commands is 3.",
    );
    let moving = Moving::new();
    moving.file("d/file", "");
    fifo::make(&moving.path("d/pipe"));
    let copied = typed(&moving, &["qvm-copy", "d"]);
    copied.assert_code(3);
    copied.assert_says("\"d/pipe\" is a named pipe");
    assert!(!moving.incoming().join("d/pipe").exists());
}

fn a_time_that_cannot_be_sent_is_told() {
    says(
        DIFFERENCES,
        "The nearest possible time is sent, and a warning is printed.",
    );
    let moving = Moving::new();
    moving.file("old", "");
    set(&moving.path("old"), None, (-86_400, 0));
    let copied = moving.qubes.copy(&["old"]);
    copied.assert_code(0);
    copied.assert_says("the times of \"old\"");
    let arrived = fs::metadata(moving.incoming().join("old")).unwrap();
    assert_eq!(arrived.mtime(), 0);
}

fn a_name_that_the_other_qube_reports() {
    says(
        DIFFERENCES,
        "The name of an entry that was sent is shown like every name of this qube. Any other is \
         shown in printable ASCII, with `_` in place of each other character.",
    );
    for (reported, shown) in [("\u{e9}", "\"\u{e9}\""), ("\u{e8}", "\"__\"")] {
        let verdict = Verdict::new(ENOSPC, 0).naming(reported).to_bytes();
        let hostile = Hostile::of_file("\u{e9}", 10).takes_all().says(&verdict);
        let refused = run(hostile.command(Sender::Command));
        refused.assert_says(&format!("Last file: {shown}"));
    }
}

fn no_file_is_overwritten() {
    says(README, "No file is overwritten.");
    let moving = Moving::new();
    moving.file("letter", "first");
    moving.qubes.copy(&["letter"]).assert_code(0);
    moving.file("letter", "second");
    moving.qubes.copy(&["letter"]).assert_code(1);
    assert_eq!(
        fs::read(moving.incoming().join("letter")).unwrap(),
        b"first"
    );
}

fn a_move_deletes_what_is_confirmed_and_unchanged() {
    says(
        README,
        "A file is deleted only if the other qube has confirmed it and nobody has changed it since \
         it was sent. All other files are listed and are not deleted.",
    );
    let moving = Moving::new();
    moving.file("d/same", "x");
    moving.file("d/other", "x");
    moving.before_the_verdict("echo more >> d/other; echo new > d/new");
    let moved = moving.run(&["d"]);
    moved.finished.assert_code(3);
    assert_eq!(moved.left.paths(), ["d", "d/new", "d/other"]);
    moved.finished.assert_says("d/other\"\n");
    assert!(!moving.path("d/same").exists());
}

fn a_move_to_a_disposable_is_refused() {
    says(
        DIFFERENCES,
        "The move is refused before anything is sent. The exit status is 2.",
    );
    let moving = Moving::new();
    moving.file("letter", "x");
    let moved = typed(&moving, &["qvm-move-to-vm", "@dispvm", "letter"]);
    moved.assert_code(2);
    assert!(moving.path("letter").exists());
}

fn a_copy_to_a_disposable_warns() {
    says(
        DIFFERENCES,
        "A copy to a disposable (`@dispvm`) prints a warning, because the copy is lost when the \
         disposable ends.",
    );
    let moving = Moving::new();
    moving.qubes.set_policy("* * @anyvm @dispvm allow\n");
    moving.file("letter", "x");
    let copied = typed(&moving, &["qvm-copy-to-vm", "@dispvm", "letter"]);
    copied.assert_code(0);
    copied.assert_says("warning: the copy is deleted with the new disposable");
}

fn folders_that_exist_keep_their_mode() {
    says(
        DIFFERENCES,
        "Files are added to them. Their mode and times do not change.",
    );
    let moving = Moving::new();
    moving.file("d/new", "x");
    set(&moving.path("d"), Some(0o755), (1_000_000_000, 0));
    let there = moving.incoming().join("d");
    fs::create_dir_all(&there).unwrap();
    set(&there, Some(0o700), (1_500_000_000, 0));
    moving.qubes.copy(&["d"]).assert_code(0);
    assert!(there.join("new").exists());
    let now = fs::metadata(&there).unwrap();
    assert_eq!(now.permissions().mode() & 0o7777, 0o700);
    assert_ne!(now.mtime(), 1_000_000_000);
}

fn runs_of_zeros_become_holes() {
    says(DIFFERENCES, "They become holes.");
    let moving = Moving::new();
    moving.file("zeros", vec![0; 4 << 20]);
    moving.qubes.copy(&["zeros"]).assert_code(0);
    let arrived = fs::metadata(moving.incoming().join("zeros")).unwrap();
    assert_eq!(arrived.len(), 4 << 20);
    assert!(
        arrived.blocks() * 512 < arrived.len(),
        "{}",
        arrived.blocks()
    );
}

fn set_id_bits_are_removed() {
    says(
        DIFFERENCES,
        "| Set-uid, set-gid and sticky bits | They are preserved. | They are removed. |",
    );
    let moving = Moving::new();
    moving.file("program", "x");
    set(&moving.path("program"), Some(0o7755), (1_000_000_000, 0));
    moving.qubes.copy(&["program"]).assert_code(0);
    let arrived = fs::metadata(moving.incoming().join("program")).unwrap();
    assert_eq!(arrived.permissions().mode() & 0o7777, 0o755);
}

fn an_emptied_file_comes_back() {
    says(DIFFERENCES, "The original is emptied.");
    let editing = Editing::new();
    editing.editor(": > \"$1\"");
    editing.open().assert_code(0);
    editing.assert_only(b"");
}

fn a_shortened_file_has_a_backup() {
    says(
        DIFFERENCES,
        "| A file that had more than 512 bytes and whose new content has less than half of the \
         previous length | No equivalent. | The previous content is saved as `FILE~`. |",
    );
    let long = vec![b'x'; 513];
    let editing = Editing::with("letter.txt".as_ref(), &long);
    editing.editor("echo short > \"$1\"");
    let opened = editing.open();
    opened.assert_code(0);
    opened.assert_says("letter.txt~\", because the edit is less than half as long");
    assert_eq!(fs::read(editing.beside("letter.txt~")).unwrap(), long);
}

fn an_address_of_a_file_is_a_path() {
    says(
        DIFFERENCES,
        "| `file:///path` | It is treated as a URL. | It is treated as a path. \
         `file://localhost/path` and percent-encoded characters work, too. |",
    );
    for host in ["", "localhost"] {
        let editing = Editing::with("a letter.txt".as_ref(), OLD);
        editing.editor("echo 'new content' > \"$1\"");
        let path = editing.file().to_str().unwrap().replace(' ', "%20");
        editing
            .open_path(Path::new(&format!("file://{host}{path}")))
            .assert_code(0);
        editing.assert_only(NEW);
    }
}

fn an_original_that_changed_is_not_replaced() {
    says(
        DIFFERENCES,
        "The original is not replaced. The edit is saved next to it, and the message names both.",
    );
    let editing = Editing::new();
    let file = editing.file().display();
    editing.editor(&format!("echo mine > '{file}'; echo edit > \"$1\""));
    let opened = editing.open();
    opened.assert_code(1);
    assert_eq!(editing.content(), b"mine\n");
    let kept = editing.beside("letter.txt.edited-in-disposable");
    assert_eq!(fs::read(&kept).unwrap(), b"edit\n");
    for path in [editing.file(), &kept] {
        opened.assert_says(&format!("\"{}\"", path.display()));
    }
}

fn an_answer_has_a_limit() {
    says(
        DIFFERENCES,
        "The limit is 4 times the length of the file, plus 1 GiB, or `--max-answer-bytes`.",
    );
    let editing = Editing::new();
    editing.editor("head -c 100 /dev/zero > \"$1\"");
    let opened = editing.open_with(&["--max-answer-bytes", "10"]);
    opened.assert_code(1);
    assert_eq!(editing.content(), OLD);
}

fn where_nobody_can_be_asked() {
    says(
        DIFFERENCES,
        "On a desktop without zenity and kdialog the call fails with exit status 1. Where there is \
         no desktop, nobody can be at work on the file, and the call ends.",
    );
    for (display, code) in [(":7", 1), ("", 0)] {
        let editing = Editing::new();
        editing.service(&format!(
            "export PATH=\"$WORK/without-programs\" DISPLAY={display} WAYLAND_DISPLAY=
             exec {}",
            program("vm-file-editor").to_str().unwrap()
        ));
        editing.open_in_target(&[]).assert_code(code);
        assert_eq!(editing.content(), OLD);
        for folder in editing.scratch_folders() {
            fs::remove_dir_all(folder).unwrap();
        }
    }
}

fn the_words_of_a_command_arrive_unchanged() {
    says(
        DIFFERENCES,
        "The words arrive unchanged. A single word that contains blanks or other special characters \
         of a shell is run as a line of bash.",
    );
    let moving = Moving::new();
    let said = |line: &[&str]| {
        let ran = typed(&moving, &[&["qvm-run-vm", TARGET], line].concat());
        ran.assert_code(0);
        String::from_utf8(ran.stdout).unwrap()
    };
    assert_eq!(
        said(&["printf", "%s|", "a  b", "$HOME", "*"]),
        "a  b|$HOME|*|"
    );
    assert_eq!(said(&["printf '%s|' a  b"]), "a|b|");
}

fn arguments_that_a_service_does_not_know() {
    says(
        DIFFERENCES,
        "| `qubes.GetDate` with an argument other than `nanoseconds` | The argument is treated as \
         `nanoseconds`. | The exit status is 2. |",
    );
    says(
        DIFFERENCES,
        "| `qubes.WaitForSession` with an argument | The exit status is 0 at once. | The exit \
         status is 2. |",
    );
    let moving = Moving::new();
    for service in ["qubes.GetDate+seconds", "qubes.WaitForSession+x"] {
        typed(&moving, &["qrexec-loopback", "--", TARGET, service]).assert_code(2);
    }
    typed(
        &moving,
        &["qrexec-loopback", "--", TARGET, "qubes.GetDate+nanoseconds"],
    )
    .assert_code(0);
}

fn without_a_policy_every_call_is_allowed() {
    says(
        "docs/local-qubes.md",
        "Without a policy, every call is allowed.",
    );
    let moving = Moving::new();
    fs::remove_dir_all(moving.qubes.root().join("policy.d")).unwrap();
    moving.file("letter", "x");
    moving.qubes.copy(&["letter"]).assert_code(0);
}

fn the_commands_for_local_qubes_work() {
    let page = fs::read_to_string(source("docs/local-qubes.md")).unwrap();
    let (_, typed) = page.split_once("```sh\n").unwrap();
    let (typed, _) = typed.split_once("```\n").unwrap();
    let place = TempFolder::open_to_all();
    let qubes = place.path().join("qubes");
    let typed = typed
        .strip_prefix("cargo build --release\n")
        .expect("the page begins with the build")
        .replace("/tmp/qubes", qubes.to_str().unwrap());
    // The page makes links there, which other tests must not lose for a moment.
    let programs = place.path().join("target/release");
    fs::create_dir_all(&programs).unwrap();
    for entry in fs::read_dir(folder()).unwrap() {
        let (path, name) = entry
            .map(|entry| (entry.path(), entry.file_name()))
            .unwrap();
        let is_made_there = fs::read_link(&path).is_ok();
        if path.is_file() && !is_made_there {
            symlink(&path, programs.join(name)).unwrap();
        }
    }
    fs::copy(source("README.md"), place.path().join("README.md")).unwrap();
    let kept = "rm -r ";
    let (typed, removed) = typed.split_once(kept).expect("the page removes the qubes");
    let mut shell = Command::new("sh");
    shell
        .args(["-e", "-c", typed])
        .current_dir(place.path())
        .env("HOME", place.path())
        .env("XDG_STATE_HOME", place.path().join("state"))
        .env_remove("QREXEC_REMOTE_DOMAIN")
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY");
    let ran = run(shell);
    ran.assert_code(0);
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(text.starts_with("README.md\n"), "{text}");
    assert_eq!(text.matches("uid=").count(), 2, "{text}");
    assert_eq!(removed.trim_end(), qubes.to_str().unwrap());
    let edited = fs::read_to_string(qubes.join("work/home/README.md")).unwrap();
    assert!(edited.contains("QFILE"));
}

fn settings_cannot_be_half_understood() {
    says(
        "docs/settings.md",
        "`K`, `M`, `G`, `T` and `P` (or `Ki`, `KiB`, and so on) multiply by 1024; `kB`, `MB`, `GB`, \
         `TB` and `PB` multiply by 1000.",
    );
    // The options take sizes of the same form; what is one byte too much is refused.
    let moving = Moving::new();
    for (size, len, code) in [
        ("1K", 1024, 0),
        ("1K", 1025, 122),
        ("1kB", 1001, 122),
        ("1KiB", 1024, 0),
    ] {
        moving.file("file", vec![b'x'; len]);
        let _may_be_there = fs::remove_dir_all(moving.incoming());
        moving.set_service(&format!(
            "exec '{}' --max-bytes {size}",
            program("qfile-unpacker").display()
        ));
        let copied = moving.qubes.copy(&["file"]);
        copied.assert_code(i32::from(code != 0));
        assert_eq!(
            moving.incoming().join("file").exists(),
            code == 0,
            "{size} {len}"
        );
    }
}

fn a_pattern_that_leaves_nothing_out_is_named() {
    manual_says("A pattern that leaves nothing out is named on stderr.");
    let moving = Moving::new();
    moving.file("docs/plan.txt", "plan");
    let line = ["qvm-copy", "--dry-run", "--exclude=*.o", "docs"];
    let copied = typed(&moving, &line);
    copied.assert_code(0);
    copied.assert_says("--exclude \"*.o\" leaves nothing out");
}

fn a_name_in_a_locale_that_is_not_utf_8() {
    manual_says(
        "If LC_ALL, LC_CTYPE or LANG sets a locale that is not UTF-8, such as C, each byte beyond \
         ASCII is shown as \\xXX. Both forms can be pasted into bash.",
    );
    let moving = Moving::new();
    let in_locale = |locale: &str| {
        let mut command = moving.qubes.command(SOURCE, "qvm-copy");
        command
            .env("LC_ALL", locale)
            .args(["--dry-run", "gr\u{fc}n"]);
        run(command)
    };
    in_locale("C.UTF-8").assert_says("\"gr\u{fc}n\"");
    let refused = in_locale("C");
    refused.assert_says(r"$'gr\xc3\xbcn'");
    assert!(refused.stderr().is_ascii(), "{}", refused.stderr());
    let pasted = Command::new("bash")
        .env("LC_ALL", "C")
        .args(["-c", r"printf %s $'gr\xc3\xbcn'"])
        .output()
        .unwrap();
    assert_eq!(pasted.stdout, "gr\u{fc}n".as_bytes());
}

fn a_name_that_the_other_qube_cannot_show() {
    manual_says(
        "Each other character is _ there. With --verbose, the message names the file as it is called \
         there.",
    );
    let editing = Editing::with("\u{643}\u{62a}.txt".as_ref(), OLD);
    editing.editor("printf %s \"${1##*/}\" > \"$WORK/name\"; echo 'new content' > \"$1\"");
    let opened = editing.open_with(&["--verbose"]);
    opened.assert_code(0);
    opened.assert_says("where its name is \"__.txt\"");
    let there = fs::read(editing.elsewhere("name")).unwrap();
    assert_eq!(there, b"__.txt");
    editing.assert_only(NEW);
}

fn an_edit_that_is_kept_is_named_after_its_qube() {
    manual_says("FILE.edited-in-disposable, or FILE.edited-in-QUBE if QUBE was named");
    let editing = Editing::new();
    let file = editing.file().display();
    editing.editor(&format!("echo mine > '{file}'; echo edit > \"$1\""));
    fs::set_permissions(editing.file(), fs::Permissions::from_mode(0o640)).unwrap();
    editing.open_in_target(&[]).assert_code(1);
    let kept = editing.beside(&format!("letter.txt.edited-in-{TARGET}"));
    assert_eq!(fs::read(&kept).unwrap(), b"edit\n");
    assert_eq!(kept.metadata().unwrap().mode() & 0o7777, 0o640);
}

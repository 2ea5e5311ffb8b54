//! The catalogue of messages, `docs/messages/`: where a message says what to type, that is typed, and
//! helps.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use qfile_tests::editing::Editing;
use qfile_tests::fifo;
use qfile_tests::moving::Moving;
use qfile_tests::process::{Finished, run};
use qfile_tests::programs::{program, source};
use qfile_tests::qubes::{SOURCE, TARGET};
use qfile_tests::suite;

suite! {
    every_message_with_a_command_is_followed,
    every_option_and_program_that_is_named_exists,
}

/// What becomes of advice.
enum Advice {
    /// The test sees the message and does what it says.
    Followed(fn()),
    /// What it is about does not exist where tests run.
    NotHere,
}

use Advice::{Followed, NotHere};

/// A part of each line of the catalogue that says what to type, and a test of it.
const ADVICE: [(&str, Advice); 30] = [
    ("tip: for a file whose name begins with -", Followed(a_dash)),
    ("see --help", Followed(help)),
    ("name what is in it, as in ./*", Followed(this_folder)),
    (
        "one of them under another name with --as",
        Followed(same_name),
    ),
    ("each with its own --as NAME", Followed(one_name_for_two)),
    (
        "does not take the name of a qube",
        Followed(no_name_of_a_qube),
    ),
    (
        "copy the files with qvm-copy-to-vm",
        Followed(moved_to_a_disposable),
    ),
    (
        "qvm-open-in-dvm opens a file in a disposable",
        Followed(opened_in_a_disposable),
    ),
    (
        "--dereference copies what links point to; --ignore-symlinks",
        Followed(refused_links),
    ),
    (
        "use --ignore-symlinks instead of --dereference",
        Followed(dangling_link),
    ),
    (
        "copy without --dereference",
        Followed(link_to_its_own_folder),
    ),
    ("set TMPDIR to a folder", Followed(no_temporary_folder)),
    (
        "set QREXEC_CLIENT_VM to its absolute path",
        Followed(wrong_client),
    ),
    ("QREXEC_CLIENT_VM is set to", Followed(wrong_client)),
    (
        "rename the files (--dry-run lists them)",
        Followed(denied_names),
    ),
    (
        "or copy it with --as NAME, which gives it another name there; with ON_CONFLICT=rename",
        Followed(name_is_taken),
    ),
    (
        "copy it again with --as NAME instead",
        Followed(folder_is_taken),
    ),
    (
        "move it again, without --continue; with ON_CONFLICT=skip-identical",
        Followed(unconfirmed),
    ),
    (
        "if it is needed there, move it without --exclude",
        Followed(excluded),
    ),
    (
        "if it is a link, --dereference copies what it points to",
        Followed(skipped_link),
    ),
    ("--allow-directories allows them", Followed(tree_check)),
    (
        "--allow-symlinks allows them; --ignore-symlinks leaves them out",
        Followed(tree_check),
    ),
    (
        "leave links out with --ignore-symlinks, or send",
        Followed(link_that_the_receiver_refuses),
    ),
    ("as qvm-copy does", Followed(name_that_the_receiver_refuses)),
    ("use qvm-copy instead", Followed(agent_by_hand)),
    // Linux stores no link of that length.
    ("leave it out with --ignore-symlinks", NotHere),
    // Root reads everything.
    ("make it readable with chmod", NotHere),
    // There is no service manager.
    ("sudo journalctl -u qubes-qrexec-agent", NotHere),
    ("systemctl status qubes-qrexec-agent", NotHere),
    (
        "--as gives a name to one file or folder",
        Followed(one_name_for_two),
    ),
];

/// The lines of the messages, without headings and entries of lists.
fn lines() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for entry in fs::read_dir(source("docs/messages")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for block in text.split("\n```\n").skip(1).step_by(2) {
            lines.extend(block.lines().map(str::to_owned));
        }
    }
    assert!(lines.len() > 100, "{}", lines.len());
    lines
}

/// True if the line says what to type.
fn has_command(line: &str) -> bool {
    let is_heading = line.ends_with("):");
    let is_entry = line.starts_with("    ") && !line.starts_with("    =>");
    let quotes_what_was_typed = line.starts_with("unexpected ") || line.starts_with("usage: ");
    let marks = [
        "--",
        "./*",
        "./ ",
        "qvm-",
        "ON_CONFLICT",
        "QREXEC_",
        "TMPDIR",
        "chmod",
        "ctl ",
    ];
    !is_heading
        && !is_entry
        && !quotes_what_was_typed
        && marks.iter().any(|mark| line.contains(mark))
}

fn every_message_with_a_command_is_followed() {
    let lines = lines();
    let said: Vec<&String> = lines.iter().filter(|line| has_command(line)).collect();
    for line in &said {
        let is_known = ADVICE.iter().any(|(part, _)| line.contains(part));
        assert!(is_known, "nothing here follows: {line}");
    }
    for (part, advice) in ADVICE {
        assert!(
            said.iter().any(|line| line.contains(part)),
            "nothing says: {part}"
        );
        if let Followed(follow) = advice {
            follow();
        }
    }
}

fn every_option_and_program_that_is_named_exists() {
    let help = ["qvm-copy", "qfile-agent", "qubes-fs-tree-check"].map(|name| {
        let mut command = Command::new(program(name));
        command.arg("--help");
        let told = run(command);
        String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned()
    });
    let help = help.concat();
    let lists = ["packaging/qfile.list", "packaging/qfile-remote.list"];
    let lists = lists
        .map(|list| fs::read_to_string(source(list)).unwrap())
        .concat();
    // Those that Qubes OS and packages have.
    let others = [
        "qubes-core-agent",
        "qubes-core-agent-linux",
        "qubes-core-qrexec",
        "qubes-qrexec-agent",
        "qrexec-client-vm",
        "qrexec-loopback",
        "qfile-remote",
        "qvm-move-00-plan",
    ];
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    for line in lines()
        .iter()
        .filter(|line| !line.starts_with("unexpected "))
    {
        for word in line.split(|c| !is_of_word(c)) {
            if word.starts_with("--") && word.len() > 2 {
                assert!(help.contains(word), "{word}: {line}");
            }
            let is_program = ["qvm-", "qubes-", "qfile-", "qrexec-"]
                .iter()
                .any(|begin| word.starts_with(begin));
            if is_program && !others.contains(&word) {
                assert!(lists.contains(&format!("/{word}")), "{word}: {line}");
            }
        }
    }
}

fn typed(moving: &Moving, line: &[&str]) -> Finished {
    let mut command = moving.qubes.command(SOURCE, line[0]);
    command.args(&line[1..]);
    run(command)
}

/// In a shell, in the home of the source.
fn in_shell(moving: &Moving, line: &str) -> Finished {
    let mut command = moving.qubes.command_at(SOURCE, "/bin/bash".as_ref());
    command.args(["-c", line, program("qvm-copy").to_str().unwrap()]);
    command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    run(command)
}

/// A qube with a file `plan.txt`.
fn one_file() -> Moving {
    let moving = Moving::new();
    moving.file("plan.txt", "plan");
    moving
}

fn a_dash() {
    let moving = Moving::new();
    moving.file("-plan.txt", "");
    let wrong = typed(&moving, &["qvm-copy", "-plan.txt"]);
    wrong.assert_code(2);
    wrong.assert_says("write -- or ./ before it");
    typed(&moving, &["qvm-copy", "--", "-plan.txt"]).assert_code(0);
    let _arrived = fs::remove_dir_all(moving.incoming());
    typed(&moving, &["qvm-copy", "./-plan.txt"]).assert_code(0);
    assert!(moving.incoming().join("-plan.txt").exists());
}

fn help() {
    let wrong = typed(&Moving::new(), &["qvm-copy"]);
    wrong.assert_code(2);
    wrong.assert_says("qvm-copy: see --help\n");
    typed(&Moving::new(), &["qvm-copy", "--help"]).assert_code(0);
}

fn this_folder() {
    let moving = one_file();
    let wrong = typed(&moving, &["qvm-copy", "."]);
    wrong.assert_code(2);
    wrong.assert_says("as in ./*");
    in_shell(&moving, "\"$0\" ./*").assert_code(0);
    assert!(moving.incoming().join("plan.txt").exists());
}

fn same_name() {
    let moving = Moving::new();
    moving.file("a/plan", "");
    moving.file("b/plan", "");
    let wrong = typed(&moving, &["qvm-copy", "a/plan", "b/plan"]);
    wrong.assert_says("one of them under another name with --as");
    typed(&moving, &["qvm-copy", "a/plan"]).assert_code(0);
    typed(&moving, &["qvm-copy", "--as", "other", "b/plan"]).assert_code(0);
    assert!(moving.incoming().join("other").exists());
}

fn one_name_for_two() {
    let moving = Moving::new();
    moving.file("a", "");
    moving.file("b", "");
    let wrong = typed(&moving, &["qvm-copy", "--as", "x", "a", "b"]);
    wrong.assert_says("each with its own --as NAME");
    typed(&moving, &["qvm-copy", "--as", "x", "a"]).assert_code(0);
    typed(&moving, &["qvm-copy", "--as", "y", "b"]).assert_code(0);
}

fn no_name_of_a_qube() {
    for (with, without) in [
        ("qvm-copy-to-vm", "qvm-copy"),
        ("qvm-move-to-vm", "qvm-move"),
    ] {
        let moving = one_file();
        let wrong = typed(&moving, &[with, "my qube", "plan.txt"]);
        wrong.assert_code(2);
        wrong.assert_says(&format!(
            "{without} FILE... does not take the name of a qube"
        ));
        typed(&moving, &[without, "plan.txt"]).assert_code(0);
    }
}

fn moved_to_a_disposable() {
    let moving = one_file();
    moving.qubes.set_policy("* * @anyvm @dispvm allow\n");
    let wrong = typed(&moving, &["qvm-move-to-vm", "@dispvm", "plan.txt"]);
    wrong.assert_says("copy the files with qvm-copy-to-vm");
    typed(&moving, &["qvm-copy-to-vm", "@dispvm", "plan.txt"]).assert_code(0);
}

fn opened_in_a_disposable() {
    let moving = one_file();
    moving.qubes.set_policy("* * @anyvm @dispvm allow\n");
    let copied = typed(&moving, &["qvm-copy-to-vm", "@dispvm", "plan.txt"]);
    copied.assert_says("qvm-open-in-dvm opens a file in a disposable");
    Editing::with_an_edit().assert_quietly_edited();
}

fn refused_links() {
    for (option, code) in [
        ("--dereference", 0),
        ("--ignore-symlinks", 0),
        ("--skip-refused", 3),
    ] {
        let moving = Moving::new();
        moving.file("target", "");
        moving.file("docs/file", "");
        symlink(moving.path("target"), moving.path("docs/link")).unwrap();
        let refused = typed(&moving, &["qvm-copy", "docs"]);
        refused.assert_code(1);
        refused.assert_says(option);
        typed(&moving, &["qvm-copy", option, "docs"]).assert_code(code);
        assert_eq!(
            moving.incoming().join("docs/link").exists(),
            option == "--dereference"
        );
    }
}

fn dangling_link() {
    let moving = Moving::new();
    moving.file("docs/file", "");
    symlink("nothing", moving.path("docs/link")).unwrap();
    let refused = typed(&moving, &["qvm-copy", "--dereference", "docs"]);
    refused.assert_says("use --ignore-symlinks instead of --dereference");
    typed(&moving, &["qvm-copy", "--ignore-symlinks", "docs"]).assert_code(0);
}

fn link_to_its_own_folder() {
    let moving = Moving::new();
    moving.file("docs/sub/file", "");
    symlink("../sub", moving.path("docs/sub/link")).unwrap();
    let refused = typed(&moving, &["qvm-copy", "--dereference", "docs"]);
    refused.assert_code(1);
    refused.assert_says("copy without --dereference");
    typed(&moving, &["qvm-copy", "docs"]).assert_code(0);
}

fn no_temporary_folder() {
    let moving = one_file();
    let move_with = |folder: &str| {
        let mut command = moving.command(&["plan.txt"]);
        command.env("TMPDIR", folder);
        run(command)
    };
    let failed = move_with("/no/such/folder");
    failed.assert_code(1);
    failed.assert_says("set TMPDIR to a folder that you can write to");
    assert!(moving.path("plan.txt").exists());
    move_with(moving.home().to_str().unwrap()).assert_code(0);
    assert!(!moving.path("plan.txt").exists());
}

fn wrong_client() {
    let moving = one_file();
    let copy_with = |client: &str| {
        let mut command = moving.qubes.command(SOURCE, "qvm-copy");
        command.arg("plan.txt").env("QREXEC_CLIENT_VM", client);
        run(command)
    };
    let wrong = copy_with("qrexec-loopback");
    wrong.assert_code(1);
    wrong.assert_says("unset it, or set it to that of qrexec-client-vm");
    copy_with(program("qrexec-loopback").to_str().unwrap()).assert_code(0);
}

fn denied_names() {
    let moving = Moving::new();
    moving.file("docs/\u{202e}x\ty", "");
    let rules = "qubes.Filecopy +allow-all-names @anyvm @anyvm deny\n* * @anyvm @anyvm allow\n";
    moving.qubes.set_policy(rules);
    let refused = typed(&moving, &["qvm-copy-to-vm", TARGET, "docs"]);
    refused.assert_code(126);
    refused.assert_says("rename the files (--dry-run lists them)");
    let listed = typed(&moving, &["qvm-copy-to-vm", "--dry-run", TARGET, "docs"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let name = listed
        .lines()
        .find_map(|line| line.strip_prefix("    $'"))
        .unwrap();
    in_shell(&moving, &format!("mv -- $'{name} docs/plain")).assert_code(0);
    typed(&moving, &["qvm-copy-to-vm", TARGET, "docs"]).assert_code(0);
    assert!(moving.incoming().join("docs/plain").exists());
}

fn name_is_taken() {
    let moving = one_file();
    moving.qubes.copy(&["plan.txt"]).assert_code(0);
    let refused = moving.qubes.copy(&["plan.txt"]);
    refused.assert_code(1);
    refused.assert_says("or copy it with --as NAME");
    moving
        .qubes
        .copy(&["--as", "plan 2", "plan.txt"])
        .assert_code(0);
    // The option is the setting of the same name.
    let receiver = program("qfile-unpacker");
    moving.set_service(&format!(
        "exec '{}' --on-conflict rename",
        receiver.display()
    ));
    moving.qubes.copy(&["plan.txt"]).assert_code(0);
    assert!(moving.incoming().join("plan (2).txt").exists() || moving.arrived().len() > 3);
}

fn folder_is_taken() {
    let moving = Moving::new();
    moving.file("docs/a", "a");
    moving.file("docs/b", "b");
    moving.qubes.copy(&["docs"]).assert_code(0);
    let refused = moving.qubes.copy(&["docs"]);
    refused.assert_code(1);
    refused.assert_says("move or rename the folder that it is in");
    refused.assert_says("or copy it with --as NAME");
    assert!(
        !refused.stderr().contains("0 files"),
        "{}",
        refused.stderr()
    );
    // The files of a folder have no order, so what arrives before it is beside it.
    moving.file("first", "first");
    let refused = moving.qubes.copy(&["first", "docs"]);
    refused.assert_code(1);
    refused.assert_says("copy it again with --as NAME instead");
    refused.assert_says("to send the rest: qvm-copy --continue");
    moving
        .qubes
        .copy(&["--as", "docs-2", "docs"])
        .assert_code(0);
    for name in ["a", "b"] {
        assert!(
            moving.incoming().join("docs-2").join(name).exists(),
            "{name}"
        );
    }
}

fn unconfirmed() {
    let moving = Moving::new();
    moving.file("a", "first");
    moving.file("b", "second");
    fs::create_dir_all(moving.incoming()).unwrap();
    fs::write(moving.incoming().join("b"), "there").unwrap();
    moving.run(&["a", "b"]).finished.assert_code(1);
    fs::remove_file(moving.incoming().join("b")).unwrap();
    let rest = typed(&moving, &["qvm-move", "--continue"]);
    rest.assert_code(3);
    rest.assert_says("remove the copy there and move it again, without --continue");
    assert!(moving.path("a").exists());
    fs::remove_file(moving.incoming().join("a")).unwrap();
    moving.run(&["a"]).finished.assert_code(0);
    assert!(!moving.path("a").exists());
}

fn excluded() {
    let moving = Moving::new();
    moving.file("d/a.o", "");
    moving.file("d/a.c", "");
    let moved = moving.run(&["--exclude=*.o", "d"]);
    moved.finished.assert_code(3);
    moved.finished.assert_says("move it without --exclude");
    moving.run(&["d"]).finished.assert_code(0);
    assert!(moving.incoming().join("d/a.o").exists() && !moving.path("d").exists());
}

fn skipped_link() {
    let moving = Moving::new();
    moving.file("target", "x");
    moving.file("d/file", "");
    symlink(moving.path("target"), moving.path("d/link")).unwrap();
    let moved = moving.run(&["--skip-refused", "d"]);
    moved.finished.assert_code(3);
    moved
        .finished
        .assert_says("if it is a link, --dereference copies what it points to");
    moving
        .qubes
        .copy(&["--dereference", "d/link"])
        .assert_code(0);
    assert_eq!(fs::read(moving.incoming().join("link")).unwrap(), b"x");
}

fn tree_check() {
    let moving = Moving::new();
    moving.file("d/file", "");
    symlink("file", moving.path("d/link")).unwrap();
    let refused = typed(&moving, &["qubes-fs-tree-check", "d"]);
    refused.assert_code(1);
    refused.assert_says("--allow-directories allows them");
    refused.assert_says("--allow-symlinks allows them; --ignore-symlinks leaves them out");
    for option in ["--allow-symlinks", "--ignore-symlinks"] {
        typed(
            &moving,
            &["qubes-fs-tree-check", "--allow-directories", option, "d"],
        )
        .assert_code(0);
    }
}

/// The sender alone, as a program of somebody else's starts it.
fn agent(moving: &Moving, line: &[&str]) -> Finished {
    let mut call = moving.qubes.command(SOURCE, "qrexec-loopback");
    call.args(["--", TARGET, "qubes.Filecopy"])
        .arg(program("qfile-agent"))
        .args(line);
    run(call)
}

fn link_that_the_receiver_refuses() {
    let moving = Moving::new();
    moving.file("d/file", "x");
    symlink("/", moving.path("d/link")).unwrap();
    agent(&moving, &["d"]).assert_says("leave links out with --ignore-symlinks");
    let _half = fs::remove_dir_all(moving.incoming());
    agent(&moving, &["--ignore-symlinks", "d"]).assert_code(0);
    assert!(moving.incoming().join("d/file").exists());
}

fn name_that_the_receiver_refuses() {
    let moving = Moving::new();
    moving.file("\u{202e}x", "x");
    let refused = agent(&moving, &["\u{202e}x"]);
    refused.assert_says(r"Name might look somewhat like $'\u202ex'");
    refused.assert_says("as qvm-copy does");
    typed(&moving, &["qvm-copy", "\u{202e}x"]).assert_code(0);
    assert!(moving.incoming().join("\u{202e}x").exists());
}

fn agent_by_hand() {
    let moving = one_file();
    let mut by_hand = moving.qubes.command(SOURCE, "qfile-agent");
    // The answer never comes.
    let answer = moving.qubes.root().join("answer");
    let _held = fifo::held(&answer);
    by_hand
        .arg("plan.txt")
        .stdin(fs::File::open(&answer).unwrap());
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    by_hand.stdout(full).stderr(Stdio::piped());
    let output = by_hand.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("use qvm-copy instead"), "{said}");
    typed(&moving, &["qvm-copy", "plan.txt"]).assert_code(0);
}

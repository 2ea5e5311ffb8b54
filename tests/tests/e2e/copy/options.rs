//! The options that people look for: what is left out, stdin, more than one target, a time limit, and
//! what is said to people and to scripts.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::process::{Command, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use qfile_tests::fifo;
use qfile_tests::moving::Moving;
use qfile_tests::process::{Finished, Running, run};
use qfile_tests::qubes::{SOURCE, TARGET};
use qfile_tests::suite;
use qfile_tests::user::{in_private_mounts, needs_private_mounts};

suite! {
    what_is_excluded_is_counted_and_does_not_arrive,
    a_move_never_deletes_a_folder_with_something_excluded_in_it,
    a_call_that_is_continued_leaves_out_the_same,
    a_pattern_that_is_none_is_a_usage_error,
    a_pattern_that_leaves_nothing_out_is_named,
    an_accent_is_excluded_however_it_is_written,
    a_file_that_was_forgotten_is_asked_for,
    stdin_arrives_as_one_file_under_the_name_it_is_given,
    a_dash_without_a_name_or_with_files_or_in_a_move_is_a_usage_error,
    each_entry_is_named_with_verbose_and_nothing_is_said_with_quiet,
    quiet_still_names_what_was_left_out,
    a_call_that_takes_too_long_is_cancelled_and_what_arrived_is_said,
    a_survey_that_does_not_end_in_time_is_left_behind [needs_private_mounts, needs_fuse],
    a_stdin_that_does_not_end_in_time_is_not_sent,
    one_target_may_be_named_with_to,
    several_targets_get_the_same_and_the_worst_result_counts,
    a_move_to_several_deletes_only_what_all_have_confirmed,
    where_nothing_was_sent_there_is_nothing_to_remove,
    after_a_move_that_failed_everywhere_no_copy_is_to_be_removed,
    a_move_goes_on_to_the_qubes_that_lack_the_files,
    where_a_qube_has_a_torn_copy_no_advice_leads_to_a_move,
    what_a_lost_confirmation_left_is_to_be_removed_first,
    several_targets_are_checked_before_anything_is_sent,
    scripts_get_a_line_for_each_entry_and_one_for_the_result,
    a_dry_run_names_each_entry_when_it_is_asked_to,
}

/// Another qube to send to.
const OTHER: &str = "archive";

fn typed(moving: &Moving, line: &[&str]) -> Command {
    let mut command = moving.qubes.command(SOURCE, line[0]);
    command.args(&line[1..]).stdin(Stdio::null());
    command
}

fn type_in(moving: &Moving, line: &[&str]) -> Finished {
    run(typed(moving, line))
}

/// A folder of sources, with what nobody wants to have copied.
fn sources() -> Moving {
    let moving = Moving::new();
    for name in [
        "src/a.c",
        "src/a.o",
        "src/target/deep/b.c",
        "src/sub/c.o",
        "d.o",
    ] {
        moving.file(name, format!("content of {name}"));
    }
    moving
}

fn stdout(finished: &Finished) -> String {
    String::from_utf8(finished.stdout.clone()).unwrap()
}

fn what_is_excluded_is_counted_and_does_not_arrive() {
    let moving = sources();
    let line = [
        "qvm-copy",
        "--exclude",
        "*.o",
        "--exclude=target/",
        "src",
        "d.o",
    ];
    let copied = type_in(&moving, &line);
    copied.assert_code(0);
    copied.assert_says("4 entries are left out by --exclude");
    let arrived = moving.incoming();
    assert!(arrived.join("src/a.c").is_file());
    assert!(arrived.join("src/sub").is_dir());
    for name in ["src/a.o", "src/target", "src/sub/c.o", "d.o"] {
        assert!(!arrived.join(name).exists(), "{name}");
    }
    let nothing = type_in(&moving, &["qvm-copy", "--exclude=*", "src"]);
    nothing.assert_code(1);
    nothing.assert_says("nothing was sent, because --exclude leaves out everything");
}

fn a_move_never_deletes_a_folder_with_something_excluded_in_it() {
    let moving = sources();
    let line = [
        "qvm-move",
        "--exclude=*.o",
        "--exclude",
        "deep/",
        "src",
        "d.o",
    ];
    let moved = type_in(&moving, &line);
    moved.assert_code(3);
    moved.assert_says("left out by --exclude (4)");
    for name in ["src/a.o", "src/target/deep/b.c", "src/sub/c.o", "d.o"] {
        assert!(moving.path(name).exists(), "{name}");
        assert!(!moving.incoming().join(name).exists(), "{name}");
    }
    assert!(!moving.path("src/a.c").exists());
    assert!(moving.incoming().join("src/a.c").is_file());
}

fn a_call_that_is_continued_leaves_out_the_same() {
    let moving = Moving::new();
    for name in ["a", "b", "c.o"] {
        moving.file(name, name);
    }
    fs::create_dir_all(moving.incoming()).unwrap();
    fs::write(moving.incoming().join("b"), "before").unwrap();
    type_in(&moving, &["qvm-copy", "--exclude=*.o", "a", "b", "c.o"]).assert_code(1);
    fs::remove_file(moving.incoming().join("b")).unwrap();
    let other = type_in(&moving, &["qvm-copy", "--continue", "--exclude=*.x"]);
    other.assert_code(2);
    other.assert_says("had other files, another qube or other options");
    type_in(&moving, &["qvm-copy", "--continue"]).assert_code(0);
    assert!(moving.incoming().join("b").exists());
    assert!(!moving.incoming().join("c.o").exists());
}

fn a_pattern_that_is_none_is_a_usage_error() {
    let moving = sources();
    for pattern in ["[a", "", "/"] {
        let copied = type_in(&moving, &["qvm-copy", "--exclude", pattern, "src"]);
        copied.assert_code(2);
        copied.assert_says("is not a pattern");
    }
    assert!(!moving.incoming().exists());
}

fn stdin_arrives_as_one_file_under_the_name_it_is_given() {
    let moving = Moving::new();
    let content = vec![b'x'; 3 << 20];
    moving.file("source", &content);
    for line in [
        &["qvm-copy", "--as", "a file", "-"][..],
        &["qvm-copy-to-vm", "--as=b", TARGET, "-"],
        &["qvm-copy", "-", "--as", "c", "--to", TARGET],
        &["qvm-copy", "--ignore-symlinks", "--as=d", "-"],
    ] {
        let mut command = typed(&moving, line);
        // Not from its beginning: what was read before is not sent.
        let script = "head -c 1 >/dev/null; exec \"$0\" \"$@\" <source";
        let mut shell = moving.qubes.command_at(SOURCE, "/bin/sh".as_ref());
        shell.arg("-c").arg(script).arg(command.get_program());
        shell.args(command.get_args()).stdin(Stdio::null());
        command = shell;
        run(command).assert_code(0);
    }
    for name in ["a file", "b", "c", "d"] {
        let arrived = fs::read(moving.incoming().join(name)).unwrap();
        assert!(arrived == content, "{name}");
    }
    // There is nothing to go on with.
    let again = type_in(&moving, &["qvm-copy", "--as", "b", "-"]);
    again.assert_code(1);
    // One file, whose name is taken: nothing has arrived.
    again.assert_says("already exists");
    assert!(
        !again.stderr().contains("remove any files"),
        "{}",
        again.stderr()
    );
    type_in(&moving, &["qvm-copy", "--continue"]).assert_says("there is no call to continue");
}

fn a_dash_without_a_name_or_with_files_or_in_a_move_is_a_usage_error() {
    let moving = Moving::new();
    moving.file("-", "a file");
    moving.file("a", "a");
    for (line, says) in [
        (&["qvm-copy", "-"][..], "a name with --as NAME"),
        (&["qvm-copy", "--as=x", "-", "a"], "sent alone"),
        (&["qvm-copy", "--as", "-", "a"], "sent alone"),
        (&["qvm-move", "--as=x", "-"], "can be copied, but not moved"),
        (
            &["qvm-copy", "--continue", "--as=x", "-"],
            "use no --continue",
        ),
    ] {
        let refused = type_in(&moving, line);
        refused.assert_code(2);
        refused.assert_says(says);
        refused.assert_says("write -- before it, or ./-");
    }
    // The advice works.
    type_in(&moving, &["qvm-copy", "--", "-"]).assert_code(0);
    assert_eq!(fs::read(moving.incoming().join("-")).unwrap(), b"a file");
}

fn each_entry_is_named_with_verbose_and_nothing_is_said_with_quiet() {
    let moving = three_qubes();
    moving
        .qubes
        .set_policy("* * @anyvm @default allow target=vault\n* * @anyvm @anyvm allow\n");
    moving.file("docs/a", "12345");
    symlink("a", moving.path("docs/link")).unwrap();
    let copied = type_in(&moving, &["qvm-copy", "-v", "docs"]);
    copied.assert_code(0);
    for says in [
        "\"docs\", a folder",
        "\"docs/a\", a file of 5 bytes",
        "\"docs/link\", a link",
    ] {
        copied.assert_says(says);
    }
    for line in [
        &["qvm-copy", "--quiet", "--as=again", "docs"][..],
        // The last of the two counts, and a warning is no error.
        &["qvm-copy", "-v", "-q", "--as=more", "--exclude=a", "docs"],
        &[
            "qvm-copy", "-q", "--to", TARGET, "--to", OTHER, "--as=two", "docs",
        ],
    ] {
        let copied = type_in(&moving, line);
        copied.assert_code(0);
        assert_eq!(copied.stderr(), "", "{line:?}");
        assert_eq!(copied.stdout, b"", "{line:?}");
    }
}

fn quiet_still_names_what_was_left_out() {
    let moving = Moving::new();
    moving.file("docs/a", "12345");
    fifo::make(&moving.path("docs/pipe"));
    let copied = type_in(&moving, &["qvm-copy", "--quiet", "docs"]);
    copied.assert_code(3);
    copied.assert_says("docs/pipe");
    assert!(!copied.stderr().contains("will be left out"));
}

fn a_call_that_takes_too_long_is_cancelled_and_what_arrived_is_said() {
    let moving = Moving::new();
    moving.file("a", "a");
    // It is received, and never confirmed.
    moving.set_service("cat >/dev/null\nexec sleep 600");
    for command in ["qvm-copy", "qvm-move"] {
        let copied = type_in(&moving, &[command, "--timeout", "300ms", "a"]);
        copied.assert_code(32);
        copied.assert_says("the time limit of 300ms (--timeout) is reached");
        copied.assert_says("QubesIncoming");
        assert!(moving.path("a").exists());
    }
    for time in ["0", "", "soon", "-1"] {
        type_in(&moving, &["qvm-copy", &format!("--timeout={time}"), "a"]).assert_code(2);
    }
}

fn needs_fuse() -> Result<(), String> {
    open_fuse()
        .map(drop)
        .map_err(|error| format!("needs /dev/fuse: {error}"))
}

fn open_fuse() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/fuse")
}

/// A file system whose daemon never answers what the kernel asks.
fn a_survey_that_does_not_end_in_time_is_left_behind() {
    in_private_mounts(|| {
        let moving = sources();
        let silent = moving.path("src/silent");
        fs::create_dir(&silent).unwrap();
        let fuse = open_fuse().unwrap();
        let owner = fs::metadata(&silent).unwrap();
        let options = format!(
            "fd={},rootmode=40000,user_id={},group_id={}",
            fuse.as_raw_fd(),
            owner.uid(),
            owner.gid()
        );
        let kind = Some("fuse");
        mount(kind, &silent, kind, MsFlags::MS_NOSUID, Some(&*options)).unwrap();
        for line in [
            &["qvm-copy", "--timeout", "300ms", "src"][..],
            &["qvm-move", "--timeout", "300ms", "src"],
            &["qvm-copy", "--timeout", "300ms", "--json", "src"],
        ] {
            let copied = run(typed(&moving, line));
            copied.assert_code(32);
            copied.assert_says("the time limit of 300ms (--timeout) is reached");
            copied.assert_says("nothing was sent");
        }
        drop(fuse);
        umount2(&silent, MntFlags::MNT_DETACH).unwrap();
        assert!(moving.path("src/a.c").exists());
        assert!(!moving.incoming().exists());
    });
}

fn a_stdin_that_does_not_end_in_time_is_not_sent() {
    let moving = Moving::new();
    let mut command = typed(&moving, &["qvm-copy", "--timeout=200ms", "--as=x", "-"]);
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    command.stdin(reader);
    let running = Running::start(command);
    let finished = running.finish();
    drop(writer);
    finished.assert_code(32);
    finished.assert_says("before stdin had ended; nothing was sent");
    assert!(!moving.incoming().exists());
}

fn one_target_may_be_named_with_to() {
    let moving = Moving::new();
    moving.file("a", "a");
    type_in(&moving, &["qvm-copy", "--to", TARGET, "a"]).assert_code(0);
    assert!(moving.incoming().join("a").exists());
    // With --to no argument is a qube.
    let missing = type_in(&moving, &["qvm-copy-to-vm", "--to", TARGET, TARGET, "a"]);
    missing.assert_code(1);
    missing.assert_says("vault");
    type_in(&moving, &["qvm-move", "--to", "@dispvm", "a"]).assert_code(2);
}

/// A third qube, which refuses a name that is taken there.
fn three_qubes() -> Moving {
    let moving = Moving::new();
    moving.qubes.add(OTHER);
    for name in ["a", "b"] {
        moving.file(name, name);
    }
    moving
}

const TO_BOTH: [&str; 4] = ["--to", OTHER, "--to", TARGET];

fn several_targets_get_the_same_and_the_worst_result_counts() {
    let moving = three_qubes();
    let copied = type_in(
        &moving,
        &[&["qvm-copy"], &TO_BOTH[..], &["a", "b"]].concat(),
    );
    copied.assert_code(0);
    copied.assert_says("archive: all files arrived");
    copied.assert_says("vault: all files arrived");
    for qube in [OTHER, TARGET] {
        let incoming = moving.qubes.incoming(SOURCE, qube);
        assert_eq!(fs::read(incoming.join("b")).unwrap(), b"b", "{qube}");
    }
    // One refuses; the other gets it all the same.
    moving.file("c", "c");
    fs::write(moving.qubes.incoming(SOURCE, OTHER).join("c"), "before").unwrap();
    let copied = type_in(&moving, &[&["qvm-copy"], &TO_BOTH[..], &["c"]].concat());
    copied.assert_code(1);
    copied.assert_says("qfile-agent: archive: Fatal error: A file named \"c\" already exists");
    copied.assert_says("qfile-agent: vault: 1 file copied");
    copied.assert_says("archive: the copy failed; the reason is above");
    copied.assert_says("vault: all files arrived");
    // Nothing has arrived there of which anything could be removed.
    assert!(
        !copied.stderr().contains("remove any files that arrived"),
        "{}",
        copied.stderr()
    );
    copied.assert_says("qvm-copy: the files arrived in vault, but archive did not confirm them\n");
    copied.assert_says("copy them again only to archive: qvm-copy --to archive ...\n");
    assert_eq!(fs::read(moving.incoming().join("c")).unwrap(), b"c");
    moving
        .qubes
        .set_policy("* * work vault deny\n* * @anyvm @anyvm allow\n");
    let copied = type_in(
        &moving,
        &[&["qvm-copy", "--as=d"], &TO_BOTH[..], &["c"]].concat(),
    );
    copied.assert_code(126);
    copied.assert_says("archive: all files arrived");
    // The advice works.
    moving.qubes.set_policy("* * @anyvm @anyvm allow\n");
    copied.assert_says("copy them again only to vault: qvm-copy --to vault ...\n");
    type_in(&moving, &["qvm-copy", "--as=d", "--to", TARGET, "c"]).assert_code(0);
}

fn a_move_to_several_deletes_only_what_all_have_confirmed() {
    let moving = three_qubes();
    fs::create_dir_all(moving.incoming()).unwrap();
    fs::write(moving.incoming().join("b"), "before").unwrap();
    let line = [&["qvm-move"], &TO_BOTH[..], &["a", "b"]].concat();
    let moved = type_in(&moving, &line);
    moved.assert_code(1);
    moved.assert_says("archive: all files arrived");
    moved.assert_says(
        "nothing was deleted: the files arrived in archive, but vault did not confirm them\n",
    );
    moved.assert_says("move them again only to vault: qvm-move --to vault ...\n");
    assert!(moving.path("a").exists() && moving.path("b").exists());
    type_in(&moving, &["qvm-move", "--continue"]).assert_says("there is no call to continue");
    // The advice works.
    fs::remove_dir_all(moving.incoming()).unwrap();
    fs::remove_dir_all(moving.qubes.incoming(SOURCE, OTHER)).unwrap();
    // A file that changes between the two copies stays.
    moving.before_the_verdict("echo newer >b");
    moving.qubes.set_service(
        OTHER,
        "qubes.Filecopy",
        &format!(
            "exec '{}'",
            qfile_tests::programs::program("qfile-unpacker").display()
        ),
    );
    let line = ["qvm-move", "--to", TARGET, "--to", OTHER, "a", "b"];
    let moved = type_in(&moving, &line);
    moved.assert_code(3);
    assert!(!moving.path("a").exists());
    assert_eq!(fs::read_to_string(moving.path("b")).unwrap(), "newer\n");
}

fn where_nothing_was_sent_there_is_nothing_to_remove() {
    let moving = Moving::new();
    let mut agent = moving.qubes.command(SOURCE, "qfile-agent");
    agent.arg("missing").stdin(Stdio::null());
    let failed = run(agent);
    failed.assert_code(1);
    failed.assert_says("qfile-agent: check the spelling\n");
}

fn after_a_move_that_failed_everywhere_no_copy_is_to_be_removed() {
    let moving = three_qubes();
    for qube in [OTHER, TARGET] {
        let incoming = moving.qubes.incoming(SOURCE, qube);
        fs::create_dir_all(&incoming).unwrap();
        fs::write(incoming.join("a"), "before").unwrap();
    }
    let moved = type_in(&moving, &[&["qvm-move"], &TO_BOTH[..], &["a"]].concat());
    moved.assert_code(1);
    moved.assert_says("nothing was deleted, because no qube has confirmed the files\n");
    assert!(!moved.stderr().contains("remove"), "{}", moved.stderr());
    assert!(moving.path("a").exists());
}

fn a_move_goes_on_to_the_qubes_that_lack_the_files() {
    let moving = three_qubes();
    fs::create_dir_all(moving.incoming()).unwrap();
    fs::write(moving.incoming().join("a"), "before").unwrap();
    let moved = type_in(&moving, &[&["qvm-move"], &TO_BOTH[..], &["a"]].concat());
    moved.assert_code(1);
    moved.assert_says("move them again only to vault: qvm-move --to vault ...\n");
    fs::rename(moving.incoming().join("a"), moving.incoming().join("old a")).unwrap();
    type_in(&moving, &["qvm-move", "--to", TARGET, "a"]).assert_code(0);
    assert!(!moving.path("a").exists());
    for qube in [OTHER, TARGET] {
        let incoming = moving.qubes.incoming(SOURCE, qube);
        assert_eq!(fs::read(incoming.join("a")).unwrap(), b"a", "{qube}");
    }
}

/// The file here is the only good copy: one qube has it torn, the other has another one of that name.
fn where_a_qube_has_a_torn_copy_no_advice_leads_to_a_move() {
    let moving = three_qubes();
    moving.file("big", vec![b'x'; 8 << 20]);
    fs::create_dir_all(moving.incoming()).unwrap();
    fs::write(moving.incoming().join("big"), "before").unwrap();
    moving.qubes.set_service(
        OTHER,
        "qubes.Filecopy",
        &format!(
            "{{ head -c 100000; echo more >>'{}'; cat; }} | '{}'",
            moving.path("big").display(),
            qfile_tests::programs::program("qfile-unpacker").display()
        ),
    );
    let moved = type_in(&moving, &[&["qvm-move"], &TO_BOTH[..], &["big"]].concat());
    moved.assert_code(1);
    moved.assert_says("qvm-move: archive: \"big\" changed while it was copied");
    moved.assert_says(
        "nothing was deleted: the files arrived in archive (in archive, some are missing or may be \
         damaged), but vault did not confirm them\n",
    );
    moved.assert_says("copy them again only to vault: qvm-copy --to vault ...\n");
    moved.assert_says("do not delete the files here before archive has all of them\n");
    let told = moved.stderr();
    assert!(!told.contains("qvm-move --to"), "{told}");
    assert!(moving.path("big").exists());
}

/// The file is there, and its confirmation was lost: it would be in the way.
fn what_a_lost_confirmation_left_is_to_be_removed_first() {
    let moving = three_qubes();
    moving.set_service(&format!(
        "'{}' >/dev/null",
        qfile_tests::programs::program("qfile-unpacker").display()
    ));
    for name in ["qvm-copy", "qvm-move"] {
        let sent = type_in(&moving, &[&[name], &TO_BOTH[..], &["a"]].concat());
        sent.assert_code(1);
        sent.assert_says("the files arrived in archive, but vault did not confirm them\n");
        sent.assert_says(
            "first remove any files that arrived in the QubesIncoming folder of vault\n",
        );
        let again = format!("again only to vault: {name} --to vault ...\n");
        sent.assert_says(&again);
        assert!(moving.path("a").exists());
        for qube in [OTHER, TARGET] {
            fs::remove_file(moving.qubes.incoming(SOURCE, qube).join("a")).unwrap();
        }
    }
}

fn several_targets_are_checked_before_anything_is_sent() {
    let moving = three_qubes();
    for (options, says) in [
        (&["--to", OTHER, "--to", OTHER][..], "named twice"),
        (&["--to", OTHER, "--to", "a b"], "is not the name of a qube"),
    ] {
        let refused = type_in(&moving, &[&["qvm-copy"], options, &["a"]].concat());
        refused.assert_code(2);
        refused.assert_says(says);
    }
    let line = [&["qvm-copy", "--continue"], &TO_BOTH[..]].concat();
    type_in(&moving, &line).assert_says("give --to once, or not at all");
    assert!(!moving.qubes.incoming(SOURCE, OTHER).exists());
}

fn scripts_get_a_line_for_each_entry_and_one_for_the_result() {
    let moving = three_qubes();
    moving.file("docs/\u{202e}é", "12345");
    fifo::make(&moving.path("docs/pipe"));
    let copied = type_in(&moving, &["qvm-copy-to-vm", "--json", "-q", TARGET, "docs"]);
    copied.assert_code(3);
    let text = stdout(&copied);
    assert!(text.is_ascii(), "{text}");
    let mut lines: Vec<&str> = text.lines().collect();
    assert!(
        lines.pop().unwrap().contains(r#""result":"partial""#),
        "{text}"
    );
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            r#"{"bytes":5,"path":"docs/\u202e\u00e9","status":"sent","type":"file"}"#,
            r#"{"path":"docs","status":"sent","type":"folder"}"#,
            r#"{"path":"docs/pipe","reason":"special","status":"left-out"}"#,
        ]
    );
    let line = [&["qvm-copy", "--json"], &TO_BOTH[..], &["a"]].concat();
    let text = stdout(&type_in(&moving, &line));
    for qube in [OTHER, TARGET] {
        assert!(text.contains(&format!(r#""target":"{qube}""#)), "{text}");
    }
    assert_eq!(text.lines().count(), 4, "{text}");
    // What fails before anything is sent has a result, too.
    let text = stdout(&type_in(&moving, &["qvm-copy", "--json", "missing"]));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(r#""result":"failed""#), "{text}");
}

fn a_dry_run_names_each_entry_when_it_is_asked_to() {
    let moving = sources();
    let line = ["qvm-copy", "--dry-run", "--exclude=*.o", "-v", "src"];
    let run = type_in(&moving, &line);
    run.assert_code(0);
    let text = stdout(&run);
    for says in [
        "folder \"src\"\n",
        "file \"src/a.c\", 18 bytes\n",
        "2 entries are left out by --exclude",
        "left out by --exclude: file \"src/a.o\"\n",
        "left out by --exclude: file \"src/sub/c.o\"\n",
    ] {
        assert!(text.contains(says), "{says:?} in {text}");
    }
    let text = stdout(&type_in(
        &moving,
        &[
            "qvm-copy",
            "--dry-run",
            "--json",
            "--exclude=target/",
            "src",
            "d.o",
        ],
    ));
    let excluded = r#"{"path":"src/target","status":"excluded","type":"folder"}"#;
    assert!(text.lines().any(|line| line == excluded), "{text}");
    let text = stdout(&type_in(
        &moving,
        &["qvm-copy", "--dry-run", "--json", "d.o"],
    ));
    assert_eq!(
        text.lines().next().unwrap(),
        r#"{"bytes":14,"path":"d.o","status":"to-send","type":"file"}"#
    );
    assert!(!moving.incoming().exists());
}

fn a_pattern_that_leaves_nothing_out_is_named() {
    let moving = sources();
    let run = type_in(
        &moving,
        &[
            "qvm-copy",
            "--dry-run",
            "--exclude=*.o",
            "--exclude=*.obj",
            "src",
        ],
    );
    run.assert_code(0);
    run.assert_says("qvm-copy: --exclude \"*.obj\" leaves nothing out: no entry matches it\n");
    assert!(!run.stderr().contains("\"*.o\""), "{}", run.stderr());
    let quiet = ["qvm-copy", "--dry-run", "--quiet", "--exclude=*.obj", "src"];
    assert_eq!(type_in(&moving, &quiet).stderr(), "");
}

fn an_accent_is_excluded_however_it_is_written() {
    let moving = Moving::new();
    moving.file("src/u\u{308}ber.txt", "two characters");
    moving.file("src/other.txt", "stays");
    let line = ["qvm-copy", "--exclude=\u{fc}*", "src"];
    type_in(&moving, &line).assert_code(0);
    let arrived = fs::read_dir(moving.incoming().join("src")).unwrap();
    let names: Vec<_> = arrived.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["other.txt"]);
}

fn a_file_that_was_forgotten_is_asked_for() {
    let moving = sources();
    for command in ["qvm-copy-to-vm", "qvm-move-to-vm"] {
        let run = type_in(&moving, &[command, "vault"]);
        run.assert_code(2);
        run.assert_says("FILE is missing: \"vault\" is no file or folder here");
        run.assert_says(&format!("{command} vault FILE..."));
    }
    let run = type_in(&moving, &["qvm-open-in-vm", "vault"]);
    run.assert_code(2);
    run.assert_says("FILE-OR-URL is missing: \"vault\" is no file here");
    // What is there is a file.
    moving.file("vault", "content");
    type_in(&moving, &["qvm-copy-to-vm", "vault"]).assert_code(0);
}

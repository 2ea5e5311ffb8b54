//! What people see and press, on a real desktop: their editor, and the windows that qfile shows.
//! Run by `make test-desktop`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use qfile_tests::desktop::{Desktop, needs_desktop};
use qfile_tests::editing::{Editing, NAME, OLD};
use qfile_tests::fifo;
use qfile_tests::process::Running;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;

suite! {
    what_is_typed_into_an_editor_comes_back [needs_desktop],
    a_window_holds_a_file_whose_editor_was_not_seen [needs_desktop],
    a_copy_shows_its_progress_until_it_is_cancelled [needs_desktop],
    a_file_name_is_plain_text_in_an_error [needs_desktop],
}

fn start(mut command: Command) -> Running {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Running::start(command)
}

fn what_is_typed_into_an_editor_comes_back() {
    let (desktop, editing) = (Desktop::new(), Editing::new());
    let mut command = editing.command("qvm-open-in-dvm");
    command.arg(NAME).env_remove("VM_FILE_EDITOR_OPENER");
    desktop.prepare(&mut command);
    let opening = start(command);

    desktop.window("^letter.txt").types("Dear new and ");
    desktop.window(r"^\*letter.txt").key("ctrl+s");
    let saved = desktop.window("^letter.txt");
    desktop.screenshot("editor");
    saved.key("ctrl+q");

    let opened = opening.finish();
    opened.assert_code(0);
    assert_eq!(opened.stderr(), "");
    editing.assert_only(&[b"Dear new and ", OLD].concat());
}

fn a_window_holds_a_file_whose_editor_was_not_seen() {
    const TITLE: &str = "Open in another qube";
    let editing = Editing::in_qube("personal".to_owned(), NAME.as_ref(), OLD);
    let desktop = Desktop::new();
    editing.editor("exit 0");
    let mut command = editing.command("qvm-open-in-dvm");
    command.arg(NAME);
    desktop.prepare(&mut command);
    let opening = start(command);

    let text = desktop.text(TITLE);
    assert!(
        text.contains("Press OK when you have finished with letter.txt from personal."),
        "{text}"
    );
    desktop.screenshot("press-ok");
    let folders = editing.scratch_folders();
    fs::write(folders[0].join(NAME), "saved meanwhile").unwrap();
    assert_eq!(editing.content(), OLD);
    desktop.press(TITLE, "OK");

    opening.finish().assert_code(0);
    editing.assert_only(b"saved meanwhile");
}

fn a_copy_shows_its_progress_until_it_is_cancelled() {
    const TITLE: &str = "qvm-copy";
    let (desktop, qubes) = (Desktop::new(), Qubes::new());
    let root = qubes.root();
    let mut slow = String::new();
    fifo::make(&root.join("ended"));
    for gate in ["1", "2", "3"] {
        fifo::make(&root.join(gate));
        let next = format!("head -c 15000000; read _ < '{}/{gate}'; ", root.display());
        slow.push_str(&next);
    }
    // The receiver gets a quarter of the file, and another one with each gate that opens.
    let slow = format!(
        "{{ {slow} cat; }} | \"$QFILE_LIBDIR/qfile-unpacker\"; : > '{}/ended'",
        root.display()
    );
    qubes.set_service(TARGET, "qubes.Filecopy", &slow);
    let open = |gate| fs::write(root.join(gate), "\n").unwrap();
    fs::write(qubes.home(SOURCE).join("film"), vec![b'x'; 60_000_000]).unwrap();
    let mut command = qubes.command(SOURCE, "qvm-copy-to-vm");
    command.args(["--gui", TARGET, "film"]);
    desktop.prepare(&mut command);
    let copying = start(command);

    // What has gone into buffers on the way counts, a piece that was written in part does not.
    let ranges = [(24, 35.0, "1"), (49, 60.0, "2"), (74, 85.0, "3")];
    for (from, below, gate) in ranges {
        let seen = desktop.progress(TITLE, from);
        assert!(seen < below, "{seen} % before gate {gate} opened");
        match gate {
            // It stays closed until the sender has ended.
            "3" => {
                desktop.screenshot("progress");
                desktop.press(TITLE, "Cancel");
            }
            _ => open(gate),
        }
    }

    let copied = copying.finish();
    copied.assert_code(32);
    open("3");
    fs::read(root.join("ended")).expect("the service says when it has ended");
    let kept = fs::read_dir(qubes.incoming(SOURCE, TARGET)).unwrap();
    assert_eq!(kept.count(), 0);
}

fn a_file_name_is_plain_text_in_an_error() {
    const HOSTILE: &str = r"<b>bold &amp; \n $(id) %s _x";
    let (desktop, qubes) = (Desktop::new(), Qubes::new());
    symlink("/etc/passwd", qubes.home(SOURCE).join(HOSTILE)).unwrap();
    let mut command = qubes.command(SOURCE, "qvm-copy-to-vm");
    command.args(["--gui", TARGET, HOSTILE]);
    desktop.prepare(&mut command);
    let copying = start(command);

    let text = desktop.text("qvm-copy-to-vm");
    desktop.screenshot("error");
    desktop.press("qvm-copy-to-vm", "OK");

    copying.finish().assert_code(1);
    assert!(text.contains(HOSTILE), "{text}");
}

//! What people see and press, on a real desktop: their editor, and the windows that qfile shows.
//! Run by `make test-desktop`.

use std::fs;
use std::io::BufRead;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use qfile_tests::applications::Applications;
use qfile_tests::desktop::{Desktop, needs_desktop};
use qfile_tests::editing::{Editing, NAME, OLD};
use qfile_tests::fifo;
use qfile_tests::process::Running;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;
use qfile_tests::user::install;

suite! {
    what_is_typed_into_an_editor_comes_back [needs_desktop],
    a_window_holds_a_file_whose_editor_was_not_seen [needs_desktop],
    a_copy_shows_its_progress_until_it_is_cancelled [needs_desktop],
    a_file_name_is_plain_text_in_an_error [needs_desktop],
    a_copy_that_arrived_is_shown_and_a_click_opens_its_folder [needs_desktop],
    an_application_is_started_in_a_real_terminal [needs_desktop],
    who_clicks_in_vain_sees_why [needs_desktop],
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

    // What the editor itself has to say of this desktop arrives on stderr.
    opening.finish().assert_code(0);
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
        text.contains("Press OK when you have finished with \"letter.txt\" from personal."),
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
    const SHOWN: &str = r"$'<b>bold &amp; \\n $(id) %s _x'";
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
    assert!(text.contains(SHOWN), "{text}");
}

fn a_copy_that_arrived_is_shown_and_a_click_opens_its_folder() {
    let (desktop, qubes) = (Desktop::new(), Qubes::new());
    let (mut service, mut notifications) = desktop.notification_service();
    let opened = qubes.root().join("opened");
    fifo::make(&opened);
    let bin = qubes.root().join("bin-of-the-desktop");
    fs::create_dir(&bin).unwrap();
    let draft = qubes.root().join("draft");
    let script = format!("#!/bin/sh\necho \"$*\" >'{}'\n", opened.display());
    fs::write(&draft, script).unwrap();
    install(&draft, &bin.join("xdg-open"), 0o755);
    fs::write(qubes.home(SOURCE).join("film"), "x").unwrap();
    let mut command = qubes.command(SOURCE, "qvm-copy-to-vm");
    command.args([TARGET, "film"]);
    desktop.prepare(&mut command);
    // A service starts from a login shell.
    let profile = format!("PATH='{}':$PATH\n", bin.display());
    fs::write(qubes.home(TARGET).join(".profile"), profile).unwrap();

    start(command).finish().assert_code(0);

    let mut shown = String::new();
    notifications.read_line(&mut shown).unwrap();
    assert!(shown.contains(&format!("Files from {SOURCE}")), "{shown}");
    assert!(shown.contains("1 file has arrived."), "{shown}");
    assert!(!shown.contains("film"), "{shown}");
    let folder = fs::read_to_string(&opened).unwrap();
    assert!(
        folder.ends_with(&format!("/QubesIncoming/{SOURCE}\n")),
        "{folder}"
    );
    service.kill().unwrap();
    service.wait().unwrap();
}

/// The program of qubes.StartApp on this desktop.
fn starting(desktop: &Desktop, applications: &Applications, id: &str) -> Running {
    let mut command = applications.starting(id);
    desktop.prepare(&mut command);
    // A window needs what the system has of data.
    command
        .env("XDG_DATA_HOME", applications.path("user"))
        .env("XDG_DATA_DIRS", "/usr/local/share:/usr/share");
    start(command)
}

fn an_application_is_started_in_a_real_terminal() {
    let (desktop, applications) = (Desktop::new(), Applications::new());
    let typed = applications.path("typed");
    let script = format!(
        "printf '\\033]2;in a terminal\\007'; read -r line; echo \"$line\" >{}",
        typed.display()
    );
    applications.program("asks", &script);
    applications.add("user/asks.desktop", "Name=Asks\nExec=asks\nTerminal=true");
    let mut starting = starting(&desktop, &applications, "asks");

    let window = desktop.window("^in a terminal$");
    desktop.screenshot("terminal");
    assert!(
        starting.child.try_wait().unwrap().is_none(),
        "it did not wait"
    );
    window.types("hello");
    window.key("Return");

    starting.finish().assert_code(0);
    assert_eq!(fs::read_to_string(typed).unwrap(), "hello\n");
}

/// There is no notification service on this desktop, so it is a window.
fn who_clicks_in_vain_sees_why() {
    const TITLE: &str = "Cannot start \"gone\"";
    let (desktop, applications) = (Desktop::new(), Applications::new());
    let file = applications.add("user/gone.desktop", "Name=Gone\nExec=no-such-program");
    let starting = starting(&desktop, &applications, "gone");

    let text = desktop.text(TITLE);
    desktop.screenshot("cannot-start");
    desktop.press(TITLE, "OK");

    starting.finish().assert_code(1);
    for part in [
        file.to_str().unwrap(),
        "\"no-such-program\" of its key Exec does not exist",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

//! The names that file managers call, from their arguments to their windows. Here the windows are
//! recorded in place of shown; `make test-desktop` presses the buttons of real ones.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use qfile_tests::editing::{Editing, NAME, NEW, OLD};
use qfile_tests::fifo;
use qfile_tests::moving::Moving;
use qfile_tests::process::run;
use qfile_tests::programs::{program, source};
use qfile_tests::qubes::{SOURCE, TARGET};
use qfile_tests::suite;
use qfile_tests::windows::Windows;

suite! {
    files_of_any_name_arrive,
    a_move_deletes_what_is_confirmed_and_tells_what_stays,
    a_failure_is_told_in_a_window_and_deletes_nothing,
    a_name_in_an_error_is_plain_text,
    cancel_is_32_and_nothing_half_is_kept,
    a_file_of_any_name_is_edited_in_the_qube_that_dom0_chooses,
    a_file_of_any_name_is_edited_in_a_disposable,
    a_file_that_is_viewed_stays_as_it_is,
    files_are_opened_at_the_same_time,
    a_path_that_looks_like_an_address_is_a_file,
    a_file_that_cannot_be_opened_does_not_keep_the_others_closed,
    an_edit_that_is_kept_aside_is_told_in_a_window,
    a_backup_of_what_an_edit_has_shortened_is_told_in_a_window,
    an_action_that_there_is_not_does_nothing,
    the_actions_are_told_to_who_asks,
}

/// What file managers start to copy or move, up to the files.
const COPYING: [&[&str]; 6] = [
    &["qvm-copy-to-vm.gnome"],
    &["qvm-copy-to-vm.kde"],
    &["qvm-actions.sh", "copy"],
    &["qvm-move-to-vm.gnome"],
    &["qvm-move-to-vm.kde"],
    &["qvm-actions.sh", "move"],
];

/// What a shell, an option parser, a window or a terminal might take for more than a name.
const HOSTILE: [&str; 12] = [
    "-rf",
    "--help",
    "--",
    "-",
    "$(touch made) `touch made`",
    "; touch made #",
    "* ?",
    "'\"",
    r"\n %s \",
    "<b>bold &amp; <i>",
    "line\nbreak",
    "\u{1b}[31m",
];

fn deletes(name: &[&str]) -> bool {
    name.concat().contains("move")
}

fn is_kde(name: &[&str]) -> bool {
    name[0].ends_with(".kde")
}

fn called(moving: &Moving, windows: &Windows, name: &[&str], files: &[&str]) -> Command {
    let script = source("packaging/file-managers").join(name[0]);
    let mut command = moving.qubes.command_at(SOURCE, &script);
    command.args(&name[1..]).args(files);
    windows.prepare(&mut command);
    command
}

/// What the error windows say, one text for each.
fn errors(windows: &Windows, name: &[&str]) -> Vec<String> {
    let (told, begin) = match is_kde(name) {
        true => (windows.told("kdialog"), "|--error|"),
        false => (windows.told("zenity--error"), "--error\n"),
    };
    // Windows of the other desktop, and none of this one.
    let other = if is_kde(name) {
        "zenity--error"
    } else {
        "kdialog"
    };
    assert_eq!(windows.told(other), "", "{name:?}");
    told.split(begin).skip(1).map(str::to_owned).collect()
}

fn files_of_any_name_arrive() {
    for name in COPYING {
        let (moving, windows) = (Moving::new(), Windows::new());
        for file in HOSTILE {
            moving.file(file, file);
        }
        let moved = moving.run_command(called(&moving, &windows, name, &HOSTILE));
        moved.finished.assert_code(0);
        let arrived = moving.arrived();
        assert_eq!(arrived.len(), HOSTILE.len(), "{:?}", arrived.paths());
        for file in HOSTILE {
            let content = fs::read_to_string(moving.incoming().join(file)).unwrap();
            assert_eq!(content, file);
        }
        let left = if deletes(name) { 0 } else { HOSTILE.len() };
        assert_eq!(moved.left.len(), left, "{:?}", moved.left.paths());
        assert_eq!(errors(&windows, name), [""; 0]);
    }
}

fn a_move_deletes_what_is_confirmed_and_tells_what_stays() {
    for name in COPYING.into_iter().filter(|name| deletes(name)) {
        let (moving, windows) = (Moving::new(), Windows::new());
        moving.file("d/file", "content");
        fifo::make(&moving.path("d/<b>pipe"));
        let moved = moving.run_command(called(&moving, &windows, name, &["d"]));
        moved.finished.assert_code(3);
        assert_eq!(moved.left.paths(), ["d", "d/<b>pipe"]);
        let errors = errors(&windows, name);
        let [error] = &errors[..] else {
            panic!("{name:?}: {errors:?}")
        };
        let pipe = plain("d/<b>pipe", name);
        assert_eq!(error.matches(&pipe).count(), 1, "{error}");
        assert!(error.contains("there is no copy of it"), "{error}");
        assert!(error.contains("1 entry is not deleted here"), "{error}");
    }
}

/// A text as its window gets it: kdialog takes HTML, so there everything in it is escaped.
fn plain(text: &str, name: &[&str]) -> String {
    match is_kde(name) {
        true => text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;"),
        false => text.to_owned(),
    }
}

fn a_failure_is_told_in_a_window_and_deletes_nothing() {
    for name in COPYING {
        let (moving, windows) = (Moving::new(), Windows::new());
        moving.file("file", "content");
        fs::create_dir_all(moving.incoming()).unwrap();
        fs::write(moving.incoming().join("file"), "before").unwrap();
        let moved = moving.run_command(called(&moving, &windows, name, &["file"]));
        moved.finished.assert_code(1);
        assert_eq!(moved.left.paths(), ["file"]);
        let errors = errors(&windows, name);
        let [error] = &errors[..] else {
            panic!("{name:?}: {errors:?}")
        };
        assert!(error.contains("already exists"), "{error}");
        assert!(error.contains("copy it with --as NAME"), "{error}");
        let is_said = error.contains("nothing was deleted");
        assert_eq!(is_said, deletes(name), "{error}");
    }
}

fn a_name_in_an_error_is_plain_text() {
    for name in COPYING {
        let (moving, windows) = (Moving::new(), Windows::new());
        symlink("/", moving.path("<b>&amp;")).unwrap();
        let moved = moving.run_command(called(&moving, &windows, name, &["<b>&amp;"]));
        moved.finished.assert_code(1);
        let errors = errors(&windows, name);
        assert_eq!(errors.len(), 1, "{name:?}: {errors:?}");
        assert!(
            errors[0].contains(&plain("\"<b>&amp;\" -> \"/\"", name)),
            "{errors:?}"
        );
        assert!(is_kde(name) || errors[0].starts_with("--no-markup\n"));
    }
}

/// The user presses Cancel when the receiver has half of the file. It gets no more, and the end of
/// its input (held open as 3) when the sender has ended.
fn cancel_is_32_and_nothing_half_is_kept() {
    const HALF: usize = 3_000_000;
    for name in COPYING {
        let moving = Moving::new();
        moving.file("file", vec![b'x'; 2 * HALF]);
        let before = moving.snapshot();
        let half = moving.qubes.root().join("half");
        moving.set_service(&format!(
            "{{ head -c {HALF}; : >'{}'; cat 3>&1 >/dev/null; }} | '{}'",
            half.display(),
            program("qfile-unpacker").display(),
        ));
        let windows = Windows::cancelling(half);
        let copied = moving.run_command(called(&moving, &windows, name, &["file"]));
        copied.finished.assert_code(32);
        before
            .with_times_of_access(&copied.left)
            .assert_unchanged(&copied.left);
        let bar = match is_kde(name) {
            true => windows.told("kdialog").contains("|--progressbar|"),
            false => windows.told("zenity--progress").starts_with("--progress\n"),
        };
        assert!(bar, "{name:?}: the progress is shown elsewhere");
        assert_eq!(errors(&windows, name), [""; 0]);
        assert_eq!(moving.arrived().paths(), [""; 0], "{name:?}");
    }
}

/// What an entry of a file manager opens files with.
fn opening(editing: &Editing, action: &str, files: &[&str]) -> Command {
    opening_on(&Windows::new(), editing, action, files)
}

fn opening_on(windows: &Windows, editing: &Editing, action: &str, files: &[&str]) -> Command {
    let mut command = editing.command_at(&source("packaging/file-managers/qvm-actions.sh"));
    command.arg(action).args(files);
    windows.prepare(&mut command);
    command
}

/// Opens a file of each hostile name; the editor says where it runs.
fn edited_in(action: &str) -> Vec<String> {
    let edit = |file: &&str| {
        let editing = Editing::with(Path::new(file), OLD);
        let to_target = "* * @anyvm @default allow target=vault\n* * @anyvm @dispvm allow\n";
        fs::write(editing.elsewhere("policy.d/30-test.policy"), to_target).unwrap();
        editing.editor("printf %s \"$HOME\" > \"$1\"");
        run(opening(&editing, action, &[file])).assert_code(0);
        let home = String::from_utf8(editing.content()).unwrap();
        editing.assert_only(home.as_bytes());
        let qube = Path::new(&home).parent().unwrap().file_name().unwrap();
        qube.to_str().unwrap().to_owned()
    };
    HOSTILE.iter().map(edit).collect()
}

fn a_file_of_any_name_is_edited_in_the_qube_that_dom0_chooses() {
    let qubes = edited_in("openvm");
    assert!(qubes.iter().all(|qube| qube == TARGET), "{qubes:?}");
}

fn a_file_of_any_name_is_edited_in_a_disposable() {
    let qubes = edited_in("opendvm");
    assert!(
        qubes.iter().all(|qube| qube.starts_with("disp")),
        "{qubes:?}"
    );
}

fn a_file_that_is_viewed_stays_as_it_is() {
    for file in HOSTILE {
        let editing = Editing::with(Path::new(file), OLD);
        editing.editor("cat \"$1\" > \"$WORK/seen\"; chmod 600 \"$1\"; echo edited > \"$1\"");
        run(opening(&editing, "viewdvm", &[file])).assert_code(0);
        assert_eq!(fs::read(editing.elsewhere("seen")).unwrap(), OLD);
        editing.assert_only(OLD);
    }
}

/// The editor of one waits until the other's has been started, whichever comes first.
fn files_are_opened_at_the_same_time() {
    let editing = Editing::new();
    fs::write(editing.beside("other.txt"), OLD).unwrap();
    for gate in [NAME, "other.txt"] {
        fifo::make(&editing.elsewhere(gate));
    }
    editing.editor(
        "case $1 in */letter.txt) other=other.txt ;; *) other=letter.txt ;; esac
         exec 3<>\"$WORK/$other\" 4<>\"$WORK/${1##*/}\"
         echo >&3; read _ <&4; echo 'new content' > \"$1\"",
    );
    run(opening(&editing, "opendvm", &[NAME, "other.txt"])).assert_code(0);
    assert_eq!(editing.content(), NEW);
    assert_eq!(fs::read(editing.beside("other.txt")).unwrap(), NEW);
}

fn a_path_that_looks_like_an_address_is_a_file() {
    let editing = Editing::with_an_edit();
    fs::create_dir(editing.beside("https:")).unwrap();
    fs::write(editing.beside("https:/x"), OLD).unwrap();
    run(opening(&editing, "opendvm", &["https://x"])).assert_code(0);
    assert_eq!(fs::read(editing.beside("https:/x")).unwrap(), NEW);
}

fn a_file_that_cannot_be_opened_does_not_keep_the_others_closed() {
    for files in [[NAME, "missing"], ["missing", NAME]] {
        let editing = Editing::with_an_edit();
        run(opening(&editing, "opendvm", &files)).assert_code(1);
        editing.assert_only(NEW);
    }
}

/// Who opens files from a file manager sees no stderr.
fn an_edit_that_is_kept_aside_is_told_in_a_window() {
    let (editing, windows) = (Editing::new(), Windows::new());
    let file = editing.file().display();
    editing.editor(&format!("echo mine > '{file}'; echo edit > \"$1\""));
    run(opening_on(&windows, &editing, "opendvm", &[NAME])).assert_code(1);
    assert_eq!(editing.content(), b"mine\n");
    let told = windows.told("zenity--error");
    assert!(told.contains("it has changed since it was sent"), "{told}");
    assert!(told.contains("letter.txt.edited-in-disposable"), "{told}");
}

fn a_backup_of_what_an_edit_has_shortened_is_told_in_a_window() {
    let (editing, windows) = (Editing::with_an_edit(), Windows::new());
    fs::write(editing.file(), vec![b'x'; 100_000]).unwrap();
    run(opening_on(&windows, &editing, "opendvm", &[NAME])).assert_code(0);
    let told = windows.told("zenity--info");
    assert!(
        told.contains("contains the edit; its previous content is saved as"),
        "{told}"
    );
    assert!(told.contains("letter.txt~"), "{told}");
}

fn an_action_that_there_is_not_does_nothing() {
    let editing = Editing::with_an_edit();
    for arguments in [&["delete", NAME][..], &["copy"], &["", NAME], &[]] {
        let mut command = editing.command_at(&source("packaging/file-managers/qvm-actions.sh"));
        command.args(arguments);
        let finished = run(command);
        finished.assert_code(2);
        finished.assert_says("usage: qvm-actions.sh");
        editing.assert_only(OLD);
    }
}

fn the_actions_are_told_to_who_asks() {
    for option in ["--help", "-h"] {
        let mut command = Command::new(source("packaging/file-managers/qvm-actions.sh"));
        command.arg(option);
        let finished = run(command);
        finished.assert_code(0);
        let usage = b"usage: qvm-actions.sh copy|move|openvm|opendvm|viewdvm FILE...\n";
        assert_eq!(finished.stdout, usage);
    }
}

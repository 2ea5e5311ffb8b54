//! Other files that are saved beside the opened one stay in the qube that has them, and their path is
//! said; what editors keep for themselves goes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use qfile_tests::editing::{Editing, OLD};
use qfile_tests::framed::{CHANGED, GONE, OPENER_FAILED, UNCHANGED, request, understood};
use qfile_tests::peer::{Joint, converse};
use qfile_tests::process::Finished;
use qfile_tests::suite;

suite! {
    a_file_saved_under_another_name_stays_and_its_path_is_said,
    an_export_stays_beside_an_edit_that_is_sent,
    a_file_that_was_renamed_stays,
    a_folder_of_pages_stays_whole,
    what_editors_keep_for_themselves_goes,
    what_is_exported_from_a_file_to_be_looked_at_stays,
    files_of_two_calls_do_not_meet,
    where_they_cannot_be_kept_for_long_they_stay_where_they_are,
    a_tree_that_is_too_deep_to_look_through_stays_and_is_said,
    a_program_that_still_has_one_open_keeps_it,
    in_a_disposable_a_window_says_so_and_waits,
    elsewhere_no_window_holds_the_call,
    what_qubesdb_says_of_the_qube_decides,
    what_is_saved_while_a_failure_is_shown_stays,
    names_from_there_cannot_drive_the_terminal,
}

/// What the server answers to this, and how it ends.
fn serve(server: Command, name: &[u8]) -> (Vec<u8>, Finished) {
    converse(server, Joint::Sockets, |client| {
        client.send(&request(name, OLD)).unwrap();
        client.stop_sending();
        client.rest()
    })
}

/// All regular files that were kept in the qube of the server, by their paths there, with their
/// content.
fn kept(editing: &Editing) -> Vec<(PathBuf, Vec<u8>)> {
    fn look(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, found);
            } else {
                let content = fs::read(&path).unwrap();
                found.push((path, content));
            }
        }
    }
    let mut found = Vec::new();
    look(&editing.beside("QubesIncoming"), &mut found);
    found.sort();
    found
}

/// Has `a.txt` edited by `editor`: the answer must be this, and these files must stay, and be said.
#[track_caller]
fn assert_stay(editor: &str, code: i32, answer: (u8, &[u8]), files: &[(&str, &[u8])]) {
    let editing = Editing::new();
    editing.editor(editor);
    let (came, finished) = serve(editing.server(), b"a.txt");
    finished.assert_code(code);
    assert_eq!(understood(&came), Some(answer), "{editor}");
    let kept = kept(&editing);
    assert_eq!(kept.len(), files.len(), "{kept:?}");
    for ((path, content), (name, expected)) in kept.iter().zip(files) {
        assert!(path.ends_with(name), "{path:?}");
        assert_eq!(content, expected, "{name}");
    }
    match &*kept {
        [] => assert_eq!(finished.stderr(), ""),
        [(path, _)] => finished.assert_says(path.to_str().unwrap()),
        _ => finished.assert_says(&format!("QubesIncoming/{}/a.txt-", editing.source())),
    }
    editing.assert_nothing_left_there();
}

fn a_file_saved_under_another_name_stays_and_its_path_is_said() {
    assert_stay(
        "printf copy > \"$(dirname \"$1\")/my letter.odt\"",
        0,
        (UNCHANGED, b""),
        &[("my letter.odt", b"copy")],
    );
}

fn an_export_stays_beside_an_edit_that_is_sent() {
    assert_stay(
        "printf new > \"$1\"; printf '%%PDF' > \"${1%.txt}.pdf\"",
        0,
        (CHANGED, b"new"),
        &[("a.pdf", b"%PDF")],
    );
}

fn a_file_that_was_renamed_stays() {
    assert_stay(
        "mv \"$1\" \"$1.odt\"",
        1,
        (GONE, b""),
        &[("a.txt.odt", OLD)],
    );
}

fn a_folder_of_pages_stays_whole() {
    assert_stay(
        "cd \"$(dirname \"$1\")\"; mkdir -p pages/img .cache
         printf 1 > pages/1.html; printf 2 > pages/2.html; printf i > pages/img/i.png
         printf x > .cache/x; chmod 0100 pages/img",
        0,
        (UNCHANGED, b""),
        &[
            ("pages/1.html", b"1"),
            ("pages/2.html", b"2"),
            ("pages/img/i.png", b"i"),
        ],
    );
}

fn what_editors_keep_for_themselves_goes() {
    assert_stay(
        "cd \"$(dirname \"$1\")\"
         printf x | tee .~lock.a.txt# .a.txt.swp .a.txt.un~ a.txt~ '#a.txt#' '~$a.txt' > /dev/null
         mkdir .cache empty; printf x > .cache/x; ln -s / link; ln -s nowhere .#a.txt
         chmod 0500 empty",
        0,
        (UNCHANGED, b""),
        &[],
    );
}

fn what_is_exported_from_a_file_to_be_looked_at_stays() {
    let editing = Editing::new();
    editing.editor("cp \"$1\" \"${1%.txt}.copy\"");
    let (came, finished) = serve(editing.server(), b"view-only-a.txt");
    finished.assert_code(0);
    assert_eq!(understood(&came), Some((UNCHANGED, &b""[..])));
    let kept = kept(&editing);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].1, OLD);
    finished.assert_says(kept[0].0.to_str().unwrap());
    editing.assert_nothing_left_there();
}

fn files_of_two_calls_do_not_meet() {
    let editing = Editing::new();
    editing.editor("echo >> \"$WORK/calls\"; wc -l < \"$WORK/calls\" > \"$1.count\"");
    for _ in 0..3 {
        serve(editing.server(), b"a.txt").1.assert_code(0);
    }
    let contents: Vec<_> = kept(&editing).into_iter().map(|(_, count)| count).collect();
    assert_eq!(contents.len(), 3);
    for count in [&b"1\n"[..], b"2\n", b"3\n"] {
        assert!(contents.iter().any(|found| found == count));
    }
}

fn where_they_cannot_be_kept_for_long_they_stay_where_they_are() {
    let editing = Editing::new();
    editing.editor("printf new > \"$1\"; printf copy > \"$1.copy\"");
    // A file where the folder would be.
    fs::write(editing.beside("QubesIncoming"), "").unwrap();
    let (came, finished) = serve(editing.server(), b"a.txt");
    finished.assert_code(0);
    assert_eq!(understood(&came), Some((CHANGED, &b"new"[..])));
    let folders = editing.scratch_folders();
    let [folder] = folders.as_slice() else {
        panic!("{folders:?}");
    };
    finished.assert_says(folder.to_str().unwrap());
    assert_eq!(fs::read(folder.join("a.txt.copy")).unwrap(), b"copy");
    assert!(!folder.join("a.txt").exists(), "it was sent");
    fs::remove_dir_all(folder).unwrap();
}

fn a_tree_that_is_too_deep_to_look_through_stays_and_is_said() {
    let editing = Editing::new();
    // 200 folders with names of 50 bytes are more than a path may have.
    editing.editor(
        "cd \"$(dirname \"$1\")\"; printf new > \"$1\"
         name=$(printf '%050d' 0); i=0
         while [ $i -lt 200 ]; do mkdir $name; cd -P ./$name; i=$((i + 1)); done
         printf deep > file",
    );
    let (came, finished) = serve(editing.server(), b"a.txt");
    finished.assert_code(0);
    assert_eq!(understood(&came), Some((CHANGED, &b"new"[..])));
    finished.assert_says("File name too long");
    let told = String::from_utf8_lossy(&finished.stderr);
    assert!(!told.contains("may still be open"), "{told}");
    let folders = editing.scratch_folders();
    let [folder] = folders.as_slice() else {
        panic!("{folders:?}");
    };
    finished.assert_says(folder.to_str().unwrap());
    let mut find = Command::new("find");
    let found = find.arg(folder).args(["-name", "file"]).output().unwrap();
    assert!(!found.stdout.is_empty(), "it was deleted");
    let removed = Command::new("rm").arg("-r").arg(folder).status().unwrap();
    assert!(removed.success());
}

fn a_program_that_still_has_one_open_keeps_it() {
    let editing = Editing::new();
    editing.editor(
        "cd \"$(dirname \"$1\")\"; printf copy > copy; printf new > \"$1\"
         ( exec 3>> copy; cd /; exec cat \"$WORK/until-the-end\" ) > /dev/null 2>&1 &
         echo $! > \"$WORK/pid\"",
    );
    let mut server = editing.server();
    // It is waited for as long as it has the file open, so a signal ends the wait.
    let (mut mine, theirs) = Joint::Sockets.sides();
    theirs.give_to(&mut server);
    let running = qfile_tests::process::Running::start(server);
    mine.send(&request(b"a.txt", OLD)).unwrap();
    mine.stop_sending();
    while fs::read(editing.elsewhere("pid")).map_or(true, |pid| pid.is_empty()) {
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&running.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let finished = running.finish();
    finished.assert_code(128 + 15);
    let folders = editing.scratch_folders();
    let [folder] = folders.as_slice() else {
        panic!("{folders:?}");
    };
    finished.assert_says(folder.to_str().unwrap());
    assert_eq!(fs::read(folder.join("copy")).unwrap(), b"copy");
    assert_eq!(fs::read(folder.join("a.txt")).unwrap(), b"new");
    // What was saved until then is safe from a restart, too.
    let contents: Vec<_> = kept(&editing)
        .into_iter()
        .map(|(_, content)| content)
        .collect();
    assert_eq!(contents, [b"new".to_vec(), b"copy".to_vec()]);
    fs::remove_dir_all(folder).unwrap();
}

/// The server on a desktop whose windows are shown by this script.
fn on_a_desktop(editing: &Editing, zenity: &str) -> Command {
    let programs = editing.elsewhere("programs");
    fs::create_dir(&programs).unwrap();
    editing.script("programs/zenity", zenity);
    let mut path = programs.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let mut server = editing.server();
    server.env("DISPLAY", ":7").env("PATH", path);
    server
}

fn in_a_disposable_a_window_says_so_and_waits() {
    let editing = Editing::new();
    editing.editor("printf new > \"$1\"; printf copy > \"$1.copy\"");
    // What the user does before pressing OK.
    let mut server = on_a_desktop(
        &editing,
        "printf '%s\\n' \"$@\" > \"$WORK/window\"
         cp \"$HOME\"/QubesIncoming/*/*/a.txt.copy \"$WORK/rescued\"",
    );
    server.env("VM_FILE_EDITOR_PERSISTENCE", "none");
    let (came, finished) = serve(server, b"a.txt");
    finished.assert_code(0);
    assert_eq!(understood(&came), Some((CHANGED, &b"new"[..])));
    let window = fs::read_to_string(editing.elsewhere("window")).unwrap();
    assert!(window.contains("--info\n--no-markup\n"), "{window}");
    assert!(window.contains("a.txt.copy"), "{window}");
    assert!(window.contains("disposable"), "{window}");
    assert_eq!(fs::read(editing.elsewhere("rescued")).unwrap(), b"copy");
}

fn elsewhere_no_window_holds_the_call() {
    for persistence in ["rw-only", "full"] {
        let editing = Editing::new();
        editing.editor("printf new > \"$1\"; printf copy > \"$1.copy\"");
        let mut server = on_a_desktop(&editing, ": > \"$WORK/window\"");
        server.env("VM_FILE_EDITOR_PERSISTENCE", persistence);
        let (_, finished) = serve(server, b"a.txt");
        finished.assert_code(0);
        finished.assert_says("a.txt.copy");
        assert!(!editing.elsewhere("window").exists());
    }
}

fn what_qubesdb_says_of_the_qube_decides() {
    for (persistence, class, is_disposable) in [
        ("none", "DispVM", true),
        ("none", "", true),
        ("rw-only", "DispVM", true),
        ("rw-only", "AppVM", false),
        ("full", "StandaloneVM", false),
    ] {
        let editing = Editing::new();
        editing.editor("printf new > \"$1\"; printf copy > \"$1.copy\"");
        let mut server = on_a_desktop(&editing, ": > \"$WORK/window\"");
        let answers = format!(
            "case $1 in
                 /qubes-vm-persistence) echo {persistence} ;;
                 /qubes-vm-type) [ -n '{class}' ] && echo {class} ;;
                 *) exit 1 ;;
             esac"
        );
        editing.script("programs/qubesdb-read", &answers);
        server.env_remove("VM_FILE_EDITOR_PERSISTENCE");
        serve(server, b"a.txt").1.assert_code(0);
        let is_shown = editing.elsewhere("window").exists();
        assert_eq!(is_shown, is_disposable, "{persistence} {class}");
    }
}

fn what_is_saved_while_a_failure_is_shown_stays() {
    let editing = Editing::new();
    editing.editor("printf sent > \"$1\"; printf '%s' \"$1\" > \"$WORK/path\"; exit 4");
    let saves =
        "path=$(cat \"$WORK/path\"); printf later > \"$path\"; printf copy > \"$path.copy\"";
    let (came, finished) = serve(on_a_desktop(&editing, saves), b"a.txt");
    finished.assert_code(1);
    assert_eq!(understood(&came), Some((OPENER_FAILED, &b"sent"[..])));
    let contents: Vec<_> = kept(&editing)
        .into_iter()
        .map(|(_, content)| content)
        .collect();
    assert_eq!(contents, [b"later".to_vec(), b"copy".to_vec()]);
    editing.assert_nothing_left_there();
}

fn names_from_there_cannot_drive_the_terminal() {
    let editing = Editing::new();
    editing.editor("printf x > \"$(printf '%s.\\033[31m\\nred' \"$1\")\"");
    let (_, finished) = serve(editing.server(), b"a.txt");
    finished.assert_code(0);
    finished.assert_says(r"a.txt.\x1b[31m\nred");
    assert!(!finished.stderr.contains(&0x1b));
}

//! The services qubes.SelectFile and qubes.SelectDirectory. zenity and kdialog are stand-ins, and the
//! portal is the test's own on a private bus. The real zenity is in `desktop_select_file`.

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use qfile_tests::bus::{Bus, FakePortal, Request, forge_answer};
use qfile_tests::cannot_run::needs_program;
use qfile_tests::changes::{until, until_ended};
use qfile_tests::choosers::Choosers;
use qfile_tests::process::{Finished, Running, run};
use qfile_tests::suite;
use rustix::process::{Pid, Signal, kill_process};

suite! {
    the_path_and_one_newline_go_to_dom0,
    a_folder_is_chosen_for_the_other_service,
    what_dom0_would_refuse_is_told_and_asked_again,
    only_what_exists_is_chosen,
    who_cancels_gives_nothing_and_1,
    the_folder_of_the_last_choice_is_remembered,
    a_memory_that_is_spoilt_is_passed_over,
    without_a_display_nothing_is_started,
    a_display_that_cannot_be_opened_is_no_cancellation,
    without_a_chooser_the_status_is_that_of_a_missing_program,
    the_services_have_no_argument,
    kdialog_is_used_where_it_is_wanted,
    the_chooser_is_closed_when_the_caller_goes,
    the_chooser_is_closed_when_the_program_is_ended,
    a_portal_is_asked_first [needs_bus],
    a_portal_whose_user_cancels_gives_nothing_and_1 [needs_bus],
    a_portal_may_answer_before_the_call_returns [needs_bus],
    a_portal_lets_a_folder_be_chosen_if_it_can [needs_bus],
    what_dom0_would_refuse_is_told_with_a_portal_too [needs_bus],
    nobody_answers_in_the_place_of_the_portal [needs_bus],
    a_portal_that_ends_is_no_cancellation [needs_bus],
    another_chooser_is_used_if_the_portal_shows_none [needs_bus],
    an_answer_of_a_portal_is_a_file_of_this_qube [needs_bus],
    another_chooser_is_used_where_the_portal_has_none [needs_bus],
}

fn needs_bus() -> Result<(), String> {
    needs_program("dbus-daemon")
}

const TITLE: &str = "--title=Choose a file for dom0";

/// The arguments of zenity for a choice that begins in `folder`.
fn zenity_in(folder: &Path) -> Vec<String> {
    let begin = format!("--filename={}/", folder.display());
    ["zenity", "--file-selection", TITLE, &begin]
        .map(str::to_owned)
        .to_vec()
}

#[track_caller]
fn assert_chosen(finished: &Finished, path: &Path) {
    finished.assert_code(0);
    let line = [path.as_os_str().as_bytes(), b"\n"].concat();
    assert_eq!(finished.stdout, line);
}

#[track_caller]
fn assert_nothing(finished: &Finished, code: i32) {
    finished.assert_code(code);
    assert_eq!(finished.stdout, b"");
}

fn the_path_and_one_newline_go_to_dom0() {
    let choosers = Choosers::new();
    let file = choosers.file("a (1), b=c+d_e.tar-?:");
    choosers.answers(1, &file);
    let finished = run(choosers.service("qubes.SelectFile", &[]));
    assert_chosen(&finished, &file);
    assert_eq!(finished.stderr(), "");
    assert_eq!(choosers.window(1).unwrap(), zenity_in(&choosers.home("")));
    assert_eq!(choosers.window(2), None);
}

fn a_folder_is_chosen_for_the_other_service() {
    let choosers = Choosers::new();
    choosers.file("folder/file");
    choosers.answers(1, &choosers.home("folder/file"));
    choosers.answers(3, &choosers.home("folder"));
    let finished = run(choosers.service("qubes.SelectDirectory", &[]));
    assert_chosen(&finished, &choosers.home("folder"));
    finished.assert_says("It is no folder, and dom0 wants one.");
    let shown = choosers.window(1).unwrap();
    assert_eq!(shown[1..3], ["--file-selection", "--directory"]);
    assert_eq!(shown[3], "--title=Choose a folder for dom0");
}

fn what_dom0_would_refuse_is_told_and_asked_again() {
    let choosers = Choosers::new();
    let long = format!("{0}/{0}/{0}/x", "x".repeat(180));
    for (bad, why) in [
        (
            "<b>é</b> & 100%".as_bytes(),
            "has \"<\", \">\", \"é\", \"&\", \"%\".",
        ),
        (b"two\nlines", "has $'\\n'."),
        (b"\xff", "has $'\\xff'."),
        (b"blank ", "dom0 removes the blank at the end of the path."),
        (b"x../y", "dom0 takes no path with ../ in it."),
        (
            long.as_bytes(),
            "dom0 takes only paths of at most 512 bytes, but this one has ",
        ),
    ] {
        let choosers = Choosers::new();
        let bad = Path::new(OsStr::from_bytes(bad));
        fs::create_dir_all(choosers.home("").join(bad).parent().unwrap()).unwrap();
        fs::write(choosers.home("").join(bad), "").unwrap();
        let good = choosers.file("good");
        choosers.answers(1, &choosers.home("").join(bad));
        choosers.answers(3, &good);
        let finished = run(choosers.command(&[]));
        assert_chosen(&finished, &good);
        finished.assert_says(why);
        let told = choosers.window(2).unwrap();
        assert_eq!(told[..3], ["zenity", "--error", "--no-markup"]);
        assert!(told.contains(&"--title=This file cannot be used".to_owned()));
        assert!(told.join("\n").contains(why), "{told:?}");
        // It begins where the refused one is.
        let begin = choosers.home("").join(bad).parent().unwrap().to_owned();
        assert_eq!(choosers.window(3).unwrap(), zenity_in(&begin));
    }
    // Who has seen why may also stop.
    let bad = choosers.file("é");
    choosers.answers(1, &bad);
    let finished = run(choosers.command(&[]));
    assert_nothing(&finished, 1);
    assert_eq!(choosers.window(3).unwrap()[1], "--file-selection");
}

fn only_what_exists_is_chosen() {
    let choosers = Choosers::new();
    let good = choosers.file("good");
    choosers.answers(1, &choosers.home("typed"));
    choosers.answers(3, &choosers.home(""));
    choosers.answers(5, &good);
    let finished = run(choosers.command(&[]));
    assert_chosen(&finished, &good);
    finished.assert_says("It cannot be used: it does not exist.");
    finished.assert_says("It is a folder, and dom0 wants a file.");
}

fn who_cancels_gives_nothing_and_1() {
    let choosers = Choosers::new();
    choosers.does(1, "echo 'Gtk-Message: hello' >&2");
    let finished = run(choosers.service("qubes.SelectFile", &[]));
    assert_nothing(&finished, 1);
    assert_eq!(finished.stderr(), "");
}

fn the_folder_of_the_last_choice_is_remembered() {
    let choosers = Choosers::new();
    let file = choosers.file("films/old/film");
    choosers.answers(1, &file);
    assert_chosen(&run(choosers.command(&[])), &file);
    // A choice that is cancelled changes nothing, and a folder begins there too.
    assert_nothing(&run(choosers.command(&[])), 1);
    choosers.answers(3, &choosers.home("films"));
    assert_chosen(
        &run(choosers.command(&["--directory"])),
        &choosers.home("films"),
    );
    assert_nothing(&run(choosers.command(&[])), 1);
    // It is gone: the nearest one above it.
    fs::rename(choosers.home("films"), choosers.home("moved")).unwrap();
    assert_nothing(&run(choosers.command(&[])), 1);
    let begins = [2, 3, 4, 5].map(|number| choosers.window(number).unwrap().pop().unwrap());
    let expected = ["/films/old/", "/films/old/", "/films/", "/"]
        .map(|below| format!("--filename={}{below}", choosers.home("").display()));
    assert_eq!(begins, expected);
}

fn a_memory_that_is_spoilt_is_passed_over() {
    let choosers = Choosers::new();
    let kept = choosers.home(".local/state/qfile/select-file");
    fs::create_dir_all(kept.parent().unwrap()).unwrap();
    for (number, spoilt) in [(1, &b"--help"[..]), (2, b"relative"), (3, b"/\0"), (4, b"")] {
        fs::write(&kept, spoilt).unwrap();
        assert_nothing(&run(choosers.command(&[])), 1);
        assert_eq!(
            choosers.window(number).unwrap(),
            zenity_in(&choosers.home(""))
        );
    }
    // It cannot be kept either: the choice counts.
    fs::remove_file(&kept).unwrap();
    fs::create_dir(&kept).unwrap();
    let file = choosers.file("file");
    choosers.answers(5, &file);
    let finished = run(choosers.command(&[]));
    assert_chosen(&finished, &file);
    finished.assert_says("cannot remember the folder");
}

fn without_a_display_nothing_is_started() {
    let choosers = Choosers::new();
    let mut command = choosers.service("qubes.SelectFile", &[]);
    command.env_remove("DISPLAY");
    let finished = run(command);
    assert_nothing(&finished, 1);
    finished.assert_says("qubes-select-file: cannot have a file chosen: there is no display");
    assert_eq!(choosers.window(1), None);
}

fn a_display_that_cannot_be_opened_is_no_cancellation() {
    let choosers = Choosers::new();
    choosers.does(
        1,
        "echo '(zenity:7): Gtk-WARNING **: cannot open display: :9' >&2",
    );
    let finished = run(choosers.command(&[]));
    assert_nothing(&finished, 1);
    finished.assert_says("it cannot open the display");
}

fn without_a_chooser_the_status_is_that_of_a_missing_program() {
    let choosers = Choosers::new();
    let mut command = choosers.command(&[]);
    choosers.uninstall(&mut command);
    let finished = run(command);
    assert_nothing(&finished, 127);
    finished.assert_says("install zenity in this qube or its template");
}

fn the_services_have_no_argument() {
    let choosers = Choosers::new();
    for service in ["qubes.SelectFile", "qubes.SelectDirectory"] {
        assert_nothing(&run(choosers.service(service, &["--directory"])), 2);
        assert_nothing(&run(choosers.service(service, &["/etc"])), 2);
    }
    assert_eq!(choosers.window(1), None);
    // qrexec gives an empty one.
    assert_nothing(&run(choosers.service("qubes.SelectFile", &[""])), 1);
}

fn kdialog_is_used_where_it_is_wanted() {
    let choosers = Choosers::new();
    for (name, value) in [("QFILE_DIALOGS", "kdialog"), ("XDG_CURRENT_DESKTOP", "KDE")] {
        let mut command = choosers.command(&["--directory"]);
        command.env(name, value);
        assert_nothing(&run(command), 1);
    }
    let home = choosers.home("");
    let expected = [
        "kdialog",
        "--title",
        "Choose a folder for dom0",
        "--getexistingdirectory",
        home.to_str().unwrap(),
    ];
    for number in [1, 2] {
        assert_eq!(choosers.window(number).unwrap(), expected);
    }
}

/// A program whose chooser waits, and the number of the chooser.
fn waiting(choosers: &Choosers) -> (Running, Pid) {
    choosers.does(
        1,
        "echo $$ >pid; : >opened; exec /usr/bin/tail -f /dev/null",
    );
    let mut command = choosers.command(&[]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let running = Running::start(command);
    until(&choosers.path(""), || choosers.path("opened").exists());
    let pid = fs::read_to_string(choosers.path("pid")).unwrap();
    (running, Pid::from_raw(pid.trim().parse().unwrap()).unwrap())
}

fn the_chooser_is_closed_when_the_caller_goes() {
    let choosers = Choosers::new();
    let (mut running, chooser) = waiting(&choosers);
    drop(running.child.stdout.take());
    let finished = running.finish();
    finished.assert_code(1);
    finished.assert_says("the caller has gone");
    until_ended(chooser);
}

fn the_chooser_is_closed_when_the_program_is_ended() {
    let choosers = Choosers::new();
    let (running, chooser) = waiting(&choosers);
    kill_process(Pid::from_child(&running.child), Signal::TERM).unwrap();
    running.finish().assert_code(143);
    until_ended(chooser);
}

/// The program on a bus, with its stdout.
fn start(choosers: &Choosers, bus: &Bus, arguments: &[&str]) -> Running {
    let mut command: Command = choosers.command(arguments);
    bus.prepare(&mut command);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Running::start(command)
}

fn finish(mut running: Running) -> Finished {
    let mut stdout = Vec::new();
    let mut pipe = running.child.stdout.take().unwrap();
    pipe.read_to_end(&mut stdout).unwrap();
    let mut finished = running.finish();
    finished.stdout = stdout;
    finished
}

fn uri(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes().iter();
    let encoded = bytes.map(|byte| match byte {
        b'/' => "/".to_owned(),
        byte => format!("%{byte:02x}"),
    });
    format!("file://{}", encoded.collect::<String>())
}

fn begins_in(request: &Request) -> &Path {
    let (nul, path) = request.begins_in.split_last().unwrap();
    assert_eq!(*nul, 0);
    Path::new(OsStr::from_bytes(path))
}

fn a_portal_is_asked_first() {
    let (choosers, bus) = (Choosers::new(), Bus::new());
    let portal = FakePortal::new(&bus, 4);
    let file = choosers.file("a (1)/file");
    for begin in [choosers.home(""), choosers.home("a (1)")] {
        let running = start(&choosers, &bus, &[]);
        let request = portal.asked();
        assert_eq!(request.title, "Choose a file for dom0");
        assert!(!request.of_folder);
        assert_eq!(begins_in(&request), begin);
        portal.answer(&request, 0, &[&uri(&file)]);
        assert_chosen(&finish(running), &file);
    }
    assert_eq!(choosers.window(1), None);
}

fn a_portal_whose_user_cancels_gives_nothing_and_1() {
    let (choosers, bus) = (Choosers::new(), Bus::new());
    let portal = FakePortal::new(&bus, 4);
    let running = start(&choosers, &bus, &[]);
    portal.answer(&portal.asked(), 1, &["file:///etc/passwd"]);
    let finished = finish(running);
    assert_nothing(&finished, 1);
    assert_eq!(finished.stderr(), "");
    // The portal itself has ended the choice, not the user.
    for result in [2, 3] {
        let running = start(&choosers, &bus, &[]);
        portal.answer(&portal.asked(), result, &["file:///etc/passwd"]);
        let finished = finish(running);
        assert_nothing(&finished, 1);
        finished.assert_says("xdg-desktop-portal: it ended the choice, and the user did not");
    }
    assert_eq!(choosers.window(1), None);
}

fn a_portal_may_answer_before_the_call_returns() {
    let (choosers, bus) = (Choosers::new(), Bus::new());
    let file = choosers.file("file");
    let _portal = FakePortal::hasty(&bus, &uri(&file));
    assert_chosen(&finish(start(&choosers, &bus, &[])), &file);
}

fn a_portal_lets_a_folder_be_chosen_if_it_can() {
    let (choosers, bus) = (Choosers::new(), Bus::new());
    choosers.file("folder/file");
    let folder = choosers.home("folder");
    {
        let portal = FakePortal::new(&bus, 3);
        let running = start(&choosers, &bus, &["--directory"]);
        let request = portal.asked();
        assert!(request.of_folder);
        portal.answer(&request, 0, &[&uri(&folder)]);
        assert_chosen(&finish(running), &folder);
    }
    let portal = FakePortal::new(&bus, 2);
    choosers.answers(1, &folder);
    assert_chosen(&finish(start(&choosers, &bus, &["--directory"])), &folder);
    assert!(portal.is_unasked());
}

fn what_dom0_would_refuse_is_told_with_a_portal_too() {
    let (choosers, bus) = (Choosers::new(), Bus::new());
    let portal = FakePortal::new(&bus, 4);
    let (bad, good) = (choosers.file("é/film"), choosers.file("film"));
    let running = start(&choosers, &bus, &[]);
    portal.answer(&portal.asked(), 0, &[&uri(&bad)]);
    let again = portal.asked();
    assert_eq!(begins_in(&again), choosers.home("é"));
    portal.answer(&again, 0, &[&uri(&good)]);
    assert_chosen(&finish(running), &good);
    assert_eq!(choosers.window(1).unwrap()[1], "--error");
}

fn nobody_answers_in_the_place_of_the_portal() {
    let (choosers, bus) = (Choosers::new(), Bus::new());
    let portal = FakePortal::new(&bus, 4);
    let (forged, chosen) = (choosers.file("forged"), choosers.file("chosen"));
    let running = start(&choosers, &bus, &[]);
    let request = portal.asked();
    forge_answer(&bus, &request, &uri(&forged));
    portal.answer(&request, 0, &[&uri(&chosen)]);
    assert_chosen(&finish(running), &chosen);
}

fn a_portal_that_ends_is_no_cancellation() {
    let (choosers, bus) = (Choosers::new(), Bus::new());
    let portal = FakePortal::new(&bus, 4);
    let running = start(&choosers, &bus, &[]);
    let _request = portal.asked();
    drop(portal);
    let finished = finish(running);
    assert_nothing(&finished, 1);
    finished.assert_says("xdg-desktop-portal: it has ended");
}

fn another_chooser_is_used_if_the_portal_shows_none() {
    for (portal, why) in [
        (
            FakePortal::refusing as fn(&Bus) -> FakePortal,
            "no_[2Jdisplay",
        ),
        (FakePortal::silent, "it does not answer"),
    ] {
        let (choosers, bus) = (Choosers::new(), Bus::new());
        let _portal = portal(&bus);
        let file = choosers.file("file");
        choosers.answers(1, &file);
        let finished = finish(start(&choosers, &bus, &[]));
        assert_chosen(&finished, &file);
        finished.assert_says("qubes-select-file: cannot have a file chosen: xdg-desktop-portal: ");
        finished.assert_says(why);
    }
}

fn an_answer_of_a_portal_is_a_file_of_this_qube() {
    let (choosers, bus) = (Choosers::new(), Bus::new());
    let portal = FakePortal::new(&bus, 4);
    for uris in [
        &["sftp://other/etc/passwd"][..],
        &["file:///etc/passwd%00"],
        &["file:///etc/passwd", "file:///etc/group"],
        &[],
    ] {
        let running = start(&choosers, &bus, &[]);
        portal.answer(&portal.asked(), 0, uris);
        let finished = finish(running);
        assert_nothing(&finished, 1);
        finished.assert_says("qubes-select-file: cannot have a file chosen: xdg-desktop-portal: ");
    }
}

fn another_chooser_is_used_where_the_portal_has_none() {
    let (choosers, bus) = (Choosers::new(), Bus::new());
    let file = choosers.file("file");
    // There is none at all, it cannot be started, and one is not wanted.
    choosers.answers(1, &file);
    assert_chosen(&finish(start(&choosers, &bus, &[])), &file);
    bus.starts("org.freedesktop.portal.Desktop", "exit 1");
    choosers.answers(2, &file);
    assert_chosen(&finish(start(&choosers, &bus, &[])), &file);
    let portal = FakePortal::new(&bus, 4);
    choosers.answers(3, &file);
    let mut command = choosers.command(&[]);
    bus.prepare(&mut command);
    command.env("QFILE_DIALOGS", "zenity");
    assert_chosen(&run(command), &file);
    assert!(portal.is_unasked());
}

//! `qubes-keymap`, with a real pair of QubesDB daemons and a stand-in for setxkbmap. The real one is in
//! `desktop_keymap`.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{chown, symlink};
use std::process::Command;

use qfile_tests::bus::{Bus, FakeNotifications};
use qfile_tests::cannot_run::needs_program;
use qfile_tests::changes::until;
use qfile_tests::fifo;
use qfile_tests::keyboards::Keyboards;
use qfile_tests::process::run;
use qfile_tests::speaking::Speaking;
use qfile_tests::suite;
use qfile_tests::user::needs_root;

suite! {
    the_layout_is_set_at_once_and_after_each_change,
    options_are_set_whole_each_time,
    a_value_that_is_no_layout_changes_nothing,
    a_key_that_is_removed_or_empty_changes_nothing,
    a_change_while_a_layout_is_set_is_not_missed,
    a_daemon_that_is_started_again_is_heard,
    only_sockets_of_displays_count,
    displays_of_other_users_are_left_alone [needs_root],
    the_display_of_the_session_counts_whoever_runs_it [needs_root],
    one_display_keeps_no_other_back,
    the_user_is_told_when_x_refuses [needs_bus],
    a_display_that_has_ended_is_passed_over,
    only_the_display_of_the_session_is_told_of_on_the_desktop [needs_bus],
    without_setxkbmap_this_is_told,
    without_a_display_this_is_told,
    a_layout_is_set_once_if_that_is_wanted,
}

fn needs_bus() -> Result<(), String> {
    needs_program("dbus-daemon")
}

const FRENCH: &str = r#"qubes-keymap: display ":7": layout "fr,us", variant "oss,", options """#;
const PLAIN: &str = r#"qubes-keymap: display ":7": layout "us", variant "", options """#;

/// What setxkbmap is called with on display `:7`.
fn call(layouts: &str, variants: &str, options: &str) -> String {
    let options = match options {
        "" => String::new(),
        options => format!("<-option><{options}>"),
    };
    format!("<-display><:7><-layout><{layouts}><-variant><{variants}><-option><>{options}")
}

fn the_layout_is_set_at_once_and_after_each_change() {
    let keyboards = Keyboards::new();
    keyboards.display("X7");
    keyboards.write("fr+oss+");
    let keymap = Speaking::start(keyboards.command(&[]));
    keymap.assert_says(&[FRENCH]);
    keyboards.write("us++");
    keymap.assert_says(&[PLAIN]);
    // The short forms.
    for (value, layout, variant) in [
        ("fr", "fr,us", ","),
        ("de+neo", "de,us", "neo,"),
        ("us+dvorak", "us", "dvorak"),
    ] {
        keyboards.write(value);
        let said = format!(
            r#"qubes-keymap: display ":7": layout "{layout}", variant "{variant}", options """#
        );
        keymap.assert_says(&[&said]);
    }
    assert_eq!(keymap.stop(), [""; 0]);
    let expected = [
        call("fr,us", "oss,", ""),
        call("us", "", ""),
        call("fr,us", ",", ""),
        call("de,us", "neo,", ""),
        call("us", "dvorak", ""),
    ];
    assert_eq!(keyboards.set(), expected);
}

/// Qubes OS keeps `compose:caps`.
fn options_are_set_whole_each_time() {
    let keyboards = Keyboards::new();
    keyboards.display("X7");
    keyboards.write("pl++compose:caps");
    let keymap = Speaking::start(keyboards.command(&[]));
    assert!(keymap.line().ends_with(r#"options "compose:caps""#));
    keyboards.write("us++");
    keymap.assert_says(&[PLAIN]);
    let expected = [call("pl,us", ",", "compose:caps"), call("us", "", "")];
    assert_eq!(keyboards.set(), expected);
}

/// The shell of Qubes OS splits and expands them, and X takes some of them half-way.
fn a_value_that_is_no_layout_changes_nothing() {
    let keyboards = Keyboards::new();
    keyboards.display("X7");
    keyboards.write("us++");
    let keymap = Speaking::start(keyboards.command(&[]));
    keymap.assert_says(&[PLAIN]);
    for (value, why) in [
        ("../fr", "\"../fr\": the layout has a character other than"),
        ("fr ", "\"fr \": the layout has a character other than"),
        ("fr -display :8", "\"fr -display :8\": the layout has"),
        ("*", "\"*\": the layout has a character other than"),
        ("us,ru", "\"us,ru\": the layout has a character other than"),
        (
            "fr+a b+",
            "\"fr+a b+\": the variant has a character other than",
        ),
        (
            "us++a *",
            "\"us++a *\": the options have a character other than",
        ),
        (
            "us++-display",
            "\"us++-display\": the variant or the options begin with -",
        ),
        (
            "us++++",
            "\"us++++\": it has more than a layout, a variant and options",
        ),
        ("$(id)\u{1b}[2J\"", "\"$(id)_[2J_\": the layout has"),
    ] {
        keyboards.write(value);
        let said = keymap.line();
        let expected = format!("qubes-keymap: cannot set the keyboard layout {why}");
        assert!(said.starts_with(&expected), "{said}");
        assert!(keymap.line().contains("the old layout stays"));
    }
    assert_eq!(keyboards.set(), [call("us", "", "")]);
}

fn a_key_that_is_removed_or_empty_changes_nothing() {
    let keyboards = Keyboards::new();
    keyboards.display("X7");
    keyboards.write("fr+oss");
    let keymap = Speaking::start(keyboards.command(&[]));
    keymap.assert_says(&[FRENCH]);
    keyboards.remove();
    keyboards.write("");
    keyboards.write("us++");
    keymap.assert_says(&[PLAIN]);
    assert_eq!(keymap.stop(), [""; 0]);
}

/// Qubes OS does not watch while it works, and misses the later ones.
fn a_change_while_a_layout_is_set_is_not_missed() {
    let keyboards = Keyboards::new();
    keyboards.display("X7");
    fifo::make(&keyboards.path("gate"));
    keyboards.write("fr+oss+");
    let keymap = Speaking::start(keyboards.command(&[]));
    until(&keyboards.path(""), || keyboards.path("opened").exists());
    keyboards.write("de++");
    keyboards.write("us++");
    // It is held by its name no more, so only the first one waits.
    let gate = keyboards.path("gate");
    let mut opened = File::options().write(true).open(&gate).unwrap();
    fs::remove_file(&gate).unwrap();
    opened.write_all(b"\n").unwrap();
    keymap.assert_says(&[FRENCH]);
    while keymap.line() != PLAIN {}
    assert_eq!(keyboards.set().last(), Some(&call("us", "", "")));
}

fn a_daemon_that_is_started_again_is_heard() {
    let mut keyboards = Keyboards::alone("fr+oss+");
    let keymap = Speaking::start(keyboards.command(&[]));
    keymap.assert_says(&[FRENCH]);
    keyboards.restart("us++");
    keymap.assert_says(&[PLAIN]);
}

fn only_sockets_of_displays_count() {
    let keyboards = Keyboards::alone("us++");
    for name in ["X10", "X07", "X8-", "Y9"] {
        keyboards.display(name);
    }
    symlink("X7", keyboards.path("sockets/X1")).unwrap();
    fs::write(keyboards.path("sockets/X2"), "").unwrap();
    fs::create_dir(keyboards.path("sockets/X3")).unwrap();
    run(keyboards.command(&["--once"])).assert_code(0);
    let set = keyboards.set();
    assert_eq!(set.len(), 2, "{set:?}");
    assert!(set[0].starts_with("<-display><:7>") && set[1].starts_with("<-display><:10>"));
}

fn displays_of_other_users_are_left_alone() {
    let keyboards = Keyboards::alone("us++");
    chown(keyboards.display("X1"), Some(4242), Some(4242)).unwrap();
    run(keyboards.command(&["--once"])).assert_code(0);
    assert_eq!(keyboards.set(), [call("us", "", "")]);
}

fn the_display_of_the_session_counts_whoever_runs_it() {
    let keyboards = Keyboards::alone("us++");
    for name in ["X1", "X2"] {
        chown(keyboards.display(name), Some(4242), Some(4242)).unwrap();
    }
    let mut command = keyboards.command(&["--once"]);
    command.env("DISPLAY", ":2.0");
    run(command).assert_code(0);
    let set = keyboards.set();
    assert_eq!(set.len(), 2, "{set:?}");
    assert!(set[0].starts_with("<-display><:2>") && set[1].starts_with("<-display><:7>"));
}

fn one_display_keeps_no_other_back() {
    let keyboards = Keyboards::alone("us++");
    keyboards.display("X8");
    fs::write(keyboards.path("refuses"), "").unwrap();
    let finished = run(keyboards.command(&["--once"]));
    finished.assert_code(1);
    assert_eq!(keyboards.set().len(), 2);
    for display in [7, 8] {
        finished.assert_says(&format!(
            "variant \"\", options \"\" on the display \":{display}\": setxkbmap: exit status: 5: \
             Error loading new keyboard description"
        ));
    }
}

fn the_user_is_told_when_x_refuses() {
    let (keyboards, bus) = (Keyboards::alone("zz+<b>+"), Bus::new());
    let notifications = FakeNotifications::new(&bus, true);
    let start = || {
        let mut command: Command = keyboards.command(&[]);
        bus.prepare(&mut command);
        command.env("DISPLAY", ":7");
        Speaking::start(command)
    };
    let keymap = start();
    let shown = notifications.shown();
    assert_eq!(shown.title, "The keyboard layout was not changed");
    let told = "cannot set the keyboard layout \"zz+&lt;b&gt;+\": the variant has";
    assert!(shown.text.starts_with(told), "{}", shown.text);
    fs::write(keyboards.path("refuses"), "").unwrap();
    keyboards.write_in_qube("zz++");
    let shown = notifications.shown();
    let told = "cannot set layout \"zz,us\", variant \",\", options \"\" on the display \":7\"";
    assert!(shown.text.starts_with(told), "{}", shown.text);
    assert!(
        shown.text.contains("choose another one in dom0"),
        "{}",
        shown.text
    );
    drop(keymap);
    // And once, before the program ends.
    let mut command = keyboards.command(&["--once"]);
    bus.prepare(&mut command);
    command.env("DISPLAY", ":7");
    run(command).assert_code(1);
    assert!(notifications.shown().text.starts_with(told));
}

/// Its socket is there, but nobody listens.
fn a_display_that_has_ended_is_passed_over() {
    let keyboards = Keyboards::alone("us++");
    keyboards.stale_display("X3");
    let finished = run(keyboards.command(&["--once"]));
    finished.assert_code(0);
    assert_eq!(finished.stderr(), format!("{PLAIN}\n"));
    assert_eq!(keyboards.set(), [call("us", "", "")]);
}

fn only_the_display_of_the_session_is_told_of_on_the_desktop() {
    let (keyboards, bus) = (Keyboards::alone("us++"), Bus::new());
    keyboards.display("X8");
    let notifications = FakeNotifications::new(&bus, true);
    fs::write(keyboards.path("refuses"), "").unwrap();
    for display in [":9", ":8"] {
        let mut command = keyboards.command(&["--once"]);
        bus.prepare(&mut command);
        command.env("DISPLAY", display);
        let finished = run(command);
        finished.assert_code(1);
        for display in [7, 8] {
            finished.assert_says(&format!("on the display \":{display}\": setxkbmap: "));
        }
    }
    // Only the second of the calls has shown anything.
    let text = notifications.shown().text;
    assert!(text.contains("on the display \":8\""), "{text}");
}

fn without_setxkbmap_this_is_told() {
    let keyboards = Keyboards::alone("us++");
    let mut command = keyboards.command(&["--once"]);
    command.env("PATH", "/nothing-is-there");
    let finished = run(command);
    finished.assert_code(1);
    finished.assert_says("setxkbmap is not installed");
    finished.assert_says("install x11-xkb-utils or setxkbmap");
}

fn without_a_display_this_is_told() {
    let keyboards = Keyboards::alone("us++");
    fs::remove_file(keyboards.path("sockets/X7")).unwrap();
    let finished = run(keyboards.command(&["--once"]));
    finished.assert_code(1);
    finished.assert_says("this user has no display in ");
}

fn a_layout_is_set_once_if_that_is_wanted() {
    let keyboards = Keyboards::alone("pl++compose:caps");
    let finished = run(keyboards.command(&["--once"]));
    finished.assert_code(0);
    assert_eq!(keyboards.set(), [call("pl,us", ",", "compose:caps")]);
}

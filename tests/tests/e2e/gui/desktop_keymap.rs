//! The keyboard layout that dom0 wants, on a real X server, with the real setxkbmap and a real pair of
//! QubesDB daemons. Run by `make test-desktop`.

use std::io::BufRead as _;
use std::process::Command;

use qfile_tests::cannot_run::needs_program;
use qfile_tests::desktop::{Desktop, needs_desktop};
use qfile_tests::keyboards::Keyboards;
use qfile_tests::process::run;
use qfile_tests::speaking::Speaking;
use qfile_tests::suite;

suite! {
    a_layout_replaces_the_last_one_with_its_options [needs_desktop, needs_setxkbmap],
    a_value_that_is_no_layout_leaves_the_old_one [needs_desktop, needs_setxkbmap],
    a_layout_that_x_does_not_know_is_told_and_the_old_one_stays [needs_desktop, needs_setxkbmap],
    of_many_changes_the_last_one_counts [needs_desktop, needs_setxkbmap],
}

fn needs_setxkbmap() -> Result<(), String> {
    needs_program("setxkbmap")
}

struct Screen {
    desktop: Desktop,
    keyboards: Keyboards,
}

impl Screen {
    fn new() -> Self {
        let (desktop, keyboards) = (Desktop::new(), Keyboards::new());
        keyboards.use_real_setxkbmap();
        keyboards.display(&desktop.display().replace(':', "X"));
        Self { desktop, keyboards }
    }

    fn start(&self) -> Speaking {
        let mut command = self.keyboards.command(&[]);
        self.desktop.prepare(&mut command);
        Speaking::start(command)
    }

    /// What the program says when it has set this.
    fn said(&self, layouts: &str, variants: &str, options: &str) -> String {
        let display = self.desktop.display();
        format!(
            "qubes-keymap: display \"{display}\": layout \"{layouts}\", variant \"{variants}\", \
             options \"{options}\""
        )
    }

    /// Layout, variant and options of the X server.
    fn query(&self) -> [String; 3] {
        let mut command = Command::new("setxkbmap");
        command.args(["-display", self.desktop.display(), "-query"]);
        let done = run(command);
        done.assert_code(0);
        let text = String::from_utf8(done.stdout).unwrap();
        ["layout:", "variant:", "options:"].map(|key| {
            let found = text.lines().find_map(|line| line.strip_prefix(key));
            found.unwrap_or_default().trim().to_owned()
        })
    }
}

fn a_layout_replaces_the_last_one_with_its_options() {
    let screen = Screen::new();
    screen.keyboards.write("pl++compose:caps");
    let keymap = screen.start();
    for (value, layouts, variants, options) in [
        ("pl++compose:caps", "pl,us", ",", "compose:caps"),
        ("us++", "us", "", ""),
        (
            "fr+oss+caps:none,compose:ralt",
            "fr,us",
            "oss,",
            "caps:none,compose:ralt",
        ),
        ("us+dvorak+", "us", "dvorak", ""),
        ("si", "si", "", ""),
        ("de", "de,us", ",", ""),
        ("++", "us", "", ""),
    ] {
        if value != "pl++compose:caps" {
            screen.keyboards.write(value);
        }
        keymap.assert_says(&[&screen.said(layouts, variants, options)]);
        let [layout, variant, option] = screen.query();
        assert_eq!([&*layout, &*option], [layouts, options], "{value}");
        assert_eq!(variant, variants, "{value}");
    }
}

fn a_value_that_is_no_layout_leaves_the_old_one() {
    let screen = Screen::new();
    screen.keyboards.write("fr+oss+compose:caps");
    let keymap = screen.start();
    keymap.assert_says(&[&screen.said("fr,us", "oss,", "compose:caps")]);
    let before = screen.query();
    assert_eq!(before[2], "compose:caps");
    let (mut service, mut notifications) = screen.desktop.notification_service();
    for value in ["../fr", "fr ", "us *", "de -option", "us++a *", "de(neo)"] {
        screen.keyboards.write(value);
        let said = keymap.line();
        assert!(said.contains(&format!("\"{value}\": ")), "{said}");
        assert!(keymap.line().contains("the old layout stays"));
        let mut shown = String::new();
        notifications.read_line(&mut shown).unwrap();
        assert!(
            shown.contains("The keyboard layout was not changed"),
            "{shown}"
        );
        assert!(shown.contains(value), "{shown}");
        assert_eq!(screen.query(), before, "{value}");
    }
    service.kill().unwrap();
    service.wait().unwrap();
}

fn a_layout_that_x_does_not_know_is_told_and_the_old_one_stays() {
    let screen = Screen::new();
    screen.keyboards.write("pl++compose:caps");
    let keymap = screen.start();
    keymap.assert_says(&[&screen.said("pl,us", ",", "compose:caps")]);
    let before = screen.query();
    let (mut service, mut notifications) = screen.desktop.notification_service();
    for (value, named) in [("zz++", "zz,us"), ("fr+nosuch+", "nosuch,")] {
        screen.keyboards.write(value);
        let said = keymap.line();
        assert!(
            said.contains(named) && said.contains("setxkbmap: exit status: "),
            "{said}"
        );
        assert!(keymap.line().contains("the old layout stays"));
        let mut shown = String::new();
        notifications.read_line(&mut shown).unwrap();
        assert!(shown.contains(named), "{shown}");
        assert_eq!(screen.query(), before, "{value}");
    }
    service.kill().unwrap();
    service.wait().unwrap();
    // The next one is set.
    screen.keyboards.write("us++");
    keymap.assert_says(&[&screen.said("us", "", "")]);
    assert_eq!(screen.query(), ["us", "", ""]);
}

fn of_many_changes_the_last_one_counts() {
    let screen = Screen::new();
    let keymap = screen.start();
    for value in [
        "fr++",
        "de++",
        "pl++",
        "us+dvorak+",
        "cz++",
        "es++",
        "it++",
        "si++",
    ] {
        screen.keyboards.write(value);
    }
    let last = screen.said("si", "", "");
    while keymap.line() != last {}
    assert_eq!(screen.query(), ["si", "", ""]);
    assert_eq!(keymap.stop(), [""; 0]);
}

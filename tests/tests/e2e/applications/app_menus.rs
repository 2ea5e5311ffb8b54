//! `qubes.GetAppmenus`, byte by byte, and as dom0 reads it.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use qfile_tests::applications::Applications;
use qfile_tests::fifo;
use qfile_tests::own_root::in_own_root;
use qfile_tests::process::run;
use qfile_tests::programs::{folder, program, source};
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::qubesdb::Place;
use qfile_tests::suite;
use qfile_tests::user;

suite! {
    a_call_lists_the_applications_of_another_qube,
    each_name_stands_once_and_in_order,
    lines_may_end_as_on_windows_and_be_of_any_language,
    what_can_never_be_shown_is_left_out,
    what_dom0_would_drop_is_named,
    a_broken_file_costs_itself_only,
    a_name_with_a_newline_writes_no_line,
    relative_and_missing_folders_are_no_error,
    dom0_reads_the_real_ones_of_this_machine,
    dom0_reads_no_more_than_its_lines,
    a_disposable_lists_nothing,
    only_what_is_on_the_private_volume_is_listed [user::needs_private_mounts],
    a_profile_may_name_folders_and_do_anything_else [user::needs_private_mounts],
}

fn a_call_lists_the_applications_of_another_qube() {
    let qubes = Qubes::new();
    let folder = qubes
        .home(TARGET)
        .join(".local/share/applications/sub/deep");
    fs::create_dir_all(&folder).unwrap();
    let entry = "[Desktop Entry]\nType=Application\nName=Deep\nExec=deep %U\nIcon=foo\nVersion=1\n";
    fs::write(folder.join("d.desktop"), entry).unwrap();
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command.args([TARGET, "qubes.GetAppmenus"]);
    command.env("XDG_DATA_DIRS", qubes.root().join("nothing"));
    let finished = run(command);
    finished.assert_code(0);
    assert_eq!(
        String::from_utf8(finished.stdout).unwrap(),
        "sub-deep-d.desktop:Name=Deep\n\
         sub-deep-d.desktop:Icon=foo\n\
         sub-deep-d.desktop:Exec=qubes-desktop-run sub-deep-d.desktop\n\
         \n"
    );
}

/// What the menu of dom0 has: the names of the entries, by the names of their applications.
#[track_caller]
fn names(applications: &Applications) -> Vec<(String, String)> {
    let (list, _) = applications.menus();
    dom0(&list)
        .into_iter()
        .map(|(name, keys)| (name, keys["Name"].clone()))
        .collect()
}

/// Reads a list as the receiver in dom0 is documented to: at most 100,000 lines of at most 1,024
/// bytes, of which each matches the pattern of its key; the last of equal keys wins. Every line has
/// to be one that it takes.
#[track_caller]
fn dom0(list: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    assert!(list.is_ascii());
    assert!(list.split_inclusive('\n').count() <= 100_000);
    assert!(
        list.split_inclusive('\n')
            .all(|line| line.len() <= 1024 && line.ends_with('\n'))
    );
    let mut entries: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for line in list.lines().filter(|line| !line.is_empty()) {
        let (name, rest) = line
            .split_once(".desktop:")
            .unwrap_or_else(|| panic!("{line}"));
        let (key, value) = rest.split_once('=').unwrap_or_else(|| panic!("{line}"));
        let others = match key.split('[').next().unwrap() {
            "Name" | "GenericName" | "Comment" => "/.,:&()_ +-",
            "StartupWMClass" | "Icon" => "/_.-",
            "Categories" => "/.;:'() -",
            "Exec" => "()_&>/{}:.= -",
            other => panic!("dom0 has no use for {other}"),
        };
        let all = |text: &str, others: &str| {
            text.chars()
                .all(|c| c.is_ascii_alphanumeric() || others.contains(c))
        };
        assert!(all(name, "._-") && !name.is_empty(), "{line}");
        assert!(all(value, others), "{line}");
        let keys = entries.entry(name.to_owned()).or_default();
        keys.insert(key.to_owned(), value.to_owned());
    }
    for (name, keys) in &entries {
        assert_eq!(keys["Exec"], format!("qubes-desktop-run {name}.desktop"));
        assert!(!keys["Name"].is_empty());
    }
    entries
}

fn each_name_stands_once_and_in_order() {
    let applications = Applications::new();
    for place in [
        "system/b",
        "user/b",
        "user/a/b",
        "system/a-b",
        "system/c/d",
        "system/c-d",
        "system/a",
    ] {
        applications.add(
            &format!("{place}.desktop"),
            &format!("Name={place}\nExec=x"),
        );
    }
    applications.add("system/gone.desktop", "Name=gone\nExec=x");
    applications.write(
        "user/applications/gone.desktop",
        "[Desktop Entry]\nHidden=true\n",
    );
    let (list, _) = applications.menus();
    let names: Vec<&str> = list
        .lines()
        .filter(|line| line.contains(":Name="))
        .collect();
    assert_eq!(
        names,
        [
            "a.desktop:Name=system/a",
            "a-b.desktop:Name=user/a/b",
            "b.desktop:Name=user/b",
            "c-d.desktop:Name=system/c-d",
        ]
    );
    assert_eq!(list.lines().filter(|line| line.is_empty()).count(), 4);
}

fn lines_may_end_as_on_windows_and_be_of_any_language() {
    let applications = Applications::new();
    let windows = "[Desktop Entry]\r\nType=Application\r\nName=W\r\nExec=w\r\nName[de]=V\r\n";
    applications.write("user/applications/w.desktop", windows);
    let greek = "Name=\u{3b1}\nName[en]=Alpha\nName[el]=\u{3b1}\nComment=\u{3b2}\nExec=a";
    applications.add("user/greek.desktop", greek);
    let (list, told) = applications.menus();
    assert_eq!(
        list,
        "greek.desktop:Name=Alpha\n\
         greek.desktop:Exec=qubes-desktop-run greek.desktop\n\
         greek.desktop:Name[en]=Alpha\n\
         \n\
         w.desktop:Name=W\n\
         w.desktop:Exec=qubes-desktop-run w.desktop\n\
         w.desktop:Name[de]=V\n\
         \n"
    );
    for part in [
        "take its Name \"\u{3b1}\"; its entry is called \"Alpha\"",
        "its Comment \"\u{3b2}\"",
    ] {
        assert!(told.contains(part), "{told}");
    }
}

fn what_can_never_be_shown_is_left_out() {
    let applications = Applications::new();
    for (id, lines) in [
        ("hidden", "Hidden=true"),
        ("nodisplay", "NoDisplay = True"),
        ("saver", "Categories=Screensaver;"),
        ("link", "Type=Link"),
        ("try", "TryExec=/no/such"),
        ("shown", "TryExec=sh\nNoDisplay=false\nOnlyShowIn=KDE;"),
    ] {
        applications.add(
            &format!("user/{id}.desktop"),
            &format!("Name={id}\nExec=x\n{lines}"),
        );
    }
    assert_eq!(
        names(&applications),
        [("shown".to_owned(), "shown".to_owned())]
    );
    assert_eq!(applications.menus().1, "");
}

fn what_dom0_would_drop_is_named() {
    let applications = Applications::new();
    for name in ["a b", "a:b", "\u{e9}", "a+b", "a\u{1b}[2J"] {
        applications.add(&format!("user/{name}.desktop"), "Name=x\nExec=x");
    }
    applications.add("user/none.desktop", "Name=x");
    applications.add("user/good.desktop", "Name=x\nExec=x\nIcon=a b");
    let (list, told) = applications.menus();
    assert_eq!(dom0(&list).len(), 1);
    assert_eq!(told.lines().count(), 7, "{told}");
    assert_eq!(
        told.matches("dom0 takes only letters, digits and ._- in the name")
            .count(),
        5
    );
    for part in [
        "none.desktop\": it has no key Exec",
        "good.desktop\": dom0 does not take its Icon",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert!(!told.contains('\u{1b}'), "{told}");
}

fn a_broken_file_costs_itself_only() {
    let applications = Applications::new();
    applications.add("user/good.desktop", "Name=g\nExec=x");
    applications.add("system/shadowed.desktop", "Name=s\nExec=x");
    let top = applications.path("user/applications");
    applications.write("user/applications/shadowed.desktop", [0xFF, 0, b'\n']);
    applications.write("user/applications/empty.desktop", "");
    applications.write("user/applications/long.desktop", vec![b'\n'; 2 << 20]);
    fifo::make(&top.join("fifo.desktop"));
    symlink("nowhere", top.join("dangling.desktop")).unwrap();
    symlink("loop.desktop", top.join("loop.desktop")).unwrap();
    symlink(".", top.join("again")).unwrap();
    symlink("..", top.join("folder-link.desktop")).unwrap();
    fs::create_dir(top.join("folder.desktop")).unwrap();
    fs::create_dir(top.join("closed")).unwrap();
    fs::set_permissions(top.join("closed"), Permissions::from_mode(0o0)).unwrap();
    let expected = [("good", "g"), ("shadowed", "s")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(names(&applications), expected);
    let told = applications.menus().1;
    for broken in [
        "shadowed",
        "empty",
        "long",
        "fifo",
        "dangling",
        "loop",
        "folder-link",
    ] {
        assert!(
            told.contains(&format!("/{broken}.desktop\": ")),
            "{broken}: {told}"
        );
    }
    fs::set_permissions(top.join("closed"), Permissions::from_mode(0o700)).unwrap();
}

fn a_name_with_a_newline_writes_no_line() {
    let applications = Applications::new();
    applications.add("user/x\nevil.desktop:Exec=evil\n.desktop", "Name=x\nExec=x");
    applications.add("user/y.desktop", "Name=y\\nz.desktop:Name=evil\nExec=x");
    let (list, told) = applications.menus();
    assert_eq!(
        list,
        "y.desktop:Name=y_z.desktop:Name_evil\ny.desktop:Exec=qubes-desktop-run y.desktop\n\n"
    );
    assert_eq!(told.lines().count(), 2, "{told}");
}

fn relative_and_missing_folders_are_no_error() {
    let applications = Applications::new();
    applications.add("system/a.desktop", "Name=a\nExec=x");
    let mut command = applications.command("qubes-app-menus");
    let system = applications.path("system");
    command
        .current_dir(applications.top())
        .env("XDG_DATA_HOME", "user")
        .env(
            "XDG_DATA_DIRS",
            format!("user:/no/such:{0}:{0}/", system.display()),
        );
    applications.add("user/b.desktop", "Name=b\nExec=x");
    let finished = run(command);
    finished.assert_code(0);
    assert!(finished.stdout.starts_with(b"a.desktop:Name=a\n"));
    assert_eq!(finished.stderr(), "");
}

fn dom0_reads_the_real_ones_of_this_machine() {
    let applications = Applications::new();
    let mut command = applications.command("qubes-app-menus");
    command.env("XDG_DATA_DIRS", "/usr/local/share:/usr/share");
    let finished = run(command);
    finished.assert_code(0);
    let list = String::from_utf8(finished.stdout).unwrap();
    let _every_line_is_taken = dom0(&list);
}

fn dom0_reads_no_more_than_its_lines() {
    const COUNT: usize = 1000;
    let applications = Applications::new();
    let mut lines = "Name=a\nExec=x\n".to_owned();
    for number in 0..120 {
        lines.push_str(&format!("Name[l{number}]=t\n"));
    }
    for number in 0..COUNT {
        applications.add(&format!("system/a{number}.desktop"), &lines);
    }
    let (list, _) = applications.menus();
    assert_eq!(dom0(&list).len(), COUNT);
    assert!(list.lines().count() > 99_000 - COUNT * 8);
}

fn a_disposable_lists_nothing() {
    let (applications, qubesdb) = (Applications::new(), Place::new());
    let _daemon = qubesdb.alone();
    applications.add("user/a.desktop", "Name=a\nExec=x");
    for (persistence, is_listed) in [("none", false), ("full", true), ("", true)] {
        qubesdb
            .run("write", &["/qubes-vm-persistence", persistence])
            .assert_code(0);
        let mut command = applications.command("qubes-app-menus");
        command.env("QUBESDB_DIR", qubesdb.sockets("qube"));
        let finished = run(command);
        finished.assert_code(0);
        assert_eq!(!finished.stdout.is_empty(), is_listed, "{persistence:?}");
    }
}

fn only_what_is_on_the_private_volume_is_listed() {
    let (applications, qubesdb) = (Applications::new(), Place::new());
    let _daemon = qubesdb.alone();
    qubesdb
        .run("write", &["/qubes-vm-persistence", "rw-only"])
        .assert_code(0);
    applications.add("system/template.desktop", "Name=t\nExec=x");
    applications.add("system/both.desktop", "Name=t\nExec=x");
    in_own_root(|| {
        let own = "/rw/usrlocal/share/applications";
        fs::create_dir_all(own).unwrap();
        for id in ["own", "both"] {
            let entry = "[Desktop Entry]\nType=Application\nName=o\nExec=x\n";
            fs::write(format!("{own}/{id}.desktop"), entry).unwrap();
        }
        let listed = |dirs: String| {
            let mut command = applications.command("qubes-app-menus");
            command
                .env("QUBESDB_DIR", qubesdb.sockets("qube"))
                .env("XDG_DATA_DIRS", dirs);
            let finished = run(command);
            finished.assert_code(0);
            let list = String::from_utf8(finished.stdout).unwrap();
            dom0(&list).into_keys().collect::<Vec<_>>()
        };
        let system = applications.path("system").display().to_string();
        assert_eq!(
            listed(format!("/rw/usrlocal/share:{system}")),
            ["both", "own"]
        );
        // The template's file is the one that is started, and the template lists it.
        assert_eq!(listed(format!("{system}:/rw/usrlocal/share")), ["own"]);
    });
}

fn a_profile_may_name_folders_and_do_anything_else() {
    let applications = Applications::new();
    applications.add("system/a.desktop", "Name=a\nExec=x");
    let dirs = applications.path("system").display().to_string();
    // Read before the root is another one, where they have the same path.
    let (service, programs) = (source("rpc/qubes.GetAppmenus"), folder());
    let _is_built = program("qubes-app-menus");
    in_own_root(|| {
        let listed = |profile: &str, variable: &str| {
            fs::write("/etc/profile", profile).unwrap();
            let mut command = Command::new(&service);
            applications.prepare(&mut command);
            command
                .env("QFILE_LIBDIR", &programs)
                .env("XDG_DATA_DIRS", variable);
            let finished = run(command);
            finished.assert_code(0);
            assert_eq!(finished.stderr(), "");
            String::from_utf8(finished.stdout).unwrap()
        };
        let [plain, none] =
            [(&*dirs, ""), ("/no/such", "")].map(|(dirs, profile)| listed(profile, dirs));
        assert!(plain.starts_with("a.desktop:Name=a\n"));
        assert_eq!(none, "");
        let profile = format!("echo noise; echo noise >&2; export XDG_DATA_DIRS={dirs}\n");
        assert_eq!(listed(&profile, "/no/such"), plain);
        assert_eq!(listed("exit 3\n", &dirs), plain);
        assert_eq!(listed("cat; set -e; false; if\n", &dirs), plain);
        fs::remove_file("/etc/profile").unwrap();
    });
}

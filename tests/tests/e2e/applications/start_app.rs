//! `qubes.StartApp`, and `qubes-desktop-run` on the same code.

use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use qfile_tests::applications::Applications;
use qfile_tests::cannot_run::needs_program;
use qfile_tests::changes::until_ended;
use qfile_tests::fifo;
use qfile_tests::own_root::in_own_root;
use qfile_tests::process::{Running, run};
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::qubesdb::Place;
use qfile_tests::suite;
use qfile_tests::user;
use rustix::process::{Pid, Signal, kill_process};

suite! {
    an_application_gets_what_its_file_says,
    it_has_no_stdin_and_gives_its_output_to_the_call,
    it_works_in_the_folder_of_its_key_path,
    a_terminal_is_started_with_the_words_of_the_command,
    the_user_comes_before_the_system_and_ties_are_decided,
    what_goes_on_in_the_background_is_waited_for,
    a_session_bus_that_is_left_is_not_waited_for [needs_dbus_daemon],
    its_own_status_is_not_the_status_of_the_call,
    what_could_not_be_started_by_a_program_between_is_a_failure,
    what_cannot_be_started_is_named_with_the_reason,
    no_name_leads_elsewhere,
    documents_are_opened_in_disposables_if_dom0_says_so,
    nothing_is_started_while_it_is_not_known_where_documents_open,
    drop_ins_change_how_it_is_started [user::needs_private_mounts],
    the_command_takes_the_name_of_the_file,
    a_call_starts_an_application_of_another_qube,
}

fn needs_dbus_daemon() -> Result<(), String> {
    needs_program("dbus-daemon")
}

/// Prints each argument in a line.
const ARGUMENTS: &str = r#"printf '%s\n' "$@""#;

#[track_caller]
fn printed(applications: &Applications, id: &str) -> String {
    let finished = applications.start(id);
    finished.assert_code(0);
    let text = String::from_utf8(finished.stdout).unwrap();
    text.replace(applications.top().to_str().unwrap(), "TOP")
}

fn an_application_gets_what_its_file_says() {
    let applications = Applications::new();
    applications.program(
        "show",
        r#"printf '%s\n' "$0" "$@" "$GIO_LAUNCHED_DESKTOP_FILE""#,
    );
    applications.add(
        "system/sub/deep/tt.desktop",
        "Name=It's $HOME\nIcon=i\nExec=show %U --name=%c %i %k 'a b' \"$(id)\" 100%%",
    );
    let file = "TOP/system/applications/sub/deep/tt.desktop";
    assert_eq!(
        printed(&applications, "sub-deep-tt"),
        format!("TOP/bin/show\n--name=It's $HOME\n--icon\ni\n{file}\na b\n$(id)\n100%\n{file}\n")
    );
}

fn it_has_no_stdin_and_gives_its_output_to_the_call() {
    let applications = Applications::new();
    applications.add_script("io", "readlink /proc/self/fd/0; echo said >&2");
    let mut command = applications.starting("io");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let _never_read = child.stdin.take().unwrap().write(b"x");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"/dev/null\n");
    assert_eq!(output.stderr, b"said\n");
}

fn it_works_in_the_folder_of_its_key_path() {
    let applications = Applications::new();
    applications.program("where", "pwd -P");
    applications.add("user/here.desktop", "Exec=where\nPath=/proc");
    applications.add("user/nowhere.desktop", "Exec=where\nPath=/no/such");
    assert_eq!(printed(&applications, "here"), "/proc\n");
    let failed = applications.start("nowhere");
    failed.assert_code(1);
    failed.assert_says("the folder \"/no/such\" of its key Path does not exist");
}

/// The terminals are stand-ins; `make test-desktop` opens a real one.
fn a_terminal_is_started_with_the_words_of_the_command() {
    let applications = Applications::new();
    applications.add("user/t.desktop", "Exec=sh -c 'a  b' \"\"\nTerminal=True");
    applications.add("user/none.desktop", "Exec=no-such-program\nTerminal=true");
    for (terminal, option) in [
        ("xterm", "-e"),
        ("gnome-terminal", "--"),
        ("xdg-terminal-exec", ""),
    ] {
        applications.program(terminal, &format!("echo {terminal}; {ARGUMENTS}"));
        let option = if option.is_empty() {
            String::new()
        } else {
            format!("{option}\n")
        };
        let expected = format!("{terminal}\n{option}sh\n-c\na  b\n\n");
        assert_eq!(printed(&applications, "t"), expected);
    }
    let failed = applications.start("none");
    failed.assert_code(1);
    failed.assert_says("the program \"no-such-program\" of its key Exec does not exist");
    let mut command = applications.starting("t");
    fs::remove_dir_all(applications.path("bin")).unwrap();
    applications.program("sh", "exit 0");
    let failed = run({
        command.env("PATH", applications.path("bin"));
        command
    });
    failed.assert_code(1);
    failed.assert_says("it needs a terminal, and none is installed");
}

fn the_user_comes_before_the_system_and_ties_are_decided() {
    let applications = Applications::new();
    for place in [
        "user/a-b",
        "system/a-b",
        "user/a/b",
        "system/c-d",
        "system/c/d",
    ] {
        applications.add(&format!("{place}.desktop"), &format!("Exec=echo {place}"));
    }
    assert_eq!(printed(&applications, "a-b"), "user/a-b\n");
    assert_eq!(printed(&applications, "c-d"), "system/c-d\n");
    applications.write(
        "user/applications/c/d.desktop",
        "[Desktop Entry]\nHidden=true\n",
    );
    applications.start("c-d").assert_code(1);
    applications.write("user/applications/c/d.desktop", "this is no desktop file");
    assert_eq!(printed(&applications, "c-d"), "system/c-d\n");
}

fn what_goes_on_in_the_background_is_waited_for() {
    let applications = Applications::new();
    let [gate, pid, done] = ["gate", "pid", "done"].map(|name| applications.path(name));
    fifo::make(&gate);
    // The second one is started by one that ends at once, in a session of its own.
    applications.add_script(
        "forks",
        &format!(
            "echo $$ >{}; setsid sh -c '(read _ <{}; : >{}) &' >/dev/null 2>&1; exit 7",
            pid.display(),
            gate.display(),
            done.display()
        ),
    );
    let mut command = applications.starting("forks");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut starting = Running::start(command);
    let mut opened = fifo::once_it_is_read(&gate);
    let main: i32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    if let Some(main) = Pid::from_raw(main).filter(|_| fs::exists(format!("/proc/{main}")).unwrap())
    {
        until_ended(main);
    }
    assert!(
        starting.child.try_wait().unwrap().is_none(),
        "it did not wait"
    );
    opened.write_all(b"\n").unwrap();
    starting.finish().assert_code(0);
    assert!(done.exists());
}

/// As GIO leaves one where `DBUS_SESSION_BUS_ADDRESS` is not set. It is the real one.
fn a_session_bus_that_is_left_is_not_waited_for() {
    let applications = Applications::new();
    let pid = applications.path("pid");
    applications.add_script(
        "leaves",
        &format!(
            "dbus-daemon --session --fork --print-pid=1 --address=unix:dir={} >{}",
            applications.top().display(),
            pid.display()
        ),
    );
    applications.start("leaves").assert_code(0);
    let pid: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).expect("it still runs");
}

fn its_own_status_is_not_the_status_of_the_call() {
    let applications = Applications::new();
    for (id, script) in [("seven", "exit 7"), ("killed", "kill -KILL $$")] {
        applications.add_script(id, script);
        let finished = applications.start(id);
        finished.assert_code(0);
        assert_eq!(finished.stderr(), "");
    }
}

fn what_could_not_be_started_by_a_program_between_is_a_failure() {
    let applications = Applications::new();
    applications.add("user/a.desktop", "Exec=env no-such-program");
    applications.add("user/b.desktop", "Exec=env /etc/passwd");
    for (id, status) in [("a", 127), ("b", 126)] {
        let finished = applications.start(id);
        finished.assert_code(status);
        finished.assert_says(&format!("could not start it and ended with {status}"));
    }
}

fn what_cannot_be_started_is_named_with_the_reason() {
    let applications = Applications::new();
    fifo::make(&applications.path("user/applications/fifo.desktop"));
    applications.write("user/applications/broken.desktop", "\u{1b}[2J");
    applications.write("user/applications/folder.desktop/x", "");
    for (id, lines) in [
        ("hidden", "Exec=sh\nHidden=True"),
        ("link", "Type=Link\nURL=http://a"),
        ("try", "Exec=sh\nTryExec=no-such"),
        ("empty", "Name=x"),
        ("quotes", "Exec=sh 'a"),
        ("gone", "Exec=/no/such a"),
    ] {
        applications.add(&format!("user/{id}.desktop"), lines);
    }
    for (id, why) in [
        ("none", "no desktop file of this name is in "),
        ("folder", "no desktop file of this name is in "),
        ("fifo", "fifo.desktop\": it is not a regular file"),
        ("broken", "broken.desktop\": it has no line"),
        ("hidden", "hidden.desktop\": its key Hidden"),
        ("link", "link.desktop\": its key Type is \"Link\""),
        ("try", "the program \"no-such\" of its key TryExec"),
        ("empty", "it has no key Exec"),
        ("quotes", "a quotation mark in its key Exec"),
        (
            "gone",
            "the program \"/no/such\" of its key Exec does not exist",
        ),
    ] {
        let finished = applications.start(id);
        finished.assert_code(1);
        finished.assert_says(why);
        assert_eq!(finished.stdout, b"");
        let stderr = finished.stderr();
        assert!(
            stderr.starts_with(&format!("qubes-start-app: cannot start \"{id}\"")),
            "{stderr}"
        );
    }
}

fn no_name_leads_elsewhere() {
    let applications = Applications::new();
    applications.add_script("app", "echo started");
    fs::create_dir(applications.path("user/applications/sub")).unwrap();
    let odd: [&[u8]; 10] = [
        b"",
        b"--help",
        b"../applications/app",
        b"sub/../app",
        b"/app",
        b"app\n",
        b"app.desktop",
        b"%s<x>",
        b"\xFF\xFE",
        b"*",
    ];
    for id in odd {
        let mut command = applications.command("qubes-start-app");
        command.arg("--").arg(std::ffi::OsStr::from_bytes(id));
        let finished = run(command);
        finished.assert_code(1);
        assert_eq!(finished.stdout, b"", "{id:?}");
        let stderr = finished.stderr();
        assert!(stderr.is_ascii() && stderr.lines().count() == 2, "{stderr}");
    }
    for words in [&[][..], &["app", "file"]] {
        let mut command = applications.command("qubes-start-app");
        command.arg("--").args(words);
        let finished = run(command);
        finished.assert_code(1);
        finished.assert_says("needs exactly one argument");
    }
}

fn documents_are_opened_in_disposables_if_dom0_says_so() {
    const SHOW: &str =
        r#"echo "${XDG_DATA_HOME-none} ${GNOME_DESKTOP_SESSION_ID-none} $XDG_DATA_DIRS""#;
    const OVERRIDE: &str = "none none /usr/share/qubes/xdg-override\n";
    let (applications, qubesdb) = (Applications::new(), Place::new());
    let _daemon = qubesdb.alone();
    let long = "x".repeat(38);
    for id in ["short", "other", &*long] {
        applications.add_script(id, SHOW);
    }
    let start = |id: &str| {
        let mut command = applications.starting(id);
        command
            .env("QUBESDB_DIR", qubesdb.sockets("qube"))
            .env("GNOME_DESKTOP_SESSION_ID", "g");
        let finished = run(command);
        finished.assert_code(0);
        String::from_utf8(finished.stdout).unwrap()
    };
    let plain = start("short");
    assert!(
        plain.starts_with(applications.top().to_str().unwrap()),
        "{plain}"
    );
    let write = |key: &str, value: &str| qubesdb.run("write", &[key, value]).assert_code(0);
    // By the ID, whatever the value; `printf %s ID | openssl sha256 -binary | basenc --base64url`.
    write("/qubes-service/app-dispvm.short", "0");
    assert_eq!(start("short"), OVERRIDE);
    assert_eq!(start("other"), plain);
    write(
        "/hash-app-dispvm/GvJXys8EwBvKEvinHLD90k6zZX7sTZjaNumAgpLVwm4",
        &long,
    );
    assert_eq!(start(&long), OVERRIDE);
    // A hash whose value is another ID says nothing.
    write(
        "/hash-app-dispvm/GvJXys8EwBvKEvinHLD90k6zZX7sTZjaNumAgpLVwm4",
        "other",
    );
    assert_eq!(start(&long), plain);
}

fn nothing_is_started_while_it_is_not_known_where_documents_open() {
    let applications = Applications::new();
    applications.add_script("app", "echo started");
    let listener = UnixListener::bind(applications.path("qubesdb/qubesdb.sock")).unwrap();
    // Two connections: the client tries once more.
    let closing = std::thread::spawn(move || {
        for _ in 0..2 {
            drop(listener.accept());
        }
    });
    let finished = applications.start("app");
    finished.assert_code(1);
    finished.assert_says("it is not known whether it should open documents in disposables");
    assert_eq!(finished.stdout, b"");
    closing.join().unwrap();
}

fn drop_ins_change_how_it_is_started() {
    let applications = Applications::new();
    applications.add("user/app.desktop", "Exec=echo plain");
    in_own_root(|| {
        let folder = "/etc/qubes/applications/app.desktop.d";
        fs::create_dir_all(folder).unwrap();
        let write = |name: &str, exec: &str| {
            let content = format!("[Desktop Entry]\nExec={exec}\n");
            fs::write(format!("{folder}/{name}"), content).unwrap();
        };
        write("20-second.conf", "echo second %k");
        write("10-first.conf", "echo first");
        let expected = "second TOP/user/applications/app.desktop\n";
        assert_eq!(printed(&applications, "app"), expected);
        fs::write(format!("{folder}/30-broken.conf"), "rubbish").unwrap();
        let finished = applications.start("app");
        finished.assert_code(1);
        finished.assert_says("30-broken.conf\" changes it and cannot be read");
    });
}

fn the_command_takes_the_name_of_the_file() {
    let applications = Applications::new();
    applications.add_script("org.x.App", "echo started");
    for name in ["org.x.App", "org.x.App.desktop"] {
        let mut command = applications.command("qubes-desktop-run");
        command.arg(name);
        let finished = run(command);
        finished.assert_code(0);
        assert_eq!(finished.stdout, b"started\n");
    }
    let mut command = applications.command("qubes-desktop-run");
    command.arg("none");
    run(command).assert_code(1);
}

fn a_call_starts_an_application_of_another_qube() {
    let qubes = Qubes::new();
    let folder = qubes.home(TARGET).join(".local/share/applications/sub");
    fs::create_dir_all(&folder).unwrap();
    let entry = "[Desktop Entry]\nType=Application\nExec=sh -c \"pwd; exit 3\"\n";
    fs::write(folder.join("app.desktop"), entry).unwrap();
    let call = |service: &str| {
        let mut command: Command = qubes.command(SOURCE, "qrexec-loopback");
        command.args([TARGET, service]);
        run(command)
    };
    let started = call("qubes.StartApp+sub-app");
    started.assert_code(0);
    assert_eq!(
        started.stdout,
        format!("{}\n", qubes.home(TARGET).display()).as_bytes()
    );
    for (service, why) in [
        ("qubes.StartApp", "needs exactly one argument"),
        ("qubes.StartApp+none", "cannot start \"none\""),
        ("qubes.StartApp+--help", "cannot start \"--help\""),
    ] {
        let refused = call(service);
        refused.assert_code(1);
        refused.assert_says(why);
        assert_eq!(refused.stdout, b"");
    }
}

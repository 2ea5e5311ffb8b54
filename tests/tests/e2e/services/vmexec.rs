//! qubes.VMExec, VMExecGUI and VMRootExec: a command in the argument of a call.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use qfile_tests::inherits::{ignoring_and_blocking, needs_ignoring_env};
use qfile_tests::process::{Finished, run};
use qfile_tests::programs::{folder, program, rpc_folder, source};
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::spelling::{escaped, spelled};
use qfile_tests::suite;
use qfile_tests::system_log::{only_line, with_system_log};
use qfile_tests::tree::TempFolder;
use qfile_tests::user::{install, needs_private_mounts};

suite! {
    every_byte_in_every_position_arrives,
    a_command_has_many_spellings_and_each_is_the_same,
    a_thousand_arguments_and_60_kilobytes_arrive,
    what_is_no_command_is_refused_with_one_line_and_starts_nothing,
    the_status_is_that_of_the_command,
    the_streams_are_those_of_the_command,
    a_call_leaves_every_signal_at_its_default,
    what_the_caller_ignores_or_blocks_is_undone [needs_ignoring_env],
    a_program_that_is_not_there_is_127,
    a_program_that_cannot_be_executed_is_126,
    the_first_program_in_path_that_can_be_executed_is_it,
    names_of_the_caller_are_filtered_before_they_are_shown,
    the_decoded_command_is_in_the_log [needs_private_mounts],
    the_three_services_differ_in_their_settings_only,
}

/// Calls qubes.VMExec of [`TARGET`] with an argument as it is.
fn call(qubes: &Qubes, argument: &str) -> Finished {
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command.arg(TARGET).arg(format!("qubes.VMExec+{argument}"));
    run(command)
}

/// The service file itself, as a login shell of the called qube starts it.
fn service(arguments: &[&str]) -> Command {
    let mut service = Command::new(rpc_folder().join("qubes.VMExec"));
    service.args(arguments).env("QFILE_LIBDIR", folder());
    service
}

/// Fails the test unless there is one line on stderr, and nothing else.
#[track_caller]
fn assert_one_line(finished: &Finished, code: i32) {
    finished.assert_code(code);
    let stderr = finished.stderr();
    assert!(stderr.starts_with("qubes-vmexec: "), "{stderr}");
    assert_eq!(stderr.matches('\n').count(), 1, "{stderr}");
    assert_eq!(finished.stdout, b"");
}

/// What `printf` makes of the arguments behind its format.
fn printed<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let each = arguments
        .iter()
        .map(|argument| [argument.as_ref(), b"\0"].concat());
    each.collect::<Vec<_>>().concat()
}

/// All bytes but NUL, alone and at the start, in the middle and at the end of an argument.
fn every_byte_in_every_position_arrives() {
    let arguments: Vec<Vec<u8>> = (1..=u8::MAX)
        .flat_map(|byte| {
            [
                vec![byte],
                vec![byte, b'x'],
                vec![b'x', byte],
                vec![b'x', byte, b'y'],
            ]
        })
        .collect();
    let format = escaped(br"%s\0");
    let argument = format!("printf+{format}+{}", spelled(&arguments));
    let called = call(&Qubes::new(), &argument);
    called.assert_code(0);
    assert_eq!(called.stdout, printed(&arguments));
}

fn a_command_has_many_spellings_and_each_is_the_same() {
    let qubes = Qubes::new();
    for spelling in ["printf+a--b", "-70rintf+a-2Db", "-70-72-69-6E-74-66+-61--b"] {
        let called = call(&qubes, spelling);
        called.assert_code(0);
        assert_eq!(called.stdout, b"a-b", "{spelling}");
    }
    let format = escaped(br"<%s>");
    for (spelling, expected) in [("+", "<>"), ("++a", "<><a>"), ("+a+", "<a><>")] {
        let called = call(&qubes, &format!("printf+{format}{spelling}"));
        assert_eq!(String::from_utf8(called.stdout).unwrap(), expected);
    }
}

fn a_thousand_arguments_and_60_kilobytes_arrive() {
    let qubes = Qubes::new();
    let format = escaped(br"%s\0");
    let thousand: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let called = call(&qubes, &format!("printf+{format}+{}", thousand.join("+")));
    called.assert_code(0);
    assert_eq!(called.stdout, printed(&thousand));

    let long = "x".repeat(60_000);
    let called = call(&qubes, &format!("printf+{format}+{long}"));
    called.assert_code(0);
    assert_eq!(called.stdout, printed(&[long]));
}

fn what_is_no_command_is_refused_with_one_line_and_starts_nothing() {
    let qubes = Qubes::new();
    for argument in [
        "---", "a-", "-4", "-2d", "-", "-a", "-00", "a-00b", "+", "+touch",
    ] {
        assert_one_line(&call(&qubes, argument), 1);
    }
    assert_one_line(&call(&qubes, ""), 1);
    let ran = qubes.root().join("ran");
    let touch = format!("touch+{}", escaped(ran.to_str().unwrap().as_bytes()));
    for more in ["+-", "+-4", "+-00", "+a-"] {
        assert_one_line(&call(&qubes, &format!("{touch}{more}")), 1);
    }
    // qrexec cannot send these; a caller that skips it can.
    for more in ["\n", " ", "+a b", "+a/b", "+a,b", "+\u{e9}", "\x1b"] {
        let served = run(service(&[&format!("{touch}{more}")]));
        assert_one_line(&served, 1);
        assert!(!served.stderr().contains('\x1b'));
    }
    assert!(!ran.exists());
    run(service(&[&touch])).assert_code(0);
    assert!(ran.exists());
    run(service(&["true", "true"])).assert_code(2);
}

fn the_status_is_that_of_the_command() {
    let qubes = Qubes::new();
    for status in [0, 1, 2, 37, 125, 126, 127, 255] {
        let called = call(&qubes, &spelled(&["sh", "-c", &format!("exit {status}")]));
        called.assert_code(status);
        assert_eq!(called.stderr(), "");
    }
    call(&qubes, &spelled(&["sh", "-c", "kill -KILL $$"])).assert_code(137);
}

fn the_streams_are_those_of_the_command() {
    let qubes = Qubes::new();
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    let argument = spelled(&["sh", "-c", "pwd; cat; echo told >&2"]);
    command.arg(TARGET).arg(format!("qubes.VMExec+{argument}"));
    let send = "printf 'a\\0b' && exec 1>&- && cat >/proc/self/fd/$SAVED_FD_1";
    command.args(["/bin/sh", "-c", send]);
    let called = run(command);
    called.assert_code(0);
    let home = format!("{}\n", qubes.home(TARGET).display());
    assert_eq!(called.stdout, [home.as_bytes(), b"a\0b"].concat());
    assert_eq!(called.stderr(), "told\n");
}

/// The masks of `proc_pid_status(5)` in a status that was printed. Left out are the signals 32 and 33:
/// the C library lets nobody but itself change them.
fn masks(finished: &Finished) -> [u64; 2] {
    finished.assert_code(0);
    let status = String::from_utf8(finished.stdout.clone()).unwrap();
    ["SigIgn:\t", "SigBlk:\t"].map(|name| {
        let mask = status.lines().find_map(|line| line.strip_prefix(name));
        u64::from_str_radix(mask.unwrap(), 16).unwrap() & !(0b11 << 31)
    })
}

fn a_call_leaves_every_signal_at_its_default() {
    let called = call(&Qubes::new(), &spelled(&["cat", "/proc/self/status"]));
    assert_eq!(masks(&called), [0, 0]);
}

fn what_the_caller_ignores_or_blocks_is_undone() {
    // All that can be ignored but SIGILL, SIGFPE and SIGSEGV, which no safe call sets.
    let signals = "HUP INT QUIT TRAP ABRT BUS USR1 USR2 PIPE ALRM TERM STKFLT CHLD CONT TSTP TTIN \
                   TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS RTMIN RTMAX"
        .replace(' ', ",");
    let printing = ["-2Fbin-2Fcat+-2Fproc-2Fself-2Fstatus"];
    // That they are there without the service is what makes this a test.
    let mut plain = Command::new("cat");
    plain.arg("/proc/self/status");
    let [ignored, blocked] = masks(&run(ignoring_and_blocking(&signals, &plain)));
    assert!(ignored.count_ones() > 25 && blocked.count_ones() > 25);
    // A shell undoes some of it, so the program is started without one.
    let mut service = Command::new(program("qubes-vmexec"));
    service.arg("--").args(printing);
    let served = run(ignoring_and_blocking(&signals, &service));
    assert_eq!(masks(&served), [0, 0]);
}

fn a_program_that_is_not_there_is_127() {
    let qubes = Qubes::new();
    for (program, why) in [
        ("no-such-program", "no folder of PATH"),
        ("/no/such/program", "no such file"),
        ("./here", "no such file"),
        ("/etc/passwd/x", "no such file"),
        (&"x".repeat(300), "no folder of PATH"),
    ] {
        let called = call(&qubes, &spelled(&[program, "argument"]));
        assert_one_line(&called, 127);
        called.assert_says(&format!("cannot run \"{program}\""));
        called.assert_says(why);
    }
}

fn a_program_that_cannot_be_executed_is_126() {
    let scratch = TempFolder::open_to_all();
    let make = |name: &str, content: &str, mode| {
        fs::write(scratch.path().join("draft"), content).unwrap();
        install(
            &scratch.path().join("draft"),
            &scratch.path().join(name),
            mode,
        );
    };
    make("plain", "#!/bin/sh\n", 0o644);
    make("script", "echo it is run by a shell\n", 0o755);
    make("orphan", "#!/no/such/interpreter\n", 0o755);
    let folder = scratch.path().to_str().unwrap();
    for (name, why) in [
        ("plain", "Permission denied"),
        ("script", "no #! line"),
        ("orphan", "does not exist"),
        ("", "Permission denied"),
    ] {
        let by_path = format!("{folder}/{name}");
        let mut calls = vec![run(service(&[&spelled(&[&by_path])]))];
        if !name.is_empty() {
            let mut by_name = Command::new(program("qubes-vmexec"));
            by_name.args(["--", &spelled(&[name])]).env("PATH", folder);
            calls.push(run(by_name));
        }
        for called in calls {
            assert_one_line(&called, 126);
            called.assert_says(name);
            called.assert_says(why);
        }
    }
}

fn the_first_program_in_path_that_can_be_executed_is_it() {
    let scratch = TempFolder::open_to_all();
    let [dangling, orphan, plain, first, second] =
        ["dangling", "orphan", "plain", "first", "second"].map(|name| scratch.folder(name));
    symlink("/no/such/program", dangling.join("tool")).unwrap();
    fs::write(scratch.path().join("draft"), "#!/no/such/interpreter\n").unwrap();
    install(&scratch.path().join("draft"), &orphan.join("tool"), 0o755);
    let make = |folder: &Path, mode| {
        let draft = scratch.path().join("draft");
        fs::write(&draft, format!("#!/bin/sh\necho {} $0\n", folder.display())).unwrap();
        install(&draft, &folder.join("tool"), mode);
    };
    make(&plain, 0o644);
    make(&first, 0o755);
    make(&second, 0o755);
    let path = format!(
        "/no/such/folder:{}:{}:{}:{}:{}",
        dangling.display(),
        orphan.display(),
        plain.display(),
        first.display(),
        second.display()
    );
    let run_tool = |path: Option<&str>, name: &str| {
        let mut command = Command::new(program("qubes-vmexec"));
        command.args(["--", name]).current_dir(&second);
        match path {
            Some(path) => command.env("PATH", path),
            None => command.env_remove("PATH"),
        };
        let finished = run(command);
        String::from_utf8(finished.stdout).unwrap()
    };
    let said = run_tool(Some(&path), "tool");
    assert!(said.starts_with(first.to_str().unwrap()), "{said}");
    // An empty folder is the working folder.
    for path in ["", ":/bin", "/bin:"] {
        let said = run_tool(Some(path), "tool");
        assert!(said.starts_with(second.to_str().unwrap()), "{said}");
    }
    assert_eq!(run_tool(None, "echo+found"), "found\n");
}

fn names_of_the_caller_are_filtered_before_they_are_shown() {
    let called = call(
        &Qubes::new(),
        &escaped("\x1b]0;x\x07\n\u{202e}\"p".as_bytes()),
    );
    assert_one_line(&called, 127);
    called.assert_says("cannot run \"_]0;x______p\": ");
}

fn the_decoded_command_is_in_the_log() {
    with_system_log(|log| {
        let served = |argument: &str| {
            let mut command = Command::new(program("qubes-vmexec"));
            command.args(["--", argument]);
            command.env("QREXEC_REMOTE_DOMAIN", "work\x1b");
            run(command)
        };
        served("-74rue+-2Da-0Ab+").assert_code(0);
        assert_eq!(
            only_line(log),
            "<14>qubes-vmexec: work_ runs \"true\" \"-a_b\" \"\""
        );
        served("true+-").assert_code(1);
        let line = only_line(log);
        assert!(
            line.starts_with("<12>qubes-vmexec: for work_: the argument is no"),
            "{line}"
        );
        let many = format!("true{}", "+abc".repeat(5000));
        served(&many).assert_code(0);
        let line = only_line(log);
        assert!(line.len() < 1200 && line.ends_with(" more"), "{line}");
    });
}

fn the_three_services_differ_in_their_settings_only() {
    for (name, same, settings) in [
        ("qubes.VMExecGUI", "qubes.VMExec", "wait-for-session=1\n"),
        ("qubes.VMRootExec", "qubes.VMExec", "force-user='root'\n"),
        ("qubes.VMRootShell", "qubes.VMShell", "force-user='root'\n"),
    ] {
        assert_eq!(
            fs::read_link(rpc_folder().join(name)).unwrap(),
            Path::new(same)
        );
        let config = source("rpc/rpc-config").join(name);
        assert_eq!(fs::read_to_string(config).unwrap(), settings);
    }
    let config = source("rpc/rpc-config/qubes.VMShell+WaitForSession");
    assert_eq!(fs::read_to_string(config).unwrap(), "wait-for-session=1\n");
    for name in ["qubes.VMExec", "qubes.VMShell"] {
        assert!(!source("rpc/rpc-config").join(name).exists());
    }
}

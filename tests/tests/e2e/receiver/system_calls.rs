//! Which system calls the receiver makes between the first byte of the stream and the verdict, as
//! `strace` sees them: none but those listed here, none that follows a link, none with a path from
//! the root.

use std::fs;
use std::path::{Path, PathBuf};

use libc::{EEXIST, ELOOP, ENOTDIR};
use qfile_tests::attack::Target;
use qfile_tests::attacks;
use qfile_tests::code::LEGAL_EOF;
use qfile_tests::peer::{Answer, Joint, feed};
use qfile_tests::receiver::{Form, needs_strace, traced_as_ordinary, users_uid};
use qfile_tests::stream::Stream;
use qfile_tests::user::{give_home, in_private_mounts, needs_private_mounts, needs_root};

attacks! {
    only_the_calls_of_the_list_are_made, [needs_root, needs_strace];
    nothing_is_read_before_the_jail_is_shut, [needs_root, needs_strace];
    nothing_is_looked_up_in_a_database_once_the_jail_begins, [needs_private_mounts, needs_strace];
    no_path_is_looked_up_through_a_link, [needs_root, needs_strace];
    no_path_starts_at_the_root_or_the_working_folder, [needs_root, needs_strace];
}

/// What may be called, and why.
const ALLOWED: [&str; 26] = [
    // The stream, the verdict, and with `-v` messages.
    "read",
    "write",
    "close",
    "shutdown",
    // Placing.
    "openat2",
    "openat",
    "pwrite64",
    "pread64",
    "ftruncate",
    "fstat",
    "newfstatat",
    "fstatfs",
    "mkdirat",
    "symlinkat",
    "readlinkat",
    "linkat",
    "utimensat",
    "fchmod",
    "faccessat2",
    "syncfs",
    // Memory.
    "brk",
    "mmap",
    "munmap",
    "mremap",
    "madvise",
    // A debug build asks whether what it closes is open.
    "fcntl",
];

/// A call as strace prints it.
struct Call {
    name: String,
    line: String,
}

impl Call {
    /// The arguments in quotation marks.
    fn paths(&self) -> Vec<&str> {
        self.line.split('"').skip(1).step_by(2).collect()
    }

    fn has(&self, word: &str) -> bool {
        self.line.contains(word)
    }

    fn takes_a_path(&self) -> bool {
        !matches!(&*self.name, "read" | "write" | "pread64" | "pwrite64")
    }
}

fn parse(line: &str) -> Option<Call> {
    let line = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    let (name, _) = line.split_once('(')?;
    Some(Call {
        name: name.to_owned(),
        line: line.to_owned(),
    })
}

/// Everything that can land, and deeper than one system call reaches.
fn everything() -> Stream {
    let deep: Vec<String> = (1..=18)
        .map(|depth| vec!["n".repeat(250); depth].join("/"))
        .collect();
    let mut holes = vec![0; 300_000];
    holes[200_000] = 1;
    let stream = Stream::new()
        .file("small", "x")
        .file("empty", "")
        .file("large", vec![b'x'; 700_000])
        .file("holes", holes)
        .folder("d")
        .folder("d/e")
        .file("d/e/f", "x")
        .file("d/e/large", vec![b'x'; 300_000])
        .link("d/e/l", "../x")
        .folder("d/e")
        .folder("d");
    let down = deep.iter().fold(stream, |stream, name| stream.folder(name));
    let bottom = deep.last().expect("there are some");
    let there = down
        .file(format!("{bottom}/f"), "x")
        .link(format!("{bottom}/l"), "f");
    deep.iter()
        .rev()
        .fold(there, |stream, name| stream.folder(name))
        .end()
}

/// Has `stream` received under strace; the calls from the self-test on.
fn trace(target: &Target, options: &[&str], stream: &Stream) -> (Answer, Vec<Call>) {
    let log: PathBuf = target.users_folder("log").join("trace");
    let log_text = log.to_str().expect("a plain path");
    let strace = ["-s", "5000", "-o", log_text, "-e", "trace=all"];
    let mut command = traced_as_ordinary(&target.form.started_by(&[]), &strace);
    command.arg(format!("--require-isolation={}", target.form.level()));
    command.args(options).arg("").arg(target.incoming());
    let answer = feed(command, Joint::Pipes, stream.as_bytes());
    (answer, calls_in(&log))
}

fn calls_in(log: &Path) -> Vec<Call> {
    let log = fs::read(log).expect("strace has written it");
    let log = String::from_utf8_lossy(&log);
    let calls = log.lines().filter_map(parse);
    calls
        .skip_while(|call| call.name != "getsid")
        .skip(1)
        .collect()
}

/// The calls between the first byte read and the verdict, of all that the receiver can be made to
/// do.
fn calls_of_the_stream(form: Form) -> Vec<Call> {
    let everything = everything();
    let twice = Stream::new()
        .file("a", "x")
        .file("a", "x")
        .folder("d")
        .link("d/l", "x")
        .end();
    let cut = Stream::new().folder("d").file("d/f", vec![b'x'; 300_000]);
    let through = Stream::new().link("l", "/").file("l/x", "").end();
    let cut = Stream::new().bytes(&cut.as_bytes()[..200_000]);
    let cut_status = i32::from(LEGAL_EOF.to_le_bytes()[0]);
    let runs: [(&[&str], &Stream, &[i32]); 7] = [
        (&[], &everything, &[0]),
        (&["-v", "--no-sparse"], &everything, &[0]),
        (&["--on-conflict=rename"], &twice, &[0]),
        (&["--on-conflict=skip-identical"], &twice, &[0]),
        (&[], &twice, &[EEXIST]),
        (&["--allow-unsafe-symlinks"], &through, &[ELOOP, ENOTDIR]),
        (&[], &cut, &[cut_status]),
    ];
    let mut all = Vec::new();
    for (options, stream, codes) in runs {
        let target = Target::new(form);
        let (answer, calls) = trace(&target, options, stream);
        assert!(codes.contains(&answer.finished.code()), "{answer:?}");
        let of_the_stream = calls
            .into_iter()
            .skip_while(|call| !call.line.starts_with("read(0"))
            .take_while(|call| !call.line.starts_with("write(1"));
        all.extend(of_the_stream);
    }
    assert!(all.len() > 300, "only {} calls: was it traced?", all.len());
    all
}

fn only_the_calls_of_the_list_are_made(form: Form) {
    for call in calls_of_the_stream(form) {
        assert!(ALLOWED.contains(&&*call.name), "{}", call.line);
    }
}

fn nothing_is_read_before_the_jail_is_shut(form: Form) {
    let target = Target::new(form);
    let log = target.users_folder("log").join("trace");
    let strace = ["-o", log.to_str().expect("a plain path"), "-e", "trace=all"];
    let mut command = traced_as_ordinary(&form.started_by(&[]), &strace);
    command.arg("").arg(target.incoming());
    let stream = everything();
    feed(command, Joint::Pipes, stream.as_bytes()).assert_confirmed(stream.checksum());
    let log = fs::read_to_string(log).expect("strace has written it");
    let names: Vec<Call> = log.lines().filter_map(parse).collect();
    let first = |wanted: &str| {
        let at = names.iter().position(|call| call.line.starts_with(wanted));
        at.unwrap_or_else(|| panic!("no {wanted} in the trace"))
    };
    let first_byte = first("read(0");
    for step in [
        "landlock_restrict_self(",
        "seccomp(SECCOMP_SET_MODE_FILTER",
        "getsid(",
    ] {
        assert!(first(step) < first_byte, "{step}");
    }
    if form == Form::SetUid {
        for step in [
            "setfsuid(",
            "unshare(",
            "pivot_root(",
            "setresgid(",
            "setresuid(",
        ] {
            assert!(first(step) < first_byte, "{step}");
        }
        // The folder is opened with the user's rights.
        assert!(first("setfsuid(") < first("fchdir("));
    }
}

/// CVE-2019-14271, CVE-2025-32463: a name service that is asked inside of a jail loads what lies there.
fn nothing_is_looked_up_in_a_database_once_the_jail_begins(form: Form) {
    in_private_mounts(|| {
        let target = Target::new(form);
        give_home(users_uid(), &target.home(), target.root());
        let log = target.users_folder("log").join("trace");
        let strace = ["-o", log.to_str().expect("a plain path"), "-e", "trace=all"];
        let mut command = traced_as_ordinary(&form.started_by(&[]), &strace);
        // Without a folder, and without a `HOME` that could be believed: the database has to tell.
        command.env("HOME", "").env("QREXEC_REMOTE_DOMAIN", "work");
        let stream = everything();
        feed(command, Joint::Pipes, stream.as_bytes()).assert_confirmed(stream.checksum());
        let log = fs::read_to_string(log).expect("strace has written it");
        let calls: Vec<Call> = log.lines().filter_map(parse).collect();
        let entered = calls
            .iter()
            .position(|call| call.name == "prctl" && call.has("NO_NEW_PRIVS, 1"));
        let (before, inside) = calls.split_at(entered.expect("it takes up no new privileges"));
        assert!(before.iter().any(|call| call.has("\"/etc/passwd\"")));
        for call in inside {
            let path = call.paths().first().copied().unwrap_or_default();
            let opens = matches!(&*call.name, "openat" | "open" | "connect" | "execve");
            // The maps of the user namespace, and the root of the jail.
            let known = path == "/" || path.starts_with("/proc/self/");
            assert!(!opens || known || !path.starts_with('/'), "{}", call.line);
        }
        assert!(!inside.iter().any(|call| call.has("PROT_EXEC")));
    });
}

fn no_path_is_looked_up_through_a_link(form: Form) {
    for call in calls_of_the_stream(form) {
        let line = &call.line;
        let follows_no_link = match &*call.name {
            "openat2" => ["BENEATH", "NO_SYMLINKS", "NO_MAGICLINKS", "NO_XDEV"]
                .iter()
                .all(|flag| call.has(&format!("RESOLVE_{flag}"))),
            "openat" => call.has("O_NOFOLLOW") && !call.paths()[0].contains('/'),
            "newfstatat" => call.has("AT_SYMLINK_NOFOLLOW") || call.has("\"\""),
            "utimensat" => call.has("NULL") || call.has("AT_SYMLINK_NOFOLLOW"),
            "linkat" => {
                call.has("\"\"") && call.has("AT_EMPTY_PATH") && !call.has("AT_SYMLINK_FOLLOW")
            }
            _ => true,
        };
        assert!(follows_no_link, "{line}");
        // Of these the kernel resolves the way to the last component, links and all: only where the
        // mount forbids them may that be more than a single name.
        let resolves = [
            "mkdirat",
            "symlinkat",
            "readlinkat",
            "linkat",
            "newfstatat",
            "utimensat",
        ];
        if form == Form::Landlock && resolves.contains(&&*call.name) {
            let paths = call.paths();
            let path = paths.last().copied().unwrap_or_default();
            assert!(!path.contains('/'), "{line}");
        }
    }
}

fn no_path_starts_at_the_root_or_the_working_folder(form: Form) {
    for call in calls_of_the_stream(form) {
        assert!(!call.has("AT_FDCWD"), "{}", call.line);
        if call.takes_a_path() && call.name != "symlinkat" {
            assert!(
                call.paths().iter().all(|path| !path.starts_with('/')),
                "{}",
                call.line
            );
        }
    }
}

//! What the kernel says of a receiver that waits in its jail for more of the stream.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use qfile_tests::attack::Target;
use qfile_tests::attacks;
use qfile_tests::process::run;
use qfile_tests::receiver::{Form, users_uid};
use qfile_tests::stream::Stream;
use qfile_tests::user::{am_root, as_ordinary, my_uid, needs_root};
use qfile_tests::watched::Watched;
use rustix::process::Signal;

attacks! {
    in_the_jail_it_is_the_user_without_any_privilege;
    in_the_jail_nothing_but_the_incoming_folder_is_mounted of Form::WALLED, [needs_root];
    in_the_jail_the_namespaces_are_its_own, [needs_root];
    it_leaves_no_core_file;
    // In the test's own user namespace, where the third form runs, its owner may do everything.
    the_user_cannot_look_into_it of Form::WALLED;
}

/// A receiver that has got one file and waits.
fn waiting(target: &Target) -> Watched {
    let mut receiver = Watched::start(target.command(&[]));
    receiver.send_and_settle(&Stream::new().file("first", ""));
    receiver
}

fn in_the_jail_it_is_the_user_without_any_privilege(form: Form) {
    let target = Target::new(form);
    let receiver = waiting(&target);
    let assert_each = |field: &str, expected: &str| {
        for found in receiver.of_every_thread(field) {
            assert_eq!(found, expected, "{field}");
        }
    };
    let uid = users_uid();
    let gid = fs::metadata(target.home()).expect("it is there").gid();
    assert_each("Uid", &format!("{uid} {uid} {uid} {uid}"));
    assert_each("Gid", &format!("{gid} {gid} {gid} {gid}"));
    for capabilities in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_each(capabilities, "0000000000000000");
    }
    if form != Form::Landlock {
        assert_each("CapBnd", "0000000000000000");
    }
    assert_each("NoNewPrivs", "1");
    assert_each("Seccomp", "2");
    // Two filters for each: one answers the probe of the self-test, one ends the program.
    assert_each("Seccomp_filters", "2");
    if am_root() && form == Form::SetUid {
        // The caller has no group but its own.
        assert_each("Groups", "");
    }
    receiver
        .finish(&Stream::new().end())
        .finished
        .assert_code(0);
}

fn in_the_jail_nothing_but_the_incoming_folder_is_mounted(form: Form) {
    let target = Target::new(form);
    let receiver = waiting(&target);
    let mounts = receiver.proc("mountinfo");
    assert_eq!(mounts.lines().count(), 1, "{mounts}");
    let fields: Vec<&str> = mounts.split_whitespace().collect();
    assert!(fields[3].ends_with("/home/incoming"), "{mounts}");
    assert_eq!(fields[4], "/");
    for flag in ["nosuid", "nodev", "noexec", "nosymfollow"] {
        assert!(
            fields[5].split(',').any(|found| found == flag),
            "{flag}: {mounts}"
        );
    }
    // Nothing that is mounted or moved outside from now on shows inside.
    assert!(
        !mounts.contains("shared:") && !mounts.contains("master:"),
        "{mounts}"
    );
    receiver
        .finish(&Stream::new().end())
        .finished
        .assert_code(0);
}

fn in_the_jail_the_namespaces_are_its_own(form: Form) {
    let target = Target::new(form);
    let receiver = waiting(&target);
    let differs = |name: &str| {
        let of = |process: &str| {
            fs::read_link(format!("/proc/{process}/ns/{name}")).expect("root may look")
        };
        of("self") != of(&receiver.pid().to_string())
    };
    for name in ["mnt", "net", "ipc", "uts"] {
        assert_eq!(differs(name), form != Form::Landlock, "{name}");
    }
    assert_eq!(differs("user"), form != Form::SetUid);
    receiver
        .finish(&Stream::new().end())
        .finished
        .assert_code(0);
}

fn it_leaves_no_core_file(form: Form) {
    let target = Target::new(form);
    let mut command = form.started_by(&["prlimit", "--core=unlimited"]);
    command.arg("").arg(target.incoming());
    let mut receiver = Watched::start(command);
    receiver.send_and_settle(&Stream::new().file("first", ""));
    let limits = receiver.proc("limits");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.expect("it is listed").split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"]);
    let finished = receiver.end_by(Signal::ABORT);
    assert!(!finished.status.core_dumped());
    target.assert_landed(&["first"]);
}

fn the_user_cannot_look_into_it(form: Form) {
    let target = Target::new(form);
    let receiver = waiting(&target);
    let pid = receiver.pid();
    for file in ["environ", "maps", "auxv", "mem", "syscall", "stack", "io"] {
        let mut look = Command::new("cat");
        look.arg(format!("/proc/{pid}/{file}"));
        assert_refused_by_the_kernel(look, file);
    }
    for link in ["root", "cwd", "exe", "fd/0", "ns/mnt"] {
        let mut look = Command::new("readlink");
        look.arg(format!("/proc/{pid}/{link}"));
        assert_refused_by_the_kernel(look, link);
    }
    receiver
        .finish(&Stream::new().end())
        .finished
        .assert_code(0);
}

#[track_caller]
fn assert_refused_by_the_kernel(mut look: Command, what: &str) {
    if am_root() {
        as_ordinary(&mut look);
    } else {
        assert_ne!(my_uid(), 0);
    }
    let finished = run(look);
    assert_ne!(
        finished.code(),
        0,
        "{what}: {}",
        String::from_utf8_lossy(&finished.stdout)
    );
    assert_eq!(finished.stdout, b"", "{what}");
}

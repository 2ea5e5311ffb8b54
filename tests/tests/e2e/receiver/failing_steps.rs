//! What the receiver does when a step of its jail cannot be taken, fails or only pretends to work, and
//! when the disk fails: it names what it goes without, or refuses, and never confirms what is not
//! there.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use libc::{EIO, ELOOP, ENOTDIR};
use qfile_tests::attack::{Target, assert_refused_with};
use qfile_tests::attacks;
use qfile_tests::injected::{assert_everything_lands, command, everything, receive};
use qfile_tests::peer::{Joint, feed};
use qfile_tests::receiver::{Form, needs_strace};
use qfile_tests::stream::Stream;

attacks! {
    without_unshare_it_says_so_or_refuses of Form::WALLED, [needs_strace];
    without_user_namespaces_it_says_so_or_refuses of [Form::Landlock];
    a_level_that_cannot_be_had_is_refused;
    without_nosymfollow_it_says_so of Form::WALLED, [needs_strace];
    without_pivot_root_it_says_so of Form::WALLED, [needs_strace];
    a_step_of_the_jail_that_fails_is_named_or_refused, [needs_strace];
    a_step_that_only_pretends_is_found_by_the_self_test, [needs_strace];
    a_disk_that_fails_at_the_very_end_is_no_success, [needs_strace];
    a_disk_that_fails_within_a_file_leaves_nothing_of_it, [needs_strace];
}

#[track_caller]
fn assert_refused_to_run(command: Command, words: &[&str]) {
    let (stream, _) = everything();
    let answer = feed(command, Joint::Pipes, stream.as_bytes());
    answer.finished.assert_code(1);
    assert_eq!(answer.verdict, None);
    for word in words {
        answer.finished.assert_says(word);
    }
}

fn without_unshare_it_says_so_or_refuses(form: Form) {
    let injections = ["unshare:error=EPERM"];
    for level in [form.level(), "user-namespace"] {
        let target = Target::new(form);
        let demand = format!("--require-isolation={level}");
        let words = [level, "landlock", "unshare"];
        assert_refused_to_run(command(&target, &injections, &[&demand]), &words);
        target.assert_landed(&[]);
    }
    let target = Target::new(form);
    let (stream, landed) = everything();
    let answer = feed(
        command(&target, &injections, &[]),
        Joint::Pipes,
        stream.as_bytes(),
    );
    answer.assert_confirmed(stream.checksum());
    answer.finished.assert_says("isolation: landlock");
    answer.finished.assert_says("no namespaces: unshare");
    target.assert_landed(&landed);
}

fn without_user_namespaces_it_says_so_or_refuses(form: Form) {
    for level in ["root", "user-namespace"] {
        let target = Target::new(form);
        let mut command = form.started_by(&[]);
        command
            .arg(format!("--require-isolation={level}"))
            .arg("")
            .arg(target.incoming());
        assert_refused_to_run(command, &[level, "landlock"]);
        target.assert_landed(&[]);
    }
    let target = Target::new(form);
    let (stream, landed) = everything();
    let answer = target.receive(&["-v"], &stream);
    answer.assert_confirmed(stream.checksum());
    answer.finished.assert_says("isolation: landlock");
    answer.finished.assert_says("no namespaces");
    target.assert_landed(&landed);
}

fn a_level_that_cannot_be_had_is_refused(form: Form) {
    let above: &[&str] = match form {
        Form::SetUid => &[],
        Form::UserNamespace => &["root"],
        Form::Landlock => &["root", "user-namespace"],
        Form::Direct | Form::Ordinary => panic!("{form:?} is not tried here"),
    };
    for level in above {
        let target = Target::new(form);
        let mut command = form.started_by(&[]);
        command
            .arg(format!("--require-isolation={level}"))
            .arg("")
            .arg(target.incoming());
        assert_refused_to_run(command, &[level, form.level()]);
        target.assert_landed(&[]);
    }
    // And what can be had is had, and said.
    let target = Target::new(form);
    let stream = Stream::new().end();
    let answer = target.receive(&["-v"], &stream);
    answer.assert_confirmed(stream.checksum());
    answer
        .finished
        .assert_says(&format!("isolation: {}", form.level()));
}

/// The third `mount` is the one that sets the flags.
fn without_nosymfollow_it_says_so(form: Form) {
    let target = Target::new(form);
    let injections = ["mount:retval=0:when=3"];
    assert_everything_lands(&target, &injections, &["cannot forbid to follow links"]);
    let target = Target::new(form);
    symlink("../../outside/folder", target.incoming().join("d")).expect("the folder is ours");
    let answer = receive(
        &target,
        &injections,
        &Stream::new().file("d/new", "x").end(),
    );
    assert_refused_with(&answer, &[ELOOP, ENOTDIR], "d/new");
    target.assert_landed(&["d"]);
}

fn without_pivot_root_it_says_so(form: Form) {
    let target = Target::new(form);
    assert_everything_lands(&target, &["pivot_root:error=EINVAL"], &["pivot_root"]);
}

/// The calls that build the jail, and an error of each. (`setresuid` of the forms without the bit
/// is the check that root's uid cannot be had: an error is what it should get.)
const STEPS: [&str; 14] = [
    "open_tree:error=ENOSYS",
    "move_mount:error=EPERM",
    "fchdir:error=EACCES:when=2",
    "mount:error=EPERM:when=1",
    "mount:error=EPERM:when=2",
    "mount:error=EPERM:when=3",
    "umount2:error=EINVAL",
    "setresgid:error=EAGAIN",
    "setresuid:error=EAGAIN",
    "capset:error=EPERM",
    "landlock_create_ruleset:error=ENOSYS",
    "landlock_add_rule:error=EINVAL",
    "landlock_restrict_self:error=EPERM",
    "seccomp:error=EINVAL",
];

fn a_step_of_the_jail_that_fails_is_named_or_refused(form: Form) {
    let (stream, landed) = everything();
    let usual = receive(&Target::new(form), &["getsid:error=EDOM"], &stream)
        .finished
        .stderr();
    let takes = |step: &&str| form == Form::SetUid || !step.starts_with("setresuid");
    for step in STEPS.into_iter().filter(takes) {
        let target = Target::new(form);
        let answer = receive(&target, &[step], &stream);
        if answer.finished.code() == 0 {
            target.assert_landed(&landed);
            // Either this form never takes the step, or it says what it goes without.
            let log = fs::read_to_string(target.root().join("log/trace")).expect("it is there");
            let stderr = answer.finished.stderr();
            assert!(
                !log.contains("INJECTED") || stderr != usual,
                "{step}:\n{stderr}"
            );
        } else {
            answer.finished.assert_code(1);
            assert_eq!(answer.verdict, None, "{step}");
            let stderr = answer.finished.stderr();
            assert!(stderr.contains("qfile-unpacker: "), "{step}:\n{stderr}");
            target.assert_landed(&[]);
        }
    }
}

fn a_step_that_only_pretends_is_found_by_the_self_test(form: Form) {
    let (stream, _) = everything();
    let mut steps = vec!["landlock_restrict_self:retval=0", "seccomp:retval=0"];
    if form != Form::Landlock {
        steps.extend(["capset:retval=0", "pivot_root:retval=0"]);
    }
    if form == Form::SetUid {
        steps.extend(["setresuid:retval=0", "setresgid:retval=0"]);
    }
    for step in steps {
        let target = Target::new(form);
        let answer = receive(&target, &[step], &stream);
        assert_ne!(
            answer.finished.code(),
            0,
            "{step}:\n{}",
            answer.finished.stderr()
        );
        assert_eq!(answer.verdict, None, "{step}");
        target.assert_landed(&[]);
    }
}

fn a_disk_that_fails_at_the_very_end_is_no_success(form: Form) {
    // Whoever moves a file deletes the original on the strength of the verdict.
    let target = Target::new(form);
    let (stream, landed) = everything();
    let answer = receive(&target, &["syncfs:error=EIO"], &stream);
    answer.assert_refused(EIO.unsigned_abs());
    target.assert_landed(&landed);
}

fn a_disk_that_fails_within_a_file_leaves_nothing_of_it(form: Form) {
    for injection in [
        "pwrite64:error=EIO:when=2",
        "utimensat:error=EIO:when=6",
        "linkat:error=EIO:when=4",
    ] {
        let target = Target::new(form);
        let (stream, mut landed) = (everything().0, everything().1.to_vec());
        let answer = receive(&target, &[injection], &stream);
        answer.assert_refused(EIO.unsigned_abs());
        assert_eq!(answer.last_name(), Some(&b"large"[..]), "{injection}");
        landed.pop();
        target.assert_landed(&landed);
    }
}

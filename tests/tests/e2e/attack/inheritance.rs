//! Attacks by what a receiver inherits: descriptors, signals, limits, umask; and by killing it.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use libc::{EBADF, EFBIG, ENOMEM, EREMOTEIO, SIGABRT, SIGSEGV};
use qfile_tests::attack::{Target, three_files};
use qfile_tests::attacks;
use qfile_tests::peer::{Joint, feed};
use qfile_tests::receiver::{Form, users_uid};
use qfile_tests::stream::Stream;
use qfile_tests::user::am_root;
use qfile_tests::watched::Watched;
use rustix::process::Signal;

attacks! {
    closed_standard_descriptors_get_no_message_into_a_file;
    a_folder_as_a_standard_descriptor_is_refused;
    a_stdin_that_does_not_block_is_waited_for;
    inherited_descriptors_are_closed;
    a_report_goes_to_the_writing_end_of_a_pipe_only;
    blocked_and_ignored_signals_change_nothing;
    a_blocked_signal_still_ends_it;
    tiny_limits_leave_nothing_incomplete;
    a_limit_on_file_sizes_is_a_refusal_and_not_the_end;
    a_limit_on_file_sizes_that_may_be_raised_is_none;
    a_limit_on_processes_leaves_it_no_privilege;
    killed_at_any_moment_it_leaves_only_complete_files;
    the_umask_of_the_caller_does_not_count;
}

/// What the receiver blocks, as `/proc/PID/status` writes it: the signal of a file that grows beyond
/// its limit.
const ONLY_SIGXFSZ: &str = "0000000001000000";

fn closed_standard_descriptors_get_no_message_into_a_file(form: Form) {
    for closed in 1..8_u8 {
        let redirections: String = ["<&-", ">&-", "2>&-"]
            .iter()
            .enumerate()
            .filter(|(number, _)| closed & 1 << number != 0)
            .map(|(_, redirection)| format!(" {redirection}"))
            .collect();
        let target = Target::new(form);
        let script = format!("exec \"$@\"{redirections}");
        let mut command = form.started_by(&["sh", "-c", &script, "sh"]);
        command.args(["-v", ""]).arg(target.incoming());
        let (stream, sent) = three_files();
        // The last name is there already: there will be a message, and a verdict.
        let stream = Stream::new()
            .bytes(&stream.as_bytes()[..stream.as_bytes().len() - 32])
            .file("small", "again")
            .end();
        let answer = feed(command, Joint::Pipes, stream.as_bytes());
        assert_eq!(answer.finished.status.signal(), None);
        assert_ne!(answer.finished.code(), 101, "{}", answer.finished.stderr());
        if closed & 0b011 == 0 {
            answer.assert_refused(libc::EEXIST.unsigned_abs());
            assert_eq!(target.landed().len(), 3);
        }
        if closed & 0b001 != 0 {
            assert!(target.landed().is_empty());
        }
        if closed & 0b011 == 0b001 {
            // Rust puts something empty in its place, the C library (with the bit) something that
            // cannot be read.
            let code = if form == Form::SetUid {
                EBADF
            } else {
                EREMOTEIO
            };
            answer.assert_refused(code.unsigned_abs());
        }
        target.assert_complete(&sent);
    }
}

fn a_folder_as_a_standard_descriptor_is_refused(form: Form) {
    for redirection in ["<\"$0\"", "1<\"$0\"", "2<\"$0\""] {
        let target = Target::new(form);
        let script = format!("exec \"$@\" {redirection}");
        let outside = target.outside().to_str().expect("a plain path");
        let mut command = form.started_by(&["sh", "-c", &script, outside]);
        command.arg("").arg(target.incoming());
        let (stream, _) = three_files();
        let answer = feed(command, Joint::Pipes, stream.as_bytes());
        answer.finished.assert_code(1);
        assert_eq!(answer.verdict, None);
        target.assert_landed(&[]);
    }
}

fn a_stdin_that_does_not_block_is_waited_for(form: Form) {
    let target = Target::new(form);
    let mut command = form.bare_command(&[""]);
    command.arg(target.incoming());
    let mut receiver = Watched::start_without_blocking(command);
    let (stream, sent) = three_files();
    let (first, rest) = stream.as_bytes().split_at(40);
    receiver.send_and_settle(&Stream::new().bytes(first));
    let answer = receiver.finish(&Stream::new().bytes(rest));
    answer.assert_confirmed(stream.checksum());
    target.assert_complete(&sent);
}

fn inherited_descriptors_are_closed(form: Form) {
    let target = Target::new(form);
    let script = "n=0; while [ $n -lt 100 ]; do \
        exec {a}<\"$0\" {b}<\"$0/folder\" {c}<\"$0/file\" {d}>>\"$0/file\" || exit 9; n=$((n+1)); \
        done; exec \"$@\"";
    let outside = target.outside().to_str().expect("a plain path");
    let mut command = form.started_by(&["bash", "-c", script, outside]);
    command.arg("").arg(target.incoming());
    let mut receiver = Watched::start(command);
    let (stream, sent) = three_files();
    let (first, rest) = stream.as_bytes().split_at(40);
    receiver.send_and_settle(&Stream::new().bytes(first));
    let open = receiver.status("FDSize");
    // The table does not shrink again; what is in it shows to root only.
    assert!(
        open.parse::<u32>().is_ok_and(|size| size >= 256),
        "{open}: were they inherited?"
    );
    if am_root() {
        let folder = format!("/proc/{}/fd", receiver.pid());
        let open: Vec<_> = fs::read_dir(folder)
            .expect("root may look")
            .map(|entry| fs::read_link(entry.expect("it is listed").path()).expect("and read"))
            .collect();
        assert!(
            open.iter().all(|path| !path.starts_with(outside)),
            "{open:?}"
        );
        // stdin, stdout, stderr, the incoming folder, the log.
        assert!(open.len() <= 5, "{open:?}");
    }
    let answer = receiver.finish(&Stream::new().bytes(rest));
    answer.assert_confirmed(stream.checksum());
    target.assert_complete(&sent);
}

fn a_report_goes_to_the_writing_end_of_a_pipe_only(form: Form) {
    let stream = Stream::new().file("a", "1").end();
    for (redirection, number) in [
        ("5<\"$0\"", "5"),
        ("5>>\"$0/file\"", "5"),
        ("5<>\"$0/file\"", "5"),
        ("5</dev/null", "5"),
        ("5>/dev/null", "5"),
        ("5< <(:)", "5"),
        ("5<&-", "5"),
        ("5>&1", "1"),
        ("5>&1", "-5"),
        ("5>&1", "4294967301"),
        ("5>&1", ""),
    ] {
        let target = Target::new(form);
        let script = format!("exec {redirection}; program=$1; shift; exec \"$program\" \"$@\"");
        let outside = target.users_folder("outside-of-it");
        fs::write(outside.join("file"), "").expect("it is ours");
        give_if_needed(&outside.join("file"));
        let outside = outside.to_str().expect("a plain path");
        let mut command = form.started_by(&["bash", "-c", &script, outside]);
        command.arg(format!("--report-fd={number}"));
        command.arg("").arg(target.incoming());
        let answer = feed(command, Joint::Pipes, stream.as_bytes());
        assert_eq!(answer.verdict, None, "{redirection} {number}");
        answer
            .finished
            .assert_says("--report-fd must be the writing end of a pipe");
        target.assert_landed(&[]);
    }
    let target = Target::new(form);
    let script = "program=$1; shift; { \"$program\" \"$@\" 5>&1 >&6 | tr '\\0' ';' >&2; } 6>&1";
    let mut command = form.started_by(&["bash", "-c", script, "sh"]);
    command.args(["--report-fd=5", ""]).arg(target.incoming());
    let answer = feed(command, Joint::Pipes, stream.as_bytes());
    let told = answer.finished.stderr();
    let expected = format!(
        "started yes - - {};received 1 0;",
        target.incoming().display()
    );
    assert_eq!(told, expected);
}

fn give_if_needed(path: &std::path::Path) {
    if am_root() {
        qfile_tests::user::give_to_ordinary(path);
    }
}

fn blocked_and_ignored_signals_change_nothing(form: Form) {
    for how in ["--block-signal", "--ignore-signal", "--default-signal"] {
        let target = Target::new(form);
        let mut command = form.started_by(&["env", how]);
        command.arg("").arg(target.incoming());
        let (stream, sent) = three_files();
        let mut receiver = Watched::start(command);
        let (first, rest) = stream.as_bytes().split_at(40);
        receiver.send_and_settle(&Stream::new().bytes(first));
        assert_eq!(receiver.status("SigBlk"), ONLY_SIGXFSZ);
        let answer = receiver.finish(&Stream::new().bytes(rest));
        answer.assert_confirmed(stream.checksum());
        target.assert_complete(&sent);
    }
    // A verdict that nobody reads any more is no reason to die of SIGPIPE either.
    let target = Target::new(form);
    let mut command = form.started_by(&["env", "--default-signal=PIPE"]);
    command.arg("").arg(target.incoming());
    let (stream, _) = three_files();
    let ((), finished) = qfile_tests::peer::converse(command, Joint::Pipes, |side| {
        side.stop_reading();
        side.send(stream.as_bytes()).expect("it is read");
        side.stop_sending();
    });
    assert_eq!(finished.status.signal(), None, "{}", finished.stderr());
}

fn a_blocked_signal_still_ends_it(form: Form) {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let target = Target::new(form);
        let mut command = form.started_by(&["env", "--default-signal", "--block-signal"]);
        command.arg("").arg(target.incoming());
        let mut receiver = Watched::start(command);
        let (stream, _) = three_files();
        receiver.send_and_settle(&Stream::new().bytes(&stream.as_bytes()[..200]));
        assert_eq!(receiver.status("SigBlk"), ONLY_SIGXFSZ);
        let finished = receiver.end_by(signal);
        assert_eq!(finished.status.signal(), Some(signal.as_raw()));
        target.assert_landed(&["empty", "small"]);
    }
}

fn tiny_limits_leave_nothing_incomplete(form: Form) {
    for limit in [
        "--nofile=3",
        "--nofile=4",
        "--nofile=5",
        "--nofile=6",
        "--nofile=8",
        "--data=100000",
        "--as=4000000",
        "--as=8000000",
        "--as=16000000",
        "--stack=8192",
        "--stack=16384",
        "--stack=65536",
        "--memlock=0",
        "--sigpending=0",
        "--msgqueue=0",
        "--locks=0",
        "--core=unlimited",
        "--cpu=1000",
        "--rttime=1",
        "--nice=0",
    ] {
        let target = Target::new(form);
        let mut command = form.started_by(&["prlimit", limit]);
        command.arg("").arg(target.incoming());
        let (stream, sent) = three_files();
        let answer = feed(command, Joint::Pipes, stream.as_bytes());
        match answer.finished.code() {
            0 => {
                answer.assert_confirmed(stream.checksum());
                assert_eq!(target.landed().len(), 3, "{limit}");
            }
            // It says what it lacks, or the loader does.
            1 | 127 => assert_ne!(answer.finished.stderr(), "", "{limit}"),
            ENOMEM => answer.assert_refused(ENOMEM.unsigned_abs()),
            // Without a stack there is nothing that could speak.
            code => assert!(
                limit.starts_with("--stack") && [128 + SIGSEGV, 128 + SIGABRT].contains(&code),
                "{limit}: {code}, {}",
                answer.finished.stderr()
            ),
        }
        target.assert_complete(&sent);
    }
}

fn a_limit_on_file_sizes_is_a_refusal_and_not_the_end(form: Form) {
    let target = Target::new(form);
    let mut command = form.started_by(&["prlimit", "--fsize=4096"]);
    command.arg("").arg(target.incoming());
    let (stream, sent) = three_files();
    let answer = feed(command, Joint::Pipes, stream.as_bytes());
    answer.assert_refused(EFBIG.unsigned_abs());
    assert_eq!(answer.last_name(), Some(&b"large"[..]));
    target.assert_landed(&["empty", "small"]);
    target.assert_complete(&sent);
    // The end of a file may be a hole, which is not written.
    let mut command = form.started_by(&["prlimit", "--fsize=4096"]);
    command.arg("").arg(target.incoming());
    let hole = Stream::new().file("hole", [0; 4097]).end();
    let answer = feed(command, Joint::Pipes, hole.as_bytes());
    answer.assert_refused(EFBIG.unsigned_abs());
    target.assert_landed(&["empty", "small"]);
}

fn a_limit_on_file_sizes_that_may_be_raised_is_none(form: Form) {
    let target = Target::new(form);
    let mut command = form.started_by(&["prlimit", "--fsize=4096:"]);
    command.arg("").arg(target.incoming());
    let (stream, sent) = three_files();
    let answer = feed(command, Joint::Pipes, stream.as_bytes());
    answer.assert_confirmed(stream.checksum());
    assert_eq!(target.landed().len(), 3);
    target.assert_complete(&sent);
}

fn a_limit_on_processes_leaves_it_no_privilege(form: Form) {
    // Where setuid failed at this limit, programs that did not look stayed root.
    let target = Target::new(form);
    let mut command = form.started_by(&["prlimit", "--nproc=0"]);
    command.arg("").arg(target.incoming());
    let mut receiver = Watched::start(command);
    let (stream, sent) = three_files();
    let (first, rest) = stream.as_bytes().split_at(40);
    receiver.send_and_settle(&Stream::new().bytes(first));
    let uid = users_uid();
    assert_eq!(receiver.status("Uid"), format!("{uid} {uid} {uid} {uid}"));
    let answer = receiver.finish(&Stream::new().bytes(rest));
    answer.assert_confirmed(stream.checksum());
    target.assert_complete(&sent);
}

fn killed_at_any_moment_it_leaves_only_complete_files(form: Form) {
    let (stream, sent) = three_files();
    let bytes = stream.as_bytes();
    let mut moments: Vec<usize> = (0..200).step_by(9).collect();
    moments.extend((200..bytes.len()).step_by(17_777));
    moments.push(bytes.len() - 1);
    for moment in moments {
        for settles in [false, true] {
            let target = Target::new(form);
            let mut receiver = Watched::start(target.command(&[]));
            receiver.send(&bytes[..moment]).expect("it is read");
            if settles {
                receiver.settle();
            }
            assert_eq!(receiver.end_by(Signal::KILL).code(), 137);
            target.assert_complete(&sent);
            assert!(target.landed().len() <= 3);
        }
    }
}

fn the_umask_of_the_caller_does_not_count(form: Form) {
    for umask in ["000", "077", "777"] {
        let target = Target::new(form);
        let script = format!("umask {umask}; exec \"$@\"");
        let mut command = form.started_by(&["sh", "-c", &script, "sh"]);
        command.arg("").arg(target.incoming());
        let stream = Stream::new().file("f", "x").folder("open").end();
        let answer = feed(command, Joint::Pipes, stream.as_bytes());
        answer.assert_confirmed(stream.checksum());
        let mode = |name| {
            target
                .landed()
                .get(name)
                .map(|entry: qfile_tests::tree::Record| entry.mode)
        };
        assert_eq!((mode("f"), mode("open")), (Some(0o644), Some(0o700)));
    }
}

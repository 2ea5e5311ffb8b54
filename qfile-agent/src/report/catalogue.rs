//! Every message by which a copy can fail, rendered into `docs/messages/qfile-agent.md`, to be read
//! as a whole. `UPDATE_EXPECT=1 cargo test -p qfile-agent` writes it anew.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use expect_test::expect_file;
use qfile_proto::Verdict;
use qfile_proto::verdict::LEGAL_EOF;
use walk::{ArgumentError, Reason, WalkError};

use super::{Arrived, Report};
use crate::error::Error;
use crate::left_out::LeftOut;
use crate::source::NoLength;
use transfer::SendError;
use transfer::result_line::{LEFTOVERS, Outcome};

const HEAD: &str = "\
# What qfile-agent says

Every failure is listed with its exit status. If the message depends on how much has arrived, there
are three versions: nothing has arrived, the number of entries that have arrived is known, and the
number is not known. In the second version, the program that started the sender says how to
continue. A test generates this page and fails if the page differs from the messages of the program:
`UPDATE_EXPECT=1 cargo test -p qfile-agent`. In words from the other qube, only printable ASCII
characters are shown unchanged.
";

#[test]
fn every_message_is_in_the_catalogue() {
    let mut text = HEAD.to_owned();
    section(&mut text, "qfile-agent: the command line", arguments());
    section(&mut text, "qfile-agent: files and folders", files());
    section(&mut text, "qfile-agent: the connection", connection());
    section(
        &mut text,
        "qfile-agent: the receiver's refusals",
        refusals(),
    );
    expect_file!["../../../docs/messages/qfile-agent.md"].assert_eq(&text);
}

fn section(text: &mut String, title: &str, failures: Vec<Error>) {
    writeln!(text, "\n## {title}").unwrap();
    let mut said_last = String::new();
    for failure in failures {
        let heading = heading(&failure);
        let report = Report::new(Err::<LeftOut, _>(failure), true);
        let status = report.outcome.status();
        if heading != said_last {
            writeln!(text, "\n{heading} ({status}):").unwrap();
        }
        // Before anything is sent nothing can arrive.
        if report.outcome != Outcome::Usage {
            let unknown = said(&report.clone().after(Arrived::Unknown));
            assert!(unknown.contains(LEFTOVERS), "{unknown}");
        }
        let all = [Arrived::Nothing, Arrived::Known, Arrived::Unknown];
        let mut said: Vec<_> = all
            .map(|arrived| said(&report.clone().after(arrived)))
            .into();
        said.dedup();
        for said in said {
            writeln!(text, "\n```\n{said}\n```").unwrap();
        }
        said_last = heading;
    }
}

fn said(report: &Report) -> String {
    report.told().unwrap_err().lines("qfile-agent")
}

fn arguments() -> Vec<Error> {
    [
        ArgumentError::Empty,
        ArgumentError::Here(b"docs/.".into()),
        ArgumentError::Above(b"..".into()),
        ArgumentError::Root,
        ArgumentError::SameName(b"docs/plan.txt".into(), b"old/plan.txt".into()),
        ArgumentError::NamedTwice(b"docs".into(), b"docs".into()),
        ArgumentError::NamedTwice(b"docs/plan.txt".into(), b"./docs/plan.txt".into()),
        ArgumentError::OneNameForMany,
        ArgumentError::NoName(b"a/b".into()),
        ArgumentError::Start(denied()),
    ]
    .map(Error::Argument)
    .into()
}

fn files() -> Vec<Error> {
    let path = || b"docs/plan.txt".to_vec();
    let mut failures: Vec<Error> = [
        Reason::Vanished,
        Reason::Changed,
        Reason::Open(denied()),
        Reason::Open(errno(libc::ENOENT)),
        Reason::Open(errno(libc::EIO)),
        Reason::Read(denied()),
        Reason::Moved,
        Reason::Return(errno(libc::ENOENT)),
        Reason::Dangling(errno(libc::ENOENT)),
        Reason::Loop,
        Reason::NestedLinks,
        Reason::NameTooLong,
    ]
    .map(|reason| {
        Error::Walk(WalkError {
            path: path(),
            reason,
        })
    })
    .into();
    failures.extend([
        Error::Content(path(), errno(libc::EIO)),
        Error::NoLength(path(), NoLength::Keep(errno(libc::ENOSPC))),
        Error::NoLength(path(), NoLength::TooLong),
        Error::Shrunk(path()),
        Error::TargetTooLong(path()),
    ]);
    failures
}

fn connection() -> Vec<Error> {
    let mut failures: Vec<Error> = [
        SendError::Write(errno(libc::EIO)),
        SendError::Read(errno(libc::EIO)),
        SendError::Interrupted,
        SendError::NoAnswer,
        SendError::CutAnswer,
        SendError::Late(Duration::from_secs(600)),
        SendError::Text(b"Welcome to\x1b[1m this qube!\n".into()),
        SendError::EarlySuccess,
        SendError::Damaged,
        SendError::Cancelled,
    ]
    .map(Error::Sending)
    .into();
    failures.extend([
        Error::Landed(io::ErrorKind::UnexpectedEof.into()),
        Error::Entries(errno(libc::EPIPE)),
        Error::Manifest(errno(libc::ENOSPC)),
        Error::Undelivered(errno(libc::ENOSPC)),
    ]);
    failures
}

fn refusals() -> Vec<Error> {
    let errnos = [
        libc::EEXIST,
        libc::EINVAL,
        libc::EILSEQ,
        libc::ENOLINK,
        libc::EDQUOT,
        libc::ENOSPC,
        libc::ENOMEM,
        libc::ENAMETOOLONG,
        libc::EACCES,
        libc::EROFS,
        libc::EIO,
        libc::EREMOTEIO,
    ];
    let codes = errnos.map(i32::unsigned_abs).into_iter();
    codes
        .chain([(-libc::EILSEQ).cast_unsigned(), LEGAL_EOF, 123_456_789])
        .flat_map(|error_code| {
            [Some(b"docs/\x1b[31mplan.txt".to_vec()), None].map(|name| {
                Error::Sending(SendError::Refused(Verdict {
                    error_code,
                    crc32: 0,
                    untrusted_last_name: name,
                }))
            })
        })
        .chain([Error::RefusedOwn(Verdict {
            error_code: libc::EEXIST.unsigned_abs(),
            crc32: 0,
            untrusted_last_name: Some("docs/\u{62a}\u{642}\u{631}\u{64a}\u{631}\t.pdf".into()),
        })])
        .collect()
}

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

fn denied() -> io::Error {
    errno(libc::EACCES)
}

/// What leads to a failure. Without a wildcard: who adds a failure is led here.
fn heading(failure: &Error) -> String {
    let words = match failure {
        Error::Argument(_) => "An argument has no name, or the same name as another argument",
        Error::Walk(_) => "A file or folder cannot be reached or opened",
        Error::Content(..) => "A file cannot be read",
        Error::NoLength(..) => {
            "The length of a file is not known, and the file cannot be read into a temporary file"
        }
        Error::Shrunk(_) => "A file is shorter than announced in its header",
        Error::TargetTooLong(_) => "The target of a link is too long for the format",
        Error::Landed(_) => "The list of files that arrived before is cut short",
        Error::Entries(_) => "The line about an entry cannot be written (`--json`)",
        Error::Manifest(_) => "The list of sent files cannot be written",
        Error::Undelivered(_) => "The list of sent files cannot be passed to qvm-move",
        Error::Sending(SendError::Write(_)) => "stdout cannot be written to",
        Error::Sending(SendError::Interrupted) => {
            "The receiver stopped reading, and no verdict could be read"
        }
        Error::Sending(SendError::Cancelled) => "Cancelled, by a signal or a button",
        Error::Sending(SendError::Read(_)) => "stdin cannot be read",
        Error::Sending(SendError::NoAnswer) => "The receiver ended without a verdict",
        Error::Sending(SendError::CutAnswer) => "The verdict was cut",
        Error::Sending(SendError::Late(_)) => "No verdict within `--verdict-timeout`",
        Error::Sending(SendError::Text(_)) => "Text where the verdict belongs",
        Error::Sending(SendError::EarlySuccess) => "A confirmation before the end",
        Error::Sending(SendError::Damaged) => "A confirmation with another checksum",
        Error::RefusedOwn(verdict) => {
            return format!("Code {} with a name that was sent", verdict.error_code);
        }
        Error::Sending(SendError::Refused(verdict)) => {
            let named = match verdict.untrusted_last_name {
                Some(_) => "with a name",
                None => "without a name",
            };
            return format!("Code {} {named}", verdict.error_code);
        }
    };
    words.to_owned()
}

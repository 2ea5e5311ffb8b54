//! What happens around a copy in the target qube, with the rights of the user: a notification when it
//! has arrived, and no empty folder when it has not.
//!
//! [`start`] executes the receiver in the place of this process, so that the receiver has the process
//! number, the streams and the exit status of the service. Before, it starts a process that does
//! [`after_copy`]: it reads what the receiver reports, until the receiver has ended. The set-uid
//! receiver knows nothing of the desktop, and nothing that happens here delays its verdict.
//!
//! `folder` removes the empty folder, `state` is where processes of several copies meet, and
//! `notices` shows the notifications.

mod folder;
mod notices;
mod state;

use std::env;
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use program::failure::Failure;
use qfile_proto::{CopyReport, QubeName};
use rustix::fs::{FlockOperation, flock};
use rustix::io::FdFlags;
use rustix::pipe::{PipeFlags, pipe_with};

use folder::Created;
use notices::{News, Notices};
use state::State;

/// The variable in which qrexec names the calling qube.
const CALLER: &str = "QREXEC_REMOTE_DOMAIN";

/// The longest report in bytes: three records.
const MAX_REPORT: usize = 3 * CopyReport::MAX_LEN;

/// Executes `receiver` with `options` in the place of this process. Returns only if it cannot.
pub fn start(receiver: &Path, options: &[OsString]) -> Failure {
    let mut command = Command::new(receiver);
    // A copy is received without this, too.
    if let Some(report) = prepare() {
        let mut argument = OsString::from("--report-fd=");
        argument.push(report.as_raw_fd().to_string());
        let error = command.arg(argument).args(options).exec();
        return cannot_start(receiver, &error);
    }
    let error = command.args(options).exec();
    cannot_start(receiver, &error)
}

fn cannot_start(receiver: &Path, error: &io::Error) -> Failure {
    let receiver = text::own(receiver.as_os_str().as_bytes());
    Failure::new(format_args!("cannot start the receiver \"{receiver}\"")).because(error)
}

/// Starts the process in the background. The pipe for the receiver, which it inherits.
fn prepare() -> Option<OwnedFd> {
    let source = caller()?;
    let state = State::open()?;
    let lock = state.lock_folder_of(&source)?;
    let (reading, writing) = pipe_with(PipeFlags::CLOEXEC).ok()?;
    Command::new(env::current_exe().ok()?)
        .arg("--after-copy")
        .stdin(reading)
        .stdout(lock)
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // Only now: the process in the background waits until nobody can write to the pipe.
    rustix::io::fcntl_setfd(&writing, FdFlags::empty()).ok()?;
    Some(writing)
}

fn caller() -> Option<QubeName> {
    QubeName::parse(env::var_os(CALLER)?.as_bytes())
}

/// Waits until the receiver has ended, then cleans up and notifies. stdin is its report, stdout the
/// shared lock on the incoming folder.
pub fn after_copy() {
    let _leads_its_group = rustix::process::setsid();
    let (Some(source), Some(state)) = (caller(), State::open()) else {
        return;
    };
    let report = Report::read(io::stdin().lock());
    let lock = rustix::stdio::stdout();
    if let (Some(created), None) = (&report.created, &report.news) {
        folder::remove_if_unused(lock, created);
    }
    // Programs that are started below inherit it, and would keep it locked.
    let _it_ends_with_this_process = flock(lock, FlockOperation::Unlock);
    if let Some(news) = report.news.filter(|_| report.notify) {
        let notices = Notices::new(&state, &source, report.folder.as_deref());
        if let Some(notices) = notices {
            notices.tell(&news);
        }
    }
}

/// What the receiver reported of one copy.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    notify: bool,
    folder: Option<PathBuf>,
    created: Option<Created>,
    /// What the user may want to know. `None`: the copy failed.
    news: Option<News>,
}

impl Report {
    /// Reads until the receiver has ended.
    fn read(mut input: impl Read) -> Self {
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_REPORT).unwrap_or(u64::MAX);
        let _what_came_counts = input.by_ref().take(limit).read_to_end(&mut bytes);
        let _too_long = io::copy(&mut input, &mut io::sink());
        Self::parse(&bytes)
    }

    /// The first record was written before the receiver read anything of the stream. What follows
    /// may come from an attacker: of that only two numbers count.
    fn parse(bytes: &[u8]) -> Self {
        let Some((first, rest)) = split_record(bytes) else {
            return Self::default();
        };
        match CopyReport::parse(first) {
            Some(CopyReport::Refused { notify }) => Self {
                notify,
                news: Some(News::refused()),
                ..Self::default()
            },
            Some(CopyReport::Started {
                notify,
                created,
                folder,
            }) => {
                let folder = PathBuf::from(OsString::from_vec(folder));
                let received = split_record(rest).and_then(|(record, _)| CopyReport::parse(record));
                Self {
                    notify,
                    created: created.map(|id| Created::new(folder.clone(), id)),
                    folder: Some(folder),
                    news: match received {
                        Some(CopyReport::Received { files, folders }) => {
                            Some(News::received(files, folders))
                        }
                        _ => None,
                    },
                }
            }
            _ => Self::default(),
        }
    }
}

/// The first record of `bytes` without its NUL, and what follows. A record without its NUL is none.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: &[u8] = b"started yes 1 2 /home/user/QubesIncoming/work\0";

    #[test]
    fn a_copy_that_was_not_reported_as_received_has_failed() {
        let folder = PathBuf::from("/home/user/QubesIncoming/work");
        let failed = Report {
            notify: true,
            created: Some(Created::new(folder.clone(), (1, 2))),
            folder: Some(folder),
            news: None,
        };
        assert_eq!(Report::parse(STARTED), failed);
        for rest in [&b"received 1 0"[..], b"x\0", b"refused yes\0", STARTED] {
            assert_eq!(Report::parse(&[STARTED, rest].concat()), failed);
        }
        let arrived = Report::parse(&[STARTED, b"received 3 1\0"].concat());
        assert_eq!(arrived.news, Some(News::received(3, 1)));
    }

    #[test]
    fn only_the_first_record_names_a_folder_or_refuses() {
        let later = b"started yes 3 4 /etc\0";
        let report = Report::parse(&[b"received 1 1\0", &later[..]].concat());
        assert_eq!(report, Report::default());
        let report = Report::parse(&[b"refused no\0", &later[..]].concat());
        assert_eq!((report.folder, report.notify), (None, false));
        assert_eq!(report.news, Some(News::refused()));
    }

    #[test]
    fn a_report_that_never_ends_well_is_not_kept() {
        let endless = io::repeat(b'x').take(1 << 24);
        assert_eq!(Report::read(endless), Report::default());
        assert_eq!(Report::read(&b""[..]), Report::default());
    }
}

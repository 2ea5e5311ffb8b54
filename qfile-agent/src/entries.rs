//! Each entry, told as it is sent: on stderr for people (`--verbose`), and as lines of JSON for
//! scripts (`--entries N`).

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::RawFd;

use files::Stat;
use program::inherited;
use quantity::counted;
use rustix::fs::FileType;
use text::name;
use transfer::entry_line::EntryLine;

use crate::progress::Progress;

/// Who is told of each entry.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    lines: Option<File>,
    verbose: bool,
}

/// Why an entry is not in the stream, or not as it should be. The text is the `reason` of a line.
pub(crate) const SPECIAL: &str = "special";
pub(crate) const REFUSED: &str = "refused";
pub(crate) const VANISHED: &str = "vanished";
pub(crate) const ARRIVED_BEFORE: &str = "changed-since-it-arrived";
pub(crate) const CHANGED: &str = "changed-while-it-was-sent";

impl Entries {
    /// With `verbose` stderr is told, and with `lines` the inherited descriptor of that number.
    ///
    /// # Errors
    /// There is no such descriptor.
    pub(crate) fn new(verbose: bool, lines: Option<RawFd>) -> io::Result<Self> {
        let lines = lines.map(inherited::take).transpose()?.map(File::from);
        Ok(Self { lines, verbose })
    }

    /// The entry at `path`, in the state `stat`, was sent.
    ///
    /// # Errors
    /// The reader of the lines is gone, or its disk is full.
    pub(crate) fn sent(&mut self, path: &[u8], stat: &Stat, progress: &Progress) -> io::Result<()> {
        let size = stat.state.size;
        let (kind, what) = match stat.state.file_type() {
            FileType::Directory => ("folder", "folder".to_owned()),
            FileType::Symlink => ("link", "link".to_owned()),
            _ => {
                let shown = counted(size, "byte", "bytes");
                ("file", format!("file of {shown}"))
            }
        };
        if self.verbose {
            progress.note(format_args!("sent {}, a {what}", name(path)));
        }
        self.write(|| {
            let line = EntryLine::of(path)
                .with("status", "sent")
                .with("type", kind);
            match kind {
                "file" => line.with("bytes", size),
                _ => line,
            }
        })
    }

    /// The entry at `path` is not in the stream, or not as it should be, for this reason. People are
    /// told of it in any case.
    ///
    /// # Errors
    /// As [`Entries::sent`].
    pub(crate) fn not_sent(&mut self, path: &[u8], reason: &str) -> io::Result<()> {
        let status = match reason {
            CHANGED => "changed",
            _ => "left-out",
        };
        self.write(|| {
            EntryLine::of(path)
                .with("status", status)
                .with("reason", reason)
        })
    }

    fn write(&mut self, line: impl FnOnce() -> EntryLine) -> io::Result<()> {
        let Some(lines) = &mut self.lines else {
            return Ok(());
        };
        let line = format!("{}\n", line().render());
        lines.write_all(line.as_bytes())
    }
}

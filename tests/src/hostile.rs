//! A receiver that cheats: a service of a qube that reads and answers as a test tells it to, step by
//! step, and the senders that it is to fool.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use crate::fifo;
use crate::programs::program;
use crate::qubes::{Qubes, SOURCE, TARGET};
use crate::stream::{FILE, RawEntry, Stream};
use crate::tree::set;

/// What calls the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// `qfile-agent`, started by the client alone.
    Agent,
    /// `qvm-copy-to-vm`, which starts both.
    Command,
}

/// The service `qubes.Filecopy` of a qube of its own, and a file to send to it.
#[derive(Debug)]
pub struct Hostile {
    qubes: Qubes,
    name: String,
    len: usize,
    stream: Stream,
    script: String,
    answers: u32,
    /// The FIFOs that it waits at.
    held: Vec<File>,
    /// How many of them it has been let go from.
    let_go: usize,
}

impl Hostile {
    /// A receiver that so far does nothing, and a file `file` of so many bytes.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self::of_file("file", len)
    }

    /// A receiver that so far does nothing, and a file of this name and so many bytes.
    #[must_use]
    pub fn of_file(name: &str, len: usize) -> Self {
        let qubes = Qubes::new();
        let path = qubes.home(SOURCE).join(name);
        let content = vec![b'x'; len];
        fs::write(&path, &content).expect("ours");
        set(&path, Some(0o644), (1_600_000_000, 5));
        let entry = RawEntry::new(FILE | 0o644, name, content).with(|entry| {
            entry.atime = (1_600_000_000, 5);
            entry.mtime = (1_600_000_000, 5);
        });
        Self {
            qubes,
            name: name.to_owned(),
            len,
            stream: Stream::new().entry(&entry).end(),
            script: String::new(),
            answers: 0,
            held: Vec::new(),
            let_go: 0,
        }
    }

    /// The checksum of the whole stream, which an honest receiver learns by reading it.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        self.stream.checksum()
    }

    /// Then it reads so many bytes.
    #[must_use]
    pub fn takes(self, bytes: usize) -> Self {
        self.runs(&format!("head -c {bytes} >/dev/null"))
    }

    /// Then it reads the stream to its end header.
    #[must_use]
    pub fn takes_all(self) -> Self {
        let len = self.stream.as_bytes().len();
        self.takes(len)
    }

    /// Then it answers with `bytes`, in one write.
    #[must_use]
    pub fn says(mut self, bytes: &[u8]) -> Self {
        let answer = self.answer(bytes);
        self.runs(&format!("cat {answer}"))
    }

    /// Then it answers with `bytes`, each in a write of its own.
    #[must_use]
    pub fn says_byte_by_byte(mut self, bytes: &[u8]) -> Self {
        let answer = self.answer(bytes);
        self.runs(&format!("dd if={answer} bs=1 status=none"))
    }

    /// Then it does this, a line of a shell script.
    #[must_use]
    pub fn runs(mut self, line: &str) -> Self {
        self.script.push_str(line);
        self.script.push('\n');
        self
    }

    /// Then it neither reads nor says anything, nor ends, until it is [let go](Self::let_go).
    #[must_use]
    pub fn waits(mut self) -> Self {
        let name = format!("held-{}", self.held.len());
        self.held.push(fifo::held(&self.path(&name)));
        self.runs(&format!("head -c 1 {name} >/dev/null"))
    }

    /// Lets it go on where it [waits](Self::waits) first, or will.
    ///
    /// Dropped, it lets the receiver go on everywhere.
    pub fn let_go(&mut self) {
        let held = self.held.get_mut(self.let_go).expect("it waits");
        held.write_all(b"!")
            .expect("a FIFO that is open takes a byte");
        self.let_go += 1;
    }

    /// The sender of the file, to be run; the receiver is as has been said so far.
    #[must_use]
    pub fn command(&self, sender: Sender) -> Command {
        self.qubes
            .set_service(TARGET, "qubes.Filecopy", &self.script);
        let mut command = match sender {
            Sender::Command => self.qubes.command(SOURCE, "qvm-copy-to-vm"),
            Sender::Agent => self.qubes.command(SOURCE, "qrexec-loopback"),
        };
        command.args(match sender {
            Sender::Command => &["--", TARGET][..],
            Sender::Agent => &["-T", "--", TARGET, "qubes.Filecopy"],
        });
        if sender == Sender::Agent {
            command
                .arg(program("qfile-agent"))
                .arg("--")
                .env("PROGRESS_TYPE", "console")
                .env("FILECOPY_TOTAL_BYTES", self.len.to_string());
        }
        command.arg(&self.name);
        command
    }

    /// A path in the receiver's home.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.qubes.home(TARGET).join(name)
    }

    fn answer(&mut self, bytes: &[u8]) -> String {
        self.answers += 1;
        let name = format!("answer-{}", self.answers);
        fs::write(self.path(&name), bytes).expect("ours");
        name
    }
}

//! A receiver played by a test, and the agent that sends to it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use qfile_proto::checksum::Checksum;
use qfile_proto::{Decoder, Verdict};

/// The receiving end of an agent that is running.
pub(crate) struct Receiver {
    agent: Child,
    /// Where its stream arrives; `None` when the receiver reads no more.
    pub(crate) stream: Option<Pipe>,
    /// Where the verdict goes; `None` when the receiver has closed it.
    pub(crate) answer: Option<Pipe>,
    /// Of what was [read](Self::read).
    checksum: Checksum,
}

/// A pipe or a socket.
pub(crate) enum Pipe {
    File(File),
    Socket(UnixStream),
}

/// How an agent ended.
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stderr: String,
}

/// An agent's command line, in an environment without any progress.
pub(crate) fn agent<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qfile-agent"));
    command.args(arguments).stderr(Stdio::piped());
    for variable in [
        "PROGRESS_TYPE",
        "FILECOPY_TOTAL_BYTES",
        "SAVED_FD_1",
        "DISPLAY",
        "WAYLAND_DISPLAY",
    ] {
        command.env_remove(variable);
    }
    command
}

impl Receiver {
    /// Starts the agent with pipes.
    pub(crate) fn over_pipes(mut agent: Command) -> Self {
        let (stdin, answer) = rustix::pipe::pipe().unwrap();
        let (stream, stdout) = rustix::pipe::pipe().unwrap();
        for end in [&answer, &stream] {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC).unwrap();
        }
        let agent = agent.stdin(stdin).stdout(stdout).spawn().unwrap();
        Self::new(
            agent,
            Pipe::File(File::from(stream)),
            Pipe::File(File::from(answer)),
        )
    }

    /// Starts the agent with a socket pair for each direction, as qrexec does.
    pub(crate) fn over_sockets(mut agent: Command) -> Self {
        let (stdin, answer) = UnixStream::pair().unwrap();
        let (stream, stdout) = UnixStream::pair().unwrap();
        let agent = agent
            .stdin(OwnedFd::from(stdin))
            .stdout(OwnedFd::from(stdout));
        Self::new(
            agent.spawn().unwrap(),
            Pipe::Socket(stream),
            Pipe::Socket(answer),
        )
    }

    /// Starts the agent with one socket as both ends.
    pub(crate) fn over_one_socket(agent: Command) -> Self {
        Self::over_one_shared_socket(agent).0
    }

    /// The same, with another descriptor of the agent's end.
    pub(crate) fn over_one_shared_socket(mut agent: Command) -> (Self, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        let shared = far.try_clone().unwrap();
        let agent = agent
            .stdin(OwnedFd::from(far.try_clone().unwrap()))
            .stdout(OwnedFd::from(far));
        let near_too = near.try_clone().unwrap();
        let receiver = Self::new(
            agent.spawn().unwrap(),
            Pipe::Socket(near_too),
            Pipe::Socket(near),
        );
        (receiver, shared)
    }

    fn new(agent: Child, stream: Pipe, answer: Pipe) -> Self {
        Self {
            agent,
            stream: Some(stream),
            answer: Some(answer),
            checksum: Checksum::default(),
        }
    }

    /// Reads some bytes of the stream.
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let stream = self.stream.as_mut().unwrap();
        stream.read_exact(&mut bytes).unwrap();
        self.checksum.update(&bytes);
        bytes
    }

    /// Confirms the stream whose last bytes were [read](Self::read).
    pub(crate) fn confirm_what_was_read(&mut self) {
        self.say(&verdict(0, self.checksum.value(), None));
    }

    /// Reads all that is left of the stream.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.take().unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Receives a whole stream: the names and the lengths of the contents, and the checksum.
    pub(crate) fn receive(&mut self) -> (Vec<(String, u64)>, u32) {
        let mut decoder = Decoder::with_capacity(1 << 16, self.stream.as_mut().unwrap());
        let (mut name, mut entries) = (Vec::new(), Vec::new());
        while let Some(entry) = decoder.next_entry(&mut name).unwrap() {
            decoder.content(&entry, |_| Ok(())).unwrap();
            entries.push((String::from_utf8_lossy(&name).into_owned(), entry.len));
        }
        (entries, decoder.checksum())
    }

    /// Receives a whole stream and confirms it. The entries.
    pub(crate) fn confirm(&mut self) -> Vec<(String, u64)> {
        let (entries, checksum) = self.receive();
        self.say(&verdict(0, checksum, None));
        entries
    }

    /// Sends bytes that may or may not be a verdict.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.answer.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Reads no more of the stream, as a receiver does before a refusal.
    pub(crate) fn stop_reading(&mut self) {
        if let Some(Pipe::Socket(socket)) = self.stream.take() {
            socket.shutdown(Shutdown::Read).unwrap();
        }
    }

    /// Closes both ends and waits for the agent.
    pub(crate) fn ended(mut self) -> Ended {
        self.answer = None;
        self.stream = None;
        self.ended_by_itself()
    }

    /// Waits for the agent with what is still open left open.
    pub(crate) fn ended_by_itself(mut self) -> Ended {
        let mut stderr = String::new();
        if let Some(mut pipe) = self.agent.stderr.take() {
            pipe.read_to_string(&mut stderr).unwrap();
        }
        Ended {
            status: self.agent.wait().unwrap().code(),
            stderr,
        }
    }

    /// Nobody reads the agent's stderr any more.
    pub(crate) fn close_stderr(&mut self) {
        self.agent.stderr = None;
    }
}

/// A verdict's bytes; without the optional part if there is no name.
pub(crate) fn verdict(error_code: u32, checksum: u32, name: Option<&[u8]>) -> Vec<u8> {
    Verdict {
        error_code,
        crc32: checksum.into(),
        untrusted_last_name: name.map(<[u8]>::to_vec),
    }
    .to_bytes()
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Socket(socket) => socket.read(buffer),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Socket(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

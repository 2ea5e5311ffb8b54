//! A receiver played by a test, and the agent that sends to it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use qfile_proto::checksum::Checksum;
use qfile_proto::{Decoder, Verdict};
use qfile_tests::peer::{Joint, Side};
use rustix::process::{Pid, Signal, kill_process};

/// The receiving end of an agent that is running.
pub(crate) struct Receiver {
    agent: Child,
    side: Side,
    /// Of what was [read](Self::read).
    checksum: Checksum,
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
    pub(crate) fn over_pipes(agent: Command) -> Self {
        Self::over(Joint::Pipes, agent).0
    }

    /// Starts the agent with a socket pair for each direction, as qrexec does.
    pub(crate) fn over_sockets(agent: Command) -> Self {
        Self::over(Joint::Sockets, agent).0
    }

    /// Starts the agent with one socket as both ends.
    pub(crate) fn over_one_socket(agent: Command) -> Self {
        Self::over(Joint::OneSocket, agent).0
    }

    /// Starts the agent; its stdin too.
    pub(crate) fn over(joint: Joint, mut agent: Command) -> (Self, File) {
        let (side, of_agent) = joint.sides();
        let stdin = of_agent.input.try_clone().unwrap();
        of_agent.give_to(&mut agent);
        let receiver = Self {
            agent: agent.spawn().unwrap(),
            side,
            checksum: Checksum::default(),
        };
        (receiver, stdin)
    }

    /// Reads some bytes of the stream.
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        let bytes = self.side.read(count);
        self.checksum.update(&bytes);
        bytes
    }

    /// Confirms the stream whose last bytes were [read](Self::read).
    pub(crate) fn confirm_what_was_read(&mut self) {
        self.say(&verdict(0, self.checksum.value(), None));
    }

    /// Reads all that is left of the stream.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        self.side.rest()
    }

    /// Receives a whole stream: the names and the lengths of the contents, and the checksum.
    pub(crate) fn receive(&mut self) -> (Vec<(String, u64)>, u32) {
        let mut decoder = Decoder::with_capacity(1 << 16, &mut self.side.input);
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
        self.side.send(bytes).unwrap();
    }

    /// Says no more: the agent reads the end of the answer.
    pub(crate) fn end_the_answer(&mut self) {
        self.side.stop_sending();
    }

    /// Closes both ends and waits for the agent.
    pub(crate) fn ended(self) -> Ended {
        let Self { agent, side, .. } = self;
        drop(side);
        ended(agent)
    }

    /// Waits for the agent with what is still open left open.
    pub(crate) fn ended_by_itself(self) -> Ended {
        let Self { agent, side, .. } = self;
        let ended = ended(agent);
        drop(side);
        ended
    }

    /// Waits until the agent has read all of what was [said](Self::say) through a pipe.
    pub(crate) fn until_the_answer_is_read(&self) {
        let answer = self.side.output.as_ref().expect("the answer is open");
        while rustix::io::ioctl_fionread(answer).unwrap() > 0 {
            std::thread::yield_now();
        }
    }

    /// Sends the agent a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.agent), signal).unwrap();
    }

    /// Nobody reads the agent's stderr any more.
    pub(crate) fn close_stderr(&mut self) {
        self.agent.stderr = None;
    }
}

fn ended(mut agent: Child) -> Ended {
    let mut stderr = String::new();
    if let Some(mut pipe) = agent.stderr.take() {
        pipe.read_to_string(&mut stderr).unwrap();
    }
    Ended {
        status: agent.wait().unwrap().code(),
        stderr,
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

//! A program that stays, and what it says on stderr, line by line.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Nobody waits that long when all is well.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// The program. It ends with this.
#[derive(Debug)]
pub struct Speaking {
    child: Child,
    lines: Receiver<String>,
}

impl Speaking {
    /// Starts it.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (say, lines) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // The test may have ended.
                let _heard = say.send(line);
            }
        });
        Self { child, lines }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it says.
    #[track_caller]
    pub fn line(&self) -> String {
        let line = self.lines.recv_timeout(HANGS_AFTER);
        line.expect("it says something")
    }

    /// Fails the test unless the next lines are these.
    #[track_caller]
    pub fn assert_says(&self, expected: &[&str]) {
        let said: Vec<String> = expected.iter().map(|_| self.line()).collect();
        assert_eq!(said, expected);
    }

    /// Ends it with SIGTERM, and gives what it has said since.
    #[must_use]
    pub fn stop(mut self) -> Vec<String> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it is there");
        let _status = self.child.wait();
        self.lines.iter().collect()
    }
}

impl Drop for Speaking {
    fn drop(&mut self) {
        // Not SIGKILL: a program that traces another would leave that behind.
        let _has_ended = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _status = self.child.wait();
    }
}

//! A program on a terminal of its own: a real pseudo-terminal, and the screen that a person would
//! see on it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::process::Command;
use std::time::Duration;

use rexpect::process::{PtyProcess, WaitStatus};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::process::wrapped_in;

/// After this long without a byte from it, a program hangs and the test fails. No test waits for
/// it when all is well.
const HANGS_AFTER: Duration = Duration::from_secs(100);

/// Rows of the screen.
const ROWS: u16 = 12;

/// A program at work on a terminal, which is its controlling terminal too.
pub struct Terminal {
    process: PtyProcess,
    master: File,
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

/// What a program left on its terminal.
#[derive(Debug)]
pub struct Left {
    /// The exit status; 128+N after signal N.
    pub code: i32,
    /// What stood on the screen in the end, without what was empty.
    pub screen: String,
    /// Every byte that was written to the terminal.
    pub bytes: Vec<u8>,
}

impl Terminal {
    /// Starts `command` on a terminal of so many columns, with `TERM=xterm` unless it says another.
    #[must_use]
    pub fn start(command: &Command, columns: u16) -> Self {
        // The size has to be there before the program asks for it.
        let script = format!("stty rows {ROWS} cols {columns} && exec \"$0\" \"$@\"");
        let mut sized = wrapped_in(&["/bin/sh", "-c", &script], command);
        if command.get_envs().all(|(name, _)| name != "TERM") {
            sized.env("TERM", "xterm");
        }
        let process = PtyProcess::new(sized).expect("a program can be started on a terminal");
        Self {
            master: process.get_file_handle().expect("a descriptor"),
            process,
            screen: vt100::Parser::new(nonzero(ROWS), nonzero(columns), 0),
            bytes: Vec::new(),
        }
    }

    /// What stands on the screen now.
    #[must_use]
    pub fn screen(&self) -> String {
        self.screen.screen().contents()
    }

    /// Every byte so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Waits until the screen is as it should be, and gives what stands on it then.
    #[track_caller]
    pub fn until(&mut self, is_so: impl Fn(&str) -> bool) -> String {
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(self.read(), "it ended with this screen:\n{screen}");
        }
    }

    /// Waits until `text` stands on the screen.
    #[track_caller]
    pub fn until_shown(&mut self, text: &str) -> String {
        self.until(|screen| screen.contains(text))
    }

    /// Types `keys`; Ctrl-C is `\x03`.
    pub fn type_keys(&mut self, keys: &str) {
        let typed = self.master.write_all(keys.as_bytes());
        typed.expect("a terminal takes keys");
    }

    /// Makes the window so many columns wide, of which the program is told (`SIGWINCH`).
    pub fn resize(&mut self, columns: u16) {
        self.screen
            .screen_mut()
            .set_size(nonzero(ROWS), nonzero(columns));
        let size = Winsize {
            ws_row: ROWS,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.master, size).expect("a terminal has a size");
    }

    /// Waits until the program has ended.
    #[must_use]
    pub fn finish(mut self) -> Left {
        while self.read() {}
        let code = match self.process.wait().expect("a child can be waited for") {
            WaitStatus::Exited(_, code) => code,
            WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
            other => panic!("neither ended nor killed: {other:?}"),
        };
        Left {
            code,
            screen: self.screen(),
            bytes: self.bytes,
        }
    }

    /// Reads what has been written; false when nobody is left to write.
    fn read(&mut self) -> bool {
        let mut written = [PollFd::new(&self.master, PollFlags::IN)];
        let patience = Timespec::try_from(HANGS_AFTER).expect("some seconds");
        let ready = poll(&mut written, Some(&patience)).expect("a terminal can be polled");
        assert!(ready > 0, "it hangs with this screen:\n{}", self.screen());
        let mut chunk = [0; 4096];
        // EIO: every other end is closed.
        let count = self.master.read(&mut chunk).unwrap_or(0);
        self.bytes.extend_from_slice(&chunk[..count]);
        self.screen.process(&chunk[..count]);
        count > 0
    }
}

impl Left {
    /// Fails the test unless the status is `code`.
    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.code, code, "screen:\n{}", self.screen);
    }

    /// Fails the test unless `text` stands on the screen, line breaks of the terminal left out.
    #[track_caller]
    pub fn assert_shows(&self, text: &str) {
        let screen = &self.screen;
        let flat = screen.replace('\n', "");
        assert!(flat.contains(text), "{text:?} is not in:\n{screen}");
    }
}

fn nonzero(length: u16) -> NonZeroU16 {
    NonZeroU16::new(length).expect("a screen has rows and columns")
}

//! A stand-in for XenStore, which only Xen has: a socket that notes what is written, and answers.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::tree::TempFolder;

/// Nobody waits that long when all is well.
const HANGS_AFTER: Duration = Duration::from_secs(60);

const WRITE: u32 = 11;
const ERROR: u32 = 16;

/// The socket, and what was written.
#[derive(Debug)]
pub struct XenStore {
    folder: TempFolder,
    written: Receiver<(String, String)>,
}

impl Default for XenStore {
    fn default() -> Self {
        Self::new()
    }
}

impl XenStore {
    /// One that takes everything.
    #[must_use]
    pub fn new() -> Self {
        Self::that_answers(None)
    }

    /// One that refuses everything with the name of this error.
    #[must_use]
    pub fn that_refuses(error: &'static str) -> Self {
        Self::that_answers(Some(error))
    }

    fn that_answers(error: Option<&'static str>) -> Self {
        let folder = TempFolder::open_to_all();
        let listener = UnixListener::bind(folder.path().join("socket")).expect("it is ours");
        let (note, written) = channel();
        // It ends with the process: nobody waits for it.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let note = note.clone();
                let mut stream = stream.expect("it listens");
                thread::spawn(move || {
                    while let Some((number, path, value)) = hear(&mut stream) {
                        let (kind, text) = match error {
                            None => (WRITE, "OK"),
                            Some(error) => (ERROR, error),
                        };
                        let data = format!("{text}\0");
                        let len = u32::try_from(data.len()).expect("short");
                        let words = [kind, number, 0, len].map(u32::to_ne_bytes);
                        // The test may have ended meanwhile, or the program.
                        let _noted = note.send((path, value));
                        let _answered =
                            stream.write_all(&[&words.concat(), data.as_bytes()].concat());
                    }
                });
            }
        });
        Self { folder, written }
    }

    /// Its path, for `XENSTORED_PATH`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Another folder of this test's.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The next path and value that were written.
    #[must_use]
    pub fn next(&self) -> (String, String) {
        let next = self.written.recv_timeout(HANGS_AFTER);
        next.expect("something is written")
    }

    /// Fails the test if something was written that nobody has looked at.
    #[track_caller]
    pub fn assert_nothing_more(&self) {
        let more = self.written.try_recv();
        assert!(more.is_err(), "{more:?}");
    }
}

/// The next WRITE: its number, path and value. `None`: the program has gone.
fn hear(stream: &mut UnixStream) -> Option<(u32, String, String)> {
    let mut header = [0; 16];
    stream.read_exact(&mut header).ok()?;
    let word = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().expect("4 bytes"));
    assert_eq!((word(0), word(8)), (WRITE, 0), "{header:?}");
    let mut data = vec![0; word(12).try_into().expect("short")];
    stream.read_exact(&mut data).ok()?;
    let data = String::from_utf8(data).expect("text");
    let (path, value) = data.split_once('\0').expect("a path and a value");
    Some((word(4), path.to_owned(), value.to_owned()))
}

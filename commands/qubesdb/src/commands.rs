//! What each command does.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, BufWriter, StdoutLock, Write as _, stdout};

use program::failure::{Failure, pass_on};
use program::say::say;
use qfile_proto::QubeName;
use qubesdb::{Address, Client, Error, Event, FOLDER_VARIABLE, Path, Value, folder};
use text::own;

use crate::args::{Action, Typed};
use crate::print;

const DONE: u8 = 0;
const FAILED: u8 = 1;
const MISSING: u8 = 2;

/// Of `qubesdb-read-bool`.
const EMPTY: u8 = 1;
const BOOL_FAILED: u8 = 3;

/// A command at work.
struct Running<'a> {
    typed: &'a Typed,
    client: Client,
    out: BufWriter<StdoutLock<'static>>,
    failed: bool,
    missing: bool,
}

/// Runs any command but `qubesdb-read-bool`; its exit status.
///
/// # Errors
/// There is no connection. The messages of single keys begin as those of the C tools do, without the
/// name of the program, and are said at once: the other keys are tried all the same.
pub(crate) fn run(typed: &Typed) -> Result<u8, Failure> {
    let client = match connect(typed.qube.as_ref()) {
        Ok(client) => client,
        Err(_) if typed.quiet => return Ok(FAILED),
        Err(failure) => {
            let reason = format!("Failed connect to local daemon: {}", failure.reason());
            return Err(failure.reworded(reason));
        }
    };
    let mut running = Running {
        typed,
        client,
        out: BufWriter::new(stdout().lock()),
        failed: false,
        missing: false,
    };
    let written = match typed.action {
        Action::Read => running.read(),
        Action::Multiread | Action::List => running.entries(),
        Action::Write => {
            running.write();
            Ok(())
        }
        Action::Watch => running.watch(),
        Action::Rm | Action::ReadBool => {
            running.remove();
            Ok(())
        }
    };
    let written = written.and_then(|()| running.out.flush());
    match written {
        Ok(()) => {}
        // Who reads has seen enough, such as head(1): nothing to tell, but not all was done.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => running.failed = true,
        Err(error) => running.fail("Failed to write to stdout", None, &error),
    }
    Ok(match running {
        Running { failed: true, .. } => FAILED,
        Running { missing: true, .. } => MISSING,
        _ => DONE,
    })
}

/// Runs `qubesdb-read-bool`.
///
/// # Errors
/// The value is empty or missing, which the status says, or cannot be read.
pub(crate) fn read_bool(typed: &Typed) -> Result<(), Failure> {
    let address = Address::of_this_qube(&folder());
    let read = || -> Result<Value, Error> {
        let key = typed.words.first().cloned().unwrap_or_default();
        let path = absolute(&key)?;
        open(&address)?.read(&path)
    };
    match read() {
        Ok(value) if value.as_bytes().is_empty() => pass_on(EMPTY),
        Ok(_) => Ok(()),
        Err(Error::Missing) => pass_on(u8::try_from(typed.count).unwrap_or(BOOL_FAILED)),
        Err(error) => Err(explained(&error, &address).with_status(BOOL_FAILED)),
    }
}

fn connect(qube: Option<&OsString>) -> Result<Client, Failure> {
    let folder = folder();
    let address = match qube {
        None => Address::of_this_qube(&folder),
        Some(qube) => {
            let name = QubeName::parse(qube.as_encoded_bytes()).ok_or_else(|| {
                Failure::new(format_args!("no qube is called \"{}\"", shown(qube)))
            })?;
            Address::of(&folder, &name)
        }
    };
    open(&address).map_err(|error| explained(&error, &address))
}

/// An error with what to do, where that is known.
fn explained(error: &Error, address: &Address) -> Failure {
    match error {
        Error::Gone(_) => Failure::new(error)
            .because(text::file(address.read_write()))
            .advise(format_args!(
                "start the daemon, or set {FOLDER_VARIABLE} to the folder of its sockets"
            )),
        _ => Failure::new(error),
    }
}

/// A command waits for as long as it takes: a qube that starts is not served before dom0 has answered.
fn open(address: &Address) -> Result<Client, Error> {
    let mut client = Client::open(address.clone())?;
    client.set_timeout(None)?;
    Ok(client)
}

impl Running<'_> {
    fn read(&mut self) -> io::Result<()> {
        for word in &self.typed.words {
            let value = match self.value(word) {
                Ok(value) => value,
                Err(Error::Missing) => {
                    if let Some(default) = &self.typed.default {
                        self.print(word, default.as_encoded_bytes())?;
                    } else {
                        self.missing = true;
                        self.message("Failed to read", Some(word), &Error::Missing);
                    }
                    continue;
                }
                Err(error) => {
                    self.fail("Failed to read", Some(word), &error);
                    continue;
                }
            };
            self.print(word, value.as_bytes())?;
            if self.typed.remove {
                if let Err(error) = key(word).and_then(|path| self.client.remove(&path)) {
                    self.fail("Failed to remove", Some(word), &error);
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, word: &OsString) -> Result<Value, Error> {
        let path = absolute(word)?;
        if !self.typed.wait {
            return self.client.read(&path);
        }
        // A folder never has a value: waiting for one would have no end.
        let path = key(word)?;
        self.client.watch(&path)?;
        let value = loop {
            match self.client.read(&path) {
                Err(Error::Missing) => _ = self.client.next_event(None)?,
                read => break read,
            }
        };
        self.client.unwatch(&path)?;
        value
    }

    fn print(&mut self, word: &OsString, value: &[u8]) -> io::Result<()> {
        if self.typed.full_paths {
            self.out.write_all(word.as_encoded_bytes())?;
            self.out.write_all(b" = ")?;
        }
        print::value(&mut self.out, value, self.typed.raw)?;
        self.out.write_all(b"\n")
    }

    /// `multiread` and `list`.
    fn entries(&mut self) -> io::Result<()> {
        for word in &self.typed.words {
            let entries = absolute(word).and_then(|prefix| match self.typed.action {
                Action::List => {
                    let paths = self.client.list(&prefix)?;
                    Ok(paths.into_iter().map(|path| (path, None)).collect())
                }
                _ => {
                    let entries = self.client.multiread(&prefix)?.into_iter();
                    Ok(entries.map(|(path, value)| (path, Some(value))).collect())
                }
            });
            let entries: Vec<(Path, Option<Value>)> = match entries {
                Ok(entries) => entries,
                Err(error) => {
                    self.fail("Failed to read", Some(word), &error);
                    continue;
                }
            };
            let cut = match self.typed.full_paths {
                true => 0,
                false => word.len(),
            };
            for (path, value) in entries {
                let shown = path.as_bytes();
                self.out.write_all(shown.get(cut..).unwrap_or(shown))?;
                if let Some(value) = value {
                    self.out.write_all(b" = ")?;
                    print::value(&mut self.out, value.as_bytes(), self.typed.raw)?;
                }
                self.out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    fn write(&mut self) {
        for pair in self.typed.words.chunks_exact(2) {
            let [word, value] = pair else {
                continue;
            };
            let written = key(word).and_then(|path| {
                let value = Value::parse(value.as_encoded_bytes())?;
                self.client.write(&path, &value)
            });
            if let Err(error) = written {
                self.fail("Failed to write", Some(word), &error);
            }
        }
    }

    fn remove(&mut self) {
        for word in &self.typed.words {
            let removed = absolute(word).and_then(|path| self.client.remove(&path));
            if let Err(error) = removed {
                self.fail("Failed to remove", Some(word), &error);
            }
        }
    }

    fn watch(&mut self) -> io::Result<()> {
        for word in &self.typed.words {
            let watched = absolute(word).and_then(|path| self.client.watch(&path));
            if let Err(error) = watched {
                self.fail("Failed to watch", Some(word), &error);
                return Ok(());
            }
        }
        let mut left = self.typed.count;
        while left != 0 {
            match self.client.next_event(None) {
                Ok(Event::Changed(path)) => {
                    writeln!(self.out, "{path}")?;
                    self.out.flush()?;
                    left = left.saturating_sub(1);
                }
                Ok(Event::Reconnected) => {
                    if !self.typed.quiet {
                        say(format_args!(
                            "{}: the connection was lost and made again: what has changed in \
                             between is not known",
                            self.typed.action.name()
                        ));
                    }
                }
                Err(error) => {
                    self.fail("Failed to read an event", None, &error);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn fail(&mut self, attempted: &str, word: Option<&OsString>, why: &dyn Display) {
        self.failed = true;
        self.message(attempted, word, why);
    }

    fn message(&self, attempted: &str, word: Option<&OsString>, why: &dyn Display) {
        if self.typed.quiet {
            return;
        }
        match word {
            Some(word) => say(format_args!("{attempted} {}: {why}", shown(word))),
            None => say(format_args!("{attempted}: {why}")),
        }
    }
}

fn absolute(word: &OsString) -> Result<Path, Error> {
    Ok(Path::absolute(word.as_encoded_bytes())?)
}

fn key(word: &OsString) -> Result<Path, Error> {
    Ok(Path::key(word.as_encoded_bytes())?)
}

fn shown(word: &OsString) -> String {
    own(word.as_encoded_bytes())
}

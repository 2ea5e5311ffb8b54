//! QubesDB, as this program asks it.

use std::time::Duration;

use program::failure::Failure;
use qubesdb::{Address, Client, Error, Event, Path, Value, folder};

/// A connection to the daemon of this qube.
#[derive(Debug)]
pub(crate) struct Database(Client);

impl Database {
    /// Waits until the daemon is there, at most this long.
    pub(crate) fn wait_for(patience: Duration) -> Result<Self, Failure> {
        let address = Address::of_this_qube(&folder());
        Client::open_within(&address, patience)
            .map(Self)
            .map_err(|error| {
                Failure::new("cannot ask QubesDB")
                    .because(error)
                    .advise("nothing was changed. Is the QubesDB daemon of this qube running?")
            })
    }

    /// What a key holds; `None`: there is none.
    pub(crate) fn read(&mut self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let cannot = |error| {
            Failure::new(format_args!("cannot read the key \"{key}\" from QubesDB")).because(error)
        };
        match self.0.read(&path(key)) {
            Ok(value) => Ok(Some(value.as_bytes().to_vec())),
            Err(Error::Missing) => Ok(None),
            Err(error) => Err(cannot(error)),
        }
    }

    /// All keys below a folder, without the text of the folder.
    pub(crate) fn below(&mut self, folder: &str) -> Result<Vec<(Vec<u8>, Value)>, Failure> {
        let entries = self
            .0
            .multiread(&path(folder))
            .map_err(Failure::of(format_args!(
                "cannot read the keys below \"{folder}\" from QubesDB"
            )))?;
        let without = |path: Path| {
            path.as_bytes()
                .strip_prefix(folder.as_bytes())
                .map(<[u8]>::to_vec)
        };
        let entries = entries.into_iter();
        Ok(entries
            .filter_map(|(path, value)| Some((without(path)?, value)))
            .collect())
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, key: &str) -> Result<(), Failure> {
        self.0
            .remove(&path(key))
            .map(drop)
            .map_err(Failure::of(format_args!(
                "cannot remove the key \"{key}\" from QubesDB"
            )))
    }

    /// Asks to be told about changes.
    pub(crate) fn watch(&mut self, key: &str) -> Result<(), Failure> {
        self.0.watch(&path(key)).map_err(Failure::of(format_args!(
            "cannot watch \"{key}\" in QubesDB"
        )))
    }

    /// The next change. `None`: none came in this time.
    pub(crate) fn next_event(
        &mut self,
        patience: Option<Duration>,
    ) -> Result<Option<Event>, Failure> {
        match self.0.next_event(patience) {
            Ok(event) => Ok(Some(event)),
            Err(Error::TimedOut) => Ok(None),
            Err(error) => Err(Failure::new("cannot hear from QubesDB").because(error)),
        }
    }
}

/// A path of this program's own, which is one.
fn path(text: &str) -> Path {
    text.parse().unwrap_or(Path::EMPTY)
}

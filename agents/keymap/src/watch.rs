//! The key of QubesDB, and its changes.
//!
//! The watch is set before the key is read for the first time, and stays while a layout is set. What
//! changes meanwhile is read afterwards, so that the last value always counts.

use std::time::Duration;

use program::failure::Failure;
use qubesdb::{Address, Client, Error, Path, folder};

/// The key.
const KEY: &str = "/keyboard-layout";

/// How long a daemon that is not there is waited for.
const TO_START: Duration = Duration::from_secs(10);

/// A connection that watches the key.
#[derive(Debug)]
pub(crate) struct Watch {
    client: Client,
    key: Path,
}

impl Watch {
    /// Waits for the daemon, and sets the watch.
    pub(crate) fn open() -> Result<Self, Failure> {
        let cannot = |error: Error| {
            Failure::new("cannot ask QubesDB for the keyboard layout")
                .because(error)
                .advise("the layout stays. Is the QubesDB daemon of this qube running?")
        };
        let key = Path::key(KEY.as_bytes()).map_err(|error| cannot(error.into()))?;
        let address = Address::of_this_qube(&folder()).for_reading();
        let mut client = Client::open_within(&address, TO_START).map_err(cannot)?;
        client.watch(&key).map_err(cannot)?;
        Ok(Self { client, key })
    }

    /// The value; `None`: there is no key, or an empty one.
    pub(crate) fn read(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        match self.client.read(&self.key) {
            Ok(value) if value.as_bytes().is_empty() => Ok(None),
            Ok(value) => Ok(Some(value.as_bytes().to_vec())),
            Err(Error::Missing) => Ok(None),
            Err(error) => Err(Failure::new(format_args!(
                "cannot read the key \"{KEY}\" from QubesDB"
            ))
            .because(error)),
        }
    }

    /// Waits until the key has changed. Several changes that are known already are one.
    pub(crate) fn changed(&mut self) -> Result<(), Failure> {
        let cannot = || Failure::of("cannot hear from QubesDB");
        self.client.next_event(None).map_err(cannot())?;
        loop {
            match self.client.next_event(Some(Duration::ZERO)) {
                Ok(_) => {}
                Err(Error::TimedOut) => return Ok(()),
                Err(error) => return Err(cannot()(error)),
            }
        }
    }
}

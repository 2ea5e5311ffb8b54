//! QubesDB, as this program asks it.

use program::failure::Failure;
use qubesdb::{Address, Client, Error, Path, Value, folder};

use crate::keys::Keys;

/// A connection to the daemon of this qube.
#[derive(Debug)]
pub(crate) struct Database(Client);

impl Database {
    pub(crate) fn open() -> Result<Self, Failure> {
        let opened = Client::open(Address::of_this_qube(&folder()));
        opened.map(Self).map_err(|error| {
            Failure::new("cannot ask QubesDB")
                .because(error)
                .advise("nothing was changed")
        })
    }

    /// Reads keys. That one is missing is no error; anything else is.
    pub(crate) fn read(&mut self, keys: &[String]) -> Result<Keys, Failure> {
        let mut read = Keys::default();
        for key in keys {
            let value = Path::key(key.as_bytes())
                .map_err(Error::from)
                .and_then(|path| self.0.read(&path));
            match value {
                Ok(value) => read.insert(key, value.as_bytes()),
                Err(Error::Missing) => {}
                Err(error) => {
                    return Err(Failure::new(format_args!(
                        "cannot read the key \"{key}\" from QubesDB"
                    ))
                    .because(error)
                    .advise("nothing was changed"));
                }
            }
        }
        Ok(read)
    }

    /// Writes a key.
    pub(crate) fn write(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        let write = || -> Result<(), Error> {
            let (path, value) = (Path::key(key.as_bytes())?, Value::parse(value.as_bytes())?);
            self.0.write(&path, &value)
        };
        let mut write = write;
        write().map_err(Failure::of(format_args!(
            "cannot write the key \"{key}\" to QubesDB"
        )))
    }
}

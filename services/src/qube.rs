//! What QubesDB tells about this qube.

use qubesdb::{Address, Client, Error, Path, folder};

/// The value of a key; `None` without such a key, or where nobody can be asked.
pub(crate) fn read(key: &str) -> Option<String> {
    lookup(key).ok().flatten()
}

/// The value of a key as text; `None` without such a key, and where there is no QubesDB at all.
///
/// # Errors
/// There is a QubesDB, and it cannot be asked.
pub(crate) fn lookup(key: &str) -> Result<Option<String>, Error> {
    // What is no path cannot be a key.
    let Ok(path) = Path::parse(key.as_bytes()) else {
        return Ok(None);
    };
    let address = Address::of_this_qube(&folder());
    let is_there = [address.read_write(), address.read_only()]
        .iter()
        .any(|socket| socket.exists());
    if !is_there {
        return Ok(None);
    }
    match Client::open(address).and_then(|mut client| client.read(&path)) {
        Ok(value) => Ok(Some(String::from_utf8_lossy(value.as_bytes()).into_owned())),
        Err(Error::Missing) => Ok(None),
        Err(error) => Err(error),
    }
}

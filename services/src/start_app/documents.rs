//! Whether an application opens documents in disposables: dom0 says so in QubesDB.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use data_encoding::BASE64URL_NOPAD;
use qubesdb::Error;
use sha2::{Digest as _, Sha256};

use crate::qube;

/// dom0 says it of an ID of any length by this key with the hash of the ID, whose value is the ID.
const BY_HASH: &str = "/hash-app-dispvm/";

/// And of an ID that is short enough for a path of QubesDB by this key, whatever its value.
const BY_ID: &str = "/qubes-service/app-dispvm.";

/// Where applications then find, in place of the system's, what opens a file in a disposable.
pub(crate) const OVERRIDE: &str = "/usr/share/qubes/xdg-override";

/// Does the application with this ID open documents in disposables?
///
/// # Errors
/// QubesDB is there, but does not answer.
pub(crate) fn open_in_disposables(id: &OsStr) -> Result<bool, Error> {
    let Some(id) = id.to_str() else {
        // No key can hold it.
        return Ok(false);
    };
    if qube::lookup(&by_hash(id))?.is_some_and(|value| value.as_bytes() == id.as_bytes()) {
        return Ok(true);
    }
    Ok(qube::lookup(&format!("{BY_ID}{id}"))?.is_some())
}

fn by_hash(id: &str) -> String {
    let hash = Sha256::digest(OsStr::new(id).as_bytes());
    format!("{BY_HASH}{}", BASE64URL_NOPAD.encode(&hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_an_id_is_a_path_of_qubesdb() {
        // printf %s firefox | openssl sha256 -binary | basenc --base64url
        let key = by_hash("firefox");
        assert_eq!(
            key,
            "/hash-app-dispvm/FuX2DyB6GgBzRRw1qdMV0X_cF9f6tmRJsAzfqtyLJJ4"
        );
        assert!(qubesdb::Path::key(key.as_bytes()).is_ok());
        let longest = format!("{BY_ID}{}", "x".repeat(37));
        assert!(qubesdb::Path::key(longest.as_bytes()).is_ok());
    }
}

//! The name of the socket: `FOLDER/vchan.SERVER.CLIENT.PORT.sock`.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The folder of the sockets, where `VCHAN_SOCKET_DIR` names no other.
pub const DEFAULT_FOLDER: &str = "/var/run/vchan";

/// The port at which QubesDB listens.
pub const QUBESDB_PORT: u32 = 111;

/// What the name is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The folder of all sockets.
    pub folder: PathBuf,
    /// The number of the domain that listens.
    pub server: u32,
    /// The number of the domain that connects.
    pub client: u32,
    /// The port.
    pub port: u32,
}

impl Name {
    /// The path of the socket.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let Self {
            folder,
            server,
            client,
            port,
        } = self;
        folder.join(format!("vchan.{server}.{client}.{port}.sock"))
    }
}

/// The folder of the sockets and the own domain number: `VCHAN_SOCKET_DIR`, `VCHAN_DOMAIN`.
///
/// A folder that is set but empty is `/`, as for C.
#[must_use]
pub fn environment() -> (PathBuf, u32) {
    let folder = match env::var_os("VCHAN_SOCKET_DIR") {
        None => DEFAULT_FOLDER.into(),
        Some(empty) if empty.is_empty() => Path::new("/").to_owned(),
        Some(folder) => PathBuf::from(folder),
    };
    let domain = env::var_os("VCHAN_DOMAIN").map_or(0, |text| number(&text));
    (folder, domain)
}

/// Reads a domain number as C's `atoi` does: blanks, then digits; what is no number is 0. A sign `-`
/// makes no domain number and is 0, too.
#[must_use]
pub fn number(text: &OsStr) -> u32 {
    let bytes = text.as_encoded_bytes().trim_ascii_start();
    let bytes = bytes.strip_prefix(b"+").unwrap_or(bytes);
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: u32, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u32::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_has_the_server_first() {
        let name = Name {
            folder: "/x".into(),
            server: 0,
            client: 5,
            port: QUBESDB_PORT,
        };
        assert_eq!(name.path(), Path::new("/x/vchan.0.5.111.sock"));
    }

    #[test]
    fn a_domain_number_is_read_as_c_does() {
        let texts = ["5", " 12x", "+3", "x", "", "-4", "99999999999"];
        let numbers = texts.map(|text| number(OsStr::new(text)));
        assert_eq!(numbers, [5, 12, 3, 0, 0, 0, u32::MAX]);
    }
}

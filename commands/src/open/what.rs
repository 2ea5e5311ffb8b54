//! What is to be opened: a file of this qube, by its path or as `file:` address, or an address for a
//! browser.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use crate::ending::usage;
use program::failure::Failure;

/// What is to be opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A file of this qube, and what the user makes of it comes back.
    File(PathBuf),
    /// An address; nothing comes back.
    Url(String),
}

impl What {
    /// Tells a path from an address.
    ///
    /// # Errors
    /// A usage error for an address that cannot be one.
    pub(super) fn parse(argument: OsString) -> Result<Self, Failure> {
        let Some((scheme, rest)) = split_url(argument.as_encoded_bytes()) else {
            return Ok(Self::File(argument.into()));
        };
        if scheme == "file" {
            return file_path(rest).map(Self::File);
        }
        // It is sent as one line. Services know their schemes in small letters only.
        match std::str::from_utf8(rest) {
            Ok(rest) if !rest.contains(char::is_control) => {
                Ok(Self::Url(format!("{scheme}://{rest}")))
            }
            _ => Err(
                usage("the address contains bytes that are not allowed in an address")
                    .advise("write them as % and two digits, such as %20"),
            ),
        }
    }
}

/// `[A-Za-z][A-Za-z0-9+]*://…`: the scheme, in small letters, and what follows the slashes.
fn split_url(argument: &[u8]) -> Option<(String, &[u8])> {
    let end = argument.windows(3).position(|three| three == b"://")?;
    let (scheme, rest) = (&argument[..end], &argument[end + 3..]);
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'+');
    let scheme = std::str::from_utf8(scheme).ok().filter(|_| is_scheme)?;
    Some((scheme.to_ascii_lowercase(), rest))
}

/// The path of `file://` and `rest` (RFC 8089): of this machine, without what names a place in the
/// file.
fn file_path(rest: &[u8]) -> Result<PathBuf, Failure> {
    let host_ends = rest.iter().position(|byte| *byte == b'/');
    let (host, path) = rest.split_at(host_ends.unwrap_or(rest.len()));
    if !host.is_empty() && !host.eq_ignore_ascii_case(b"localhost") {
        return Err(usage(
            "the address names a file of another machine\nwrite file:/// and the path of a file of this qube",
        ));
    }
    let path_ends = path.iter().position(|byte| matches!(byte, b'?' | b'#'));
    match percent_decoded(&path[..path_ends.unwrap_or(path.len())]) {
        Some(path) if !path.is_empty() => Ok(OsString::from_vec(path).into()),
        _ => Err(usage(
            "the address names no file\nwrite file:/// and the path of a file, in which % is written as %25",
        )),
    }
}

/// `None` if a `%` is not followed by two hexadecimal digits, or stands for a NUL, which no path has.
fn percent_decoded(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok()?;
        decoded.push((is_hex && byte != 0).then_some(byte)?);
        rest = after;
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(argument: &[u8]) -> Result<What, u8> {
        What::parse(OsString::from_vec(argument.to_vec())).map_err(|failure| failure.status())
    }

    fn file(path: &[u8]) -> Result<What, u8> {
        Ok(What::File(OsString::from_vec(path.to_vec()).into()))
    }

    #[test]
    fn an_address_is_told_from_a_file_by_its_scheme() {
        for (typed, url) in [
            ("http://x", "http://x"),
            ("svn+ssh://x", "svn+ssh://x"),
            ("a1://", "a1://"),
            ("HTTPS://X/Y", "https://X/Y"),
            ("Http://x/?u=HTTP://y", "http://x/?u=HTTP://y"),
        ] {
            assert_eq!(parsed(typed.as_bytes()), Ok(What::Url(url.to_owned())));
        }
        for path in [
            "1a://x",
            "://x",
            "a b://x",
            "./http://x",
            "http:/x",
            "file:/x",
            "a-b://x",
            "é://x",
        ] {
            assert_eq!(parsed(path.as_bytes()), file(path.as_bytes()));
        }
    }

    #[test]
    fn a_file_address_is_a_path() {
        let table: [(&[u8], &[u8]); 9] = [
            (b"file:///a/b.odt", b"/a/b.odt"),
            (b"FILE:///a", b"/a"),
            (b"file://localhost/a", b"/a"),
            (b"file://LocalHost/a", b"/a"),
            (b"file:///a%20b%25", b"/a b%"),
            (b"file:///%C3%a9%FF", b"/\xC3\xA9\xFF"),
            (b"file:///a%2Fb%23%3f", b"/a/b#?"),
            (b"file:///a.html#part", b"/a.html"),
            (b"file:///a+b?x", b"/a+b"),
        ];
        for (address, path) in table {
            assert_eq!(parsed(address), file(path));
        }
    }

    #[test]
    fn an_address_that_cannot_be_one_is_a_usage_error() {
        for address in [
            &b"http://\xE9"[..],
            b"http://a\nb",
            b"file://",
            b"file://server/a",
            b"file://a",
            b"file:///a%",
            b"file:///a%2",
            b"file:///a%+1",
            b"file:///a%zz",
            b"file:///a%00b",
        ] {
            assert_eq!(parsed(address), Err(2), "{}", address.escape_ascii());
        }
    }
}

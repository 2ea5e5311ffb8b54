//! The displays of this user.
//!
//! A display is of this user if its socket is, or if it is the one of this session. An X server may run
//! as root, and then only the session says whose it is.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use desktop::x11::is_stale;
use rustix::process::geteuid;

/// Most digits of a number.
const MAX_DIGITS: usize = 5;

/// A display that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Display {
    /// As `:0`.
    pub(crate) name: String,
    /// Is it the one of this session, which the user sees?
    pub(crate) is_own: bool,
}

/// The displays with a socket in `folder` at which somebody listens, in the order of their numbers. A server
/// that did not end in order leaves its socket behind.
///
/// # Errors
/// The folder cannot be listed. Where there is none, there is no display.
pub(crate) fn of_this_user(folder: &Path) -> io::Result<Vec<Display>> {
    let own = env::var("DISPLAY").ok();
    let own = own.as_deref().and_then(number_of_display);
    of(folder, geteuid().as_raw(), own)
}

fn of(folder: &Path, uid: u32, own: Option<u32>) -> io::Result<Vec<Display>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().and_then(|name| name.strip_prefix('X'));
        let Some(number) = name.and_then(number) else {
            continue;
        };
        // The metadata of a link is its own; one that is gone has ended.
        let is_wanted = entry.metadata().is_ok_and(|metadata| {
            metadata.file_type().is_socket() && (metadata.uid() == uid || own == Some(number))
        });
        if is_wanted && !is_stale(&entry.path()) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    let displays = numbers.into_iter().map(|number| Display {
        name: format!(":{number}"),
        is_own: own == Some(number),
    });
    Ok(displays.collect())
}

/// The number of a display of this machine: `:0`, `:0.0`, `unix:0`.
fn number_of_display(display: &str) -> Option<u32> {
    let (host, rest) = display.split_once(':')?;
    if !matches!(host, "" | "unix") {
        return None;
    }
    number(
        rest.split_once('.')
            .map_or(rest, |(number, _screen)| number),
    )
}

fn number(text: &str) -> Option<u32> {
    let is_number = text.len() <= MAX_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_written_once = text == "0" || !text.starts_with('0');
    (is_number && is_written_once)
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_sockets_of_this_user_and_of_this_session_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let bind = |name| UnixListener::bind(path(name)).unwrap();
        let names = ["X10", "X2", "X07", "Y3", "X", "X1a", "X-1", "X123456"];
        let _listeners = names.map(bind);
        // Nobody listens at this one any more.
        drop(bind("X3"));
        fs::write(path("X4"), "").unwrap();
        symlink("X2", path("X5")).unwrap();
        fs::create_dir(path("X6")).unwrap();
        let me = geteuid().as_raw();
        let found = |uid, own| {
            let displays = of(folder.path(), uid, own).unwrap().into_iter();
            let displays = displays.map(|display| (display.name, display.is_own));
            displays.collect::<Vec<_>>()
        };
        let display = |name: &str, is_own| (name.to_owned(), is_own);
        assert_eq!(
            found(me, None),
            [display(":2", false), display(":10", false)]
        );
        assert_eq!(
            found(me, Some(10)),
            [display(":2", false), display(":10", true)]
        );
        assert_eq!(found(me + 1, Some(2)), [display(":2", true)]);
        assert_eq!(found(me + 1, Some(4)), []);
        assert_eq!(found(me, Some(3)).len(), 2);
        assert_eq!(found(me + 1, None), []);
        assert_eq!(of(&path("none"), me, None).unwrap(), []);
        assert!(of(&path("X4"), me, None).is_err());
    }

    #[test]
    fn the_display_of_a_session_is_of_this_machine() {
        for (display, expected) in [
            (":0", Some(0)),
            (":10.1", Some(10)),
            ("unix:3", Some(3)),
            ("other:0", None),
            ("", None),
            ("0", None),
            (":", None),
            (":00", None),
            (":-1", None),
        ] {
            assert_eq!(number_of_display(display), expected, "{display}");
        }
    }
}

//! Root's home folder in the password database.
//!
//! A program with privileges to lose believes the password entry of its user, not `HOME`. So that a
//! local qube has a home of its own for root too, its service gets a private mount namespace, in
//! which `/etc/passwd` is a copy with another home folder.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::Uid;
use program::failure::Failure;
use tempfile::NamedTempFile;

const PASSWD: &str = "/etc/passwd";
const NONE: Option<&str> = None;

/// Makes `home` the home folder of the own user, for this process and its children.
///
/// # Errors
/// The step that failed: here mount namespaces need `CAP_SYS_ADMIN`, which a container may lack.
pub(crate) fn set_home(home: &Path) -> Result<(), Failure> {
    let bytes = home.as_os_str().as_bytes();
    if bytes.iter().any(|byte| b":\n".contains(byte)) {
        return Err(Failure::new(
            "its path has a character that no password entry can hold",
        ));
    }
    let table = fs::read(PASSWD).map_err(Failure::of("cannot read /etc/passwd"))?;
    let mut copy =
        NamedTempFile::new().map_err(Failure::of("cannot make a copy of /etc/passwd"))?;
    copy.write_all(&with_home(&table, Uid::effective(), bytes))
        .and_then(|()| {
            copy.as_file()
                .set_permissions(Permissions::from_mode(0o644))
        })
        .map_err(Failure::of("cannot write a copy of /etc/passwd"))?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(Failure::of("cannot unshare the mount namespace"))?;
    // What is mounted outside from now on is seen here too, but not the other way round.
    let slave = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    mount(NONE, "/", NONE, slave, NONE).map_err(Failure::of("cannot keep mounts private"))?;
    mount(Some(copy.path()), PASSWD, NONE, MsFlags::MS_BIND, NONE)
        .map_err(Failure::of("cannot mount over /etc/passwd"))
    // The copy loses its name here; the mount keeps the file.
}

/// A password database in which the entries of `uid` have the home folder `home`.
fn with_home(table: &[u8], uid: Uid, home: &[u8]) -> Vec<u8> {
    let uid = uid.to_string();
    let mut found = false;
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for line in table.split(|byte| *byte == b'\n') {
        // passwd(5): name:password:UID:GID:GECOS:directory:shell
        let mut fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        if fields.len() == 7 && fields[2] == uid.as_bytes() {
            fields[5] = home;
            found = true;
        }
        lines.push(fields.join(&b':'));
    }
    if !found {
        let entry = [
            b"qube:x:",
            uid.as_bytes(),
            b":",
            uid.as_bytes(),
            b"::",
            home,
            b":/bin/sh",
        ];
        lines.insert(0, entry.concat());
    }
    lines.join(&b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_home_of_the_own_uid_changes() {
        let table = b"root:x:0:0:r:/root:/bin/sh\ntoor:x:0:0::/r:/bin/sh\nu:x:10:0::/u:/bin/sh\n";
        assert_eq!(
            String::from_utf8(with_home(table, Uid::from_raw(0), b"/q/home")).unwrap(),
            "root:x:0:0:r:/q/home:/bin/sh\ntoor:x:0:0::/q/home:/bin/sh\nu:x:10:0::/u:/bin/sh\n"
        );
    }

    #[test]
    fn a_uid_without_entry_gets_one() {
        assert_eq!(
            String::from_utf8(with_home(
                b"u:x:10:0::/u:/bin/sh\n",
                Uid::from_raw(1),
                b"/q"
            ))
            .unwrap(),
            "qube:x:1:1::/q:/bin/sh\nu:x:10:0::/u:/bin/sh\n"
        );
    }
}

//! For whom the stream is received.
//!
//! Everything that needs the password database happens here, before the jail: inside it there is no
//! database, and looking for one would load code from a folder that others fill (CVE-2019-14271,
//! CVE-2025-32463).

use std::ffi::{CString, OsString};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::{self, Gid, Uid, User};

use crate::error::Error;

/// The user to whom what lands will belong.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The user.
    pub(crate) uid: Uid,
    /// The group.
    pub(crate) gid: Gid,
    /// The home folder, if it was asked for.
    pub(crate) home: Option<PathBuf>,
    /// Supplementary groups to take up; `None` keeps the caller's, who may have given up some of
    /// those that the database lists and gets none back from a set-uid program.
    groups: Option<Vec<Gid>>,
}

impl Identity {
    /// Finds out for whom `requested` (none: the caller) stands.
    ///
    /// # Errors
    /// [`Error::ForeignUid`], [`Error::WrongSetId`], [`Error::NoPasswordEntry`] and
    /// [`Error::PasswordDatabase`].
    pub(crate) fn look_up(
        requested: Option<u32>,
        wants_home: bool,
        untrusted_home: Option<OsString>,
    ) -> Result<Self, Error> {
        let ids =
            unistd::getresuid().map_err(|errno| Error::Identity("getresuid", errno.into()))?;
        let uid = requested.map_or(ids.real, Uid::from_raw);
        if uid != ids.real && !ids.real.is_root() {
            return Err(Error::ForeignUid);
        }
        let set_id = ids.effective != ids.real || unistd::getegid() != unistd::getgid();
        if set_id && !ids.effective.is_root() {
            return Err(Error::WrongSetId);
        }
        let unprivileged =
            ids.real == ids.effective && ids.real == ids.saved && !ids.real.is_root();
        let own_home = untrusted_home
            .map(PathBuf::from)
            .filter(|home| unprivileged && home.is_absolute());
        let is_caller = uid == ids.real;
        if is_caller && (!wants_home || own_home.is_some()) {
            return Ok(Self {
                uid,
                gid: unistd::getgid(),
                home: own_home,
                groups: None,
            });
        }
        let entry = User::from_uid(uid)
            .map_err(|errno| Error::PasswordDatabase(errno.into()))?
            .ok_or(Error::NoPasswordEntry(uid.as_raw()))?;
        if is_caller {
            return Ok(Self {
                uid,
                gid: unistd::getgid(),
                home: Some(entry.dir),
                groups: None,
            });
        }
        let groups = CString::new(entry.name)
            .map_err(|_| Errno::EINVAL)
            .and_then(|name| unistd::getgrouplist(&name, entry.gid))
            .map_err(|errno| Error::PasswordDatabase(errno.into()))?;
        Ok(Self {
            uid,
            gid: entry.gid,
            home: Some(entry.dir),
            groups: Some(groups),
        })
    }

    /// From here on files are looked up, opened and created with the user's rights. The
    /// privileges that build the jail remain.
    ///
    /// # Errors
    /// [`Error::Identity`].
    pub(crate) fn use_for_files(&self) -> Result<(), Error> {
        if !unistd::geteuid().is_root() {
            return Ok(());
        }
        if let Some(groups) = &self.groups {
            unistd::setgroups(groups)
                .map_err(|errno| Error::Identity("setgroups", errno.into()))?;
        }
        // These two report no errors. Asked for an impossible id they change nothing and say what
        // is in force.
        unistd::setfsgid(self.gid);
        if unistd::setfsgid(Gid::from_raw(u32::MAX)) != self.gid {
            return Err(Error::Identity("setfsgid", Errno::EPERM.into()));
        }
        unistd::setfsuid(self.uid);
        if unistd::setfsuid(Uid::from_raw(u32::MAX)) != self.uid {
            return Err(Error::Identity("setfsuid", Errno::EPERM.into()));
        }
        Ok(())
    }
}

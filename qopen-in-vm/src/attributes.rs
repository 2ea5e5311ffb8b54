//! What a file has beside its content: owner, mode, extended attributes and, among those, the ACL.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{Gid, Mode, Uid, fchmod, fchown};
use rustix::io::Errno;
use xattr::FileExt;

/// The ACL, as Linux keeps it. A new file can have inherited one from its folder.
const ACL: &str = "system.posix_acl_access";

/// Set-user-ID and set-group-ID.
const SET_ID: u32 = 0o6000;

/// The attributes of one file.
#[derive(Debug)]
pub(crate) struct Attributes {
    owner: (u32, u32),
    mode: u32,
    extended: Vec<(OsString, Vec<u8>)>,
    /// What could not be read, in words.
    unread: Vec<String>,
}

impl Attributes {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let (mut extended, mut unread) = (Vec::new(), Vec::new());
        let names = names(file).unwrap_or_else(|error| {
            unread.push(format!(
                "its extended attributes, which cannot be listed ({error})"
            ));
            Vec::new()
        });
        for name in names {
            match file.get_xattr(&name) {
                Ok(Some(value)) => extended.push((name, value)),
                // It was removed meanwhile.
                Ok(None) => {}
                Err(error) => {
                    let what = text::name(name.as_encoded_bytes());
                    unread.push(format!(
                        "its attribute {what}, which cannot be read ({error})"
                    ));
                }
            }
        }
        Ok(Self {
            owner: (metadata.uid(), metadata.gid()),
            mode: permissions(&metadata),
            extended,
            unread,
        })
    }

    /// What another file cannot be given, in words: it could not be read.
    pub(crate) fn unread(&self) -> &[String] {
        &self.unread
    }

    /// Gives `file` what it does not have yet. What cannot be given is returned, in words.
    pub(crate) fn give_to(&self, file: &File) -> Vec<String> {
        let mut lost = Vec::new();
        let owner_kept = self.give_owner(file, &mut lost);
        self.give_extended(file, &mut lost);
        // After the owner, which takes set-ID bits away; after the ACL, whose mask is in the mode.
        // With another owner, set-ID bits would lend powers that the user never lent.
        let mode = if owner_kept {
            self.mode
        } else {
            self.mode & !SET_ID
        };
        // What it has already need not be given, and only its owner could.
        if mode_of(file) != Some(mode) {
            let _seen_below = fchmod(file, Mode::from_raw_mode(mode));
        }
        // chmod(2) says nothing when it takes set-group-ID away from whoever is not in the group.
        match mode_of(file) {
            Some(now) if now == self.mode => {}
            Some(now) => lost.push(format!("its mode {:04o} (it has {now:04o})", self.mode)),
            None => lost.push(format!("its mode {:04o}", self.mode)),
        }
        lost
    }

    fn give_owner(&self, file: &File, lost: &mut Vec<String>) -> bool {
        let (uid, gid) = self.owner;
        let has = file.metadata().map(|now| (now.uid(), now.gid())).ok();
        if has == Some(self.owner) {
            return true;
        }
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
        if has.map(|(uid, _)| uid) != Some(uid) && fchown(file, Some(user), None).is_err() {
            lost.push(format!("its owner (uid {uid})"));
        }
        if fchown(file, None, Some(group)).is_err() {
            lost.push(format!("its group (gid {gid})"));
        }
        lost.is_empty()
    }

    fn give_extended(&self, file: &File, lost: &mut Vec<String>) {
        for (name, value) in &self.extended {
            let has = file.get_xattr(name).ok().flatten();
            if has.as_ref() == Some(value) {
                continue;
            }
            if let Err(error) = file.set_xattr(name, value) {
                let what = text::name(name.as_encoded_bytes());
                lost.push(format!("its attribute {what} ({error})"));
            }
        }
        let inherited_acl = !self
            .extended
            .iter()
            .any(|(name, _)| name == OsStr::new(ACL));
        if inherited_acl && matches!(file.get_xattr(ACL), Ok(Some(_))) {
            if let Err(error) = file.remove_xattr(ACL) {
                lost.push(format!("the absence of an access control list ({error})"));
            }
        }
    }
}

fn mode_of(file: &File) -> Option<u32> {
    file.metadata().map(|now| permissions(&now)).ok()
}

fn permissions(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

/// None on a file system without extended attributes.
fn names(file: &File) -> io::Result<Vec<OsString>> {
    match file.list_xattr() {
        Ok(names) => Ok(names.collect()),
        Err(error) if is_without_attributes(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn is_without_attributes(error: &io::Error) -> bool {
    let lacks = [Errno::OPNOTSUPP, Errno::NOSYS];
    lacks
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn mode_and_attributes_arrive() {
        let [from, to] = [(); 2].map(|()| tempfile::tempfile().unwrap());
        from.set_permissions(Permissions::from_mode(0o4751))
            .unwrap();
        let has_attributes = from.set_xattr("user.origin", b"\0work").is_ok();
        let lost = Attributes::of(&from).unwrap().give_to(&to);
        assert_eq!(lost, [""; 0]);
        assert_eq!(to.metadata().unwrap().mode() & 0o7777, 0o4751);
        let expected = has_attributes.then(|| b"\0work".to_vec());
        assert_eq!(to.get_xattr("user.origin").ok().flatten(), expected);
    }

    #[test]
    fn set_id_bits_do_not_go_to_another_owner() {
        let file = tempfile::tempfile().unwrap();
        // A number that nobody can give a file to.
        let attributes = Attributes {
            owner: (u32::MAX - 1, u32::MAX - 1),
            mode: 0o6755,
            extended: Vec::new(),
            unread: Vec::new(),
        };
        let is_root = file.metadata().unwrap().uid() == 0;
        let lost = attributes.give_to(&file);
        let mode = file.metadata().unwrap().mode() & 0o7777;
        // Root may give files away.
        assert_eq!(
            (lost.len(), mode),
            if is_root { (0, 0o6755) } else { (3, 0o755) }
        );
    }
}

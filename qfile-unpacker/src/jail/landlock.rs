//! Landlock. Beneath the incoming folder it allows the few things that receiving
//! takes, elsewhere nothing.

use std::io;
use std::os::fd::OwnedFd;

use ::landlock::{
    make_bitflags, Access, AccessFs, AccessNet, PathBeneath, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, ABI,
};

use crate::error::Error;

/// The newest rules that are asked for (Linux 6.12); an older kernel enforces those it knows.
const NEWEST: ABI = ABI::V6;

/// Confines this process to what lies beneath `root`. False: this kernel has no Landlock.
pub(super) fn confine(
    root: &OwnedFd,
    read_files: bool,
    notes: &mut Vec<String>,
) -> Result<bool, Error> {
    let status = restrict(root, read_files)
        .map_err(|error| Error::Jail("Landlock", io::Error::other(error)))?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok(true),
        RulesetStatus::PartiallyEnforced => {
            notes.push("the Landlock of this kernel knows only a part of the rules".to_owned());
            Ok(true)
        }
        RulesetStatus::NotEnforced => {
            notes.push("this kernel has no Landlock, or it is switched off".to_owned());
            Ok(false)
        }
    }
}

fn restrict(root: &OwnedFd, read_files: bool) -> Result<RestrictionStatus, RulesetError> {
    // Removing is for what this program itself created and could not finish.
    let mut allowed = make_bitflags!(AccessFs::{
        MakeReg | MakeDir | MakeSym | ReadDir | WriteFile | Truncate | RemoveFile
    });
    if read_files {
        allowed |= AccessFs::ReadFile;
    }
    Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rule(PathBeneath::new(root, allowed))?
        .restrict_self()
}

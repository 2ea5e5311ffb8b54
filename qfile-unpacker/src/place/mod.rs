//! Placing: the only part that creates anything.
//!
//! A [`Destination`] is a name that was checked, beneath the [`Root`]. It is looked up from the
//! descriptor of the incoming folder for each entry anew, so that a folder which somebody moves away
//! during a copy is not followed (QSB-014). What stands there in the end is a [`NewFile`], a
//! [`folder`] or a [`link`], or an [`ExistingFile`] that stays.

mod destination;
mod errno;
mod existing_file;
pub(crate) mod folder;
mod holes;
mod leftover;
pub(crate) mod link;
mod metadata;
mod new_file;
mod resolve;
mod root;

pub(crate) use destination::Destination;
pub(crate) use existing_file::ExistingFile;
pub(crate) use metadata::NotSet;
pub(crate) use new_file::NewFile;
pub(crate) use root::Root;

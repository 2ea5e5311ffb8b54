//! The first header of a folder arrives.

use qfile_proto::{Refusal, SafeName};

use super::context::Context;
use super::open_folders::OpenFolders;
use crate::options::OnConflict;
use crate::place::{folder, Destination};

pub(super) fn receive(
    context: &Context<'_>,
    folders: &mut OpenFolders,
    name: SafeName<'_>,
    lands_as: SafeName<'_>,
) -> Result<(), Refusal> {
    let mut destination = Destination::find(&context.root, lands_as)?;
    let may_rename = context.options.on_conflict == OnConflict::Rename && name.depth() == 1;
    let is_new = loop {
        match folder::create(&destination) {
            Ok(false) | Err(Refusal::AlreadyExists) if may_rename => {
                destination.take_next_name(true)?;
            }
            result => break result?,
        }
    };
    folders.open(name, is_new);
    if destination.was_renamed() {
        folders.top_lands_as(destination.name().to_buf());
    }
    if is_new {
        context.report.landed(destination.name());
    }
    Ok(())
}

//! A file arrives.

use std::io::Read;

use qfile_proto::{Decoder, Entry, Refusal, SafeName};

use super::context::Context;
use crate::options::OnConflict;
use crate::place::{Destination, ExistingFile, NewFile};

pub(super) fn receive(
    decoder: &mut Decoder<impl Read>,
    context: &Context<'_>,
    entry: &Entry,
    lands_as: SafeName<'_>,
) -> Result<(), Refusal> {
    let mut destination = Destination::find(&context.root, lands_as)?;
    let on_conflict = context.options.on_conflict;
    let is_at_hand = decoder.buffered() as u64 >= entry.len;
    let skips = on_conflict == OnConflict::SkipIdentical;
    // The link at the end refuses a name that is there by itself, so a look beforehand is only worth
    // it where there is content to wait for, or no such link.
    if !is_at_hand || skips || !context.root.has_nameless_files() {
        while destination.existing()?.is_some() {
            match on_conflict {
                OnConflict::Fail => return Err(Refusal::AlreadyExists),
                OnConflict::Rename => destination.take_next_name(false)?,
                OnConflict::SkipIdentical => return compare(decoder, entry, &destination),
            }
        }
    }
    if !is_at_hand || context.space.waits() {
        let dir = context.root.dir();
        context.space.make_sure(dir, entry.len, context.say)?;
    }
    let leaves_holes = !context.options.no_sparse;
    let mut file = NewFile::create(&mut destination, entry.permissions, leaves_holes)?;
    decoder.content(entry, |chunk| file.write(chunk))?;
    let not_set = file.finish(entry, on_conflict == OnConflict::Rename)?;
    context.report.landed(destination.name());
    context.report.not_set(destination.name(), not_set);
    Ok(())
}

fn compare(
    decoder: &mut Decoder<impl Read>,
    entry: &Entry,
    destination: &Destination<'_>,
) -> Result<(), Refusal> {
    let mut existing = ExistingFile::open(destination, entry.len)?;
    decoder.content(entry, |chunk| existing.compare(chunk))?;
    existing.accept()
}

//! A symbolic link arrives.

use std::io::Read;

use qfile_proto::{Decoder, Entry, LinkRules, Refusal, SafeName, SafeTarget};

use super::context::Context;
use crate::options::OnConflict;
use crate::place::{link, Destination};

/// The target is checked against `name`, as the sender means it, wherever the link lands.
pub(super) fn receive(
    decoder: &mut Decoder<impl Read>,
    context: &Context<'_>,
    entry: &Entry,
    name: SafeName<'_>,
    lands_as: SafeName<'_>,
) -> Result<(), Refusal> {
    let mut untrusted_target = Vec::new();
    decoder.content(entry, |chunk| {
        untrusted_target.extend_from_slice(chunk);
        Ok(())
    })?;
    let rules = LinkRules {
        charset: context.charset,
        canonical: context.options.canonical_symlinks,
        allow_unsafe: context.options.allow_unsafe_symlinks,
    };
    let target = SafeTarget::parse(&untrusted_target, name, rules)?;
    let mut destination = Destination::find(&context.root, lands_as)?;
    let not_set = loop {
        let created = link::create(&destination, target, entry);
        match (created, context.options.on_conflict) {
            (Err(Refusal::AlreadyExists), OnConflict::Rename) => {
                destination.take_next_name(false)?;
            }
            (Err(Refusal::AlreadyExists), OnConflict::SkipIdentical) => {
                return link::accept_existing(&destination, target);
            }
            (created, _) => break created?,
        }
    };
    context.report.landed(destination.name());
    context.report.not_set(destination.name(), not_set);
    Ok(())
}

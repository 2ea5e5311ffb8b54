//! The stream, entry by entry: decoded, checked, placed.

mod context;
mod file;
mod folder;
mod limits;
mod link;
mod open_folders;
mod report;
mod space;
#[cfg(test)]
mod tests;

use std::hint::black_box;
use std::io::Read;

use qfile_proto::name::SafeNameBuf;
use qfile_proto::{Decoder, Entry, Kind, Refusal, SafeName};

use crate::jail::Jailed;
use crate::options::Options;
use crate::outcome::{Landed, Outcome};
use crate::place::{self, Root};
use crate::say::Say;
use context::Context;
use limits::Limits;
use open_folders::OpenFolders;

/// How far to read ahead, in bytes.
const READ_AHEAD: usize = 256 * 1024;

/// More memory than receiving takes, in bytes: what is read ahead, a piece of a file to compare with,
/// some copies of the longest name.
const MEMORY: usize = 1024 * 1024;

/// Receives the stream `input` into the folder that `jailed` holds.
pub(crate) fn receive(input: impl Read, jailed: Jailed, options: &Options, say: &Say) -> Outcome {
    // Later there would be no verdict: what has no memory aborts, and in the jail it is killed for that.
    if !can_allocate(MEMORY) {
        return Outcome {
            refusal: Some(Refusal::System(libc::ENOMEM)),
            checksum: 0,
            landed: Landed::default(),
            untrusted_last_name: Vec::new(),
        };
    }
    let mut decoder = Decoder::with_capacity(READ_AHEAD, input);
    let context = Context::new(Root::explore(jailed), options, say);
    for note in context.root.notes() {
        say.detail(note);
    }
    let mut untrusted_last_name = Vec::new();
    let result = receive_entries(&mut decoder, &context, &mut untrusted_last_name);
    Outcome {
        refusal: result.err(),
        checksum: decoder.checksum(),
        landed: result.unwrap_or_default(),
        untrusted_last_name,
    }
}

fn can_allocate(bytes: usize) -> bool {
    let mut memory = Vec::<u8>::new();
    let reserved = memory.try_reserve_exact(bytes);
    // Unseen, it would be optimised away, and every limit with it.
    black_box(&memory);
    reserved.is_ok()
}

fn receive_entries(
    decoder: &mut Decoder<impl Read>,
    context: &Context<'_>,
    untrusted_name: &mut Vec<u8>,
) -> Result<Landed, Refusal> {
    let max_bytes = context.space.limit(context.root.dir())?;
    let mut limits = Limits::new(context.options.max_files, max_bytes);
    let mut folders = OpenFolders::default();
    while let Some(entry) = decoder.next_entry(untrusted_name)? {
        SafeName::parse(untrusted_name, context.charset)
            .and_then(|name| {
                receive_entry(decoder, context, &mut limits, &mut folders, &entry, name)
            })
            .map_err(|refusal| context.root.explain(refusal))?;
    }
    context.root.sync()?;
    Ok(limits.counted())
}

fn receive_entry(
    decoder: &mut Decoder<impl Read>,
    context: &Context<'_>,
    limits: &mut Limits,
    folders: &mut OpenFolders,
    entry: &Entry,
    name: SafeName<'_>,
) -> Result<(), Refusal> {
    if context.options.only_regular_files && entry.kind != Kind::File {
        return Err(Refusal::BadField);
    }
    let is_second_header = entry.kind == Kind::Directory && folders.is_open(name);
    if !is_second_header {
        limits.count(entry)?;
        folders.leave_for(name.split_last().0);
    }
    let renamed = folders.landing(name);
    let lands_as = renamed.as_ref().map_or(name, SafeNameBuf::as_name);
    if is_second_header {
        // A folder that was there before keeps its own mode and times.
        if folders.close(name) {
            let not_set = place::folder::finish(&context.root, lands_as, entry)?;
            context.report.not_set(lands_as, not_set);
        }
        return Ok(());
    }
    match entry.kind {
        Kind::File => file::receive(decoder, context, entry, lands_as),
        Kind::Symlink => link::receive(decoder, context, entry, name, lands_as),
        Kind::Directory => folder::receive(context, folders, name, lands_as),
    }
}

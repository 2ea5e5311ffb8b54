//! `--continue`: which call is gone on with, and what is kept and said when one stops.

use std::env;
use std::fs::File;
use std::io::{self, BufReader, Seek as _};

use program::failure::Failure;
use program::say::say;
use qrexec::Target;
use quantity::counted;
use transfer::landed::Landed;
use transfer::manifest::Reader;
use transfer::result_line::Outcome;

use crate::args::Request;
use crate::ending::{Ending, usage};
use crate::journal::{self, Call, Journal, JournalFile, Stage};

/// The call that is gone on with.
#[derive(Debug)]
pub(crate) struct Earlier {
    /// The same call again.
    pub(crate) request: Request,
    /// How far it came.
    pub(crate) stage: Stage,
    manifest: File,
    file: JournalFile,
}

impl Earlier {
    /// Finds the call that `request` goes on with, and goes to its working folder.
    ///
    /// # Errors
    /// There is none, or `request` is about another.
    pub(crate) fn find(command: &str, request: &Request) -> Result<Self, Failure> {
        let journal = Journal::load().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                Failure::new("another command is continuing the last call that stopped")
                    .advise("wait until it has ended")
            }
            _ => Failure::new(format_args!(
                "cannot read the journal of the last call that stopped: {error}"
            ))
            .advise(
                "remove any files that arrived in the target qube's QubesIncoming folder, and \
                 name the files again, without --continue",
            ),
        })?;
        let Some((journal, file)) = journal else {
            return Err(Failure::new(
                "there is no call to continue: no call that stopped has a journal of what arrived",
            )
            .advise("name the files, without --continue"));
        };
        let Journal {
            stage,
            mut call,
            manifest,
        } = journal;
        let asked = Call::of(request);
        let is_other = asked.links != call.links && asked.links != walk::Links::default();
        let excludes_other = !asked.exclude.is_empty() && asked.exclude != call.exclude;
        let is_renamed = asked.name.is_some() && asked.name != call.name;
        if asked.deletes != call.deletes {
            return Err(usage(format_args!(
                "the last call that stopped was {}",
                if call.deletes { "a move" } else { "a copy" },
            ))
            .advise(format_args!("continue it: {}", proposal(&call))));
        }
        // Going on without what is refused is what may help.
        call.skip_refused |= asked.skip_refused;
        let is_same = Call {
            skip_refused: call.skip_refused,
            ..asked
        } == call;
        if is_other || is_renamed || excludes_other || !(request.paths.is_empty() || is_same) {
            return Err(usage(
                "the last call that stopped had other files, another qube or other options",
            )
            .advise(format_args!(
                "continue it, without naming files: {}",
                proposal(&call)
            )));
        }
        env::set_current_dir(&call.folder).map_err(|error| {
            Failure::of("cannot change to the working folder of that call")(error)
        })?;
        let Some(again) = call.request(request) else {
            return Err(Failure::new("the last call that stopped named no qube"));
        };
        if again.target.is_disposable() {
            return Err(Failure::new(format_args!(
                "the last call that stopped was to a new disposable: {DELETED_WITH_IT}"
            )));
        }
        let earlier = Self {
            request: again,
            stage,
            manifest,
            file,
        };
        if stage == Stage::Sending {
            let count = earlier.landed()?.len() as u64;
            let count = counted(count, "file or link", "files and links");
            let same = match earlier.request.target {
                Target::Default => "; choose the same qube again",
                _ => "",
            };
            if !request.quiet {
                say(format_args!(
                    "{command}: continuing: {count} arrived before{same}"
                ));
            }
        }
        Ok(earlier)
    }

    /// What has landed, to look it up.
    ///
    /// # Errors
    /// The list cannot be read.
    pub(crate) fn landed(&self) -> Result<Landed, Failure> {
        let read = || {
            let mut manifest = &self.manifest;
            manifest.rewind()?;
            Landed::read(BufReader::new(manifest))
        };
        read().map_err(|error| {
            Failure::new(format_args!(
                "cannot read the list of files that arrived before: {error}"
            ))
            .advise(
                "remove those files from the target qube's QubesIncoming folder, and name the \
                 files again, without --continue",
            )
        })
    }

    /// Forgets it: there is nothing to go on with any more.
    pub(crate) fn forget(&self) {
        self.file.remove();
    }

    /// The list of what has landed, or was confirmed, at its beginning.
    ///
    /// # Errors
    /// A limit of the system is reached.
    pub(crate) fn list(&self) -> io::Result<File> {
        let mut list = self.manifest.try_clone()?;
        list.rewind()?;
        Ok(list)
    }
}

/// Why no call to a new disposable is gone on with.
const DELETED_WITH_IT: &str = "the files that arrived were deleted with it; name all files again";

/// What is to be typed to go on.
fn proposal(call: &Call) -> &'static str {
    match call.deletes {
        true => "qvm-move --continue",
        false => "qvm-copy --continue",
    }
}

/// Keeps what a call that ended so has sent, and says how to go on, if it has stopped and that is known.
pub(crate) fn keep(
    ending: Ending,
    request: &Request,
    journal: Option<&File>,
    earlier: Option<&Earlier>,
) -> Ending {
    let stopped = [Outcome::Failed, Outcome::Cancelled].map(Outcome::status);
    let landed = journal.and_then(|list| count(list).ok());
    if !stopped.contains(&ending.status()) {
        return ending;
    }
    // Where it is not known what arrived of the second call, the first half is known all the same.
    let is_kept = earlier.is_some();
    if request.target.is_disposable() {
        if landed.is_some_and(|count| count > 0) {
            return ending.and(DELETED_WITH_IT);
        }
        return ending;
    }
    let lists: Vec<&File> = match (landed, journal) {
        (Some(count), Some(list)) if is_kept || count > 0 => {
            let before = earlier.map(|earlier| &earlier.manifest);
            before.into_iter().chain([list]).collect()
        }
        _ => return ending,
    };
    let call = Call::of(request);
    let arrived = match landed.unwrap_or(0) {
        0 => String::new(),
        count => {
            let count = counted(count, "file or link", "files and links");
            format!("{count} arrived before that; ")
        }
    };
    let deletes = match call.deletes {
        true => "; the files that arrived are not deleted here, because they were never confirmed",
        false => "",
    };
    let text = match journal::save(&call, Stage::Sending, &lists) {
        Ok(()) => format!("{arrived}to send the rest: {}{deletes}", proposal(&call)),
        Err(error) => format!(
            "{arrived}the journal cannot be written, so --continue will not send the rest: {error}\n\
             remove any files that arrived in the target qube's QubesIncoming folder before you \
             try again"
        ),
    };
    ending.and(&text)
}

/// Keeps what a move has confirmed and not deleted, because it was cancelled before.
pub(crate) fn keep_confirmed(ending: Ending, request: &Request, manifest: &File) -> Ending {
    if ending.status() != Outcome::Cancelled.status() || count(manifest).is_err() {
        return ending;
    }
    let call = Call::of(request);
    if journal::save(&call, Stage::Deleting, &[manifest]).is_ok() {
        let text = format!("delete it here: {}", proposal(&call));
        return ending.and(&text);
    }
    ending
}

/// How many files and links are in a list; an error if it was cut, or never written.
fn count(mut list: &File) -> io::Result<u64> {
    list.rewind()?;
    let mut records = Reader::new(BufReader::new(list))?;
    let mut count = 0;
    while let Some(record) = records.next()? {
        count += u64::from(!record.state.is_folder());
    }
    Ok(count)
}

//! `--to A --to B`: the same files to one qube after the other.
//!
//! What each qube confirmed is in a manifest of its own. A move deletes what is in all of them, in the
//! same state, and only when every qube has confirmed its copy.
//!
//! None of these calls leaves a journal: to go on with one of them would send to one qube only, and
//! a move would then delete what the others never got.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek as _};

use files::State;
use program::failure::Failure;
use program::say::say;
use qrexec::Target;
use transfer::landed::{Known, Landed};
use transfer::manifest::{Kind, Reader, Writer, waiting_file};
use transfer::result_line::Outcome;
use walk::Arguments;

use crate::args::Request;
use crate::client::{Lists, Programs};
use crate::copy::{delete_confirmed, no_room_for_manifest};
use crate::deadline::Deadline;
use crate::ending::{Ending, answer, with};
use crate::json;
use crate::remove::nothing_tried;
use crate::service::Service;
use crate::survey::Survey;

/// What became of the copy to one qube.
struct Sent {
    target: Target,
    result: Result<(), Ending>,
    manifest: Option<File>,
}

impl Sent {
    /// True if the qube has everything that was sent.
    fn has_arrived(&self) -> bool {
        self.result.is_ok() || is(&self.result, Outcome::Partial)
    }
}

/// Sends to each target of `request` and says what became of each. Then deletes, if that was asked for,
/// what all of them have confirmed.
///
/// # Errors
/// An [`Ending`] with the worst status of all.
pub(crate) fn send_to_each(
    command: &str,
    request: &Request,
    arguments: &Arguments,
    survey: &Survey,
    content: Option<&File>,
) -> Result<(), Ending> {
    let programs = Programs::find()?;
    let targets = std::iter::once(&request.target).chain(&request.more_targets);
    let targets: Vec<Target> = targets.cloned().collect();
    let count = targets.len();
    let mut all: Vec<Sent> = Vec::with_capacity(count);
    for (number, target) in (1..).zip(targets) {
        let is_cancelled = all.iter().any(|sent| is(&sent.result, Outcome::Cancelled));
        let is_over = request.deadline.is_some_and(Deadline::has_passed);
        let sent = if is_cancelled || is_over {
            Sent {
                target,
                result: Err(with(
                    Outcome::Cancelled,
                    "nothing was sent, because the command was cancelled before",
                )
                .into()),
                manifest: None,
            }
        } else {
            if !request.quiet {
                say(format_args!(
                    "{command}: sending to {target} ({number} of {count})"
                ));
            }
            send_to(&programs, request, survey, content, target)?
        };
        tell(command, request, survey, &sent)?;
        all.push(sent);
    }
    let worst = worst_of(&all);
    let again = send_again(command, request.delete, &all);
    if !request.delete {
        return match (worst, again) {
            (Err(ending), Some(again)) => Err(ending.reworded(again)),
            (worst, _) => worst,
        };
    }
    if !all.iter().all(|sent| sent.manifest.is_some()) {
        if all.iter().all(Sent::has_arrived) {
            let failure = "everything was copied; because you cancelled, nothing was deleted";
            return Err(with(Outcome::Cancelled, failure).into());
        }
        let again = again.unwrap_or_else(|| {
            Failure::new("nothing was deleted, because no qube has confirmed the files")
        });
        let failed = || Failure::said(Outcome::Failed.status()).into();
        return Err(worst.err().unwrap_or_else(failed).reworded(again));
    }
    let manifests: Vec<&File> = all
        .iter()
        .filter_map(|sent| sent.manifest.as_ref())
        .collect();
    let common = common(&manifests).map_err(|error| nothing_tried(&error))?;
    let removed = delete_confirmed(common, request, arguments, None, None);
    // What was left out is in the manifests, and so in what is said of the deleting.
    removed.and(worst)
}

fn send_to(
    programs: &Programs,
    request: &Request,
    survey: &Survey,
    content: Option<&File>,
    target: Target,
) -> Result<Sent, Ending> {
    let one = Request {
        target,
        more_targets: Vec::new(),
        names_qube: true,
        ..request.clone()
    };
    let waiting = || waiting_file().map_err(no_room_for_manifest);
    let lists = Lists {
        manifest: one.delete.then(waiting).transpose()?,
        content: content
            .map(File::try_clone)
            .transpose()
            .map_err(no_room_for_manifest)?,
        ..Lists::for_scripts(&one)?
    };
    let service = Service::for_survey(survey);
    let report = programs.call(&one, service, survey.bytes, &lists)?;
    let judged = report.judge(&one.target, service);
    let result = judged.map_err(|ending| Deadline::explain(one.deadline, ending));
    Ok(Sent {
        manifest: lists.manifest.filter(|_| report.is_confirmed()),
        target: one.target,
        result,
    })
}

/// Says what became of the copy to one qube.
fn tell(command: &str, request: &Request, survey: &Survey, sent: &Sent) -> Result<(), Ending> {
    let Sent { target, result, .. } = sent;
    if request.json {
        answer(&json::summary(target, Some(survey), result))?;
    }
    match result {
        Ok(()) if request.quiet => {}
        Ok(()) => say(format_args!("{command}: {target}: all files arrived")),
        Err(ending) => {
            let failure = match ending.failure.is_said() {
                false => ending.failure.clone(),
                true if is(result, Outcome::Partial) => Failure::new("some files were left out"),
                true if is(result, Outcome::Cancelled) => Failure::new("the copy was cancelled"),
                true => Failure::new("the copy failed; the reason is above"),
            };
            say(failure.lines(&format!("{command}: {target}")));
        }
    }
    Ok(())
}

fn is(result: &Result<(), Ending>, outcome: Outcome) -> bool {
    matches!(result, Err(ending) if ending.status() == outcome.status())
}

/// What to do if some of the qubes have the files and others have not: to send to all of them again would
/// be refused by those that have them. `None` if all or none have them.
fn send_again(command: &str, is_move: bool, all: &[Sent]) -> Option<Failure> {
    let (have, lack): (Vec<&Sent>, Vec<&Sent>) = all.iter().partition(|sent| sent.has_arrived());
    if have.is_empty() || lack.is_empty() {
        return None;
    }
    let names = |sent: &[&Sent]| {
        let names = sent.iter().map(|sent| sent.target.to_string());
        names.collect::<Vec<_>>().join(", ")
    };
    let options: String = lack
        .iter()
        .map(|sent| format!(" --to {}", sent.target))
        .collect();
    let (have, lack) = (names(&have), names(&lack));
    let (what, verb) = match is_move {
        true => (
            format!("nothing was deleted: the files arrived in {have}, but not in {lack}"),
            "move them",
        ),
        false => (
            format!("the files arrived in {have}, but not in {lack}"),
            "copy them",
        ),
    };
    Some(Failure::new(what).advise(format_args!(
        "{verb} again only to {lack}: {command}{options} ..."
    )))
}

/// The worst of all results, without what has been said of it; for a window, all of them.
fn worst_of(all: &[Sent]) -> Result<(), Ending> {
    let failed = |sent: &Sent| sent.result.as_ref().err().map(Ending::status);
    let Some(status) = all
        .iter()
        .filter_map(failed)
        .max_by_key(|status| badness(*status))
    else {
        return Ok(());
    };
    let for_window = all.iter().map(|Sent { target, result, .. }| match result {
        Ok(()) => format!("{target}: all files arrived"),
        Err(ending) => format!("{target}: {}", ending.everything()),
    });
    Err(Ending {
        failure: Failure::said(status),
        said_by_sender: for_window.collect::<Vec<_>>().join("\n"),
    })
}

/// How bad a status is. A copy that failed is worse than one that was not permitted, that worse than a
/// cancelled one, and that worse than one without some files.
fn badness(status: u8) -> u8 {
    let outcomes = [Outcome::Complete, Outcome::Partial, Outcome::Cancelled];
    let rank = outcomes
        .iter()
        .position(|outcome| outcome.status() == status);
    match rank.and_then(|rank| u8::try_from(rank).ok()) {
        Some(rank) => rank,
        None if status == qrexec::status::REFUSED => 3,
        None => 4,
    }
}

/// The manifest of what is in all of `manifests`, in the same state. What is not is in it too, as not
/// to be deleted.
fn common(manifests: &[&File]) -> io::Result<File> {
    let (first, others) = manifests.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut confirmed = Vec::with_capacity(others.len());
    // What one of the others has not got as it should.
    let mut flawed: HashMap<Vec<u8>, (Kind, State)> = HashMap::new();
    for mut other in others.iter().copied() {
        other.rewind()?;
        confirmed.push(Landed::read(BufReader::new(other))?);
        other.rewind()?;
        let mut records = Reader::new(BufReader::new(other))?;
        while let Some(record) = records.next()? {
            if !matches!(record.kind, Kind::Base | Kind::Entry) {
                flawed.insert(record.path.to_vec(), (record.kind, record.state));
            }
        }
    }
    let mut first: &File = first;
    first.rewind()?;
    let mut records = Reader::new(BufReader::new(first))?;
    let mut common = Writer::new(BufWriter::new(waiting_file()?))?;
    while let Some(record) = records.next()? {
        let (mut kind, mut state) = (record.kind, record.state);
        if kind == Kind::Entry && !state.is_folder() {
            let mut missing = false;
            for other in &mut confirmed {
                missing |= other.judge(record.path, &state)? != Known::Same;
            }
            if let Some(flaw) = flawed.get(record.path) {
                (kind, state) = *flaw;
            } else if missing {
                // One of the qubes has another version of it, or none.
                kind = Kind::Changed;
            }
        }
        common.record(kind, record.path, &state)?;
    }
    let mut common = common.finish()?.into_inner()?;
    common.rewind()?;
    Ok(common)
}

#[cfg(test)]
mod tests {
    use files::{FileId, Time};

    use super::*;

    fn state(inode: u64, mode: u32, seconds: i64) -> State {
        let time = Time {
            seconds,
            nanoseconds: 1,
        };
        State {
            id: FileId { device: 1, inode },
            mode,
            size: 3,
            mtime: time,
            ctime: time,
        }
    }

    fn manifest(records: &[(Kind, &[u8], State)]) -> File {
        let mut writer = Writer::new(waiting_file().unwrap()).unwrap();
        for (kind, path, state) in records {
            writer.record(*kind, path, state).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn only_what_all_have_confirmed_in_the_same_state_may_be_deleted() {
        let (folder, file) = (0o040_755, 0o100_644);
        let base = (Kind::Base, &b"/home/"[..], state(1, folder, 1));
        let top = (Kind::Entry, &b"/home/top"[..], state(2, folder, 1));
        let entry = |name: &'static [u8], seconds| (Kind::Entry, name, state(3, file, seconds));
        let one = manifest(&[
            base,
            top,
            entry(b"/home/top/same", 5),
            entry(b"/home/top/newer", 5),
            entry(b"/home/top/missing", 5),
            entry(b"/home/top/torn", 5),
        ]);
        let other = manifest(&[
            base,
            top,
            entry(b"/home/top/same", 5),
            entry(b"/home/top/newer", 6),
            (Kind::Changed, b"/home/top/torn", state(3, file, 5)),
            entry(b"/home/top/only-here", 5),
        ]);
        let common = common(&[&one, &other]).unwrap();
        let mut records = Reader::new(BufReader::new(common)).unwrap();
        let mut kinds = Vec::new();
        while let Some(record) = records.next().unwrap() {
            let name = String::from_utf8(record.path.to_vec()).unwrap();
            kinds.push((name, record.kind));
        }
        let expected = [
            ("/home/", Kind::Base),
            ("/home/top", Kind::Entry),
            ("/home/top/same", Kind::Entry),
            ("/home/top/newer", Kind::Changed),
            ("/home/top/missing", Kind::Changed),
            ("/home/top/torn", Kind::Changed),
        ];
        assert_eq!(kinds, expected.map(|(name, kind)| (name.to_owned(), kind)));
    }

    #[test]
    fn the_files_are_sent_again_only_to_the_qubes_that_lack_them() {
        let sent = |qube: &str, outcome: Outcome| Sent {
            target: Target::parse(qube).unwrap(),
            result: match outcome {
                Outcome::Complete => Ok(()),
                outcome => Err(with(outcome, "x").into()),
            },
            manifest: None,
        };
        let all = [
            sent("a", Outcome::Failed),
            sent("b", Outcome::Complete),
            sent("c", Outcome::Partial),
            sent("d", Outcome::Cancelled),
        ];
        let told = |command, is_move, all: &[Sent]| {
            send_again(command, is_move, all).map(|failure| failure.to_string())
        };
        assert_eq!(
            told("qvm-copy", false, &all).unwrap(),
            "the files arrived in b, c, but not in a, d\n\
             copy them again only to a, d: qvm-copy --to a --to d ..."
        );
        assert_eq!(
            told("qvm-move", true, &all[..2]).unwrap(),
            "nothing was deleted: the files arrived in b, but not in a\n\
             move them again only to a: qvm-move --to a ..."
        );
        assert_eq!(told("qvm-copy", false, &all[..1]), None);
        assert_eq!(told("qvm-copy", false, &all[1..3]), None);
    }

    #[test]
    fn the_worst_status_is_that_of_the_command() {
        let from_best = [0, 3, 32, 126, 1];
        for pair in from_best.windows(2) {
            assert!(badness(pair[0]) < badness(pair[1]), "{pair:?}");
        }
    }
}

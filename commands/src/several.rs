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
use qrexec::status::REFUSED;
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
    /// Something may be there that another copy would be refused for.
    may_have_left_files: bool,
}

impl Sent {
    /// True if the qube has everything that was asked for, as it is here.
    fn is_whole(&self) -> bool {
        self.result.is_ok()
    }

    /// True if the qube has confirmed what was sent, of which something is missing or may be torn.
    fn is_flawed(&self) -> bool {
        is(&self.result, Outcome::Partial)
    }

    fn is_confirmed(&self) -> bool {
        self.is_whole() || self.is_flawed()
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
                may_have_left_files: false,
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
        if all.iter().all(Sent::is_confirmed) {
            let ending = Ending {
                failure: cancelled_too_late(&all),
                said_by_sender: results(&all),
            };
            return Err(Deadline::explain(request.deadline, ending));
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
    let may_have_left_files = match &report.line {
        Some(line) => line.may_have_left_files(),
        // A call that was refused has not begun.
        None => !matches!(&result, Err(ending) if ending.status() == REFUSED),
    };
    Ok(Sent {
        may_have_left_files,
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
                // Of a move the sender leaves it to us to name what was left out.
                true if request.delete && sent.is_flawed() => Failure::new(&ending.said_by_sender),
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

fn names<'s>(sent: impl IntoIterator<Item = &'s Sent>) -> String {
    let names = sent.into_iter().map(|sent| sent.target.to_string());
    names.collect::<Vec<_>>().join(", ")
}

/// Where the files arrived, of those that have confirmed them.
fn arrived_in(all: &[Sent]) -> String {
    let confirmed = names(all.iter().filter(|sent| sent.is_confirmed()));
    match names(all.iter().filter(|sent| sent.is_flawed())) {
        flawed if flawed.is_empty() => format!("the files arrived in {confirmed}"),
        flawed => format!(
            "the files arrived in {confirmed} (in {flawed}, some are missing or may be damaged)"
        ),
    }
}

/// What to do if some of the qubes have confirmed the files and others have not: to send to all of them
/// again would be refused by those that have them. `None` if all or none have.
///
/// A move to the others would delete here what a qube that has confirmed them lacks, or has torn: it is
/// proposed only if none does.
fn send_again(command: &str, is_move: bool, all: &[Sent]) -> Option<Failure> {
    let (have, lack): (Vec<&Sent>, Vec<&Sent>) = all.iter().partition(|sent| sent.is_confirmed());
    if have.is_empty() || lack.is_empty() {
        return None;
    }
    let flawed = names(all.iter().filter(|sent| sent.is_flawed()));
    let options: String = lack
        .iter()
        .map(|sent| format!(" --to {}", sent.target))
        .collect();
    let left = lack.iter().filter(|sent| sent.may_have_left_files);
    let left = names(left.copied());
    let lack = names(lack);
    let kept = match is_move {
        true => "nothing was deleted: ",
        false => "",
    };
    let mut advice = Vec::new();
    if !left.is_empty() {
        advice.push(format!(
            "first remove any files that arrived in the QubesIncoming folder of {left}"
        ));
    }
    advice.push(match (is_move, flawed.is_empty()) {
        (false, _) => format!("copy them again only to {lack}: {command}{options} ..."),
        (true, true) => format!("move them again only to {lack}: {command}{options} ..."),
        (true, false) => format!("copy them again only to {lack}: qvm-copy{options} ..."),
    });
    if is_move && !flawed.is_empty() {
        advice.push(format!(
            "do not delete the files here before {flawed} has all of them"
        ));
    }
    let arrived = arrived_in(all);
    let what = format!("{kept}{arrived}, but {lack} did not confirm them");
    Some(Failure::new(what).advise(advice.join("\n")))
}

/// A move that was cancelled when every qube had confirmed the files: they are in the way of another one.
fn cancelled_too_late(all: &[Sent]) -> Failure {
    let arrived = match all.iter().any(Sent::is_flawed) {
        true => arrived_in(all),
        false => "everything was copied".to_owned(),
    };
    with(
        Outcome::Cancelled,
        format_args!("{arrived}; because you cancelled, nothing was deleted"),
    )
    .advise("to move the files again, first remove the copies there")
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
    Err(Ending {
        failure: Failure::said(status),
        said_by_sender: results(all),
    })
}

/// A line for each qube, for a window.
fn results(all: &[Sent]) -> String {
    let lines = all.iter().map(|Sent { target, result, .. }| match result {
        Ok(()) => format!("{target}: all files arrived"),
        Err(ending) => format!("{target}: {}", ending.everything()),
    });
    lines.collect::<Vec<_>>().join("\n")
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
        None if status == REFUSED => 3,
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

    /// The end of a call to `qube`, which may have left something there.
    fn sent(qube: &str, outcome: Outcome, may_have_left_files: bool) -> Sent {
        Sent {
            target: Target::parse(qube).unwrap(),
            result: match outcome {
                Outcome::Complete => Ok(()),
                outcome => Err(with(outcome, "x").into()),
            },
            manifest: None,
            may_have_left_files,
        }
    }

    fn told(command: &str, is_move: bool, all: &[Sent]) -> Option<String> {
        send_again(command, is_move, all).map(|failure| failure.to_string())
    }

    #[test]
    fn the_files_are_sent_again_only_to_the_qubes_that_lack_them() {
        let all = [
            sent("a", Outcome::Failed, true),
            sent("b", Outcome::Complete, false),
            sent("c", Outcome::Partial, false),
            sent("d", Outcome::Cancelled, false),
        ];
        assert_eq!(
            told("qvm-copy", false, &all).unwrap(),
            "the files arrived in b, c (in c, some are missing or may be damaged), but a, d did not \
             confirm them\n\
             first remove any files that arrived in the QubesIncoming folder of a\n\
             copy them again only to a, d: qvm-copy --to a --to d ..."
        );
        assert_eq!(
            told("qvm-move", true, &all).unwrap(),
            "nothing was deleted: the files arrived in b, c (in c, some are missing or may be \
             damaged), but a, d did not confirm them\n\
             first remove any files that arrived in the QubesIncoming folder of a\n\
             copy them again only to a, d: qvm-copy --to a --to d ...\n\
             do not delete the files here before c has all of them"
        );
        assert_eq!(
            told(
                "qvm-move",
                true,
                &[
                    sent("b", Outcome::Complete, false),
                    sent("d", Outcome::Cancelled, false)
                ]
            )
            .unwrap(),
            "nothing was deleted: the files arrived in b, but d did not confirm them\n\
             move them again only to d: qvm-move --to d ..."
        );
    }

    /// What the files here are the only good copy of, no advice may have deleted.
    #[test]
    fn no_advice_leads_to_a_move_while_a_qube_lacks_a_part() {
        let outcomes = [
            Outcome::Complete,
            Outcome::Partial,
            Outcome::Failed,
            Outcome::Cancelled,
        ];
        for number in 0..outcomes.len().pow(3) {
            let of = |place: u32| outcomes[number / outcomes.len().pow(place) % outcomes.len()];
            let three = [of(0), of(1), of(2)];
            for (may_have_left_files, is_move) in
                [(true, true), (true, false), (false, true), (false, false)]
            {
                let command = if is_move { "qvm-move" } else { "qvm-copy" };
                let all: Vec<Sent> = std::iter::zip(["a", "b", "c"], three)
                    .map(|(qube, outcome)| {
                        let is_confirmed = matches!(outcome, Outcome::Complete | Outcome::Partial);
                        sent(qube, outcome, may_have_left_files && !is_confirmed)
                    })
                    .collect();
                let confirmed = all.iter().filter(|sent| sent.is_confirmed()).count();
                let advice = told(command, is_move, &all);
                assert_eq!(
                    advice.is_some(),
                    confirmed != 0 && confirmed != 3,
                    "{three:?}"
                );
                let Some(advice) = advice else {
                    continue;
                };
                let is_flawed = three.contains(&Outcome::Partial);
                assert_eq!(
                    advice.contains("qvm-move"),
                    is_move && !is_flawed,
                    "{advice}"
                );
                assert_eq!(advice.contains("do not delete"), is_move && is_flawed);
                assert_eq!(advice.contains("some are missing"), is_flawed, "{advice}");
                assert_eq!(advice.contains("first remove"), may_have_left_files);
                for sent in &all {
                    let option = format!(" --to {}", sent.target);
                    assert_eq!(advice.contains(&option), !sent.is_confirmed(), "{advice}");
                }
            }
        }
    }

    #[test]
    fn a_move_that_is_cancelled_too_late_says_what_is_missing_and_what_to_do() {
        let whole = || sent("a", Outcome::Complete, false);
        let advice = "because you cancelled, nothing was deleted\n\
                      to move the files again, first remove the copies there";
        assert_eq!(
            cancelled_too_late(&[whole(), whole()]).to_string(),
            format!("everything was copied; {advice}")
        );
        let both = [whole(), sent("b", Outcome::Partial, false)];
        let failure = cancelled_too_late(&both);
        assert_eq!(
            failure.to_string(),
            format!(
                "the files arrived in a, b (in b, some are missing or may be damaged); {advice}"
            )
        );
        assert_eq!(failure.status(), Outcome::Cancelled.status());
        assert_eq!(results(&both), "a: all files arrived\nb: x");
    }

    #[test]
    fn the_worst_status_is_that_of_the_command() {
        let from_best = [0, 3, 32, 126, 1];
        for pair in from_best.windows(2) {
            assert!(badness(pair[0]) < badness(pair[1]), "{pair:?}");
        }
    }
}

//! `--json`: what scripts read on stdout. The sender writes a line for each entry; the line at the end
//! of a call is made here.

use transfer::entry_line::EntryLine;
use transfer::result_line::Outcome;

use crate::ending::Ending;
use crate::survey::{Listed, Survey};
use qrexec::Target;

/// The line of an entry that would be sent, or left out by `--exclude`.
pub(crate) fn listed(entry: &Listed<'_>) -> String {
    let status = match entry.is_excluded {
        true => "excluded",
        false => "to-send",
    };
    let line = EntryLine::of(entry.path).with("status", status);
    let line = line.with("type", entry.kind);
    match entry.bytes {
        Some(bytes) => line.with("bytes", bytes),
        None => line,
    }
    .render()
}

/// The line at the end of a call to `target`. What the survey counted is what was asked for; only the
/// result says whether it has arrived.
pub(crate) fn summary(
    target: &Target,
    survey: Option<&Survey>,
    ended: &Result<(), Ending>,
) -> String {
    let status = ended.as_ref().map_or_else(Ending::status, |()| 0);
    let outcomes = [
        (Outcome::Complete, "complete"),
        (Outcome::Failed, "failed"),
        (Outcome::Usage, "usage"),
        (Outcome::Partial, "partial"),
        (Outcome::Cancelled, "cancelled"),
    ];
    let result = outcomes
        .iter()
        .find(|(outcome, _)| outcome.status() == status)
        .map_or("refused", |(_, result)| result);
    let mut line = EntryLine::default()
        .with("target", target.to_string())
        .with("status", status)
        .with("result", result);
    if let Some(survey) = survey {
        line = line
            .with("files", survey.files)
            .with("folders", survey.folders)
            .with("links", survey.links)
            .with("bytes", survey.bytes)
            .with("excluded", survey.excluded);
    }
    if let Err(ending) = ended {
        line = line.with("message", ending.everything());
    }
    line.render()
}

#[cfg(test)]
mod tests {
    use program::failure::Failure;

    use super::*;
    use crate::ending::with;

    #[test]
    fn the_last_line_says_how_it_ended() {
        let target = Target::parse("work").unwrap();
        let table = [
            (with(Outcome::Failed, "x"), "failed", 1),
            (with(Outcome::Partial, "x"), "partial", 3),
            (with(Outcome::Cancelled, "x"), "cancelled", 32),
            (Failure::new("x").with_status(126), "refused", 126),
        ];
        let failed = table.map(|(failure, result, status)| (Err(failure.into()), result, status));
        for (ended, result, status) in [(Ok(()), "complete", 0)].into_iter().chain(failed) {
            let line = summary(&target, None, &ended);
            assert!(line.contains(&format!(r#""result":"{result}""#)), "{line}");
            assert!(line.contains(&format!(r#""status":{status}"#)), "{line}");
            assert_eq!(line.contains(r#""message":"x""#), ended.is_err(), "{line}");
        }
    }
}

//! What a survey found, in words.

use std::fmt::Write as _;

use indicatif::{HumanBytes, HumanCount};
use qfile_walk::Links;

use crate::args::Request;
use crate::service::Service;
use crate::survey::{Finding, Rows, Survey};

/// What cannot be copied, as one table: each reason, the entries that it is about, what would help.
#[must_use]
pub fn refusals(survey: &Survey) -> String {
    table(survey, "cannot be copied", Finding::prevents_copy)
}

/// The names and link targets that are not safe for display, as such a table.
#[must_use]
pub fn unsafe_names(survey: &Survey) -> String {
    table(survey, "with unsafe characters", Finding::is_unsafe)
}

/// What would be sent, how much, by which service, and what is special about it.
#[must_use]
pub fn dry_run(survey: &Survey, request: &Request) -> String {
    let mut text = format!(
        "to send: {}, {} and {}; {}\nto: {}, service {}",
        counted(survey.files, "file", "files"),
        counted(survey.folders, "folder", "folders"),
        counted(survey.links, "link", "links"),
        size(survey.bytes),
        request.target,
        Service::for_survey(survey),
    );
    let notes = survey
        .findings()
        .filter(|(finding, _)| !finding.prevents_copy());
    notes.for_each(|(finding, rows)| push_group(&mut text, finding, rows));
    if request.delete {
        text.push_str("\nto delete here: what of it is confirmed and has not changed by then");
        text.push_str(match request.links {
            Links::Send => "",
            Links::Ignore | Links::Follow => "; links stay",
        });
    }
    text
}

/// A warning of what will be left out; `None` if nothing will. The sender names the entries.
#[must_use]
pub fn left_out(survey: &Survey) -> Option<String> {
    let count = survey.count(Finding::Special);
    (count > 0).then(|| {
        let special = counted(count, "special file", "special files");
        format!("{special} (named pipes, sockets, devices) will be left out")
    })
}

fn table(survey: &Survey, what: &str, is_meant: fn(Finding) -> bool) -> String {
    let meant = || survey.findings().filter(|(finding, _)| is_meant(*finding));
    let count = meant().map(|(_, rows)| rows.count).sum();
    let mut text = format!("{} {what}:", counted(count, "entry", "entries"));
    meant().for_each(|(finding, rows)| push_group(&mut text, finding, rows));
    text
}

fn push_group(text: &mut String, finding: Finding, rows: &Rows) {
    push_rows(text, heading(finding), rows, advice(finding));
}

/// Adds a group to a table: what is the matter, with which entries, what would help.
pub(crate) fn push_rows(text: &mut String, heading: &str, rows: &Rows, advice: &str) {
    let mut push = |line: std::fmt::Arguments<'_>| {
        let _strings_take_everything = writeln!(text).and_then(|()| text.write_fmt(line));
    };
    push(format_args!("  {heading} ({}):", HumanCount(rows.count)));
    for row in &rows.first {
        push(format_args!("    {row}"));
    }
    let more = rows.count.saturating_sub(rows.first.len() as u64);
    if more > 0 {
        push(format_args!("    ... and {} more", HumanCount(more)));
    }
    push(format_args!("    => {advice}"));
}

fn heading(finding: Finding) -> &'static str {
    match finding {
        Finding::LinkOnTop => "a link that is not inside a folder that is copied with it",
        Finding::AbsoluteLink => "a link to an absolute path",
        Finding::LinkLeadsOut => {
            "a link that leads, or could lead, out of the folder that is copied"
        }
        Finding::ForbiddenLink => "a link",
        Finding::ForbiddenFolder => "a folder",
        Finding::TooLong => "longer than a file system can store",
        Finding::Unreadable(_) => "cannot be read",
        Finding::Special => "left out, because it is no file, folder or link",
        Finding::UnsafeName => "a name with characters that are not safe for display",
        Finding::UnsafeTarget => "a link target with characters that are not safe for display",
    }
}

fn advice(finding: Finding) -> &'static str {
    match finding {
        Finding::LinkOnTop | Finding::AbsoluteLink | Finding::LinkLeadsOut => {
            "--dereference copies what links point to; --ignore-symlinks leaves them out"
        }
        Finding::ForbiddenLink => "--allow-symlinks allows them; --ignore-symlinks leaves them out",
        Finding::ForbiddenFolder => "--allow-directories allows them",
        Finding::TooLong => "rename it, or pack it into an archive",
        Finding::Unreadable(advice) => advice,
        Finding::Special => "pack it into an archive if it is needed; the exit status will be 3",
        Finding::UnsafeName | Finding::UnsafeTarget => {
            "rename it if the policy of dom0 denies qubes.Filecopy+allow-all-names"
        }
    }
}

/// A number and what is counted.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        HumanCount(count),
        if count == 1 { one } else { many }
    )
}

fn size(bytes: u64) -> String {
    let exactly = counted(bytes, "byte", "bytes");
    if bytes < 1024 {
        return exactly;
    }
    format!("{} ({exactly})", HumanBytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_told_exactly_and_for_people() {
        assert_eq!(size(0), "0 bytes");
        assert_eq!(size(1), "1 byte");
        assert_eq!(size(1023), "1,023 bytes");
        assert_eq!(size(1_610_612_736), "1.50 GiB (1,610,612,736 bytes)");
    }
}

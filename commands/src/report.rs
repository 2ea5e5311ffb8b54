//! What a survey found, in words.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;

use quantity::{bytes, counted, entries, number};
use walk::Links;

use crate::args::Request;
use crate::service::Service;
use crate::survey::{Finding, Listed, Rows, Survey};
use qrexec::Target;

/// What cannot be copied, as one table: each reason, the entries that it is about, what would help.
#[must_use]
pub fn refusals(survey: &Survey) -> String {
    table(survey, "cannot be copied", Finding::prevents_copy)
}

/// What is left out because it would be refused, as such a table.
#[must_use]
pub fn left_out_refusals(survey: &Survey) -> String {
    table(survey, "would be refused", Finding::is_refused)
}

/// The names and link targets that are not safe for display, as such a table.
#[must_use]
pub fn unsafe_names(survey: &Survey) -> String {
    table(survey, "with unsafe characters", Finding::is_unsafe)
}

/// What would be sent, how much, by which service, and what is special about it.
#[must_use]
pub fn dry_run(survey: &Survey, request: &Request) -> String {
    let targets = std::iter::once(&request.target).chain(&request.more_targets);
    let targets: Vec<String> = targets.map(ToString::to_string).collect();
    let mut text = format!(
        "to send: {}, {}{}\nto: {}, service {}",
        entries(survey.files, survey.folders, survey.links),
        bytes(survey.bytes),
        unmeasured(survey.unmeasured),
        targets.join(", "),
        Service::for_survey(survey),
    );
    let notes = survey
        .findings()
        .filter(|(finding, _)| !finding.prevents_copy() || survey.is_left_out(*finding));
    push_groups(&mut text, survey, notes);
    if let Some(excluded) = excluded(survey) {
        text.push('\n');
        text.push_str(&excluded);
    }
    if request.delete {
        text.push_str(
            "\nto delete here: files that the other qube confirms and that have not changed by then",
        );
        text.push_str(match request.links {
            Links::Send => "",
            Links::Ignore | Links::Follow => "; links are not deleted",
        });
    }
    if let Some(warning) = disposable(request) {
        text.push_str("\nwarning: ");
        text.push_str(&warning);
    }
    text
}

/// A warning that the target is, or may be, a disposable; `None` if nothing speaks for it.
///
/// Nobody tells this qube where `@default` led to: there dom0's policy or dialog decides.
#[must_use]
pub fn disposable(request: &Request) -> Option<String> {
    let target = &request.target;
    match request.delete {
        false if target.is_disposable() => Some(
            "the copy is deleted with the new disposable, as soon as the call has ended; \
             qvm-open-in-dvm opens a file in a disposable"
                .to_owned(),
        ),
        false if target.is_called_like_a_disposable() => Some(format!(
            "if {target} is a disposable, the copy is deleted with it"
        )),
        true if target.is_called_like_a_disposable() => Some(format!(
            "if {target} is a disposable, files that are moved there are lost when it ends"
        )),
        true if *target == Target::default() => Some(
            "files that are moved to a disposable are lost when it ends: dom0 decides on the \
             target, so make sure that it is not a disposable"
                .to_owned(),
        ),
        _ => None,
    }
}

/// An entry that would be sent, or left out by `--exclude`.
#[must_use]
pub fn listed(entry: &Listed<'_>) -> String {
    let path = text::name(entry.path);
    match entry.bytes {
        _ if entry.is_excluded => format!("left out by --exclude: {} {path}", entry.kind),
        Some(count) => format!("{} {path}, {}", entry.kind, counted(count, "byte", "bytes")),
        None => format!("{} {path}", entry.kind),
    }
}

/// How much is left out because the user does not want it; `None` if nothing is.
#[must_use]
pub fn excluded(survey: &Survey) -> Option<String> {
    (survey.excluded > 0).then(|| {
        let excluded = counted(survey.excluded, "entry", "entries");
        let verb = if survey.excluded == 1 { "is" } else { "are" };
        format!("{excluded} {verb} left out by --exclude")
    })
}

/// A pattern of `--exclude` that leaves nothing out, which may be a typing error.
#[must_use]
pub fn unmatched(pattern: &OsStr) -> String {
    let pattern = text::name(pattern.as_bytes());
    format!("--exclude {pattern} leaves nothing out: no entry matches it")
}

/// A warning of what will be left out; `None` if nothing will. The sender names the entries.
#[must_use]
pub fn left_out(survey: &Survey) -> Option<String> {
    let special = survey.count(Finding::Special);
    let special = (special > 0).then(|| {
        let special = counted(special, "special file", "special files");
        format!("{special} (named pipes, sockets, devices) will be left out")
    });
    let refused = (survey.refused() > 0).then(|| {
        let them = if survey.refused() == 1 { "it" } else { "them" };
        let refused = counted(survey.refused(), "entry", "entries");
        format!("{refused} will be left out, because the other qube would refuse {them}")
    });
    let parts: Vec<String> = special.into_iter().chain(refused).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn table(survey: &Survey, what: &str, is_meant: fn(Finding) -> bool) -> String {
    let meant = || survey.findings().filter(|(finding, _)| is_meant(*finding));
    let count = meant().map(|(_, rows)| rows.count).sum();
    let count = match meant().all(|(finding, _)| finding.is_about_links()) {
        true => counted(count, "link", "links"),
        false => counted(count, "entry", "entries"),
    };
    let mut text = format!("{count} {what}:");
    push_groups(&mut text, survey, meant());
    text
}

/// Adds a group for each finding. Those that differ only in their advice have one heading.
fn push_groups<'s>(
    text: &mut String,
    survey: &Survey,
    findings: impl Iterator<Item = (Finding, &'s Rows)>,
) {
    let mut last = None;
    let findings: Vec<_> = findings.collect();
    for (finding, rows) in &findings {
        let heading = heading(*finding);
        let same = findings
            .iter()
            .filter(|(other, _)| self::heading(*other) == heading);
        let count = same.map(|(_, rows)| rows.count).sum();
        let is_new = last.replace(heading) != Some(heading);
        let line = is_new.then(|| format!("{heading} ({}):", number(count)));
        let advice = advice(*finding, survey.is_left_out(*finding));
        push_group(text, line, rows, advice);
    }
}

/// Adds a group to a table: what is the matter, with which entries, what would help.
pub(crate) fn push_rows(text: &mut String, heading: &str, rows: &Rows, advice: &str) {
    let heading = format!("{heading} ({}):", number(rows.count));
    push_group(text, Some(heading), rows, advice);
}

/// The same; without a heading if it is that of the group before.
fn push_group(text: &mut String, heading: Option<String>, rows: &Rows, advice: &str) {
    let mut push = |line: std::fmt::Arguments<'_>| {
        let _strings_take_everything = writeln!(text).and_then(|()| text.write_fmt(line));
    };
    if let Some(heading) = heading {
        push(format_args!("  {heading}"));
    }
    for row in &rows.first {
        push(format_args!("    {row}"));
    }
    let more = rows.count.saturating_sub(rows.first.len() as u64);
    if more > 0 {
        push(format_args!("    ... and {} more", number(more)));
    }
    push(format_args!("    => {advice}"));
}

pub(crate) fn heading(finding: Finding) -> &'static str {
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
        Finding::ChangedSince => "left out, because it has changed since its copy arrived",
        Finding::Special => "left out, because it is not a file, folder or link",
        Finding::UnsafeName => "a name with characters that are not safe for display",
        Finding::UnsafeTarget => "a link target with characters that are not safe for display",
    }
}

fn advice(finding: Finding, is_left_out: bool) -> &'static str {
    match finding {
        Finding::LinkOnTop | Finding::AbsoluteLink | Finding::LinkLeadsOut if is_left_out => {
            "--dereference copies what links point to"
        }
        Finding::TooLong if is_left_out => "rename it, or pack it into an archive",
        Finding::LinkOnTop | Finding::AbsoluteLink | Finding::LinkLeadsOut => {
            "--dereference copies what links point to; --ignore-symlinks leaves links out, \
             --skip-refused leaves out only these"
        }
        Finding::ForbiddenLink => "--allow-symlinks allows them; --ignore-symlinks leaves them out",
        Finding::ForbiddenFolder => "--allow-directories allows them",
        Finding::TooLong => "rename it, or pack it into an archive; --skip-refused leaves it out",
        Finding::Unreadable(advice) => advice,
        Finding::ChangedSince => "copy it under another name with --as",
        Finding::Special => "pack it into an archive if it is needed; the exit status will be 3",
        Finding::UnsafeName | Finding::UnsafeTarget => {
            "rename it if the policy of dom0 denies qubes.Filecopy+allow-all-names"
        }
    }
}

fn unmeasured(files: u64) -> String {
    match files {
        0 => String::new(),
        files => format!(
            ", plus the content of {} of unknown length",
            counted(files, "file", "files")
        ),
    }
}

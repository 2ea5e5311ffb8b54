//! The check before the copy: walks everything once, adds up the bytes, and finds **every** name
//! and link that the target qube would refuse, by the code that a receiver uses.

use std::collections::BTreeMap;

use files::{Stat, last_component};
use qfile_proto::SafeName;
use qfile_proto::header::HEADER_LEN;
use text::Charset;
use text::name;
use transfer::landed::{Known, Landed};
use walk::{
    Arguments, ByName, Excluded, Found, FoundFile, FoundSymlink, Links, NameFilter, Reason,
    Refusal, Walk, WalkError, What, has_no_true_length, refusal_of_link, refusal_of_name,
};

/// How many of each kind of finding are kept; the others are only counted.
pub const MAX_ROWS: usize = 20;

/// What a survey counts as an error beside what the receiver refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// What becomes of symbolic links.
    pub links: Links,
    /// Links are an error, wherever they point.
    pub forbid_links: bool,
    /// Folders are an error.
    pub forbid_folders: bool,
    /// What the receiver would refuse is left out.
    pub skip_refused: bool,
    /// What the user does not want is listed, too.
    pub list_excluded: bool,
}

/// What a survey found out.
#[derive(Debug, Default)]
pub struct Survey {
    /// Number of regular files.
    pub files: u64,
    /// Number of folders.
    pub folders: u64,
    /// Number of symbolic links that are to be sent as links.
    pub links: u64,
    /// Bytes of content and of link targets alike, as the sender's progress counts them.
    pub bytes: u64,
    /// Bytes of the whole stream: headers, names and content, as long as nothing changes.
    pub stream_bytes: u64,
    /// Number of files whose length shows only when they are read, and is not among these bytes.
    pub unmeasured: u64,
    /// Number of files, folders and links that the user does not want; of a folder, not what is in it.
    pub excluded: u64,
    rules: Rules,
    filter: NameFilter,
    landed: Option<Landed>,
    findings: BTreeMap<Finding, Rows>,
}

/// An entry that is to be sent, or left out because the user does not want it.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'e> {
    /// Its path, as it was typed.
    pub path: &'e [u8],
    /// True if `--exclude` leaves it out.
    pub is_excluded: bool,
    /// `file`, `folder` or `link`; of what is left out also `special`.
    pub kind: &'static str,
    /// The length of a file.
    pub bytes: Option<u64>,
}

/// The kind of an entry, and the length of a file.
type ToSend = (&'static str, Option<u64>);

/// Something worth telling about an entry. In the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// A link would stand directly in the incoming folder.
    LinkOnTop,
    /// A link points to an absolute path.
    AbsoluteLink,
    /// A link leads out of its top-level folder, or could.
    LinkLeadsOut,
    /// A link, where they are forbidden.
    ForbiddenLink,
    /// A folder, where they are forbidden.
    ForbiddenFolder,
    /// A name or link target that no file system of Linux can store.
    TooLong,
    /// Something cannot be read or found; with what to do about it.
    Unreadable(&'static str),
    /// Something that no stream carries and the sender leaves out.
    Special,
    /// Something that has arrived in an earlier call, and has changed since; the sender leaves it out.
    ChangedSince,
    /// A name with characters that are not safe for display.
    UnsafeName,
    /// A link target with such characters.
    UnsafeTarget,
}

/// The entries that a finding is about.
#[derive(Debug, Default)]
pub struct Rows {
    /// How many there are.
    pub count: u64,
    /// The first [`MAX_ROWS`] of them, safe to show.
    pub first: Vec<String>,
}

impl Rows {
    /// Counts one more, and keeps it if it is one of the first.
    pub fn add(&mut self, row: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < MAX_ROWS {
            self.first.push(row());
        }
    }
}

impl Finding {
    /// True when the entry cannot be copied.
    #[must_use]
    pub fn prevents_copy(self) -> bool {
        !self.is_unsafe() && !matches!(self, Self::Special | Self::ChangedSince)
    }

    /// True when it is the receiver that would refuse the entry.
    #[must_use]
    pub fn is_refused(self) -> bool {
        matches!(
            self,
            Self::LinkOnTop | Self::AbsoluteLink | Self::LinkLeadsOut | Self::TooLong
        )
    }

    /// True when it is about links only.
    #[must_use]
    pub fn is_about_links(self) -> bool {
        matches!(
            self,
            Self::LinkOnTop | Self::AbsoluteLink | Self::LinkLeadsOut | Self::ForbiddenLink
        )
    }

    /// True when the receiver has to be asked to allow all names.
    #[must_use]
    pub fn is_unsafe(self) -> bool {
        matches!(self, Self::UnsafeName | Self::UnsafeTarget)
    }
}

impl Survey {
    /// Walks the arguments. It always comes to an end; what is wrong is among the findings.
    #[must_use]
    pub fn of(arguments: &Arguments, rules: Rules) -> Self {
        Self::of_rest(arguments, rules, None, &mut |_| {})
    }

    /// The same, of what has not `landed` before. `each` is told of all that is to be sent.
    #[must_use]
    pub fn of_rest(
        arguments: &Arguments,
        rules: Rules,
        landed: Option<Landed>,
        each: &mut dyn FnMut(&Listed<'_>),
    ) -> Self {
        let mut survey = Self {
            rules,
            landed,
            stream_bytes: HEADER_LEN as u64,
            ..Self::default()
        };
        let mut walk = arguments.walk(rules.links);
        let list_excluded = |walk: &mut Walk<'_>, each: &mut dyn FnMut(&Listed<'_>)| {
            if !rules.list_excluded {
                return;
            }
            for Excluded { path, kind } in walk.take_excluded() {
                each(&Listed {
                    path: &path,
                    is_excluded: true,
                    kind,
                    bytes: None,
                });
            }
        };
        list_excluded(&mut walk, each);
        while let Some(step) = walk.next() {
            let surveyed = step.and_then(|entry| match survey.entry(&entry)? {
                Some((kind, bytes)) => {
                    let path = entry.path;
                    each(&Listed {
                        path,
                        is_excluded: false,
                        kind,
                        bytes,
                    });
                    Ok(())
                }
                None => Ok(()),
            });
            if let Err(error) = surveyed {
                survey.trouble(&error);
            }
            list_excluded(&mut walk, each);
        }
        list_excluded(&mut walk, each);
        survey.excluded = walk.excluded();
        survey
    }

    /// Everything worth telling.
    pub fn findings(&self) -> impl Iterator<Item = (Finding, &Rows)> {
        self.findings.iter().map(|(finding, rows)| (*finding, rows))
    }

    /// True when something cannot be copied.
    #[must_use]
    pub fn prevents_copy(&self) -> bool {
        self.findings
            .keys()
            .any(|finding| finding.prevents_copy() && !self.is_left_out(*finding))
    }

    /// True when what `finding` is about is left out, because the receiver would refuse it.
    #[must_use]
    pub fn is_left_out(&self, finding: Finding) -> bool {
        self.rules.skip_refused && finding.is_refused()
    }

    /// True when there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files + self.folders + self.links == 0
    }

    /// How many entries are left out, because the receiver would refuse them.
    #[must_use]
    pub fn refused(&self) -> u64 {
        let left_out = self
            .findings()
            .filter(|(finding, _)| self.is_left_out(*finding));
        left_out.map(|(_, rows)| rows.count).sum()
    }

    /// True when the receiver has to be asked to allow all names.
    #[must_use]
    pub fn needs_all_names(&self) -> bool {
        self.findings.keys().any(|finding| finding.is_unsafe())
    }

    /// How many entries a finding is about.
    #[must_use]
    pub fn count(&self, finding: Finding) -> u64 {
        self.findings.get(&finding).map_or(0, |rows| rows.count)
    }

    /// The kind of what is to be sent, and the length of a file; `None` for what is not, or was told.
    fn entry(&mut self, entry: &Found<'_>) -> Result<Option<ToSend>, WalkError> {
        let rules = self.rules;
        let by_name = match rules.skip_refused {
            true => self.filter.judge(entry),
            false => ByName::Fine,
        };
        match by_name {
            ByName::Fine => {}
            ByName::InRefused => return Ok(None),
            ByName::Refused(refusal) => {
                self.found(refusal.into(), || name(entry.path));
                return Ok(None);
            }
        }
        let to_send = match &entry.what {
            What::LeaveFolder(_) => return Ok(None),
            What::Special(kind) => {
                self.found(Finding::Special, || {
                    format!("{} ({kind})", name(entry.path))
                });
                return Ok(None);
            }
            What::EnterFolder(_) => {
                self.folders += 1;
                // It is sent before its content and again after it.
                self.add_to_stream(entry, 0);
                self.add_to_stream(entry, 0);
                if rules.forbid_folders {
                    self.found(Finding::ForbiddenFolder, || name(entry.path));
                }
                ("folder", None)
            }
            What::File(file) => {
                if self.has_landed(entry, || file.stat())? {
                    return Ok(None);
                }
                let len = self.file(file)?;
                self.add_to_stream(entry, len);
                ("file", Some(len))
            }
            What::Symlink(link) => {
                if self.has_landed(entry, || link.stat())? || !self.link(entry, link)? {
                    return Ok(None);
                }
                ("link", None)
            }
        };
        self.name(entry);
        Ok(Some(to_send))
    }

    /// Opening is the only reliable way to learn whether the sender will be able to.
    fn file(&mut self, file: &FoundFile<'_>) -> Result<u64, WalkError> {
        let (opened, stat) = file.open()?;
        self.files += 1;
        self.unmeasured += u64::from(has_no_true_length(&opened, &stat));
        self.bytes = self.bytes.saturating_add(stat.state.size);
        Ok(stat.state.size)
    }

    /// Counts an entry with so many bytes of content: its header, its name with the NUL, its content.
    fn add_to_stream(&mut self, entry: &Found<'_>, content: u64) {
        let header_and_name = (HEADER_LEN + entry.name.len() + 1) as u64;
        let entry = header_and_name.saturating_add(content);
        self.stream_bytes = self.stream_bytes.saturating_add(entry);
    }

    /// True if it is not to be sent, because it is there already.
    fn has_landed(
        &mut self,
        entry: &Found<'_>,
        stat: impl FnOnce() -> Result<Stat, WalkError>,
    ) -> Result<bool, WalkError> {
        let Some(landed) = &mut self.landed else {
            return Ok(false);
        };
        // Where it cannot be told, the sender says so.
        let known = landed.judge(entry.path, &stat()?.state);
        let known = known.unwrap_or(Known::Nothing);
        if known == Known::Changed {
            self.found(Finding::ChangedSince, || name(entry.path));
        }
        Ok(known != Known::Nothing)
    }

    /// False if it is left out.
    fn link(&mut self, entry: &Found<'_>, link: &FoundSymlink<'_>) -> Result<bool, WalkError> {
        let target = link.target()?;
        let row = || format!("{} -> {}", name(entry.path), name(&target));
        let refusal = refusal_of_link(entry.name, &target);
        if self.rules.forbid_links {
            self.found(Finding::ForbiddenLink, row);
        } else if let Some(refusal) = refusal {
            self.found(refusal.into(), row);
        }
        if refusal.is_some() {
            return Ok(false);
        }
        self.links += 1;
        self.bytes = self.bytes.saturating_add(target.len() as u64);
        self.add_to_stream(entry, target.len() as u64);
        if !Charset::Safe.allows(&target) {
            self.found(Finding::UnsafeTarget, row);
        }
        Ok(true)
    }

    /// Judges the last component: the others have been judged when their folders were entered.
    fn name(&mut self, entry: &Found<'_>) {
        let component = last_component(entry.name);
        if let Some(refusal) = refusal_of_name(component) {
            self.found(refusal.into(), || name(entry.path));
        }
        if SafeName::parse(component, Charset::Safe).is_err() {
            self.found(Finding::UnsafeName, || name(entry.path));
        }
    }

    fn trouble(&mut self, error: &WalkError) {
        let finding = match error.reason {
            // Deleted by someone since its folder was listed: there is nothing to copy any more.
            Reason::Vanished => return,
            Reason::NameTooLong if self.rules.skip_refused => Finding::TooLong,
            _ => Finding::Unreadable(error.advice()),
        };
        self.found(finding, || error.to_string());
    }

    fn found(&mut self, finding: Finding, row: impl FnOnce() -> String) {
        self.findings.entry(finding).or_default().add(row);
    }
}

impl From<Refusal> for Finding {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::LinkOnTop => Self::LinkOnTop,
            Refusal::AbsoluteLink => Self::AbsoluteLink,
            Refusal::LinkLeadsOut => Self::LinkLeadsOut,
            Refusal::TooLong => Self::TooLong,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    fn survey(top: &Path, rules: Rules) -> Survey {
        Survey::of(&Arguments::new([OsString::from(top)]).unwrap(), rules)
    }

    fn rows(survey: &Survey, finding: Finding, top: &Path) -> Vec<String> {
        let prefix = format!("{}/", top.display());
        let mut rows: Vec<_> = survey
            .findings()
            .filter(|(found, _)| *found == finding)
            .flat_map(|(_, rows)| &rows.first)
            .map(|row| row.replace(&prefix, ""))
            .collect();
        rows.sort();
        rows
    }

    #[test]
    fn every_link_that_the_receiver_refuses_is_found_and_no_other() {
        let home = tempfile::tempdir().unwrap();
        let top = home.path().join("top");
        fs::create_dir_all(top.join("b")).unwrap();
        for (name, target) in [
            ("fine", "c"),
            ("b/fine", "../c"),
            ("b/dot", "./c//d/"),
            ("absolute", "/etc/passwd"),
            ("up", "../c"),
            ("b/up", "../../c"),
            ("detour", "c/../d"),
        ] {
            symlink(target, top.join(name)).unwrap();
        }
        let found = survey(&top, Rules::default());
        assert!(found.prevents_copy());
        assert!(!found.needs_all_names());
        assert_eq!(
            rows(&found, Finding::AbsoluteLink, &top),
            [r#""absolute" -> "/etc/passwd""#]
        );
        assert_eq!(
            rows(&found, Finding::LinkLeadsOut, &top),
            [
                r#""b/up" -> "../../c""#,
                r#""detour" -> "c/../d""#,
                r#""up" -> "../c""#
            ]
        );
        assert_eq!(found.findings().count(), 2);
        assert_eq!((found.files, found.folders, found.links), (0, 2, 3));

        let ignored = survey(
            &top,
            Rules {
                links: Links::Ignore,
                ..Rules::default()
            },
        );
        assert!(!ignored.prevents_copy());
        assert_eq!((ignored.links, ignored.bytes), (0, 0));
    }

    #[test]
    fn a_link_as_an_argument_is_refused_even_if_it_points_beside_itself() {
        let home = tempfile::tempdir().unwrap();
        let link = home.path().join("link");
        symlink("file", &link).unwrap();
        let found = survey(&link, Rules::default());
        assert_eq!(found.count(Finding::LinkOnTop), 1);
    }

    #[test]
    fn bytes_are_those_of_content_and_of_link_targets() {
        let home = tempfile::tempdir().unwrap();
        let top = home.path().join("top");
        fs::create_dir(&top).unwrap();
        fs::write(top.join("file"), [0; 1000]).unwrap();
        fs::write(top.join("empty"), []).unwrap();
        symlink("twelve_bytes", top.join("link")).unwrap();
        let found = survey(&top, Rules::default());
        assert_eq!(found.bytes, 1012);
        assert_eq!((found.files, found.folders, found.links), (2, 1, 1));
        assert_eq!(found.findings().count(), 0);
    }

    #[test]
    fn names_that_are_not_safe_for_display_ask_for_all_names_and_are_listed_once() {
        let home = tempfile::tempdir().unwrap();
        let top = home.path().join("top");
        let odd = top.join(std::ffi::OsStr::from_bytes(b"odd\x1b[31m\xFF"));
        fs::create_dir_all(&odd).unwrap();
        fs::write(odd.join("below"), "").unwrap();
        symlink("\u{202e}", odd.join("link")).unwrap();
        let found = survey(&top, Rules::default());
        assert!(found.needs_all_names());
        assert!(!found.prevents_copy());
        assert_eq!(
            rows(&found, Finding::UnsafeName, &top),
            [r"$'odd\x1b[31m\xff'"]
        );
        assert_eq!(
            rows(&found, Finding::UnsafeTarget, &top),
            [r"$'odd\x1b[31m\xff/link' -> $'\u202e'"]
        );
    }

    #[test]
    fn an_unsafe_name_stays_reported_when_the_link_of_that_name_is_fine() {
        let home = tempfile::tempdir().unwrap();
        let top = home.path().join("top");
        fs::create_dir(&top).unwrap();
        symlink("fine", top.join("\u{202e}")).unwrap();
        let found = survey(&top, Rules::default());
        assert_eq!(found.count(Finding::UnsafeName), 1);
        assert_eq!(found.count(Finding::UnsafeTarget), 0);
    }

    #[test]
    fn what_cannot_be_read_or_sent_is_found() {
        let home = tempfile::tempdir().unwrap();
        let top = home.path().join("top");
        fs::create_dir(&top).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            top.join("pipe"),
            rustix::fs::FileType::Fifo,
            mode,
            0,
        )
        .unwrap();
        let found = survey(&top, Rules::default());
        assert!(!found.prevents_copy());
        assert_eq!(
            rows(&found, Finding::Special, &top),
            [r#""pipe" (a named pipe)"#]
        );
        let missing = survey(&top.join("missing"), Rules::default());
        assert!(missing.prevents_copy());
        let (_, rows) = missing.findings().next().unwrap();
        assert!(rows.first[0].contains("missing"), "{rows:?}");
    }

    #[test]
    fn of_very_many_only_the_first_are_kept() {
        let home = tempfile::tempdir().unwrap();
        let top = home.path().join("top");
        fs::create_dir(&top).unwrap();
        for number in 0..100 {
            symlink("/", top.join(number.to_string())).unwrap();
        }
        let found = survey(&top, Rules::default());
        let (finding, rows) = found.findings().next().unwrap();
        assert_eq!((finding, rows.count), (Finding::AbsoluteLink, 100));
        assert_eq!(rows.first.len(), MAX_ROWS);
    }

    #[test]
    fn links_and_folders_can_be_forbidden_altogether() {
        let home = tempfile::tempdir().unwrap();
        let top = home.path().join("top");
        fs::create_dir(&top).unwrap();
        symlink("fine", top.join("link")).unwrap();
        let rules = Rules {
            forbid_links: true,
            forbid_folders: true,
            ..Rules::default()
        };
        let found = survey(&top, rules);
        assert_eq!(found.count(Finding::ForbiddenLink), 1);
        assert_eq!(found.count(Finding::ForbiddenFolder), 1);
    }
}
